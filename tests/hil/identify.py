"""Finds the box's own sounds in a recording of its speaker: what sounded, when, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agent.simulator.voice import ASSETS, read_answer
from agent.voice.earcons import Earcon, pcm
from agent.voice.recordings import Recordings
from hardware.ports import SPEAKER_FORMAT

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.voice.phrase import Phrase
    from tests.hil.room import Samples

    Doubles = npt.NDArray[np.float64]

RATE = SPEAKER_FORMAT.rate
LIKE = 0.75
"""Correlation from which on a sound is that one; unrelated speech gives 0.2, the same through two converters 0.97."""
PIECE_S = 0.5
AUDIBLE_DBFS = -60.0


class Heard(NamedTuple):
    """One sound in a recording: its name, and the seconds of its begin and end."""

    name: str
    begin: float
    end: float


def earcon(which: Earcon) -> Samples:
    """The sound of an earcon."""
    return _samples(pcm(which))


def words(*items: Phrase | int) -> Samples:
    """The sound of words of the box."""
    return _samples(Recordings("en").say(*items))


def answer(question: str) -> Samples:
    """The sound of the simulator's answer to one of the shipped questions."""
    return _samples(read_answer(ASSETS, question))


def end_of(sound: Samples) -> Samples:
    """The last second of a sound, without the silence after it."""
    last = int(np.flatnonzero(np.abs(sound) > 10 ** (AUDIBLE_DBFS / 40))[-1])
    return sound[max(0, last - RATE) : last]


def find(sound: Samples, played: Samples) -> list[float]:
    """Return the seconds at which ``sound`` (at ``RATE``) begins in ``played``, a recording at twice that rate."""
    scores = likeness(sound, played)
    found: list[float] = []
    gap = round(0.5 * len(sound))
    for at in np.flatnonzero(scores >= LIKE):
        if not found or at - found[-1] * RATE > gap:
            best = at + int(np.argmax(scores[at : at + gap]))
            found.append(best / RATE)
    return found


def likeness(sound: Samples, played: Samples) -> Doubles:
    """Return the normalised correlation of ``sound`` with ``played`` (at twice ``RATE``) at each sample of ``RATE``."""
    recording = played[: len(played) // 2 * 2].reshape(-1, 2).mean(axis=1).astype(np.float64)
    template = sound.astype(np.float64)
    count = len(recording) - len(template) + 1
    if count <= 0:
        return np.zeros(0)
    size = 1 << (len(recording) + len(template)).bit_length()
    product = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(template, size)), size)[:count]
    sums = np.concatenate(([0.0], np.cumsum(recording**2)))
    energy = np.maximum(sums[len(template) :] - sums[:count], 0.0)
    floor = len(template) * 10 ** (AUDIBLE_DBFS / 10)
    scores: Doubles = product / np.sqrt(np.sum(template**2) * np.maximum(energy, floor))
    return scores


def share_played(sound: Samples, played: Samples) -> float:
    """Return the share of half-second pieces of ``sound`` that are somewhere in ``played``."""
    length = round(PIECE_S * RATE)
    pieces = [sound[at : at + length] for at in range(0, len(sound) - length + 1, length)]
    loud = [piece for piece in pieces if np.sqrt(np.mean(piece**2)) > 10 ** (AUDIBLE_DBFS / 20)]
    return sum(bool(find(piece, played)) for piece in loud) / len(loud)


def voices(played: Samples, sounds: dict[str, Samples]) -> list[Heard]:
    """Return all of ``sounds`` that are in ``played``, in the order of their begins."""
    found = [
        Heard(name, begin, begin + len(sound) / RATE) for name, sound in sounds.items() for begin in find(sound, played)
    ]
    return sorted(found, key=lambda heard: heard.begin)


def _samples(raw: bytes) -> Samples:
    return np.frombuffer(raw, dtype="<i2").astype(np.float32) / np.float32(32768)
