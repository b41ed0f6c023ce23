"""Notes: which note is sent next, and how the model is told of its age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.notes import FIRST_WAIT_S, LONGEST_WAIT_S, Note, Notes, ago, label, rest_wanted


def numbered(*numbers: int) -> Notes:
    notes = Notes()
    for number in numbers:
        notes.add(number, recorded_at=1000.0 + number)
    return notes


def next_number(notes: Notes, now: float = 0.0) -> int | None:
    note = notes.next(now)
    return note.number if note is not None else None


def test_none_wait_at_first() -> None:
    notes = Notes()
    assert len(notes) == 0
    assert notes.next(0.0) is None
    assert notes.due is None


def test_the_oldest_comes_first_in_whatever_order_they_were_found() -> None:
    notes = numbered(7, 3, 5)
    assert notes.next(0.0) == Note(3, 1003.0)
    assert len(notes) == 3


def test_one_that_is_there_already_keeps_its_history() -> None:
    notes = numbered(3)
    notes.failed(3, 100.0)
    notes.add(3, recorded_at=9999.0)
    assert next_number(notes, 100.0) is None
    note = notes.next(100.0 + FIRST_WAIT_S)
    assert note is not None
    assert (note.recorded_at, note.attempts) == (1003.0, 1)


def test_one_that_was_answered_is_forgotten_once() -> None:
    notes = numbered(3, 5)
    assert 3 in notes
    assert notes.remove(3)
    assert not notes.remove(3)
    assert 3 not in notes
    assert next_number(notes) == 5


def test_one_that_was_not_answered_lets_the_others_go_first_and_is_tried_again() -> None:
    notes = numbered(3, 5)
    notes.failed(3, 100.0)
    assert next_number(notes, 100.0) == 5
    assert next_number(notes, 100.0 + FIRST_WAIT_S - 0.1) == 5
    assert next_number(notes, 100.0 + FIRST_WAIT_S) == 3


def test_each_failure_doubles_the_wait_up_to_half_an_hour() -> None:
    notes = numbered(3)
    waits = []
    for _ in range(10):
        notes.failed(3, 0.0)
        assert notes.due is not None
        waits.append(notes.due)
    assert waits == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]
    assert waits[-1] == LONGEST_WAIT_S


def test_a_note_may_fail_for_years() -> None:
    notes = numbered(3)
    note = notes.next(0.0)
    assert note is not None
    note.attempts = 1000
    notes.failed(3, 0.0)
    assert notes.due == LONGEST_WAIT_S


def test_the_failure_of_what_is_no_note_any_more_means_nothing() -> None:
    notes = numbered(3)
    notes.failed(99, 0.0)
    assert len(notes) == 1
    assert next_number(notes) == 3


def test_the_next_moment_is_when_the_first_of_them_is_due() -> None:
    notes = numbered(3, 5)
    notes.failed(3, 100.0)
    notes.failed(5, 50.0)
    assert notes.due == 50.0 + FIRST_WAIT_S


@given(st.lists(st.tuples(st.sampled_from(("add", "remove", "failed")), st.integers(1, 5)), max_size=50))
def test_whatever_happens_a_note_leaves_only_when_it_is_removed_and_every_one_has_its_turn(
    steps: list[tuple[str, int]],
) -> None:
    notes, kept = Notes(), set[int]()
    for now, (step, number) in enumerate(steps):
        match step:
            case "add":
                notes.add(number, 0.0)
                kept.add(number)
            case "remove":
                assert notes.remove(number) == (number in kept)
                kept.discard(number)
            case "failed":
                notes.failed(number, float(now))
        assert {each for each in range(9) if each in notes} == kept
    turns = []
    while (number := next_number(notes, len(steps) + LONGEST_WAIT_S) or 0) > 0:
        turns.append(number)
        notes.remove(number)
    assert turns == sorted(kept)


# words


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        (60.0, "1 minute ago"),
        (89.0, "1 minute ago"),
        (100.0, "2 minutes ago"),
        (59 * 60.0, "59 minutes ago"),
        (3600.0, "1 hour ago"),
        (5400.1, "2 hours ago"),
        (23 * 3600.0, "23 hours ago"),
        (86_400.0, "1 day ago"),
        (10 * 86_400.0, "10 days ago"),
    ],
)
def test_an_age_is_told_in_the_words_in_which_people_give_one(age_s: float, words: str) -> None:
    assert ago(age_s) == words


@pytest.mark.parametrize(("age_s", "words"), [(3599.0, "1 hour ago"), (86_399.0, "1 day ago")])
def test_nobody_says_sixty_minutes_or_twenty_four_hours(age_s: float, words: str) -> None:
    assert ago(age_s) == words


@pytest.mark.parametrize("age_s", [-3600.0, 0.0, 59.9])  # a clock may be set back
def test_of_what_was_said_just_now_the_model_is_told_no_time(age_s: float) -> None:
    assert "a moment ago" in label("14:05", age_s)
    assert "14:05" not in label("14:05", age_s)


@pytest.mark.parametrize("age_s", [60.0, 7200.0])
def test_the_model_is_told_when_a_note_was_said_and_that_its_answer_is_heard_later(age_s: float) -> None:
    told = label("14:05", age_s)
    assert "note" in told
    assert f"14:05, {ago(age_s)}" in told
    assert "later" in told


def test_the_model_is_told_how_far_its_answer_came() -> None:
    told = rest_wanted("It shows about four bar.")
    assert '"It shows about four bar."' in told
    assert "Go on exactly where that ends" in told


def test_an_age_that_no_note_has_is_not_told() -> None:
    assert "ago" not in label("00:00", 20_000 * 86_400.0)
    assert "ago" in label("14:05", 86_400.0)
