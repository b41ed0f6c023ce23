"""Stable names for sound cards: the ALSA id, and the USB port that the card is plugged into.

Card numbers change with the order of plugging. Ids change only if there are two cards of one kind, and then the port
tells them apart. Read from the kernel, without a library.
"""

from __future__ import annotations

import re
from pathlib import Path

ALSA_CARDS = Path("/proc/asound/cards")
"""The kernel's own list, which shows a plugged-in card before PortAudio does."""
SYS_SOUND = Path("/sys/class/sound")
USB_PORT = re.compile(r"(\d+-\d+(?:\.\d+)*):\d+\.\d+$")
"""The end of a USB interface's path: bus 1, port 1, port 3 of the hub there is ``1-1.3:1.0``."""


def alsa_cards() -> dict[str, int]:
    """Return the ALSA card ids and their numbers, e.g. ``{"Device": 1}``; empty without ALSA."""
    try:
        lines = ALSA_CARDS.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    # Each card has two lines; the first begins " 1 [Device         ]: USB-Audio - ..."
    heads = (line.split("[", 1) for line in lines if "]:" in line)
    return {rest.split("]", 1)[0].strip(): int(number) for number, rest in heads}


def usb_port(number: int) -> str:
    """Return where the ALSA card is plugged in, e.g. ``usb-1-1.3``; empty for a card that is not on USB."""
    try:
        where = (SYS_SOUND / f"card{number}" / "device").resolve(strict=True)
    except OSError:
        return ""
    found = USB_PORT.search(where.name)
    return f"usb-{found[1]}" if found else ""


def card_number(wanted: str) -> int | None:
    """Return the number of the ALSA card that ``wanted`` names, by id or by USB port; None if it names none."""
    cards = alsa_cards()
    if wanted in cards:
        return cards[wanted]
    ports = {usb_port(number): number for number in cards.values()}
    return ports.get(wanted) if wanted else None


def number_in(name: str) -> int | None:
    """Return the ALSA card number in a PortAudio name such as ``USB Audio: - (hw:1,0)``; None if there is none."""
    found = re.search(r"\(hw:(\d+)[,)]", name)
    return int(found[1]) if found else None
