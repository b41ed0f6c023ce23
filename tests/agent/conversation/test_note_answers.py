"""Answers to notes: counted while nobody is there, played in order when somebody is, and settled by what was heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from agent.conversation.note_answers import NoteAnswers
from agent.conversation.notes import Notes
from agent.store.rows import KeptAnswer
from agent.turn.events import Drained, Event, NotesChanged
from hardware.ports import SPEAKER_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.store.store import Store
    from hardware.ports import Speaker

SECOND = bytes(SPEAKER_FORMAT.bytes_in(1.0))
THIRD = KeptAnswer(3, 103.0, SECOND)
FIFTH = KeptAnswer(5, 105.0, 4 * SECOND)


class Desk:
    """A speaker, a store that is done reading and a voice that is done speaking when the test says so."""

    def __init__(self, unplayed: int = 0) -> None:
        self.epoch = 7
        self.sounded: list[bytes | str] = []
        self.reading: list[Callable[[KeptAnswer | None], None]] = []
        self.introduced: list[tuple[float, Callable[[], None]]] = []
        self.settled: list[int] = []
        self.told: list[Event] = []
        self.notes = Notes()
        self.answers = NoteAnswers(
            cast("Speaker", self),
            cast("Store", self),
            self.notes,
            unplayed,
            emit=self.told.append,
            introduce=lambda recorded_at, then: self.introduced.append((recorded_at, then)),
        )

    def begin(self, answer: KeptAnswer) -> None:
        """Read and introduce an answer."""
        self.answers.play()
        self.reading[-1](answer)
        self.introduced[-1][1]()

    def write(self, pcm: bytes, epoch: int) -> bool:
        assert epoch == self.epoch
        self.sounded.append(pcm)
        return True

    def finish(self) -> None:
        self.sounded.append("whole")

    def load_answer(self, then: Callable[[KeptAnswer | None], None]) -> None:
        self.reading.append(then)

    def played(self, number: int) -> None:
        self.settled.append(number)


def test_the_numbers_are_reported_when_they_change_or_when_somebody_insists() -> None:
    desk = Desk()
    desk.answers.report()
    assert desk.told == []
    desk.notes.add(3, 0.0)
    desk.answers.report()
    desk.answers.report()
    assert desk.told == [NotesChanged(1, 0)]
    desk.answers.report(force=True)
    assert desk.told == [NotesChanged(1, 0)] * 2


def test_what_an_earlier_run_left_unplayed_counts() -> None:
    desk = Desk(unplayed=2)
    desk.answers.report()
    assert desk.told == [NotesChanged(0, 2)]


def test_an_answer_that_is_safe_on_disk_is_counted_and_reported() -> None:
    desk = Desk(unplayed=2)
    desk.answers.kept()
    assert desk.answers.unplayed == 3
    assert desk.told == [NotesChanged(0, 3)]


def test_an_answer_is_introduced_with_the_time_of_its_question_then_played_and_settled_when_it_was_heard() -> None:
    desk = Desk(unplayed=3)
    desk.answers.play()
    desk.reading[0](THIRD)
    ((recorded_at, then),) = desk.introduced
    assert recorded_at == 103.0
    assert desk.sounded == []
    then()
    assert desk.sounded == [SECOND, "whole"]
    assert (desk.settled, desk.told) == ([], [])
    desk.answers.played()
    assert desk.settled == [3]
    assert desk.told == [NotesChanged(0, 2)]
    desk.answers.played()  # of something else
    assert (desk.settled, len(desk.told)) == ([3], 1)


@pytest.mark.parametrize("moment", ["read", "introduced"])
def test_an_answer_that_is_cut_before_it_sounds_stays_silent_and_still_waits(moment: str) -> None:
    desk = Desk(unplayed=3)
    desk.answers.report()
    desk.answers.play()
    if moment == "introduced":
        desk.reading[0](THIRD)
    desk.answers.cut()
    if moment == "read":
        desk.reading[0](THIRD)
    desk.introduced[0][1]()
    assert desk.sounded == []
    assert desk.told == [NotesChanged(0, 3)] * 2  # once more, as the turn machine took it for played
    assert desk.answers.unplayed == 3
    desk.begin(THIRD)
    assert len(desk.sounded) == 2


def test_where_there_are_none_after_all_the_turn_is_over() -> None:
    desk = Desk(unplayed=2)  # none of which can be read any more
    desk.answers.play()
    desk.reading[0](None)
    assert desk.told == [NotesChanged(0, 0), Drained()]
    assert desk.sounded == []


@pytest.mark.parametrize(("played_s", "heard"), [(0.0, False), (3.1, False), (3.2, True), (4.0, True)])
def test_an_answer_counts_as_heard_from_four_fifths_on_and_else_waits_again(played_s: float, *, heard: bool) -> None:
    desk = Desk(unplayed=3)
    desk.answers.report()
    desk.begin(FIFTH)
    desk.answers.played(played_s)
    assert desk.settled == ([5] if heard else [])
    assert desk.answers.unplayed == 3 - heard
    assert desk.told[-1] == NotesChanged(0, 3 - heard)
    assert len(desk.told) == 2, "told again though the number is as it was: the machine took it for played"


def test_there_are_never_fewer_than_none() -> None:
    desk = Desk(unplayed=0)
    desk.begin(THIRD)
    desk.answers.played()
    assert desk.answers.unplayed == 0
