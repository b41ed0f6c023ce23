from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.turn.gestures import HOLD_S, MAX_TAPS, SERIES_S, Down, Gesture, Gestures, Hold, HoldEnd, Settled, Tap

# (down, seconds since the edge before it); the exact limits are as likely as anything between them
edges = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from((0.0, 0.02, 0.2, SERIES_S, 0.375, HOLD_S, 0.5, 3.0)),
    ),
    max_size=30,
)


def press(gestures: Gestures, at: float) -> list[Gesture]:
    return gestures.edge(down=True, now=at)


def release(gestures: Gestures, at: float) -> list[Gesture]:
    return gestures.edge(down=False, now=at)


def test_a_tap_is_told_with_the_release_and_settles_when_no_other_can_come() -> None:
    button = Gestures()
    assert press(button, 10.0) == [Down(first=True)]
    assert release(button, 10.1) == [Tap(1)]
    assert button.deadline == 10.1 + SERIES_S
    assert button.tick(10.1 + SERIES_S - 0.001) == []
    assert button.tick(10.1 + SERIES_S) == [Settled(1)]
    assert button.deadline is None


def test_a_hold_is_told_while_the_button_is_down_and_ends_with_the_release() -> None:
    button = Gestures()
    press(button, 0.0)
    assert button.pressed
    assert button.deadline == HOLD_S
    assert button.tick(HOLD_S) == [Hold()]
    assert button.pressed
    assert button.deadline is None
    assert release(button, 5.0) == [HoldEnd()]
    assert not button.pressed
    assert button.tick(99.0) == []


def test_two_taps_in_time_are_a_series_and_only_the_first_press_of_it_is_first() -> None:
    button = Gestures()
    press(button, 0.0)
    release(button, 0.1)
    assert press(button, 0.1 + SERIES_S - 0.01) == [Down(first=False)]
    assert release(button, 0.5) == [Tap(2)]
    assert button.tick(0.5 + SERIES_S) == [Settled(2)]


def test_the_third_tap_settles_at_once_and_a_fourth_begins_a_new_series() -> None:
    button = Gestures()
    for start in (0.0, 0.2):
        press(button, start)
        release(button, start + 0.1)
    press(button, 0.4)
    assert release(button, 0.5) == [Tap(3), Settled(3)]
    assert button.deadline is None
    assert press(button, 0.6) == [Down(first=True)]
    assert release(button, 0.7) == [Tap(1)]


def test_a_second_tap_that_comes_too_late_is_a_first_one() -> None:
    button = Gestures()
    press(button, 0.0)
    release(button, 0.1)
    assert press(button, 0.1 + SERIES_S) == [Settled(1), Down(first=True)]


def test_an_edge_that_comes_before_the_overdue_tick_finds_the_hold_done() -> None:
    button = Gestures()
    press(button, 0.0)
    assert release(button, HOLD_S) == [Hold(), HoldEnd()]


def test_a_tap_followed_by_a_hold_ends_the_series_without_settling() -> None:
    button = Gestures()
    press(button, 0.0)
    release(button, 0.1)
    press(button, 0.2)
    assert button.tick(0.2 + HOLD_S) == [Hold()]
    assert release(button, 1.0) == [HoldEnd()]
    press(button, 1.1)
    assert release(button, 1.2) == [Tap(1)]


def test_repeated_edges_are_ignored() -> None:
    button = Gestures()
    assert release(button, 0.0) == []
    press(button, 1.0)
    assert press(button, 1.1) == []
    assert button.deadline == 1.0 + HOLD_S
    release(button, 1.2)
    assert release(button, 1.3) == []
    assert button.deadline == 1.2 + SERIES_S


@given(edges)
def test_any_edges_make_consistent_gestures_and_the_deadline_is_none_when_idle(steps: list[tuple[bool, float]]) -> None:
    button, now, told = Gestures(), 0.0, list[Gesture]()
    for down, after in steps:
        now += after
        told += button.edge(down=down, now=now)
        assert button.pressed == down
        assert button.deadline is None or now < button.deadline <= now + max(HOLD_S, SERIES_S)
    told += button.edge(down=False, now=now)
    told += button.tick(now + 10)
    assert button.deadline is None
    assert not button.pressed
    assert_consistent(told)


def assert_consistent(told: list[Gesture]) -> None:
    """Every press is a tap or a hold, taps count from one, a series settles with the number it reached."""
    begins = Down(first=True)
    assert not told or told[0] == begins
    for before, after in pairwise([*told, begins]):
        match before:
            case Down():
                assert isinstance(after, Tap | Hold)
            case Hold():
                assert after == HoldEnd()
            case HoldEnd() | Settled():
                assert after == begins
            case Tap(count) if count < MAX_TAPS:
                assert after in (Settled(count), Down(first=False))
            case Tap(count):
                assert after == Settled(count)
    count = 0
    for gesture in told:
        match gesture:
            case Down(first=True):
                count = 0
            case Tap():
                count += 1
                assert gesture.count == count
