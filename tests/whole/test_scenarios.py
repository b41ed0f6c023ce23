"""Ring 2: whatever the service does, the box ends in a state that a technician can use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent.link.state import LinkState
from agent.simulator import names
from agent.turn.phase import Phase
from hardware.ports import Rhythm
from tests.support.stage import play, question, stage

if TYPE_CHECKING:
    from tests.support.stage import Stage

REFUSING = {"handshake_401": LinkState.REFUSED, "handshake_403": LinkState.REFUSED, "handshake_429": LinkState.OFFLINE}
"""Scenarios in which no connection is ever had, and what the box must show then."""
THINNED = {"slow_read"}
"""Scenarios with a line so narrow that speech goes out thinner than it came in."""
MISSED = {"empty_turn", "near_silent"}
"""Scenarios whose first turn is answered with nothing that can be heard."""


@pytest.mark.parametrize("scenario", [name for name in names() if name not in REFUSING])
def test_three_questions_are_each_answered_once(scenario: str) -> None:
    async def scene() -> None:
        async with stage(scenario) as s:
            await asyncio.sleep(1)
            for name in ("gauge", "valve", "report"):
                await s.ask(name)
                await asyncio.sleep(1)
            while s.agent.conversation.delivery.notes:
                await asyncio.sleep(1)
            await usable(s)
            answered = [record for record in s.turns if record.utterance is not None]
            assert len({record.utterance for record in answered}) == len(answered) == 3
            silent = [record for record in answered if not record.answer_s]
            assert len(silent) == (scenario == "empty_turn")
            assert s.agent.conversation.delivery.ledger.idle
            assert not s.agent.conversation.delivery.notes
            delivered_whole(s, scenario)

    play(scene())


async def usable(s: Stage) -> None:
    """Hands-free, connected, lit; and asleep and dark after a while."""
    await s.until(Phase.LISTENING)
    assert s.agent.turn.link is LinkState.UP
    assert s.box.light.rhythm is Rhythm.LISTENING
    await s.until(Phase.ASLEEP)
    assert s.box.light.rhythm is Rhythm.READY
    assert not s.box.microphone.open


def delivered_whole(s: Stage, scenario: str) -> None:
    """Each question reached the service with every sample, and was put again only if it had not been answered.

    One that was answered with nothing is put again at once, and again as a note.
    """
    if scenario in THINNED:
        return
    heard = s.simulator.utterances
    done = [u for u in heard if u.outcome in ("complete", "empty", "asked")]
    for name in ("gauge", "valve", "report"):
        times = 3 if name == "gauge" and scenario in MISSED else 1
        assert sum(question(name) in bytes(u.pcm) for u in done) == times, name


@pytest.mark.parametrize(("scenario", "state"), REFUSING.items())
def test_a_service_that_will_not_have_us_is_shown_and_what_was_said_is_kept(scenario: str, state: LinkState) -> None:
    async def scene() -> None:
        async with stage(scenario) as s:
            await asyncio.sleep(1)
            await s.wake()
            await s.say("gauge")
            await s.until(Phase.HEARING)
            await s.until(Phase.LISTENING)
            shown = Rhythm.FAULT if state is LinkState.REFUSED else Rhythm.OFFLINE
            assert s.box.light.rhythm is shown
            await s.until(Phase.ASLEEP)
            assert s.agent.turn.link is state
            assert len(s.agent.conversation.delivery.notes) == 1
            assert s.agent.store.past.owed == []
            assert s.box.light.rhythm is shown
            assert not s.box.microphone.open

    play(scene())
