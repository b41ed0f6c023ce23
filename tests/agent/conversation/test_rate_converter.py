"""Sound at another rate, against sines and against itself in other pieces."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.rate_converter import FULL_SCALE, RateConverter, playable

RATES = [8_000, 11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]
OUT = 24_000


def tone(hertz: float, rate: int, seconds: float = 0.5, level: float = 10_000) -> bytes:
    return array(
        "h", (round(level * math.sin(math.tau * hertz * n / rate)) for n in range(round(rate * seconds)))
    ).tobytes()


def samples(pcm: bytes) -> "array[int]":
    return array("h", pcm)


@pytest.mark.parametrize("rate", RATES)
def test_speech_stays_where_it_is_at_any_common_rate(rate: int) -> None:
    heard, meant = samples(RateConverter(rate).convert(tone(1000, rate))), samples(tone(1000, OUT))
    assert len(meant) - 60 <= len(heard) <= len(meant), "it ends a moment early"
    noise = sum((a - b) ** 2 for a, b in zip(heard[100:-100], meant[100:], strict=False))
    signal = sum(each**2 for each in meant[100 : len(heard) - 100])
    assert noise < signal / 1000, "30 dB"


@pytest.mark.parametrize(("rate", "hertz"), [(48_000, 20_000), (44_100, 18_000), (96_000, 40_000)])
def test_what_the_speaker_cannot_play_does_not_come_back_as_something_else(rate: int, hertz: float) -> None:
    heard = samples(RateConverter(rate).convert(tone(hertz, rate)))
    assert max(map(abs, heard[100:-100])) < 10_000 / 30


@given(st.sampled_from(RATES), st.lists(st.integers(0, 400), max_size=12))
def test_it_does_not_matter_in_which_pieces_it_comes(rate: int, sizes: list[int]) -> None:
    sound = tone(700, rate, sum(sizes) / rate)
    pieces, at = RateConverter(rate), 0
    converted = b""
    for size in sizes:
        converted += pieces.convert(sound[at : at + 2 * size])
        at += 2 * size
    assert converted == RateConverter(rate).convert(sound)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_full_scale_is_never_exceeded(rate: int) -> None:
    square = array("h", ([FULL_SCALE] * 7 + [-FULL_SCALE - 1] * 5) * 100).tobytes()
    assert max(map(abs, samples(RateConverter(rate).convert(square)))) <= FULL_SCALE


def test_a_constant_stays_one() -> None:
    assert set(samples(RateConverter(16_000).convert(array("h", [1234] * 500).tobytes()))[20:]) == {1234}


def test_only_rates_that_anybody_uses_are_playable() -> None:
    assert all(map(playable, [*RATES, OUT]))
    assert not any(map(playable, [1000, 7_999, 23_999, 44_101, 96_001, 192_000, 999_999]))
