"""PURE: watches the stretches in which the ear is deaf because the box itself sounds, and what may be missed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardware.ports import CHUNK_S, Trust

if TYPE_CHECKING:
    from hardware.ports import MicChunk

WORD_S = 1.0
"""A shorter stretch is one of the box's own sounds: whoever speaks over it goes on, and is heard."""
FOUND_S = 0.3
"""A voice that is there when the ear hears again is found within this time, and becomes a question."""
MOST_S = 3.0
"""Voices from which no question comes, as of a machine, keep the end of a stretch from being told for so long."""
BLIND = (Trust.LEARNING, Trust.ABSENT)
"""The canceller lets no voice through yet, or there is none."""


class Deafness:
    """Tells when a deaf stretch is over, and whether somebody may have spoken in it; shown every chunk."""

    def __init__(self) -> None:
        """Begin with an ear that hears."""
        self._deaf_s = self._silent_s = self._quiet_s = 0.0
        self._missed = False

    def over(self, heard: MicChunk, *, deaf: bool, sounding: bool, voice: bool) -> bool | None:
        """Return, once after each deaf stretch, whether something may have been missed in it; else None.

        ``sounding``: the box still sounds, heard or not. ``voice``: there is one, or something like it.
        """
        if deaf:
            self._deaf_s += CHUNK_S
            self._missed |= voice or heard.trust in BLIND
        if sounding:
            self._silent_s = self._quiet_s = 0.0
            return None
        self._silent_s += CHUNK_S
        self._quiet_s = 0.0 if voice else self._quiet_s + CHUNK_S
        if self._quiet_s < FOUND_S and self._silent_s < MOST_S:
            return None
        deaf_s, missed = self._deaf_s, self._missed
        self.forget()
        return missed if deaf_s >= WORD_S else None

    def forget(self) -> None:
        """Begin anew: somebody speaks, or the microphone was closed."""
        self._deaf_s = 0.0
        self._missed = False
