import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.noise import AGAIN_S, FALSE_STARTS, FORGET_S, LONG_S, QUIET_MOST_S, QUIET_S, NoiseWatch


def listen(watch: NoiseWatch, start: float, seconds: float, voiced: float) -> float:
    """Feed frames of which a share is voiced, evenly spread; return when they end."""
    for index in range(round(seconds * 50)):
        watch.frame(start + index / 50, voiced=int((index + 1) * voiced) > int(index * voiced))
    return start + seconds


def loud_place() -> NoiseWatch:
    watch = NoiseWatch()
    watch.false_start(0.0, LONG_S)
    return watch


def test_a_place_is_quiet_until_something_tells_otherwise() -> None:
    watch = NoiseWatch()
    listen(watch, 0.0, 120, voiced=0.02)
    assert not watch.noisy


def test_voice_alone_is_no_noise() -> None:
    watch = NoiseWatch()
    listen(watch, 0.0, 600, voiced=0.9)
    assert not watch.noisy


@pytest.mark.parametrize(("every_s", "noisy"), [(10, True), (14.9, True), (15.1, False), (60, False)])
def test_more_than_four_false_starts_a_minute_are_noise(every_s: float, *, noisy: bool) -> None:
    watch = NoiseWatch()
    for index in range(20):
        watch.false_start(100 + index * every_s)
    assert watch.noisy is noisy


def test_four_false_starts_are_not_yet_noise() -> None:
    watch = NoiseWatch()
    for index in range(FALSE_STARTS):
        watch.false_start(float(index))
    assert not watch.noisy
    watch.false_start(5.0)
    assert watch.noisy


@pytest.mark.parametrize(("seconds", "noisy"), [(LONG_S - 0.1, False), (LONG_S, True)])
def test_one_long_utterance_of_which_nothing_came_is_noise(seconds: float, *, noisy: bool) -> None:
    watch = NoiseWatch()
    watch.false_start(100.0, seconds)
    assert watch.noisy is noisy


def test_a_person_who_was_taken_for_noise_and_waits_for_a_reply_is_heard_again() -> None:
    watch = loud_place()
    now = listen(watch, 0.1, QUIET_S - 0.3, voiced=0)
    assert watch.noisy
    listen(watch, now, 0.5, voiced=0)
    assert not watch.noisy


def test_it_lasts_as_long_as_the_noise() -> None:
    watch = loud_place()
    now = listen(watch, 0.0, 60, voiced=0.3)
    assert watch.noisy
    now = listen(watch, now, QUIET_S - 1, voiced=0)
    assert watch.noisy
    listen(watch, now, 2, voiced=0)
    assert not watch.noisy


def test_noise_that_comes_back_is_known_sooner_and_must_pause_longer_each_time() -> None:
    watch = loud_place()
    now, paused = 0.1, []
    for _ in range(5):
        began = now
        while watch.noisy:
            now = listen(watch, now, 0.5, voiced=0)
        paused.append(now - began)
        watch.false_start(now)
        assert not watch.noisy
        watch.false_start(now)
        assert watch.noisy
    assert paused == pytest.approx([QUIET_S, 6.0, 12.0, QUIET_MOST_S, QUIET_MOST_S], abs=1.0)
    now = listen(watch, now, AGAIN_S, voiced=0)
    watch.false_start(now + 1)
    watch.false_start(now + 2)
    assert not watch.noisy, "by now it would be another noise"
    watch.false_start(now + 3, LONG_S)
    listen(watch, now + 3, QUIET_S + 1, voiced=0)
    assert not watch.noisy


def test_one_more_false_start_begins_the_quiet_anew() -> None:
    watch = loud_place()
    now = listen(watch, 0.0, QUIET_S - 0.5, voiced=0)
    watch.false_start(now)
    now = listen(watch, now, QUIET_S - 0.5, voiced=0)
    assert watch.noisy
    listen(watch, now, 1, voiced=0)
    assert not watch.noisy


def test_quiet_that_nobody_listened_to_does_not_count() -> None:
    watch = loud_place()
    listen(watch, 60.0, 1, voiced=0)
    assert watch.noisy


def test_afterwards_old_false_starts_are_forgotten() -> None:
    watch = NoiseWatch()
    for index in range(5):
        watch.false_start(index / 10)
    listen(watch, 1.0, 12, voiced=0)
    assert not watch.noisy
    watch.false_start(14.0)
    assert not watch.noisy


def test_a_box_that_comes_back_after_a_while_is_somewhere_else() -> None:
    watch = NoiseWatch()
    watch.frame(0.0, voiced=False)
    watch.false_start(0.0, LONG_S)
    watch.frame(FORGET_S - 1, voiced=True)
    assert watch.noisy
    watch.frame(2 * FORGET_S, voiced=True)
    assert not watch.noisy


@given(st.lists(st.tuples(st.sampled_from(["voiced", "quiet", "false", "endless"]), st.floats(0, 30))))
def test_whatever_happens_enough_quiet_brings_it_to_rest(events: list[tuple[str, float]]) -> None:
    watch = NoiseWatch()
    now = 0.0
    for kind, pause in events:
        now += pause
        match kind:
            case "false":
                watch.false_start(now)
            case "endless":
                watch.false_start(now, LONG_S)
            case _:
                now = listen(watch, now, 1, voiced=float(kind == "voiced"))
    listen(watch, now, QUIET_MOST_S + 1.1, voiced=0)
    assert not watch.noisy
