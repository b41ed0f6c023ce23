"""How often an answer may be interrupted before that is held against the box."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.interruptions import IN_S, MOST, Interruptions


def verdicts(*times: float) -> list[bool]:
    counted = Interruptions()
    return [counted.another(now) for now in times]


def test_two_in_a_row_are_a_person_and_three_are_not() -> None:
    assert verdicts(0.0, 5.0) == [False, False]
    assert verdicts(0.0, 5.0, IN_S) == [False, False, True]


def test_the_same_number_in_a_longer_time_is_a_conversation() -> None:
    pause = IN_S / (MOST - 1) + 0.1
    assert verdicts(*(number * pause for number in range(20))) == [False] * 20


def test_after_a_verdict_the_count_begins_anew() -> None:
    assert verdicts(0.0, 1.0, 2.0, 3.0, 4.0, 5.0) == [False, False, True] * 2


@given(st.lists(st.floats(0.1, 60.0), max_size=60))
def test_a_verdict_is_given_just_when_so_many_came_within_the_time(pauses: list[float]) -> None:
    counted, now, since = Interruptions(), 0.0, list[float]()
    for pause in pauses:
        now += pause
        since.append(now)
        due = len(since) >= MOST and now - since[-MOST] <= IN_S
        assert counted.another(now) is due
        if due:
            since.clear()
