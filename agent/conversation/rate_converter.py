"""PURE: brings an answer that came at another rate to the speaker's, in plain Python: good enough for speech.

So far the service sends 24 kHz, so this is not there to be fast or beautiful, but so that nobody sits in silence should
it change. A windowed sinc of few taps; the images and aliases of speech stay 30 dB below it.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from operator import mul

from hardware.ports import SPEAKER_FORMAT

LOWEST, HIGHEST = 8_000, 96_000
"""Hz. Below is no speech, above no service."""
MOST_PHASES = 320
"""11 025 and 22 050 Hz need this many; a rate that needs more is none that anybody uses."""
HALF_WIDTH = 6
"""Zero crossings of the sinc on either side."""
FULL_SCALE = 32_767


def playable(rate: int) -> bool:
    """Return whether sound at ``rate`` Hz can be played."""
    return LOWEST <= rate <= HIGHEST and SPEAKER_FORMAT.rate // math.gcd(SPEAKER_FORMAT.rate, rate) <= MOST_PHASES


class RateConverter:
    """Converts one stream of mono s16le at ``rate`` Hz, piece by piece."""

    def __init__(self, rate: int) -> None:
        """Start at the beginning of the stream; ``rate`` must be :func:`playable`."""
        assert playable(rate), rate
        self.rate = rate
        common = math.gcd(SPEAKER_FORMAT.rate, rate)
        self._phases, self._step = SPEAKER_FORMAT.rate // common, rate // common
        self._weights = _weights(self._phases, self._step)
        self._taps = len(self._weights[0])
        self._waiting = array("h", bytes(2 * (self._taps // 2 - 1)))  # the first output stands on the first input
        self._next = 0  # the place of the next output in ``_waiting``, in phases

    def convert(self, pcm: bytes) -> bytes:
        """Return what can be played now; up to a millisecond waits for the next piece."""
        samples = self._waiting
        samples.frombytes(pcm)
        weights, taps, phases, step, place = self._weights, self._taps, self._phases, self._step, self._next
        out = array("h")
        last = (len(samples) - taps) * phases + phases - 1
        while place <= last:
            at, phase = divmod(place, phases)
            level = round(sum(map(mul, weights[phase], samples[at : at + taps])))
            out.append(max(-FULL_SCALE, min(FULL_SCALE, level)))
            place += step
        used = min(place // phases, len(samples))
        del samples[:used]
        self._next = place - used * phases
        return out.tobytes()


@lru_cache(maxsize=4)
def _weights(phases: int, step: int) -> list[list[float]]:
    """Return the taps of each phase; a constant has unity gain."""
    narrow = min(1.0, phases / step)  # going down, the sinc is as wide as the output's samples
    reach = math.ceil(HALF_WIDTH / narrow)
    rows = []
    for phase in range(phases):
        distances = [(tap - (reach - 1) - phase / phases) * narrow for tap in range(2 * reach)]
        row = [_sinc(x) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, abs(x) / HALF_WIDTH))) for x in distances]
        total = sum(row)
        rows.append([weight / total for weight in row])
    return rows


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0
