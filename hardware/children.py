"""The environment of the programs that drivers start: what those need, and nothing that is nobody's business."""

from __future__ import annotations

import os

PASSED = frozenset({"PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "DBUS_SESSION_BUS_ADDRESS"})
PASSED_PREFIXES = ("LC_", "XDG_", "ALSA_", "PULSE_", "PIPEWIRE_")


def environment() -> dict[str, str]:
    """Return the part of the environment that a child may see: where programs, files and sound servers are."""
    return {name: value for name, value in os.environ.items() if name in PASSED or name.startswith(PASSED_PREFIXES)}
