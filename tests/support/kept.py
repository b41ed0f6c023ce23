"""How much of what somebody said is in what the service got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hardware.ports import MICROPHONE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]

RATE = MICROPHONE_FORMAT.rate
PIECE = RATE // 10
ALIKE = 0.6
"""Correlation of 100 ms from which on they are the same words; the same through canceller and two converters gives 0.8,
with the end of an echo over it 0.6, other words 0.3."""
AUDIBLE = 300.0
SLACK = RATE // 100
"""How far pieces may be displaced: two clocks, and a pause that was shortened."""


def share_kept(said: bytes, got: Iterable[bytes]) -> float:
    """Return the share of the audible tenths of a second of ``said`` that are in one of ``got`` (16 kHz s16le)."""
    words = samples(said)
    pieces = [words[at : at + PIECE] for at in range(0, len(words) - PIECE, PIECE)]
    loud = [piece for piece in pieces if np.sqrt(np.mean(piece**2)) > AUDIBLE]
    heard = [samples(each) for each in got]
    return sum(any(within(piece, each) for each in heard) for piece in loud) / len(loud)


def within(piece: Doubles, heard: Doubles) -> bool:
    """Return whether a piece is somewhere in what was heard."""
    if len(heard) < len(piece):
        return False
    size = 1 << (len(heard) + len(piece)).bit_length()
    count = len(heard) - len(piece) + 1
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)[:count]
    sums = np.concatenate(([0.0], np.cumsum(heard**2)))
    energy = np.maximum(sums[len(piece) :] - sums[:count], len(piece) * (AUDIBLE / 4) ** 2)
    return bool(np.max(product / np.sqrt(np.sum(piece**2) * energy)) >= ALIKE)


def samples(pcm: bytes) -> Doubles:
    """Return s16le as numbers."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64)
