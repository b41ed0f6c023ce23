"""The playback buffer: nothing is lost, silence is only inserted, a flush is heard at once."""

from __future__ import annotations

import threading
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ports import SPEAKER_FORMAT
from hardware.sound.chimes import RAMP
from hardware.sound.playback import CAPACITY_S, DECAY, FADE_S, KEPT_S, PlaybackBuffer

PERIOD = SPEAKER_FORMAT.bytes_in(0.02)


def tone(seconds: float, value: int = 1000) -> bytes:
    return array("h", [value]).tobytes() * round(seconds * SPEAKER_FORMAT.rate)


def pull(buffer: PlaybackBuffer, seconds: float) -> bytes:
    return b"".join(buffer.pull(PERIOD)[0] for _ in range(round(seconds / 0.02)))


def pull_value(buffer: PlaybackBuffer) -> int:
    """The one value that a period consists of."""
    (value,) = set(array("h", buffer.pull(PERIOD)[0]))
    return value


def sounding_s(pcm: bytes) -> float:
    return SPEAKER_FORMAT.seconds_in(2 * sum(sample != 0 for sample in array("h", pcm)))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 5000)),
        st.tuples(st.just("pull"), st.integers(1, 3000)),
        st.tuples(st.just("finish"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS, prebuffer_ms=st.integers(0, 200))
def test_everything_written_comes_out_once_and_in_order(steps: list[tuple[str, int]], prebuffer_ms: int) -> None:
    buffer = PlaybackBuffer(prebuffer_ms / 1000, 0.4)
    written, heard, counter = array("h"), array("h"), 0

    def write(count: int) -> None:
        nonlocal counter
        samples = array("h", [(counter + i) % 32767 + 1 for i in range(count)])  # never 0, the inserted silence
        counter += count
        written.extend(samples)
        buffer.write(samples.tobytes())

    actions: dict[str, Any] = {
        "write": write,
        "pull": lambda count: heard.frombytes(buffer.pull(2 * count)[0]),
        "finish": lambda _: buffer.finish(),
    }
    for action, count in steps:
        actions[action](count)
        assert buffer.buffered_s * 24000 == pytest.approx(len(written) - sum(1 for s in heard if s))
    buffer.finish()
    drained = [buffer.pull(PERIOD) for _ in range(len(written) // (PERIOD // 2) + 1)]
    for pcm, _ in drained:
        heard.frombytes(pcm)
    assert array("h", [sample for sample in heard if sample]) == written
    assert not buffer.audible


@given(size=st.integers(1, 3000), steps=STEPS)
def test_a_pull_returns_exactly_what_was_asked_for(size: int, steps: list[tuple[str, int]]) -> None:
    buffer = PlaybackBuffer()
    for action, count in steps:
        if action == "write":
            buffer.write(bytes(2 * count))
            buffer.chime(bytes(2 * count // 3 * 2))
        elif action == "finish":
            buffer.flush()
        assert len(buffer.pull(2 * size)[0]) == 2 * size


def test_playing_starts_when_the_prebuffer_is_full() -> None:
    buffer = PlaybackBuffer(0.1)
    buffer.write(tone(0.08))
    assert sounding_s(pull(buffer, 0.02)) == 0
    buffer.write(tone(0.02))
    assert sounding_s(pull(buffer, 0.02)) == pytest.approx(0.02)
    assert buffer.played_s == pytest.approx(0.02)
    assert buffer.buffered_s == pytest.approx(0.08)


def test_a_short_answer_starts_at_once_when_it_is_whole() -> None:
    buffer = PlaybackBuffer(0.4)
    buffer.write(tone(0.05))
    buffer.finish()
    assert sounding_s(pull(buffer, 0.06)) == pytest.approx(0.05)


def test_a_short_answer_starts_when_its_writer_pauses_for_the_prebuffer() -> None:
    buffer = PlaybackBuffer(0.1)
    buffer.write(tone(0.05))
    assert sounding_s(pull(buffer, 0.1)) == 0
    assert sounding_s(pull(buffer, 0.06)) == pytest.approx(0.05)


def test_drained_is_reported_once_with_the_last_sample() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.05))
    buffer.finish()
    assert [buffer.pull(PERIOD)[1] for _ in range(5)] == [0, 0, buffer.answer, 0, 0]
    assert buffer.played_s == pytest.approx(0.05)
    buffer.finish()
    assert not buffer.pull(PERIOD)[1]


def test_finishing_after_the_last_sample_is_no_break() -> None:
    buffer = PlaybackBuffer(0.1)
    buffer.write(tone(0.1))
    pull(buffer, 0.2)
    buffer.finish()
    assert buffer.audible
    assert buffer.pull(PERIOD)[1]
    assert buffer.underruns == 0
    assert not buffer.audible


def test_an_answer_without_audio_drains_at_once() -> None:
    buffer = PlaybackBuffer()
    buffer.finish()
    assert buffer.pull(PERIOD) == (bytes(PERIOD), buffer.answer)


def test_the_prebuffer_grows_after_a_break_and_shrinks_after_clean_answers() -> None:
    buffer = PlaybackBuffer(0.1, 0.4)
    for expected in (0.2, 0.4, 0.4):
        buffer.write(tone(0.5))
        pull(buffer, 1.0)
        buffer.write(tone(0.02))
        assert buffer.prebuffer_s == expected
        assert sounding_s(pull(buffer, 0.02)) == 0, "it primes again"
        pull(buffer, 1.0)
    assert buffer.underruns == 5, "each piece above came after a break"
    buffer.finish()
    pull(buffer, 0.02)
    assert buffer.prebuffer_s == 0.4, "that answer was not clean"
    for _ in range(2):
        buffer.write(tone(0.5))
        buffer.finish()
        pull(buffer, 0.6)
    assert buffer.prebuffer_s == pytest.approx(0.4 * DECAY**2)
    for _ in range(9):
        buffer.write(tone(0.1))
        buffer.finish()
        pull(buffer, 0.2)
    assert buffer.prebuffer_s == 0.1


def test_an_empty_buffer_that_is_filled_in_time_did_not_run_dry() -> None:
    buffer = PlaybackBuffer(0.02)
    buffer.write(tone(0.02))
    for _ in range(10):
        assert sounding_s(pull(buffer, 0.02)) == pytest.approx(0.02)
        buffer.write(tone(0.02))
    assert buffer.underruns == 0


def test_flush_fades_within_one_pull_and_returns_what_was_played() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(1.0))
    pull(buffer, 0.3)
    number = buffer.answer
    assert buffer.flush() == pytest.approx(0.3)
    assert buffer.answer == number + 1
    tail = array("h", pull(buffer, 0.02))
    faded = round(FADE_S * 24000)
    assert list(tail[:faded]) == sorted(tail[:faded], reverse=True)
    assert 900 < tail[0] < 1000
    assert tail[faded - 1] < 20
    assert not any(tail[faded:])
    assert not buffer.audible
    assert buffer.flush() == 0.0


def test_flush_before_the_first_sound_makes_none() -> None:
    buffer = PlaybackBuffer(0.4)
    buffer.write(tone(0.1))
    assert buffer.flush() == 0.0
    assert sounding_s(pull(buffer, 0.1)) == 0


def test_flush_right_after_the_end_still_knows_what_was_played() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.1))
    buffer.finish()
    pull(buffer, 0.2)
    assert buffer.flush() == pytest.approx(0.1)


