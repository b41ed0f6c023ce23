"""Speech while a box without a canceller sounds: what can be told is kept, the rest told of, no echo is a question.

Ring 2: the whole agent in a simulated room that sends half of every sound back, in virtual time.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.simulator.voice import ASSETS, read_answer
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from hardware.ports import MICROPHONE_FORMAT, SPEAKER_FORMAT
from tests.support.kept import share_kept
from tests.support.stage import play, question, stage

ASKED, SAID = "gauge", "report"
ANSWER_S = SPEAKER_FORMAT.seconds_in(len(read_answer(ASSETS, ASKED)))


class Outcome(NamedTuple):
    """What became of a sentence: how much of it is in a question, how many questions there were, which sounds."""

    kept: float
    questions: int
    told: bool


def said_at(second: float) -> Outcome:
    """Say a sentence that many seconds after the beginning of a one-way answer, and wait."""

    async def scene() -> Outcome:
        async with stage(echo_gain=0.5) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say(ASKED)
            await s.until(Phase.ANSWERING)
            before = len(s.earcons)
            await s.box.room.hears_answer(min(second, ANSWER_S - 0.1))
            await asyncio.sleep(max(0.0, second - ANSWER_S + 0.1))
            s.box.room.say(question(SAID))
            await asyncio.sleep(4.5)
            await s.rest()
            await asyncio.sleep(1.0)
            later = [bytes(utterance.pcm) for utterance in s.simulator.utterances[1:]]
            kept = share_kept(question(SAID), later) if later else 0.0
            return Outcome(kept, len(later), Earcon.LISTENING in s.earcons[before:])

    return play(scene())


@pytest.mark.parametrize("second", [0.5, 1.5, 2.4])
def test_who_speaks_inside_an_answer_is_told_that_it_was_not_heard(second: float) -> None:
    assert said_at(second) == Outcome(0.0, 0, told=True)


@pytest.mark.parametrize(("before_end_s", "least"), [(1.0, 0.5), (0.5, 0.75), (0.1, 0.9)])
def test_who_speaks_over_the_end_of_an_answer_is_heard_from_there_on_and_no_sound_covers_it(
    before_end_s: float, least: float
) -> None:
    outcome = said_at(ANSWER_S - before_end_s)
    assert outcome.kept >= least
    assert outcome.questions == 1


@pytest.mark.parametrize(("after_s", "least"), [(0.0, 1.0), (0.1, 1.0), (0.3, 1.0), (0.4, 0.8), (0.6, 0.8), (1.0, 1.0)])
def test_who_speaks_after_an_answer_is_heard_and_its_sound_covers_no_more_than_a_syllable(
    after_s: float, least: float
) -> None:
    outcome = said_at(ANSWER_S + after_s)
    assert outcome.kept >= least
    assert outcome.questions == 1


def test_who_speaks_over_the_boxs_own_words_is_told_that_it_was_not_heard() -> None:
    async def scene() -> None:
        async with stage(echo_gain=0.5) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            s.agent.device_watch.storage("the disk is gone")
            await asyncio.sleep(0.6)
            before = len(s.earcons)
            s.box.room.say(question(SAID)[: MICROPHONE_FORMAT.bytes_in(1.0)])
            await asyncio.sleep(6)
            assert s.earcons[before:] == [Earcon.LISTENING]
            assert not s.simulator.utterances

    play(scene())


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, ANSWER_S + 5.0))
def test_nothing_said_at_any_moment_is_lost_in_silence_and_no_echo_becomes_a_question(second: float) -> None:
    outcome = said_at(second)
    assert outcome.told or outcome.kept > 0
    assert outcome.questions == (outcome.kept > 0)
