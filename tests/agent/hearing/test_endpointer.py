from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.endpointer import Edge, Endpointer, Timings, Weight
from hardware.ports import CHUNK_S

VOICE, SILENCE = b"\1", b"\0"
TIMINGS = Timings()


def frames(milliseconds: int, frame: bytes = VOICE) -> list[bytes]:
    return [frame] * round(milliseconds / 1000 / CHUNK_S)


def endpointer(timings: Timings = TIMINGS) -> Endpointer:
    return Endpointer(lambda frame: frame == VOICE, timings)


def edges(ear: Endpointer, *parts: list[bytes]) -> list[tuple[int, Edge]]:
    """Feed the parts; return each edge with the number of frames fed until then."""
    heard = [frame for part in parts for frame in part]
    told = [(count, ear.feed(frame)) for count, frame in enumerate(heard, start=1)]
    return [(count, edge) for count, edge in told if edge is not None]


def started(timings: Timings = TIMINGS) -> Endpointer:
    ear = endpointer(timings)
    assert edges(ear, frames(120)) == [(6, Edge.START)]
    return ear


def test_speech_starts_with_the_sixth_voiced_frame_and_not_before() -> None:
    ear = endpointer()
    assert edges(ear, frames(100)) == []
    assert not ear.speaking
    assert ear.feed(VOICE) is Edge.START
    assert ear.speaking


def test_six_voiced_frames_of_the_last_ten_are_a_start_in_whatever_order() -> None:
    pattern = [VOICE, VOICE, SILENCE, VOICE, SILENCE, VOICE, SILENCE, VOICE, SILENCE, VOICE]
    assert edges(endpointer(), pattern) == [(10, Edge.START)]


def test_voice_that_is_more_than_ten_frames_old_does_not_count_towards_a_start() -> None:
    assert edges(endpointer(), frames(100), frames(200, SILENCE), frames(100)) == []
    assert edges(endpointer(), [VOICE, SILENCE] * 100) == []  # five of any ten


def test_a_pause_of_650_ms_does_not_end_an_utterance() -> None:
    pause = frames(640, SILENCE)
    assert edges(started(), pause, frames(500), pause, frames(500), pause, frames(20)) == []


def test_800_ms_of_silence_end_an_utterance() -> None:
    ear = started()
    told = edges(ear, frames(2000), frames(800, SILENCE))
    assert [edge for _, edge in told] == [Edge.END]
    assert 100 + 650 / 20 < told[0][0] <= 100 + 800 / 20
    assert not ear.speaking


def test_an_end_needs_at_most_a_tenth_of_voice_in_its_window() -> None:
    tenth = [VOICE, *frames(180, SILENCE)] * 6
    more = [VOICE, *frames(140, SILENCE)] * 6
    assert [edge for _, edge in edges(started(), tenth)] == [Edge.END]
    assert edges(started(), more) == []


def test_no_utterance_is_shorter_than_the_minimum() -> None:
    timings = Timings(end_window=5, minimum=50)
    assert edges(started(timings), frames(2000, SILENCE)) == [(50, Edge.END)]


def test_an_utterance_of_the_maximum_is_ended_though_the_voice_goes_on() -> None:
    timings = Timings(maximum=100)
    ear = started(timings)
    assert edges(ear, frames(2000)) == [(100, Edge.END)]
    assert edges(ear, frames(120)) == [(6, Edge.START)]  # and what follows is the next one, on fresh evidence


def test_reset_forgets_what_was_heard() -> None:
    ear = endpointer()
    edges(ear, frames(100))
    ear.reset()
    assert edges(ear, frames(100)) == []
    ear = started()
    ear.reset()
    assert not ear.speaking
    assert edges(ear, frames(2000, SILENCE)) == []


def test_listening_shows_the_detector_everything_and_starts_nothing() -> None:
    asked: list[bytes] = []

    def detector(frame: bytes) -> bool:
        asked.append(frame)
        return True

    ear = Endpointer(detector, TIMINGS)
    told = [ear.listen(frame) for frame in frames(400)]
    assert [count for count, like_speech in enumerate(told, start=1) if like_speech] == [9, 18]
    assert asked == frames(400)
    assert ear.voiced
    assert not ear.speaking
    assert edges(ear, frames(100)) == []


def test_a_frame_that_says_more_counts_for_more_and_one_that_says_nothing_does_not_count() -> None:
    ear = endpointer()
    assert [ear.feed(frame, Weight(1.5, sure=True)) for frame in frames(80)] == [None] * 3 + [Edge.START]
    ear = endpointer()
    weights = [Weight(frames, sure=True) for frames in (0.0, 2.0, 0.0, 2.0, 0.0, 1.9, 0.1)]
    assert [ear.feed(VOICE, weight) for weight in weights] == [None] * 6 + [Edge.START]
    ear, thrice = endpointer(), Weight(3.0, sure=True)
    assert [ear.listen(frame, thrice) for frame in [VOICE, SILENCE, VOICE, SILENCE, VOICE]] == [False] * 4 + [True]


def test_what_a_canceller_may_have_left_of_an_echo_is_no_start_without_three_frames_that_are_more() -> None:
    ear, more, left = endpointer(), Weight(1.5, sure=True), Weight(1.5, sure=False)
    assert [ear.feed(VOICE, weight) for weight in [left] * 6 + [more] * 3] == [None] * 8 + [Edge.START]
    ear = endpointer()
    assert [ear.feed(VOICE, weight) for weight in [more, more] + [left] * 8] == [None] * 10
    shortest = endpointer(Timings(start_voiced=1))
    assert shortest.feed(VOICE, more) is Edge.START


def test_what_a_deaf_ear_heard_is_forgotten_once_it_hears() -> None:
    ear = endpointer()
    for _ in range(8):
        assert not ear.listen(VOICE)
    ear.feed(SILENCE)
    assert not ear.listen(VOICE)


def test_silence_after_one_utterance_is_no_evidence_against_the_next() -> None:
    ear = started()
    edges(ear, frames(800, SILENCE))
    assert edges(ear, frames(120), frames(640, SILENCE)) == [(6, Edge.START)]


@given(st.lists(st.booleans(), max_size=600))
def test_edges_alternate_and_utterances_keep_within_minimum_and_maximum(voiced: list[bool]) -> None:
    timings = Timings(end_window=10, minimum=15, maximum=60)
    told = edges(endpointer(timings), [VOICE if each else SILENCE for each in voiced])
    assert [edge for _, edge in told] == [Edge.START, Edge.END] * (len(told) // 2) + [Edge.START] * (len(told) % 2)
    for (start, _), (end, _) in zip(told[::2], told[1::2], strict=False):
        assert timings.minimum <= end - start <= timings.maximum


@given(st.lists(st.booleans(), max_size=300))
def test_the_same_audio_gives_the_same_edges_however_late_it_comes(voiced: list[bool]) -> None:
    # It is given no clock, so nothing but the audio can decide: a detector that is asked once per frame, in order.
    asked: list[bytes] = []

    def detector(frame: bytes) -> bool:
        asked.append(frame)
        return frame == VOICE

    heard = [VOICE if each else SILENCE for each in voiced]
    assert edges(Endpointer(detector, TIMINGS), heard) == edges(endpointer(), heard)
    assert asked == heard
