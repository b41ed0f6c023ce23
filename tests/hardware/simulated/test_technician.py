"""The technician's scene against a box that answers, and against one that never does; in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hardware.simulated.box import SimulatedBox
from hardware.simulated.clock import run_virtual
from hardware.simulated.technician import PATIENCE_S, Technician
from tests.support.simulated_box import answer, ignore, no_fault, voice, write_wav

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

QUESTIONS = {"gauge": 1.0, "valve": 1.5, "interjection": 2.0, "report": 2.5}
"""Seconds of each, by which they are told apart."""
ANSWER_S = 8.0


class Scene:
    """A box without an agent, and what the technician did to it."""

    def __init__(self, folder: Path, *, answers: bool) -> None:
        for name, seconds in QUESTIONS.items():
            write_wav(folder / f"{name}.wav", voice(seconds))
        self.loop = asyncio.get_running_loop()
        self.box = SimulatedBox.build(self.loop)
        self.technician = Technician(self.box.room, self.box.button, self.box.speaker, folder)
        self.answers = answers
        self.down: list[tuple[float, float]] = []
        """When the button went down, and how much of an answer had sounded."""
        self.up: list[float] = []
        self.said: list[tuple[str, float]] = []
        """What was said, and how much of an answer was sounding."""

    async def play(self, monkeypatch: pytest.MonkeyPatch) -> None:
        room = self.box.room
        say = room.say

        def said(pcm: bytes) -> float:
            seconds = say(pcm)
            self.said.append((next(name for name, each in QUESTIONS.items() if each == seconds), self.sounding))
            if self.answers:
                self.loop.call_later(seconds + 0.5, self.answer)
            return seconds

        monkeypatch.setattr(room, "say", said)
        self.box.button.start(self.edge, no_fault)
        self.box.speaker.start(ignore, no_fault)
        await self.technician.work()
        await self.box.devices.aclose()

    @property
    def sounding(self) -> float:
        return self.box.speaker.played_s if self.box.speaker.audible else 0.0

    def edge(self, down: bool) -> None:  # noqa: FBT001 - as the port has it
        if down:
            self.down.append((self.loop.time(), self.sounding))
            self.box.speaker.flush()
        else:
            self.up.append(self.loop.time())

    def answer(self) -> None:
        self.box.speaker.flush()
        self.box.speaker.write(answer(ANSWER_S))
        self.box.speaker.finish()


def test_three_questions_one_by_hand_two_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, answers=True)
        await scene.play(monkeypatch)
        assert [name for name, _ in scene.said] == ["gauge", "valve", "interjection", "report"]
        assert [0 < sounding < ANSWER_S for _, sounding in scene.said] == [False, False, True, False]
        assert scene.said[2][1] >= 4.0
        assert [4.0 <= sounding < ANSWER_S for _, sounding in scene.down] == [False, False, True, False]
        held = [up - down for up, (down, _) in zip(scene.up, scene.down, strict=True)]
        assert [seconds > QUESTIONS["valve"] for seconds in held] == [False, True, False, False]

    run_virtual(run())


def test_a_box_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, answers=False)
        began = scene.loop.time()
        await scene.play(monkeypatch)
        assert len(scene.said) == len(scene.down) == 4
        assert 4 * PATIENCE_S < scene.loop.time() - began < 5 * PATIENCE_S

    run_virtual(run())
