"""The box's own words: how things stand and what went wrong, spoken without the service.

The recordings under ``voices`` are made by ``scripts/make-phrases`` from the texts in ``voices/phrases.toml``. They are
kept as IMA ADPCM at 12 kHz, half a byte a sample, which any player plays and a few lines decode: a quarter of the
space of plain samples at the same rate, with the consonants that 8 kHz would lose.
"""

from __future__ import annotations

import struct
import sys
import wave
from array import array
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.errors import ConfigError
from hardware.files import expanded, open_regular
from hardware.ports import SPEAKER_FORMAT, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config import VoiceSettings

RATE = SPEAKER_FORMAT.rate  # so that a phrase is played like an answer
STORED_RATE = 12_000  # Hz, of the shipped recordings
OVERRIDE_RATES = (8_000, 16_000, 24_000, 48_000)  # Hz, those that reach RATE by small whole steps
PAUSE_S = 0.06  # between two phrases; with the 30 ms of silence at either end of a recording it is heard as 0.12
LARGEST = 99  # the largest number that is spoken as one; above it they are read digit by digit
KEPT = 8  # decoded recordings kept, about 80 kB each: a status is asked for twice, a number repeats

_VOICES = Path(__file__).parent / "voices"


def languages() -> list[str]:
    """Return the languages that are shipped, as they are named in the configuration."""
    return sorted(folder.name for folder in _VOICES.iterdir() if any(folder.glob("*.wav")))


class Recordings:
    """The phrases of one language, in the shipped voice or in the recordings of a folder."""

    def __init__(self, language: str, overrides: Path | None = None) -> None:
        """Find the recordings; a ``ValueError`` says which language or which file of ``overrides`` will not do."""
        if language not in languages():
            raise ValueError(f"no phrases in {language!r}; there are {', '.join(languages())}")
        self._language = language
        self._files = {file.stem: file for file in (_VOICES / language).glob("*.wav")}
        if overrides is not None:
            self._files |= _overrides(overrides, {*self._files, *map(str, range(LARGEST + 1))})

    def say(self, *items: str | int) -> bytes:
        """Return phrases and numbers in this order as 24 kHz mono s16le; a ``KeyError`` names one that is not there.

        The first time it takes about 2 ms for each second of speech, and ten times that on the slowest boards.
        """
        pause = bytes(2 * round(PAUSE_S * RATE))
        return pause.join(b"".join(map(self._recording, part)) for item in items for part in self._parts(item))

    def _recording(self, name: str) -> bytes:
        """Return one recording, ready to play."""
        if name not in self._files:
            raise KeyError(f"no phrase {name!r} in {self._language!r}")
        return _decode(self._files[name])

    def _parts(self, item: str | int) -> Iterator[list[str]]:
        """Split an item into recordings: inner lists are spoken without a pause."""
        if isinstance(item, str):
            yield [item]
        elif item < 0:
            raise KeyError(f"no phrase for the number {item}")
        elif item > LARGEST:
            yield from ([digit] for digit in str(item))
        else:
            yield [str(item)] if str(item) in self._files else _compose(self._language, item)


def configured(voice: VoiceSettings) -> Recordings:
    """Return the recordings that the configuration names. Raises ConfigError."""
    folder = expanded(voice.recordings) if voice.recordings else None
    try:
        return Recordings(voice.language, folder)
    except ValueError as error:
        raise ConfigError(f"[voice] recordings: {error}") from error


def _compose(language: str, number: int) -> list[str]:
    """Put a number above 30 together from recorded ones, in the order in which the language says them."""
    unit = number % 10
    tens = number - unit
    if language == "de":
        return [f"{unit}_and", f"{tens}"]
    if language == "es":
        return [f"{tens}_and", f"{unit}"]
    if language == "fr" and tens in {70, 90}:
        return [f"{tens - 10}", f"{unit + 10}"]
    return [f"{tens}", f"{unit}"]


