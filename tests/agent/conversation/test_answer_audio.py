"""The sound of answers; what a dialogue makes of it is in test_dialogue.py."""

from array import array

import pytest

from agent.conversation.answer_audio import AHEAD_S, INAUDIBLE, LONGEST_PIECE_S, AnswerAudio, loudest
from agent.metrics import Counters, TurnRecord
from agent.wire.events import AudioOut
from tests.support.dialogue_rig import FakeSpeaker, audio


def of_answers() -> AnswerAudio:
    return AnswerAudio(FakeSpeaker(), Counters())


def test_what_is_at_the_speakers_rate_passes_as_it_is_however_much_it_is() -> None:
    piece = audio(60.0)
    assert of_answers().refusal(piece) == ""
    assert of_answers().converted(piece, TurnRecord()) is piece.pcm


@pytest.mark.parametrize(
    ("piece", "refusal"),
    [
        (audio(LONGEST_PIECE_S, rate=8_000), ""),
        (audio(LONGEST_PIECE_S + 0.01, rate=8_000), "too much in one piece at 8000 Hz"),
        (audio(0.1, rate=23_999), "23999 Hz"),
    ],
)
def test_only_so_much_is_converted_at_once_and_only_from_common_rates(piece: AudioOut, refusal: str) -> None:
    assert of_answers().refusal(piece) == refusal


def test_nothing_is_converted_that_will_be_dropped_before_it_plays() -> None:
    speaker = FakeSpeaker(bytearray(audio(AHEAD_S + 1).pcm))
    sound = AnswerAudio(speaker, Counters())
    assert sound.refusal(audio(0.2, rate=16_000)) == "too far ahead"
    assert sound.refusal(audio(0.2)) == ""


def test_each_answer_and_each_rate_is_converted_from_its_own_beginning() -> None:
    sound, first, second = of_answers(), TurnRecord(1), TurnRecord(2)
    piece = AudioOut(array("h", [5000] * 1600).tobytes(), 16_000)
    begin = sound.converted(piece, first)
    assert sound.converted(piece, first) != begin
    assert sound.converted(piece, second) == begin
    assert sound.converted(AudioOut(piece.pcm, 48_000), second) != begin
    assert sound.converted(piece, second) == begin


@pytest.mark.parametrize(("samples", "level"), [([], 0), ([0] * 16, 0), ([-INAUDIBLE] * 8, INAUDIBLE), ([9] * 8, 9)])
def test_the_loudest_sample_is_found_about(samples: list[int], level: int) -> None:
    assert loudest(array("h", samples).tobytes()) == level
