"""A simulated box in a simulated room, for tests and demonstrations: computes what would be heard of what is played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hardware.ports import MICROPHONE_FORMAT, SPEAKER_FORMAT
from hardware.sound.resample import Resampler
from hardware.tuning.measure import Recording

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]
    Sound = npt.NDArray[np.float64]

FULL = 32768.0


@dataclass(frozen=True, slots=True)
class RoomModel:
    """Levels in dBFS at the microphone before ``gain_db``, which is the card's own."""

    rate: int = 48_000
    delay_ms: float = 60.0
    echo_db: float = -10.0
    """Of the echo over what is played; -inf: a loudspeaker that is mute."""
    noise_dbfs: float = -60.0
    speech_dbfs: float = -28.0
    """Of words, without pauses; -inf: nobody speaks."""
    gain_db: float = 0.0
    drive: float = 0.3
    """How hard the loudspeaker is driven: 3 is a bad one at its end."""
    reverberation_s: float = 0.2
    drift_ppm: float = 0.0
    """By how much the microphone's clock is fast."""
    dead: bool = False
    seed: int = 1


class SimulatedRig:
    """Returns at once what a room would have sounded like; somebody speaks after ``cue`` was played."""

    def __init__(self, room: RoomModel, device: str = "simulated", speech: bytes = b"", cue: bytes = b"") -> None:
        """``speech`` is mono s16le at 16 kHz."""
        self.device = device
        self._room, self._speech, self._cue = room, speech, cue
        self._rng = np.random.default_rng(room.seed)
        self._path = _path(room, self._rng)
        self.asked_s = 0.0
        """How long a real box would have taken."""

    async def ready(self) -> None:
        """Return at once."""

    async def play_and_record(self, pcm: bytes, seconds: float) -> Recording:
        """Return ``seconds`` of both."""
        self.asked_s += seconds
        room = self._room
        size = round(seconds * 100) * (room.rate // 100)
        far = _fitted(resampled(pcm, SPEAKER_FORMAT.rate, room.rate), size)
        near = self._echo(far)
        if pcm == self._cue:
            start = round(SPEAKER_FORMAT.seconds_in(len(pcm)) * room.rate)
            said = _fitted(resampled(self._speech, MICROPHONE_FORMAT.rate, room.rate), max(0, size - start))
            near[size - len(said) :] += _at(said / FULL, room.speech_dbfs, room.rate)
        near += self._rng.standard_normal(size) * _amplitude(room.noise_dbfs)
        near = np.clip(np.rint(near * _amplitude(room.gain_db) * FULL), -FULL, FULL - 1)
        return Recording((near * (not room.dead)).astype(np.int16), far, room.rate)

    async def aclose(self) -> None:
        """No-op: nothing was opened."""

    def _echo(self, far: Samples) -> Sound:
        room = self._room
        driven = np.tanh(far / FULL * room.drive * 5) / (room.drive * 5)
        size = 1 << (len(far) + len(self._path)).bit_length()
        heard = np.fft.irfft(np.fft.rfft(driven, size) * np.fft.rfft(self._path, size), size)[: len(far)]
        at = np.arange(len(far)) * (1 + room.drift_ppm * 1e-6) - room.delay_ms * room.rate / 1000
        late: Sound = np.interp(at, np.arange(len(far)), heard, left=0) * _amplitude(room.echo_db)
        return late


def resampled(pcm: bytes, rate_in: int, rate: int) -> Samples:
    """Return s16le at another rate."""
    converter = Resampler(rate_in, rate)
    sound = np.frombuffer(pcm, dtype="<i2")
    return converter.convert(_fitted(sound, -(-len(sound) // converter.unit) * converter.unit)) if len(sound) else sound


def _path(room: RoomModel, rng: np.random.Generator) -> Sound:
    """Return an impulse response of unit energy: the direct sound, then reflections that die away."""
    t = np.arange(max(1, round(room.reverberation_s * room.rate))) / room.rate
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / max(room.reverberation_s, 1e-3))
    tail *= 0.7 / max(1e-9, float(np.sqrt(np.sum(tail**2))))
    tail[0] += 1.0
    path: Sound = tail / np.sqrt(np.sum(tail**2))
    return path


def _fitted(sound: Samples, size: int) -> Samples:
    fitted = np.zeros(size, dtype=np.int16)
    fitted[: len(sound)] = sound[:size]
    return fitted


def _at(sound: Sound, dbfs: float, rate: int) -> Sound:
    """Scale words to a level, pauses left out of account."""
    size = rate // 50
    blocks = sound[: len(sound) // size * size].reshape(-1, size)
    powers = (blocks**2).mean(axis=1)
    voiced = powers[powers > 1e-3 * powers.max(initial=0.0)]
    if not len(voiced):
        return sound
    scaled: Sound = sound * (_amplitude(dbfs) / float(np.sqrt(voiced.mean())))
    return scaled


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))
