"""Rate conversion: same duration, clean band, no aliases, the same whatever the block size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.sound.resample import Resampler

CAPTURE = [96000, 48000, 44100, 32000]
PLAYBACK = [96000, 48000, 44100, 32000, 16000]
PAIRS = [*((rate, 16000) for rate in CAPTURE), *((24000, rate) for rate in PLAYBACK)]


def sine(frequency: float, rate: int, seconds: float = 1.0) -> bytes:
    t = np.arange(round(rate * seconds)) / rate
    return bytes(np.rint(20000 * np.sin(2 * np.pi * frequency * t)).astype("<i2"))


def convert(pcm: bytes, rate_in: int, rate_out: int, block_s: float = 0.02) -> np.ndarray:
    resampler = Resampler(rate_in, rate_out)
    step = round(rate_in * block_s) * 2
    out = b"".join(resampler.process(pcm[i : i + step]) for i in range(0, len(pcm), step))
    return np.frombuffer(out, dtype="<i2").astype(float)


def decibels(signal: np.ndarray) -> float:
    settled = signal[len(signal) // 4 :]
    return float(20 * np.log10(np.sqrt(np.mean(settled**2)) / (20000 / np.sqrt(2)) + 1e-9))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
@pytest.mark.parametrize("block_s", [0.01, 0.02])
def test_a_second_stays_a_second_to_the_sample(rate_in: int, rate_out: int, block_s: float) -> None:
    assert len(convert(sine(440, rate_in), rate_in, rate_out, block_s)) == rate_out


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
@pytest.mark.parametrize("frequency", [100, 1000, 4000, 6800])
def test_speech_passes_unchanged(rate_in: int, rate_out: int, frequency: float) -> None:
    assert decibels(convert(sine(frequency, rate_in), rate_in, rate_out)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("rate_in", CAPTURE)
@pytest.mark.parametrize("frequency", [8800, 9100, 9600, 12000, 15000])
def test_what_the_lower_rate_cannot_hold_is_gone(rate_in: int, frequency: float) -> None:
    assert decibels(convert(sine(frequency, rate_in), rate_in, 16000)) < -80


@pytest.mark.parametrize("rate_out", [96000, 48000, 44100, 32000])
def test_an_answer_gets_no_images(rate_out: int) -> None:
    out = convert(sine(10000, 24000), 24000, rate_out)[rate_out // 4 :]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    frequencies = np.fft.rfftfreq(len(out), 1 / rate_out)
    assert 20 * np.log10(spectrum[frequencies > 13200].max() / spectrum.max()) < -80


@given(values=st.lists(st.integers(-32768, 32767), min_size=96, max_size=960), cut=st.integers(1, 4))
def test_the_block_size_does_not_matter(values: list[int], cut: int) -> None:
    pcm = np.array(values[: len(values) // 48 * 48], dtype="<i2").tobytes()
    whole, pieces = Resampler(48000, 16000), Resampler(48000, 16000)
    step = 96 * cut
    at_once = np.frombuffer(whole.process(pcm), dtype="<i2")
    in_pieces = b"".join(pieces.process(pcm[i : i + step]) for i in range(0, len(pcm), step))
    difference = at_once.astype(int) - np.frombuffer(in_pieces, dtype="<i2")
    assert np.abs(difference).max() <= 1, "the order of a sum may round the last bit differently"


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_delay_is_the_one_it_names(rate_in: int, rate_out: int) -> None:
    resampler = Resampler(rate_in, rate_out)
    click = np.zeros(rate_in // 10, dtype=np.int16)
    click[rate_in // 20] = 30000
    heard = resampler.convert(click)
    assert int(np.argmax(heard)) / rate_out == pytest.approx(0.05 + resampler.delay_s, abs=0.6 / rate_out)
    assert resampler.delay_s < 0.0015


def test_samples_and_bytes_are_converted_alike() -> None:
    loud = np.random.default_rng(1).integers(-32768, 32767, 882).astype(np.int16)
    assert Resampler(44100, 16000).convert(loud).tobytes() == Resampler(44100, 16000).process(loud.tobytes())


def test_what_was_returned_is_not_written_to_again() -> None:
    resampler = Resampler(48000, 16000)
    first = resampler.convert(np.full(480, 1000, dtype=np.int16))
    kept = first.copy()
    resampler.convert(np.full(480, -1000, dtype=np.int16))
    assert (first == kept).all()


def test_full_scale_is_clipped_and_does_not_wrap() -> None:
    square = np.where(np.arange(4800) // 48 % 2, 32767, -32768).astype(np.int16)  # overshoots behind any low pass
    heard = Resampler(48000, 16000).convert(square).astype(int)
    assert np.abs(np.diff(heard)).max() < 65536
    assert heard.max() == 32767
    assert heard.min() == -32768
    assert np.sign(heard[160:]).reshape(-1, 16)[:, 8].tolist().count(0) == 0


def test_equal_rates_pass_untouched_and_at_once() -> None:
    resampler = Resampler(16000, 16000)
    samples = np.arange(160, dtype=np.int16)
    assert resampler.convert(samples) is samples
    assert resampler.delay_s == 0


def test_a_block_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        Resampler(44100, 16000).process(bytes(200))