def _overrides(folder: Path, names: set[str]) -> dict[str, Path]:
    """Return the recordings of a folder, all of them known to be playable."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    files = {file.stem: file for file in sorted(folder.glob("*.wav"))}
    for name, file in files.items():
        # A misspelt name would otherwise never be heard.
        problem = _problem(file) if name in names else "no phrase or number has this name"
        if problem:
            raise ValueError(f"{file}: {problem}")
    return files


def _problem(file: Path) -> str:
    """Say what is wrong with a recording that a person made, or nothing."""
    try:
        with open_regular(file) as opened, wave.open(opened) as recording:
            mono_s16 = (recording.getnchannels(), recording.getsampwidth()) == (1, 2)
            usable = mono_s16 and recording.getframerate() in OVERRIDE_RATES
    except RuntimeError:
        return "not a PCM WAV (the lengths in its header are wrong)"
    except (wave.Error, EOFError, OSError) as error:
        return f"not a PCM WAV ({reason(error)})"
    return "" if usable else "not mono 16-bit at 8, 16, 24 or 48 kHz"


@lru_cache(maxsize=KEPT)
def _decode(file: Path) -> bytes:
    """Return a recording as 24 kHz mono s16le."""
    if file.is_relative_to(_VOICES):
        return _samples(_doubled(_unpacked(file.read_bytes()))).tobytes()
    with open_regular(file) as opened, wave.open(opened) as recording:
        rate, frames = recording.getframerate(), recording.readframes(recording.getnframes())
    whole = len(frames) // 2 * 2  # the copy of a file may have ended in the middle of a sample
    return _samples(_resampled(_samples(array("h", frames[:whole])), rate)).tobytes()


def _samples(samples: array[int]) -> array[int]:
    """Turn little-endian samples into the machine's, or back."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


# Rates


def _doubled(samples: list[int]) -> array[int]:
    """Put a sample between any two: a cubic through its four neighbours, which keeps speech clear of overtones."""
    before = here = after = samples[0]
    between = []
    # One plain loop over a list: twice as fast as to zip four shifted copies.
    for further in [*samples[1:], samples[-1], samples[-1]]:
        between.append((9 * (here + after) - before - further) >> 4)
        before, here, after = here, after, further
    # The first was put before the beginning.
    return _woven(array("h", samples), array("h", between[1:]))


def _resampled(samples: array[int], rate: int) -> array[int]:
    """Bring a person's recording to ``RATE``."""
    if rate < RATE:
        samples, rate = _tripled(samples), 3 * rate
    return samples if rate == RATE else _halved(samples)


def _tripled(samples: array[int]) -> array[int]:
    """Put two samples on the line between any two."""
    pairs = list(zip(samples, [*samples[1:], *samples[-1:]], strict=True))
    first, second = ([((2 - at) * a + (1 + at) * b) // 3 for a, b in pairs] for at in (0, 1))
    return _woven(samples, array("h", first), array("h", second))


def _halved(samples: array[int]) -> array[int]:
    """Make one sample of any two."""
    return array("h", [(a + b) >> 1 for a, b in zip(samples[::2], samples[1::2], strict=False)])


def _woven(*phases: array[int]) -> array[int]:
    """Take a sample of each in turn."""
    woven = array("h", bytes(2 * sum(map(len, phases))))
    for index, phase in enumerate(phases):
        woven[index :: len(phases)] = phase
    return woven


# IMA ADPCM: each half byte moves the level by so many steps, and makes the next step larger or smaller

_STEPS = (
    *(7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97),
    *(107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796),
    *(876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871),
    *(5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623),
    *(27086, 29794, 32767),
)
_CHANGES = (-1, -1, -1, -1, 2, 4, 6, 8)  # of the index into _STEPS, by a half byte without its sign
_BLOCK = struct.Struct("<hBx")  # level and index that a block starts from


class _Table(NamedTuple):
    """What each half byte does at each index, at position ``16 * index + half``."""

    move: list[int]
    next: list[int]  # the next index, times 16


@cache
def _table() -> _Table:
    """Work the table out, once."""
    table = _Table([], [])
    for index, step in enumerate(_STEPS):
        for half in range(16):
            size = (step >> 3) + sum(step >> shift for shift in range(3) if half & 4 >> shift)
            table.move.append(-size if half & 8 else size)
            table.next.append(16 * min(max(index + _CHANGES[half & 7], 0), len(_STEPS) - 1))
    return table


def _unpacked(file: bytes) -> list[int]:
    """Decode a shipped recording."""
    chunks = dict(_chunks(file))
    (size,) = struct.unpack_from("<H", chunks[b"fmt "], 12)
    (count,) = struct.unpack_from("<I", chunks[b"fact"])
    data = chunks[b"data"]
    samples: list[int] = []
    for start in range(0, len(data), size):
        samples.extend(_block(data[start : start + size]))
    return samples[:count]  # the last block is filled up


def _chunks(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Walk through the parts of a WAV."""
    at = 12  # after RIFF, length, WAVE
    while at + 8 <= len(file):
        name, size = struct.unpack_from("<4sI", file, at)
        yield name, file[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _block(block: bytes) -> Iterator[int]:
    """Decode one block; the maker keeps away from full scale, so nothing need be clipped."""
    move, following = _table()
    level, index = _BLOCK.unpack_from(block)
    state = 16 * index
    moves = [level]
    for byte in block[_BLOCK.size :]:
        low = state + (byte & 15)
        high = following[low] + (byte >> 4)
        moves.append(move[low])
        moves.append(move[high])
        state = following[high]
    return accumulate(moves)
