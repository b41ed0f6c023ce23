"""Arithmetic on s16le PCM: saturates, scales, fades, spreads over channels, converts to the microphone's rate."""

from __future__ import annotations

from array import array

import pytest

from hardware.sound.pcm import fade_out, mix, scale, spread, two_thirds


def pcm(*samples: int) -> bytes:
    return array("h", samples).tobytes()


def test_sums_saturate() -> None:
    assert mix(pcm(32767, -32768, 5), pcm(1, -1, 6)) == pcm(32767, -32768, 11)


def test_a_gain_scales_towards_zero() -> None:
    assert scale(pcm(32767, -5), 0.5) == pcm(16383, -2)


def test_a_fade_begins_below_the_sound_and_ends_above_silence() -> None:
    assert fade_out(pcm(400, 400, 400)) == pcm(300, 200, 100)
    assert fade_out(b"") == b""


@pytest.mark.parametrize(
    ("channels", "channel", "wide", "expected"),
    [
        (1, 0, False, (7, 8)),
        (2, 0, False, (7, 7, 8, 8)),
        (3, 2, False, (0, 7, 0, 0, 8, 0)),
        (1, 0, True, (0, 7, 0, 8)),
        (2, 2, True, (0, 0, 0, 7, 0, 0, 0, 8)),
    ],
)
def test_mono_is_put_on_one_channel_or_on_all(
    channels: int, channel: int, *, wide: bool, expected: tuple[int, ...]
) -> None:
    assert spread(pcm(7, 8), channels, channel, wide=wide) == pcm(*expected)


def test_three_samples_become_two() -> None:
    assert two_thirds(pcm(9, 10, 20, 30, 40, 60)) == pcm(9, 15, 30, 50)
