"""What goes to the card: the answer at its rate, at a volume that does not click, and silence that keeps it awake."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.sound.playback import PlaybackBuffer
from hardware.sound.renderer import Renderer, Volume


def tone(seconds: float, level: int = 8000) -> bytes:
    t = np.arange(round(24000 * seconds)) / 24000
    return bytes(np.rint(level * np.sin(2 * np.pi * 400 * t)).astype("<i2").tobytes())


def rendered(renderer: Renderer, blocks: int) -> np.ndarray:
    return np.frombuffer(b"".join(renderer.block() for _ in range(blocks)), dtype="<i2").astype(float)


@pytest.mark.parametrize("rate", [48000, 44100, 24000, 16000])
def test_an_answer_leaves_at_the_rate_of_the_card(rate: int) -> None:
    buffer = PlaybackBuffer(0.0)
    ended: list[int] = []
    renderer = Renderer(buffer, rate, Volume(), ended.append)
    buffer.write(tone(0.5))
    buffer.finish()
    made = rendered(renderer, 60)
    assert len(made) == 60 * rate // 100
    spectrum = np.abs(np.fft.rfft(made))
    assert np.argmax(spectrum) * rate / len(made) == pytest.approx(400, abs=2)
    assert np.max(made) == pytest.approx(8000, rel=0.02)
    assert ended == [buffer.answer]


def test_the_volume_moves_within_a_block_and_without_a_step() -> None:
    volume = Volume()
    steady = np.full(480, 10000, dtype=np.int16)
    assert volume.apply(steady) is steady
    volume.db = -20.0
    ramp = volume.apply(steady)
    assert ramp[0] == 10000
    assert ramp[-1] == pytest.approx(1000, abs=1)
    assert np.max(np.abs(np.diff(ramp.astype(int)))) < 25
    assert set(volume.apply(steady)) == {1000}


def test_what_is_too_loud_is_clipped_and_does_not_wrap() -> None:
    loud = Volume(20.0).apply(np.array([30000, -30000], dtype=np.int16))
    assert loud.tolist() == [32767, -32768]


def test_silence_is_silent_unless_an_amplifier_has_to_stay_awake() -> None:
    buffer = PlaybackBuffer(0.0)
    renderer = Renderer(buffer, 48000, Volume(), lambda _: None)
    assert not rendered(renderer, 3).any()
    renderer.awake = True
    assert 0 < np.max(np.abs(rendered(renderer, 3))) <= 1
    buffer.write(tone(0.1))
    assert np.max(rendered(renderer, 5)) > 7000
