import random
import wave
from array import array
from pathlib import Path

import pytest

from agent import simulator
from agent.hearing.endpointer import Edge, Endpointer, Timings
from agent.hearing.vad import HOLD_FRAMES, SAMPLE_RATE, loud_enough, webrtc_detector
from hardware.ports import CHUNK_S

QUESTIONS = sorted((Path(simulator.__file__).parent / "assets" / "questions").glob("*.wav"))
FRAME_BYTES = round(CHUNK_S * SAMPLE_RATE) * 2


def spoken(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        return bytes(file.readframes(file.getnframes()))


def edges(pcm: bytes) -> list[tuple[float, Edge]]:
    """Return each edge with the second of the audio that completed it."""
    endpointer = Endpointer(webrtc_detector(3), Timings())
    whole = range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)
    told = [
        ((start + FRAME_BYTES) / SAMPLE_RATE / 2, endpointer.feed(pcm[start : start + FRAME_BYTES])) for start in whole
    ]
    return [(at, edge) for at, edge in told if edge is not None]


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * SAMPLE_RATE) * 2)


def test_there_are_questions_to_listen_to() -> None:
    assert len(QUESTIONS) >= 4


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
def test_a_spoken_question_is_one_utterance_from_its_beginning_to_its_end(path: Path) -> None:
    question = spoken(path)
    length = len(question) / SAMPLE_RATE / 2
    (start, began), (end, ended) = edges(silence(1.0) + question + silence(2.0))
    assert (began, ended) == (Edge.START, Edge.END)
    assert 1.0 < start < 1.4  # within the pre-roll of 400 ms, so that no syllable is lost
    assert 1.0 + length - 0.3 < end < 1.0 + length + 1.0


def test_two_questions_are_two_utterances() -> None:
    first, second = (spoken(path) for path in QUESTIONS[:2])
    told = edges(silence(1.0) + first + silence(1.5) + second + silence(1.5))
    assert [edge for _, edge in told] == [Edge.START, Edge.END] * 2


def test_silence_is_no_utterance() -> None:
    assert edges(silence(10.0)) == []


def test_a_quiet_room_is_no_utterance() -> None:
    noise = random.Random(1)
    hiss = array("h", (round(noise.gauss(0, 30)) for _ in range(10 * SAMPLE_RATE)))
    assert edges(hiss.tobytes()) == []


def test_a_lenient_detector_takes_no_less_for_speech_than_a_strict_one() -> None:
    question = spoken(QUESTIONS[0])
    frames = [question[at : at + FRAME_BYTES] for at in range(0, len(question) - FRAME_BYTES, FRAME_BYTES)]
    voiced = [sum(map(webrtc_detector(mode), frames)) for mode in (0, 3)]
    assert voiced[0] > voiced[1] > 0


@pytest.mark.parametrize("milliseconds", [10, 20, 30])
def test_it_takes_10_20_or_30_ms(milliseconds: int) -> None:
    assert webrtc_detector(3)(bytes(SAMPLE_RATE * milliseconds // 1000 * 2)) is False


def test_an_aggressiveness_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="mode"):
        webrtc_detector(4)


def scaled(pcm: bytes, decibels: float) -> bytes:
    return array("h", (round(sample * 10 ** (decibels / 20)) for sample in array("h", pcm))).tobytes()


def test_what_no_person_says_so_softly_is_no_utterance() -> None:
    question = spoken(QUESTIONS[0])  # its loudest moments are about 12 dB below full scale
    assert edges(silence(1.0) + scaled(question, -30) + silence(1.0))
    assert edges(silence(1.0) + scaled(question, -60) + silence(1.0)) == []


@pytest.mark.parametrize(("amplitude", "loud"), [(30, False), (36, True)])
def test_loud_enough_begins_at_60_db_below_full_scale(amplitude: int, *, loud: bool) -> None:
    square = array("h", [amplitude, amplitude, -amplitude, -amplitude] * 80).tobytes()
    assert loud_enough(square) is loud


def test_a_hole_in_a_voice_is_still_the_voice_and_a_long_one_is_not() -> None:
    question = spoken(QUESTIONS[0])
    frames = [question[at : at + FRAME_BYTES] for at in range(0, len(question) - FRAME_BYTES, FRAME_BYTES)]
    detector = webrtc_detector(3)
    last = next(count for count in range(20, len(frames)) if all(map(webrtc_detector(3), frames[count - 5 : count])))
    assert [detector(frame) for frame in frames[:last]][-1]
    holes = [detector(scaled(frame, -50)) for frame in frames[last : last + 12]]
    assert holes[0]
    assert not any(holes[HOLD_FRAMES:])


def test_what_a_canceller_left_of_an_echo_is_as_a_hole_however_loud() -> None:
    question = spoken(QUESTIONS[0])
    frames = [question[at : at + FRAME_BYTES] for at in range(0, len(question) - FRAME_BYTES, FRAME_BYTES)]
    residue = [False]
    plain, detector = webrtc_detector(3), webrtc_detector(3, lambda: residue[0])
    last = next(count for count in range(20, len(frames)) if all(map(webrtc_detector(3), frames[count - 5 : count])))
    assert [detector(frame) for frame in frames[:last]] == [plain(frame) for frame in frames[:last]]
    residue[0] = True
    heard = [(detector(frame), plain(frame)) for frame in frames[last : last + 30]]
    assert all(now is wanted for now, wanted in heard[:HOLD_FRAMES])
    assert not any(now for now, _ in heard[HOLD_FRAMES:])
    assert any(wanted for _, wanted in heard[HOLD_FRAMES:])
