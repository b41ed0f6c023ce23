"""How things stand, as it is said and as it is logged."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from agent import status
from agent.faults import Fault
from agent.link.state import LinkState
from agent.link.verdicts import Next, Reach, Verdict
from agent.status import LinkStatus, Snapshot, Totals
from agent.turn.phase import Phase
from agent.voice.phrase import Phrase
from hardware.ports import DeviceHealth, Rhythm

LINK = LinkStatus(
    LinkState.UP, connections=3, bytes_sent=0, rate=62_500.0, buffered_ms=12.0, lag_s=0.0, audio_rate=16_000
)
TOTALS = Totals(
    turns=2,
    stills=0,
    tool_calls=0,
    notes_saved=0,
    unanswered=0,
    unreadable=0,
    missed=0,
    unplayable=0,
    refused_s=1.5,
    trimmed_s=0.5,
    skipped_s=0.0,
    frames_sent=4,
    frame_bytes=40_000,
    frames_dropped={"replaced": 1, "lost": 2},
)
NOW = Snapshot(
    phase=Phase.LISTENING,
    rhythm=Rhythm.LISTENING,
    level=0.0,
    link=LINK,
    notes_waiting=0,
    answers_unplayed=1,
    faults=frozenset(),
    fault_words=(),
    echo="no echo known",
    noisy=False,
    turn=None,
    answer_owed=False,
    totals=TOTALS,
    devices={"microphone": DeviceHealth(), "speaker": DeviceHealth()},
)


def standing(
    state: LinkState = LinkState.UP, notes: int = 0, lag_s: float = 0.0, failure: Verdict | None = None
) -> Snapshot:
    return replace(NOW, link=replace(LINK, state=state, lag_s=lag_s, failure=failure), notes_waiting=notes)


def failed(reach: Reach | None = Reach.SERVICE, fault: Fault | None = None) -> Verdict:
    return Verdict(Next.RESUME, "it failed", "mend it", fault=fault, reach=reach)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (standing(), (Phrase.NETWORK_GOOD, Phrase.NO_NOTES)),
        (standing(lag_s=3.0, notes=1), (Phrase.NETWORK_SLOW, Phrase.NOTE_WAITING)),
        (standing(LinkState.OFFLINE, 4, failure=failed(Reach.NOWHERE)), (Phrase.NO_NETWORK, 4, Phrase.NOTES_WAITING)),
        (standing(LinkState.CONNECTING, failure=failed(Reach.NOWHERE)), (Phrase.NO_NETWORK, Phrase.NO_NOTES)),
        (standing(LinkState.OFFLINE, failure=failed(Reach.NETWORK)), (Phrase.NO_INTERNET, Phrase.NO_NOTES)),
        (standing(LinkState.OFFLINE, failure=failed(Reach.SERVICE)), (Phrase.NO_SERVICE, Phrase.NO_NOTES)),
        (standing(LinkState.CONNECTING, failure=failed(None)), (Phrase.NO_NOTES,)),  # it was just lost
        (standing(LinkState.CONNECTING), (Phrase.NO_NOTES,)),
        (standing(LinkState.IDLE), (Phrase.NETWORK_GOOD, Phrase.NO_NOTES)),
        (standing(LinkState.OFFLINE, failure=failed(fault=Fault.QUOTA)), (*Fault.QUOTA.words, Phrase.NO_NOTES)),
    ],
)
def test_it_says_whether_the_service_can_be_reached_and_what_waits(
    given: Snapshot, said: tuple[Phrase | int, ...]
) -> None:
    assert status.words(given) == said
    assert status.words(replace(given, fault_words=Fault.CAMERA.words)) == (*Fault.CAMERA.words, *said)


@pytest.mark.parametrize("fault", [Fault.KEY, Fault.QUOTA, Fault.CLOCK])
def test_why_the_service_cannot_be_used_is_said_once(fault: Fault) -> None:
    for state in (LinkState.OFFLINE, LinkState.CONNECTING):
        now = standing(state, failure=failed(fault=fault))
        assert status.words(now) == (*fault.words, Phrase.NO_NOTES)
        parts = (*Fault.CAMERA.words, *fault.words)
        assert status.words(replace(now, fault_words=parts)) == (*parts, Phrase.NO_NOTES)


def test_the_line_says_why_there_is_no_connection() -> None:
    assert status.line(standing(LinkState.OFFLINE, failure=failed())).startswith("link offline: it failed (mend it), 0")


def test_the_line_has_it_in_figures() -> None:
    assert status.line(standing(notes=2, lag_s=0.25)) == (
        "link up, 2 notes waiting, 1 answers unplayed, late by 250 ms, line 500 kbit/s, 12 ms buffered, no echo known"
    )


def test_the_tally_shows_what_was_lost_or_left_out() -> None:
    told = status.tally(NOW)
    assert "2 turns, 3 connections" in told
    assert "3 dropped" in told
    assert "0.5 s of pauses" in told
    assert "1.5 s of answers refused" in told
    assert told.endswith("; devices lost nothing")


def test_the_tally_names_what_each_device_lost() -> None:
    devices = {"microphone": DeviceHealth(dropped=3, glitches=1), "speaker": DeviceHealth(dropped_s=0.24)}
    told = status.tally(replace(NOW, devices=devices))
    assert told.endswith("; microphone 3 dropped, microphone 1 glitches, speaker 0.2 s dropped")


@pytest.mark.parametrize("counter", [each.name for each in fields(DeviceHealth) if each.name != "working"])
def test_every_counter_of_a_device_is_printed(counter: str) -> None:
    health = DeviceHealth(**{counter: 7})  # type: ignore[arg-type] # a number, as its annotation says
    told = status.tally(replace(NOW, devices={"button": health}))
    assert "; button 7" in told


def test_a_snapshot_does_not_change_under_its_readers_hands() -> None:
    with pytest.raises(FrozenInstanceError):
        NOW.level = 1.0  # type: ignore[misc] # that is the point
