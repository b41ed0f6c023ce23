from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link.backoff import (
    ATTEMPTS,
    FIRST_S,
    LONGEST_S,
    MINUTE_S,
    QUOTA_LONGEST_S,
    STABLE_S,
    Backoff,
    Budget,
)

KIND = "a kind of failure"


def after(failures: int) -> Backoff:
    """A back-off after failures of one kind in a row."""
    return Backoff(Counter({KIND: failures}))


def test_waits_double_from_half_a_second_to_half_a_minute() -> None:
    backoff, waits = Backoff(), []
    for _ in range(9):
        backoff.failed(KIND)
        waits.append(backoff.wait(KIND, 0, jitter=1.0))
    assert waits == [FIRST_S, 1, 2, 4, 8, 16, LONGEST_S, LONGEST_S, LONGEST_S]


def test_jitter_takes_off_up_to_half() -> None:
    backoff = after(3)
    assert backoff.wait(KIND, 0, jitter=0.0) == backoff.wait(KIND, 0, jitter=1.0) / 2


def test_a_quota_wait_is_at_least_what_was_asked_and_doubles_to_five_minutes() -> None:
    assert [after(failures).wait(KIND, 60, jitter=0.0) for failures in (0, 1, 2, 3, 4, 99)] == [
        60,
        60,
        120,
        240,
        300,
        300,
    ]


def test_a_quota_wait_is_lengthened_by_jitter_and_never_shortened() -> None:
    assert after(1).wait(KIND, 60, jitter=1.0) == pytest.approx(66)


def test_only_a_connection_that_was_stable_resets_the_failures() -> None:
    backoff = after(4)
    backoff.lived(STABLE_S - 0.1)
    backoff.failed(KIND)
    assert backoff.failures == 5
    backoff.lived(STABLE_S)
    backoff.failed(KIND)
    assert backoff.failures == 1


def test_a_slow_ladder_is_climbed_by_failures_of_its_own_kind_alone() -> None:
    backoff = Backoff(Counter({"another": 5}))
    backoff.failed(KIND)
    assert backoff.wait(KIND, 60, jitter=0.0) == 60
    backoff.failed(KIND)
    assert backoff.wait(KIND, 60, jitter=0.0) == 120


def test_a_minute_holds_so_many_attempts_and_no_more() -> None:
    budget = Budget()
    for at in range(ATTEMPTS):
        assert budget.wait(at) == 0
        budget.spend(at)
    assert budget.wait(ATTEMPTS) == MINUTE_S - ATTEMPTS
    assert budget.wait(MINUTE_S) == 0
    budget.spend(MINUTE_S)
    assert budget.wait(MINUTE_S) == 1


@given(st.integers(0, 100_000), st.sampled_from((0.0, 60.0)), st.floats(0, 1))
def test_a_wait_is_never_nothing_and_never_longer_than_its_ladder(failures: int, least: float, jitter: float) -> None:
    longest = QUOTA_LONGEST_S * 1.1 if least else LONGEST_S
    assert least > 0 or after(failures).wait(KIND, least, jitter) >= FIRST_S / 4
    assert least <= after(failures).wait(KIND, least, jitter) <= longest
