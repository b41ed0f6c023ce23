"""Answers to notes: counted while nobody is there, played in order when somebody is, and settled by what was heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from agent.conversation.note_answers import NoteAnswers
from agent.conversation.notes import Notes
from agent.turn.events import Drained, Event, NotesChanged
from hardware.ports import SPEAKER_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.store.store import Store
    from hardware.ports import Speaker

SECOND = bytes(SPEAKER_FORMAT.bytes_in(1.0))
THREE = [(3, SECOND), (5, SECOND), (8, SECOND)]


class Desk:
    """A speaker and a store that is done reading when the test says so."""

    def __init__(self, unplayed: int = 0) -> None:
        self.epoch = 7
        self.sounded: list[bytes | str] = []
        self.reading: list[Callable[[list[tuple[int, bytes]]], None]] = []
        self.settled: list[list[int]] = []
        self.told: list[Event] = []
        self.notes = Notes()
        self.answers = NoteAnswers(cast("Speaker", self), cast("Store", self), self.notes, unplayed, self.told.append)

    def write(self, pcm: bytes, epoch: int) -> bool:
        assert epoch == self.epoch
        self.sounded.append(pcm)
        return True

    def finish(self) -> None:
        self.sounded.append("whole")

    def load_answers(self, then: Callable[[list[tuple[int, bytes]]], None]) -> None:
        self.reading.append(then)

    def played(self, numbers: list[int]) -> None:
        self.settled.append(numbers)


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


def test_answers_are_played_in_order_as_one_when_they_were_read_and_are_settled_when_they_were_heard() -> None:
    desk = Desk(unplayed=3)
    desk.answers.play()
    assert desk.sounded == []
    desk.reading[0](THREE[:2])
    assert desk.sounded == [SECOND, SECOND, "whole"]
    assert (desk.settled, desk.told) == ([], [])
    desk.answers.played()
    assert desk.settled == [[3, 5]]
    assert desk.told == [NotesChanged(0, 1)]
    desk.answers.played()  # of something else
    assert desk.settled == [[3, 5]]


def test_answers_that_are_cut_before_they_were_read_stay_silent_and_still_wait() -> None:
    desk = Desk(unplayed=3)
    desk.answers.report()
    desk.answers.play()
    desk.answers.cut()
    desk.reading[0](THREE)
    assert desk.sounded == []
    assert desk.told == [NotesChanged(0, 3)] * 2  # once more, as the turn machine took them for played
    assert desk.answers.unplayed == 3
    desk.answers.play()
    desk.reading[1](THREE)
    assert len(desk.sounded) == 4


def test_where_there_are_none_after_all_the_turn_is_over() -> None:
    desk = Desk(unplayed=2)  # none of which can be read any more
    desk.answers.play()
    desk.reading[0]([])
    assert desk.told == [NotesChanged(0, 0), Drained()]
    assert desk.sounded == []


@pytest.mark.parametrize(("played_s", "heard"), [(0.0, []), (0.1, [3]), (1.0, [3]), (1.1, [3, 5]), (2.5, [3, 5, 8])])
def test_of_answers_that_are_cut_those_of_which_anything_was_heard_were_played(
    played_s: float, heard: list[int]
) -> None:
    desk = Desk(unplayed=3)
    desk.answers.report()
    desk.answers.read(THREE)
    desk.answers.played(played_s)
    assert desk.settled == ([heard] if heard else [])
    assert desk.answers.unplayed == 3 - len(heard)
    assert desk.told[-1] == NotesChanged(0, 3 - len(heard))


def test_that_the_rest_still_waits_is_said_again_though_the_number_is_as_it_was() -> None:
    desk = Desk(unplayed=3)
    desk.answers.report()
    desk.answers.read(THREE)
    desk.answers.played(0.0)
    assert desk.told == [NotesChanged(0, 3)] * 2


def test_there_are_never_fewer_than_none() -> None:
    desk = Desk(unplayed=1)
    desk.answers.read(THREE)
    desk.answers.played()
    assert desk.answers.unplayed == 0
