"""What becomes of speech while the box is deaf, on a real sound path: kept, told to be missed, or lost in silence.

Each sentence is said at one place of an answer that no voice may interrupt; ``pytest -s`` prints the shares.
"""

from __future__ import annotations

import asyncio
import sys
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import pytest

from agent import notices
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from tests.hil.rig import in_real_time, rig
from tests.support.kept import share_kept
from tests.support.sound_server import needs_a_sound_server
from tests.support.stage import question

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hil.rig import Rig
    from tests.support.sound_server import SoundServer

pytestmark = [pytest.mark.sound, pytest.mark.real_time, needs_a_sound_server]
SAID = "report"


class Place(Enum):
    """Where in an answer the sentence of 2.1 s begins."""

    INSIDE = "0.5 s after its beginning"
    OVER_THE_END = "1.5 s before its end"
    AT_THE_END = "0.5 s before its end"
    IN_THE_ECHO = "0.1 s after its end"


class Outcome(NamedTuple):
    """What became of it."""

    kept: float
    told: bool
    questions: int


async def moment(box: Rig, place: Place) -> None:
    """Wait for the place in an answer that has begun."""
    speaker = box.agent._devices.speaker
    if place is Place.INSIDE:
        await box.until(lambda: speaker.played_s >= 0.5)
        return
    received = len(box.all(notices.AnswerReceived))
    await box.until(lambda: len(box.all(notices.AnswerReceived)) > received)
    before_s = {Place.OVER_THE_END: 1.5, Place.AT_THE_END: 0.5, Place.IN_THE_ECHO: 0.0}[place]
    await box.until(lambda: speaker.buffered_s <= before_s)
    if place is Place.IN_THE_ECHO:
        await box.until(lambda: not speaker.audible)
        await asyncio.sleep(0.1)


async def said_at(box: Rig, place: Place) -> Outcome:
    """Have a question answered, say a sentence at a place of the answer, and see what came of it."""
    heard, sounds = len(box.simulator.utterances), len(box.all(notices.EarconPlayed))
    box.agent.ask("What now?")
    await box.until_phase(Phase.ANSWERING)
    heard = len(box.simulator.utterances)
    await moment(box, place)
    await box.say(SAID)
    await asyncio.sleep(1.5)
    await box.rest()
    await asyncio.sleep(2.0)
    await box.rest()
    later = [bytes(utterance.pcm) for utterance in box.simulator.utterances[heard:]]
    earcons = [told.earcon for told in box.all(notices.EarconPlayed)[sounds:]]
    return Outcome(share_kept(question(SAID), later) if later else 0.0, Earcon.LISTENING in earcons, len(later))


def checked(name: str, outcome: Outcome) -> Outcome:
    """Print the shares; no echo may have become a question, and nothing may be lost in silence."""
    lost = 0.0 if outcome.kept or outcome.told else 1.0
    told = "told" if outcome.told else "not told"
    sys.stdout.write(f"{name}: kept {outcome.kept:.0%}, {told}, lost in silence {lost:.0%}\n")
    assert outcome.questions <= 1
    assert not outcome.questions or outcome.kept > 0, "an echo became a question"
    assert not lost
    return outcome


@in_real_time
async def test_where_only_the_button_interrupts_what_is_said_at_the_end_of_an_answer_is_kept_and_the_rest_is_told_of(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path, turn={"barge_in": "button"}) as box:
        await box.wake()
        await box.ask("gauge")
        found = {place: checked(f"half duplex, {place.value}", await said_at(box, place)) for place in Place}
        assert found[Place.INSIDE].kept == 0.0
        assert found[Place.OVER_THE_END].kept > 0.2
        assert found[Place.AT_THE_END].kept > 0.6
        assert found[Place.IN_THE_ECHO].kept > 0.9
        assert box.all(notices.NoiseJudged) == []


@in_real_time
async def test_before_the_echo_is_trusted_and_after_a_reopening_what_is_not_kept_is_told_of(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path) as box:
        await box.wake()
        checked(f"learning, {Place.INSIDE.value}", await said_at(box, Place.INSIDE))
        for _ in range(2):
            box.agent.ask("What now?")
            await box.until_phase(Phase.ANSWERING)
            await box.rest()
        assert box.agent.turn.condition.trusted
        await box.hiccup(1.0)
        checked(f"reopened, {Place.INSIDE.value}", await said_at(box, Place.INSIDE))
        await asyncio.sleep(2)
        await box.hiccup(1.0)
        checked(f"reopened, {Place.AT_THE_END.value}", await said_at(box, Place.AT_THE_END))
