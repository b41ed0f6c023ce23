from hypothesis import given
from hypothesis import strategies as st

from agent.link.inflow import BYTES, BYTES_PER_S, ENTRIES, ENTRIES_PER_S, FRAMES, FRAMES_PER_S, MESSAGE_BYTES, Inflow

DAY_S = 86_400.0


def test_so_many_frames_may_come_at_once_and_not_one_more() -> None:
    inflow = Inflow(0.0)
    assert inflow.received(FRAMES, 0, 0.0) == ""
    assert inflow.received(1, 0, 0.0) == "too many frames"


def test_so_many_bytes_may_come_at_once_and_not_one_more() -> None:
    inflow = Inflow(0.0)
    assert inflow.received(1, BYTES, 0.0) == ""
    assert inflow.received(1, 1, 0.0) == "too many bytes"


def test_so_many_entries_may_come_at_once_and_not_one_more() -> None:
    inflow = Inflow(0.0)
    assert inflow.entered(ENTRIES, 0.0) == ""
    assert inflow.entered(1, 0.0) == "too many turns, calls or handles"


def test_room_comes_back_with_time_and_never_more_than_there_was() -> None:
    inflow = Inflow(0.0)
    inflow.received(FRAMES, BYTES, 0.0)
    inflow.entered(ENTRIES, 0.0)
    assert inflow.received(int(FRAMES_PER_S), int(BYTES_PER_S), 1.0) == ""
    assert inflow.entered(int(ENTRIES_PER_S), 1.0) == ""
    assert inflow.received(FRAMES, BYTES, DAY_S) == ""
    assert inflow.received(1, 0, DAY_S) == "too many frames"


@given(st.lists(st.floats(0.05, 1.0), max_size=200))
def test_a_service_that_speaks_four_times_as_fast_as_anybody_is_no_flood(pauses: list[float]) -> None:
    inflow, now = Inflow(0.0), 0.0
    for pause in pauses:
        now += pause
        assert inflow.received(int(40 * pause), int(4 * 64_000 * pause), now) == ""


def test_a_whole_answer_is_far_below_the_largest_message() -> None:
    assert MESSAGE_BYTES > 60 * 24_000 * 2 * 4 / 3
