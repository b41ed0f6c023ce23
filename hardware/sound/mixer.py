"""A card's own levels: set and read back whenever the card is opened, because cards forget them and boots differ.

Uses ``amixer`` of alsa-utils. Without it, or on a card without such a control, one line in the log says so.
"""

from __future__ import annotations

import logging
import re
import subprocess
from typing import Literal

from hardware.children import environment

LEAVE = -1
"""The percentage that means: do not change the level."""
LIMIT_S = 0.8
"""Time limit for a call of amixer, which takes milliseconds. If a call exceeds it, the other calls are skipped."""
CONTROLS = {
    "playback": ("Master", "PCM", "Speaker", "Headset", "Headphone", "Digital", "Line Out"),
    "capture": ("Capture", "Mic", "Mic Capture", "Headset Mic", "Digital", "ADC"),
}
"""Names that drivers use. Every control of these that a card has is set, since they are stages of one path."""
ABLE = {"playback": re.compile(r"\b(pvolume|volume)\b"), "capture": re.compile(r"\b(cvolume|volume)\b")}
TOLERANCE = 5
"""Percent: cards have steps, some cards only 16."""

log = logging.getLogger(__name__)
_said: set[str] = set()


def set_levels(number: int | None, direction: Literal["playback", "capture"], percent: int) -> None:
    """Set and unmute the levels of card ``number`` in ``direction``; failures are only logged, as sound may still work.

    Does nothing for ``LEAVE``, or for None, a sound server in place of a card.
    """
    if percent == LEAVE or number is None:
        return
    try:
        names = _controls(number, direction)
        if not names:
            _once(f"card {number} has no {direction} level to set; set audio.{direction}_percent to {LEAVE}")
        for name in names:
            _set(number, direction, name, percent)
    except FileNotFoundError:
        _once("alsa-utils is missing, so levels are not changed: apt install alsa-utils")
    except subprocess.TimeoutExpired:
        log.warning("card %d: amixer hangs, so its %s level is not changed", number, direction)


def _controls(number: int, direction: str) -> list[str]:
    """Return the names of the card's controls to set."""
    told = _amixer(number, "scontents")
    found = []
    for part in told.split("Simple mixer control ")[1:]:
        name = part.split("'")[1]
        abilities = next((line for line in part.splitlines() if "Capabilities:" in line), "")
        if name in CONTROLS[direction] and ABLE[direction].search(abilities):
            found.append(name)
    return found


def _set(number: int, direction: str, name: str, percent: int) -> None:
    switch = "unmute" if direction == "playback" else "cap"
    told = _amixer(number, "sset", name, direction, f"{percent}%", switch)
    if not told:  # some controls have a level but no switch
        told = _amixer(number, "sset", name, direction, f"{percent}%")
    reached = [int(each) for each in re.findall(r"\[(\d+)%\]", told)]
    if reached and all(abs(each - percent) <= TOLERANCE for each in reached) and "[off]" not in told:
        log.info("card %d: %s is at %d %%", number, name, reached[0])
    else:
        log.warning("card %d: %s stays at %s instead of %d %% (look with alsamixer)", number, name, reached, percent)


def _amixer(number: int, *arguments: str) -> str:
    """Return what amixer prints, '' if it fails. Raises FileNotFoundError, subprocess.TimeoutExpired."""
    command = ["amixer", "-c", str(number), *arguments]
    done = subprocess.run(  # noqa: S603 - our words
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environment()
    )
    return done.stdout if done.returncode == 0 else ""


def _once(words: str) -> None:
    if words not in _said:
        _said.add(words)
        log.warning("%s", words)
