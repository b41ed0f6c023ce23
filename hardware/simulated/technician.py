"""A scripted technician: presses the button, speaks, listens to the answer, interrupts it.

Knows the box only from outside: its room, its button, and what its speaker plays.
"""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hardware.ports import Speaker
    from hardware.simulated.panel import ScriptedButton
    from hardware.simulated.room import Room

GLANCE_S = 0.05
"""How often the technician checks what the speaker plays."""
PATIENCE_S = 60.0
"""The technician gives up on an answer that takes longer."""
BREATH_S = 0.6
"""Pause between two actions of a person."""
LAST_LOOK_S = 10.0
"""Long enough for the box to fall asleep by itself after its follow-up time, which the demo shows."""


class Technician:
    """Three questions: one hands-free, one by push-to-talk, one after an interruption; then the box is left alone."""

    def __init__(self, room: Room, button: ScriptedButton, speaker: Speaker, questions: Path) -> None:
        """Place the technician in ``room`` with the box; ``questions`` is a folder of 16 kHz WAVs."""
        self._room = room
        self._button = button
        self._speaker = speaker
        self._questions = questions

    async def work(self) -> None:
        """Play the whole scene."""
        await asyncio.sleep(1.0)
        await self._button.tap()
        await asyncio.sleep(BREATH_S)
        await self._say("gauge")
        await self._hears_answer()
        await self._silence()

        self._button.press()
        await asyncio.sleep(BREATH_S / 4)
        await self._say("valve")
        self._button.release()
        await self._hears_answer(after_s=4.0)
        await self._say("interjection")  # over the answer: barge-in by voice
        await self._hears_answer()
        await self._silence()

        await asyncio.sleep(BREATH_S)
        await self._say("report")
        await self._hears_answer(after_s=4.0)
        await self._button.tap()  # barge-in by button
        await asyncio.sleep(LAST_LOOK_S + BREATH_S)
        await self._button.tap()  # still listening for a follow-up? then this hangs up
        await asyncio.sleep(BREATH_S)

    async def _say(self, name: str) -> None:
        with wave.open(str(self._questions / f"{name}.wav"), "rb") as wav:
            seconds = self._room.say(wav.readframes(wav.getnframes()))
        await asyncio.sleep(seconds)

    async def _hears_answer(self, after_s: float = 0.0) -> None:
        """Wait until ``after_s`` seconds of a new answer have been played; give up after PATIENCE_S."""
        waited = 0.0
        before = self._speaker.played_s
        while self._speaker.played_s >= before > 0 and waited < PATIENCE_S:  # the last answer's, until the next begins
            await asyncio.sleep(GLANCE_S)
            waited += GLANCE_S
        while self._speaker.played_s <= after_s and waited < PATIENCE_S:
            await asyncio.sleep(GLANCE_S)
            waited += GLANCE_S

    async def _silence(self) -> None:
        """Wait until nothing has played for a moment: an answer may run dry and go on."""
        quiet_s = 0.0
        while quiet_s < BREATH_S:
            quiet_s = 0.0 if self._speaker.audible else quiet_s + GLANCE_S
            await asyncio.sleep(GLANCE_S)
