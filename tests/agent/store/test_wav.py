"""What a WAV holds, whatever its header says."""

from __future__ import annotations

import io
import wave

import pytest

from agent.store.wav import ANSWER_RATE, HEADER, SPEECH_RATE, UNKNOWN, header, read, repaired, whole

PCM = bytes(range(100))


def test_a_header_is_as_others_read_it() -> None:
    with wave.open(io.BytesIO(header(ANSWER_RATE, len(PCM)) + PCM)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.readframes(file.getnframes()) == PCM


@pytest.mark.parametrize("size", [None, 0, 4, 1000])
def test_samples_are_what_follows_the_header_whatever_length_that_tells(size: int | None) -> None:
    assert read(header(8_000, size) + PCM) == (PCM, 8_000)
    assert read(header(8_000, size) + PCM[:7]) == (PCM[:6], 8_000)


@pytest.mark.parametrize("spoilt", [bytes(44), b"\xff" * 44, header(3_999, None), header(192_001, None)])
def test_a_rate_that_cannot_be_is_the_one_that_is_expected(spoilt: bytes) -> None:
    assert read(spoilt + PCM) == (PCM, SPEECH_RATE)
    assert read(spoilt + PCM, ANSWER_RATE) == (PCM, ANSWER_RATE)


@pytest.mark.parametrize("rate", [4_000, 192_000])
def test_a_rate_that_can_be_is_believed(rate: int) -> None:
    assert read(header(rate, None) + PCM) == (PCM, rate)


@pytest.mark.parametrize("content", [b"", b"RIFF", header(8_000, None)[:43]])
def test_what_has_not_even_a_header_holds_nothing(content: bytes) -> None:
    assert read(content, ANSWER_RATE) == (b"", ANSWER_RATE)
    assert whole(len(content)) == 0


def test_a_header_is_repaired_to_the_length_that_is_there() -> None:
    size = HEADER.size + 7
    assert HEADER.unpack(header(8_000, None))[12] == UNKNOWN
    assert repaired(header(8_000, None), size, SPEECH_RATE) == header(8_000, 6)
    assert repaired(header(8_000, 6), size, SPEECH_RATE) == header(8_000, 6)
    assert repaired(bytes(HEADER.size), size, ANSWER_RATE) == header(ANSWER_RATE, 6)
    strange = b"RIFX" + header(8_000, None)[4:]  # its rate is as good as the rest
    assert repaired(strange, size, SPEECH_RATE) == header(SPEECH_RATE, 6)
