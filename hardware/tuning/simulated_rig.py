"""A simulated rig in a simulated room, for tests and demonstrations: computes what the microphone would capture."""

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
    """A room and its devices. Levels are in dBFS at the microphone, before the card's gain ``gain_db``."""

    rate: int = 48_000
    delay_ms: float = 60.0
    echo_db: float = -10.0
    """Level of the echo relative to what is played; -inf: the loudspeaker is mute."""
    noise_dbfs: float = -60.0
    speech_dbfs: float = -28.0
    """Level of words, without pauses; -inf: nobody speaks."""
    gain_db: float = 0.0
    drive: float = 0.3
    """How hard the loudspeaker is driven: 3 is a bad loudspeaker at its limit."""
    reverberation_s: float = 0.2
    drift_ppm: float = 0.0
    """How fast the microphone's clock runs, compared with the loudspeaker's."""
    dead: bool = False
    seed: int = 1


class SimulatedRig:
    """Computes at once what would be recorded in a room; somebody speaks after ``cue`` was played."""

    def __init__(self, room: RoomModel, device: str = "simulated", speech: bytes = b"", cue: bytes = b"") -> None:
        """Set up the room; ``speech`` is 16 kHz mono s16le, ``cue`` 24 kHz mono s16le."""
        self.device = device
        self._room, self._speech, self._cue = room, speech, cue
        self._rng = np.random.default_rng(room.seed)
        self._path = _path(room, self._rng)
        self.asked_s = 0.0
        """Seconds that a real box would have taken so far."""

    async def ready(self) -> None:
        """Return at once."""

    async def play_and_record(self, pcm: bytes, seconds: float) -> Recording:
        """Return ``seconds`` of both sides, beginning with ``pcm`` (24 kHz mono s16le)."""
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
    """Return mono s16le at the rate ``rate``."""
    converter = Resampler(rate_in, rate)
    sound = np.frombuffer(pcm, dtype="<i2")
    return converter.convert(_fitted(sound, -(-len(sound) // converter.unit) * converter.unit)) if len(sound) else sound


def _path(room: RoomModel, rng: np.random.Generator) -> Sound:
    """Return an impulse response of unit energy: the direct sound, then decaying reflections."""
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
    """Return ``sound`` scaled so that its words, without pauses, have this level."""
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