def test_the_next_answer_counts_from_zero() -> None:
    buffer = PlaybackBuffer(0.0)
    for number in (2, 3):
        buffer.write(tone(0.1))
        buffer.finish()
        assert buffer.played_s == 0
        pull(buffer, 0.2)
        assert buffer.played_s == pytest.approx(0.1)
        assert buffer.answer == number


def test_writing_after_finish_goes_on_with_the_same_answer() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.04))
    buffer.finish()
    buffer.write(tone(0.04))
    assert not any(buffer.pull(PERIOD)[1] for _ in range(10))
    buffer.finish()
    assert buffer.pull(PERIOD)[1]
    assert buffer.played_s == pytest.approx(0.08)


def test_a_chime_sounds_alone_over_an_answer_and_over_a_flush() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.chime(tone(0.05, 200))
    assert buffer.audible
    assert set(array("h", pull(buffer, 0.02))) == {200}
    buffer.write(tone(0.02))
    assert pull_value(buffer) == pytest.approx(1200, abs=10)  # the answer is a little softer meanwhile
    buffer.write(tone(1))
    buffer.flush()
    assert sounding_s(pull(buffer, 0.02)) == pytest.approx(0.01)
    assert not buffer.audible
    assert buffer.played_s == 0


def test_an_answer_that_comes_during_words_begins_after_them_and_loses_nothing() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.say(tone(0.04, 200))
    assert pull_value(buffer) == 200
    buffer.write(tone(0.04))
    buffer.finish()
    assert [pull_value(buffer) for _ in range(3)] == [200, 1000, 1000]
    assert buffer.played_s == pytest.approx(0.04)


