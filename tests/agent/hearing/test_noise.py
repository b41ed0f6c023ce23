import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.noise import BUSY_S, FALSE_STARTS, FORGET_S, NoiseWatch


def listen(watch: NoiseWatch, start: float, seconds: float, voiced: float) -> float:
    """Feed frames of which a share is voiced, evenly spread; return when they end."""
    for index in range(round(seconds * 50)):
        watch.frame(start + index / 50, voiced=int((index + 1) * voiced) > int(index * voiced))
    return start + seconds


def loud_place() -> NoiseWatch:
    watch = NoiseWatch()
    watch.endless(0.0)
    return watch


def test_a_place_is_quiet_until_something_tells_otherwise() -> None:
    watch = NoiseWatch()
    listen(watch, 0.0, 120, voiced=0.02)
    assert not watch.noisy


def test_voice_for_20_s_without_a_word_is_noise() -> None:
    watch = NoiseWatch()
    now = listen(watch, 0.0, 15, voiced=0.4)
    assert not watch.noisy
    listen(watch, now, 10, voiced=0.4)
    assert watch.noisy


def test_voice_that_was_understood_is_a_person() -> None:
    watch = NoiseWatch()
    now = 0.0
    for _ in range(10):
        now = listen(watch, now, 15, voiced=0.9)
        watch.confirmed(now)
    assert not watch.noisy
    listen(watch, now, 25, voiced=0.9)
    assert watch.noisy, "but that was long ago"


def test_now_and_then_a_voice_is_no_noise() -> None:
    watch = NoiseWatch()
    listen(watch, 0.0, 120, voiced=0.2)
    assert not watch.noisy


def test_a_share_of_the_time_says_nothing_where_hardly_anything_was_heard() -> None:
    watch = NoiseWatch()
    now = 0.0
    for _ in range(10):
        now = listen(watch, now, 5, voiced=1.0) + 15
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


def test_an_utterance_that_only_the_maximum_ends_is_noise() -> None:
    assert loud_place().noisy


def test_ten_quiet_seconds_end_it() -> None:
    watch = loud_place()
    now = listen(watch, 0.1, 9.7, voiced=0)
    assert watch.noisy
    listen(watch, now, 0.5, voiced=0)
    assert not watch.noisy


def test_it_lasts_as_long_as_the_noise() -> None:
    watch = loud_place()
    now = listen(watch, 0.0, 60, voiced=0.3)
    assert watch.noisy
    now = listen(watch, now, 9, voiced=0)
    assert watch.noisy
    listen(watch, now, 6, voiced=0)
    assert not watch.noisy


def test_one_more_false_start_begins_the_quiet_anew() -> None:
    watch = loud_place()
    now = listen(watch, 0.0, 9, voiced=0)
    watch.false_start(now)
    now = listen(watch, now, 9, voiced=0)
    assert watch.noisy
    listen(watch, now, 2, voiced=0)
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
    watch.endless(0.0)
    watch.frame(FORGET_S - 1, voiced=True)
    assert watch.noisy
    watch.frame(2 * FORGET_S, voiced=True)
    assert not watch.noisy


@given(st.lists(st.tuples(st.sampled_from(["voiced", "quiet", "false", "confirmed", "endless"]), st.floats(0, 30))))
def test_whatever_happens_ten_quiet_seconds_bring_it_to_rest(events: list[tuple[str, float]]) -> None:
    watch = NoiseWatch()
    now = 0.0
    for kind, pause in events:
        now += pause
        match kind:
            case "false":
                watch.false_start(now)
            case "confirmed":
                watch.confirmed(now)
            case "endless":
                watch.endless(now)
            case _:
                now = listen(watch, now, 1, voiced=float(kind == "voiced"))
    listen(watch, now, 11.1, voiced=0)
    assert not watch.noisy


def test_a_long_sentence_that_was_understood_was_no_noise() -> None:
    watch = NoiseWatch()
    for frame in range(round(50 * (BUSY_S + 2))):
        watch.frame(100 + frame / 50, voiced=True)
    assert watch.noisy
    watch.confirmed(125.0)
    assert not watch.noisy
    watch.endless(126.0)
    watch.confirmed(127.0)
    assert watch.noisy
