"""How things stand, as it is said and as it is logged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agent import status
from agent.faults import Fault
from agent.link.state import LinkState
from agent.metrics import Counters
from agent.voice.phrase import Phrase


def talk(state: LinkState = LinkState.UP, notes: int = 0, lag_s: float = 0.0) -> Any:
    return SimpleNamespace(
        link=SimpleNamespace(state=state, uplink=SimpleNamespace(rate=62_500.0), buffered_ms=12.0, connections=3),
        delivery=SimpleNamespace(notes=[None] * notes, unplayed=1),
        outbox=SimpleNamespace(frames_replaced=1, frames_lost=2),
        ledger=SimpleNamespace(trimmed_s=0.5, skipped_s=0.0),
        lag_s=lag_s,
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (talk(), (Phrase.NETWORK_GOOD, Phrase.NO_NOTES)),
        (talk(lag_s=3.0, notes=1), (Phrase.NETWORK_SLOW, Phrase.NOTE_WAITING)),
        (talk(LinkState.OFFLINE, notes=4), (Phrase.NO_NETWORK, 4, Phrase.NOTES_WAITING)),
        (talk(LinkState.REFUSED), (Phrase.NO_NETWORK, Phrase.NO_NOTES)),
    ],
)
def test_it_says_whether_the_service_can_be_reached_and_what_waits(given: Any, said: tuple[Phrase | int, ...]) -> None:
    assert status.words((), given) == said
    assert status.words(Fault.CAMERA.words, given) == (*Fault.CAMERA.words, *said)


def test_the_line_has_it_in_figures() -> None:
    assert status.line(talk(notes=2, lag_s=0.25), "no echo known") == (
        "link up, 2 notes waiting, 1 answers unheard, late by 250 ms, line 500 kbit/s, 12 ms buffered, no echo known"
    )


def test_the_tally_shows_what_was_lost_or_left_out() -> None:
    told = status.tally(Counters(turns=2, refused_s=1.5), talk())
    assert "2 turns, 3 connections" in told
    assert "3 dropped" in told
    assert "0.5 s of pauses" in told
    assert "1.5 s of answers refused" in told
