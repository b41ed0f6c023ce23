"""Tuning as a whole: what is asked, how long it takes, which microphone is chosen, what is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hardware.tuning.findings import Figures
from hardware.tuning.session import TuningSession, loudest
from hardware.tuning.simulated_rig import RoomModel, SimulatedRig
from tests.support.simulated_rig import VOICE, question, room

if TYPE_CHECKING:
    from hardware.tuning.session import TuningResult


class Paper:
    def __init__(self) -> None:
        self.text = ""

    def begin(self, text: str) -> None:
        self.text += text

    def end(self, text: str) -> None:
        self.text += f" {text}\n"

    def line(self, text: str) -> None:
        self.text += f"{text}\n"


def tuned(*rooms: RoomModel, spoken: bool = True) -> tuple[TuningResult, list[SimulatedRig], str]:
    rigs: list[SimulatedRig] = []
    names = [f"mic {number}" for number in range(len(rooms))]

    def opened(microphone: str, *, speaks: bool) -> SimulatedRig:
        del speaks
        rigs.append(SimulatedRig(rooms[names.index(microphone)], microphone, question(), VOICE.say("speak_now")))
        return rigs[-1]

    paper = Paper()
    outcome = asyncio.run(TuningSession(opened, VOICE.say, paper, names, spoken=spoken).run())
    return outcome, rigs, paper.text


@pytest.fixture
def no_canceller_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.tuning.measure.cancelled", lambda *_: 40.0)


def test_a_good_room_is_good_and_takes_under_thirty_seconds() -> None:
    outcome, rigs, text = tuned(room())
    assert (outcome.result, outcome.phrases, outcome.findings) == ("good", ("tune_good",), ())
    assert sum(rig.asked_s for rig in rigs) < 20
    assert [line[:3] for line in text.splitlines()] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.usefixtures("no_canceller_at_work")
def test_the_worst_room_takes_under_thirty_seconds_too() -> None:
    outcome, rigs, _ = tuned(room(delay_ms=450, speech_dbfs=-12, gain_db=14))
    assert len(outcome.phrases) >= 2
    assert sum(rig.asked_s for rig in rigs) < 25


@pytest.mark.usefixtures("no_canceller_at_work")
def test_without_a_voice_it_asks_in_print_alone() -> None:
    quiet, spoken = (tuned(room(speech_dbfs=-np.inf), spoken=each) for each in (False, True))
    assert quiet[1][0].asked_s < spoken[1][0].asked_s - 3
    assert quiet[0].findings == spoken[0].findings


@pytest.mark.usefixtures("no_canceller_at_work")
def test_a_dead_microphone_is_dead_and_one_with_a_gate_is_not() -> None:
    outcome, _, text = tuned(room(dead=True))
    assert (outcome.result, outcome.phrases) == ("unusable", ("microphone_silent",))
    assert "nothing but silence" in text
    assert not tuned(room(noise_dbfs=-130))[0].figures.dead


@pytest.mark.usefixtures("no_canceller_at_work")
def test_of_several_the_loudest_clean_microphone_is_taken() -> None:
    far, near, clipping = (
        room(speech_dbfs=-45),
        room(speech_dbfs=-25, seed=2),
        room(speech_dbfs=-25, gain_db=25, seed=3),
    )
    outcome, _, text = tuned(far, near, clipping)
    assert (outcome.microphone, outcome.device) == ("mic 1", "mic 1")
    assert set(outcome.compared) == {"mic 0", "mic 1", "mic 2"}
    assert "the loudest clear microphone is mic 1" in text


def test_more_gain_alone_is_not_louder() -> None:
    plain, hot = Figures(speech_dbfs=-30, noise_dbfs=-60), Figures(speech_dbfs=-20, noise_dbfs=-40)
    assert loudest({"plain": plain, "hot": hot}) == "plain"
    assert loudest({"plain": plain, "hot": replace(hot, noise_dbfs=-46)}) == "hot"
    assert loudest({"nobody": replace(plain, speech_dbfs=None)}) is None