def test_words_that_come_just_before_a_whole_answer_sound_before_it() -> None:
    buffer = PlaybackBuffer(0.1)
    buffer.say(tone(0.02, 200))
    buffer.write(tone(0.02))
    buffer.finish()
    assert [pull_value(buffer) for _ in range(2)] == [200, 1000]


def test_words_that_come_during_an_answer_begin_after_it_even_if_it_runs_dry_in_between() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.04))
    assert pull_value(buffer) == 1000
    buffer.say(tone(0.02, 200))
    assert [pull_value(buffer) for _ in range(3)] == [1000, 0, 0]
    buffer.write(tone(0.02))
    buffer.finish()
    assert [pull_value(buffer) for _ in range(3)] == [1000, 200, 0]


def test_words_go_on_when_an_answer_is_flushed_and_are_silenced_by_hush() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(1))
    buffer.pull(PERIOD)
    buffer.say(tone(1, 200))
    buffer.flush()
    pull(buffer, 0.02)  # the fade
    assert pull_value(buffer) == 200
    buffer.hush()
    assert 0 < sounding_s(pull(buffer, 0.02)) <= 0.005
    assert not buffer.audible


def test_hushing_words_that_wait_leaves_the_answer_alone() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.06))
    buffer.pull(PERIOD)
    buffer.say(tone(1, 200))
    buffer.hush()
    assert [pull_value(buffer) for _ in range(3)] == [1000, 1000, 0]


def test_a_paused_answer_is_silent_at_once_and_goes_on_where_it_was() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.06))
    buffer.finish()
    assert pull_value(buffer) == 1000
    buffer.pause()
    assert 0 < sounding_s(pull(buffer, 0.02)) <= 0.005
    assert not buffer.audible
    assert not buffer.over
    assert [buffer.pull(PERIOD) for _ in range(3)] == [(bytes(PERIOD), 0)] * 3
    buffer.pause()
    buffer.resume()
    assert buffer.audible
    assert pull_value(buffer) == 1000
    assert buffer.pull(PERIOD)[1]
    assert buffer.played_s == pytest.approx(0.06)


def test_an_answer_that_comes_while_paused_waits_and_the_boxs_words_do_not() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.pause()
    buffer.write(tone(0.02))
    buffer.finish()
    buffer.say(tone(0.02, 200))
    assert [pull_value(buffer) for _ in range(2)] == [200, 0]
    buffer.resume()
    assert pull_value(buffer) == 1000


def test_a_flush_ends_a_pause() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(0.06))
    buffer.pull(PERIOD)
    buffer.pause()
    assert buffer.flush() == pytest.approx(0.02)
    pull(buffer, 0.02)
    buffer.write(tone(0.02, 300))
    assert pull_value(buffer) == 300


@pytest.mark.parametrize("value", [32767, -32768])
def test_a_chime_over_the_loudest_answer_keeps_its_shape(value: int) -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(1.0, value))
    buffer.finish()
    assert pull_value(buffer) == value
    sweep = array("h", [200 * (place % 101 - 50) for place in range(4800)])
    buffer.chime(sweep.tobytes())
    heard = array("h", pull(buffer, 0.5))
    below = heard[RAMP + 50]
    assert [sample - below for sample in heard[RAMP : RAMP + len(sweep)]] == sweep.tolist()
    assert 0.6 < below / value < 0.8
    assert set(heard[-100:]) == {value}


def test_a_chime_with_no_voice_below_it_begins_at_once_whatever_was_said_before() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.say(tone(0.02, 200))
    pull(buffer, 0.04)
    buffer.write(tone(1.0))
    pull(buffer, 0.02)
    buffer.pause()
    pull(buffer, 0.04)
    buffer.chime(tone(0.02, 30000))
    assert pull_value(buffer) == 30000


