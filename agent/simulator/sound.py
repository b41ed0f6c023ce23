"""s16le mono audio: its level, speech in it by energy, cutting it into pieces, WAV files."""

from __future__ import annotations

import itertools
import math
import sys
import wave
from array import array
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE_BYTES: Final = 2
SILENCE_DBFS: Final = -96.0  # what 16 bits can tell from nothing
_FULL_SCALE: Final = 32768.0
_FRAME_S: Final = 0.02
_ONSET_FRAMES: Final = 3  # 60 ms: a click does not open a turn
_PIECE_PATTERN: Final = (1.0, 5 / 6, 7 / 6)  # pieces of 240, 200, 280 ms (PROTOCOL 4.7)


def level(pcm: bytes) -> float:
    """Return the RMS level of s16le audio in dBFS."""
    samples = _samples(pcm)
    if not samples:
        return SILENCE_DBFS
    power = sum(x * x for x in samples) / len(samples)
    return max(SILENCE_DBFS, 20 * math.log10(math.sqrt(power) / _FULL_SCALE)) if power else SILENCE_DBFS


def seconds(pcm: bytes | bytearray, rate: int) -> float:
    """Return the length of s16le mono audio in seconds."""
    return len(pcm) / (rate * SAMPLE_BYTES)


def pieces(pcm: bytes, rate: int, piece_s: float) -> Iterator[bytes]:
    """Cut audio as the service does: around `piece_s` seconds each, not all the same."""
    start = 0
    for factor in itertools.cycle(_PIECE_PATTERN):
        if start >= len(pcm):
            return
        size = max(1, int(piece_s * factor * rate)) * SAMPLE_BYTES
        yield pcm[start : start + size]
        start += size


def quiet(pcm: bytes, factor: float = 0.001) -> bytes:
    """Scale audio down; the default leaves 60 dB less, an answer nobody hears."""
    return _bytes(array("h", (int(x * factor) for x in _samples(pcm))))


def resample(pcm: bytes, source: int, target: int) -> bytes:
    """Convert the sample rate by linear interpolation: good enough for a synthetic voice."""
    samples = _samples(pcm)
    if source == target or not samples:
        return pcm
    samples.append(samples[-1])
    count = (len(samples) - 1) * target // source
    result = array("h")
    for i in range(count):
        whole, rest = divmod(i * source, target)
        result.append(samples[whole] + (samples[whole + 1] - samples[whole]) * rest // target)
    return _bytes(result)


def read_wav(path: Path) -> tuple[bytes, int]:
    """Read a mono 16-bit WAV file: its PCM and its sample rate. Raises ValueError for anything else."""
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, SAMPLE_BYTES):
            raise ValueError(f"{path}: a mono 16-bit WAV file is needed")
        return file.readframes(file.getnframes()), file.getframerate()


def write_wav(target: BinaryIO, pcm: bytes, rate: int) -> None:
    """Write a mono 16-bit WAV file into an open file."""
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(rate)
        file.writeframes(pcm)


class EnergyVad:
    """Hears speech by its level, in audio time: what the service does when automatic detection is on.

    Speech starts after 60 ms above `threshold` dBFS and ends after `silence_s` below it.
    """

    def __init__(self, silence_s: float, threshold: float) -> None:
        """Start in silence."""
        self.speaking = False
        self._needed = max(1, round(silence_s / _FRAME_S))
        self._threshold = threshold
        self._run = 0
        self._rest = b""

    def feed(self, pcm: bytes, rate: int) -> list[str]:
        """Handle any amount of audio; return the edges in it in order, each "start" or "end"."""
        data = self._rest + pcm
        size = int(rate * _FRAME_S) * SAMPLE_BYTES
        self._rest = data[len(data) - len(data) % size :]
        frames = (data[start : start + size] for start in range(0, len(data) - size + 1, size))
        edges = (self._frame(loud=level(frame) >= self._threshold) for frame in frames)
        return [edge for edge in edges if edge]

    def reset(self) -> None:
        """Forget the speech under way."""
        self.speaking, self._run, self._rest = False, 0, b""

    def _frame(self, *, loud: bool) -> str | None:
        self._run = self._run + 1 if loud != self.speaking else 0
        if self._run < (self._needed if self.speaking else _ONSET_FRAMES):
            return None
        self.speaking, self._run = not self.speaking, 0
        return "start" if self.speaking else "end"


def _samples(pcm: bytes) -> array[int]:
    samples = array("h", pcm[: len(pcm) - len(pcm) % SAMPLE_BYTES])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _bytes(samples: array[int]) -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
