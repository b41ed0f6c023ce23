"""The results of tuning, kept for each pair of microphone and loudspeaker in ``devices.json`` of the state folder."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from agent.store.files import private_folder, write_whole
from agent.store.folder import storage_error
from agent.store.layout import Layout
from hardware.files import read_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = 1
MOST_BYTES = 1_000_000
"""A hundred times what the tunings of ten devices take."""
LEVELS = ("capture_percent", "playback_percent", "volume_db", "microphone_channel", "speaker_channel")
"""The settings in ``[audio]`` that the figures depend on, as far as this version has them."""
LATER_VERSION = "comes from a later version; what is stored there is not read"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The newest tuning of one pair of devices."""

    device: str
    """The identity of the pair, from :func:`hardware.tuning.rig.device`."""
    result: str
    """``good``, ``limits`` or ``unusable``."""
    figures: dict[str, float | bool | None]
    """Levels in dBFS, delay in ms, as in :class:`hardware.tuning.findings.Figures`."""
    levels: dict[str, float]
    """The settings in ``LEVELS`` at the time of the tuning."""
    at: float = field(default_factory=lambda: round(time.time()))
    """Unix time in seconds; wrong on a box whose clock was not set."""

    def warning(self, levels: Mapping[str, float]) -> str:
        """Return why these figures may not hold with ``levels``; empty if they should."""
        changed = [name for name, value in levels.items() if self.levels.get(name, value) != value]
        if changed:
            return f"tuned with other levels (audio.{', audio.'.join(changed)}): field-agent tune"
        return "" if self.result != "unusable" else "could not be used when it was tuned: field-agent tune"


def audio_levels(audio: object) -> dict[str, float]:
    """Return the settings in ``LEVELS`` that ``audio`` has."""
    return {name: getattr(audio, name) for name in LEVELS if hasattr(audio, name)}


def load(folder: Path, device: str) -> Tuning | None:
    """Return the tuning stored for ``device``; None if there is none, or if it cannot be read, which is logged."""
    entry = _read(folder).get(device)
    try:
        return None if entry is None else Tuning(device, **entry)
    except TypeError:
        log.warning("%s: the entry for '%s' cannot be read", Layout(folder).devices, device)
        return None


def save(folder: Path, tuning: Tuning) -> None:
    """Store ``tuning`` in place of an earlier tuning of its device. Raises ConfigError, StorageError."""
    entry = asdict(tuning)
    del entry["device"]
    content = {"schema": SCHEMA, "devices": _read(folder) | {tuning.device: entry}}
    file = Layout(folder).devices
    try:
        private_folder(folder)
        write_whole(file, json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise storage_error(file, error) from None


def first_boot(folder: Path, device: str) -> bool:
    """Return whether this box was never tuned with these devices, so that holding the button at its start tunes it."""
    return load(folder, device) is None


def warning(folder: Path, device: str, levels: Mapping[str, float]) -> str:
    """Return the warning about the devices to log at the start; empty if all is well."""
    stored = load(folder, device)
    return "not tuned: field-agent tune" if stored is None else stored.warning(levels)


def _read(folder: Path) -> dict[str, Any]:
    """Return the stored entries by device; empty if there is no file, or none that can be read."""
    file = Layout(folder).devices
    try:
        content = json.loads(read_whole(file, MOST_BYTES))
        schema, devices = content["schema"], content["devices"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s: cannot be read: %s", file, error)
        return {}
    if schema != SCHEMA or not isinstance(devices, dict):
        log.warning("%s: %s", file, LATER_VERSION)
        return {}
    return {name: entry for name, entry in devices.items() if isinstance(entry, dict)}