def test_words_below_a_chime_and_an_answer_that_fades_make_room_as_well() -> None:
    for silence in ("hush", "flush"):
        buffer = PlaybackBuffer(0.0)
        (buffer.say if silence == "hush" else buffer.write)(tone(1.0, 32767))
        assert pull_value(buffer) == 32767
        getattr(buffer, silence)()
        buffer.chime(tone(0.04, 30000))
        heard = array("h", pull(buffer, 0.06))
        assert set(heard[RAMP : RAMP + 960]) == {30000}


def test_beyond_two_minutes_the_oldest_goes_and_is_counted() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(CAPACITY_S))
    buffer.write(tone(1.0, 7))
    assert buffer.dropped_s == pytest.approx(1.0)
    assert buffer.buffered_s == pytest.approx(CAPACITY_S)
    pull(buffer, CAPACITY_S - 1)
    assert set(array("h", pull(buffer, 1.0))) == {7}


def test_what_comes_after_a_cut_is_refused_and_counted() -> None:
    buffer = PlaybackBuffer(0.0)
    epoch = buffer.epoch
    assert buffer.write(tone(0.1), epoch)
    buffer.flush()
    assert not buffer.write(tone(0.2), epoch)
    assert not buffer.audible or sounding_s(pull(buffer, 0.1)) <= FADE_S
    assert buffer.refused_s == pytest.approx(0.2)
    assert buffer.write(tone(0.1), buffer.epoch)
    assert buffer.write(tone(0.1)), "who does not say when is believed"
    assert buffer.buffered_s == pytest.approx(0.2)


def test_the_end_of_an_answer_is_no_cut() -> None:
    buffer = PlaybackBuffer(0.0)
    epoch = buffer.epoch
    for _ in range(2):
        assert buffer.write(tone(0.1), epoch)
        buffer.finish()
        pull(buffer, 0.2)


def test_the_last_answer_is_repeated_from_its_first_sample() -> None:
    buffer = PlaybackBuffer(0.1)
    assert buffer.repeat() == 0.0
    assert not buffer.audible
    for value in (1, 2):
        buffer.write(tone(0.2, value))
        buffer.finish()
        pull(buffer, 0.3)
    for _ in range(2):
        assert buffer.repeat() == pytest.approx(0.2)
        assert set(array("h", pull(buffer, 0.2))) == {2}
        assert buffer.pull(PERIOD)[1] or buffer.over
    buffer.write(tone(1.0, 3))
    pull(buffer, 0.4)
    number = buffer.answer
    assert buffer.repeat() == pytest.approx(0.2), "not what still comes, since it may be about the repeating"
    buffer.flush()
    buffer.write(tone(1.0, 3))
    buffer.flush()
    assert buffer.repeat() == pytest.approx(1.0), "also what was cut, as far as it had come"
    assert buffer.answer > number
    assert buffer.played_s == 0.0


def test_of_a_long_answer_the_first_minute_is_kept() -> None:
    buffer = PlaybackBuffer(0.0)
    buffer.write(tone(KEPT_S - 1, 1))
    buffer.write(tone(3, 2))
    buffer.finish()
    kept = buffer.last_answer()
    assert SPEAKER_FORMAT.seconds_in(len(kept)) == KEPT_S
    assert array("h", kept[-2:])[0] == 2


def test_half_a_sample_is_refused_and_nothing_is_nothing() -> None:
    buffer = PlaybackBuffer()
    with pytest.raises(ValueError, match="whole samples"):
        buffer.write(b"abc")
    buffer.write(b"")
    assert not buffer.audible


def test_two_threads_share_it() -> None:
    buffer = PlaybackBuffer(0.0)
    total = 5 * SPEAKER_FORMAT.rate
    heard = array("h")

    def play() -> None:
        drained = 0
        while not drained:
            pcm, drained = buffer.pull(PERIOD)
            heard.frombytes(pcm)

    player = threading.Thread(target=play)
    player.start()
    for begin in range(0, total, 999):
        buffer.write(array("h", [i % 32767 + 1 for i in range(begin, min(begin + 999, total))]).tobytes())
    buffer.finish()
    player.join(10)
    assert [sample for sample in heard if sample] == [i % 32767 + 1 for i in range(total)]
