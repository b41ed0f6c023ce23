"""Sample rate conversion of a stream, block by block, with numpy.

A fixed block of input maps on a fixed block of output by a fixed matrix (a windowed-sinc low pass, evaluated at every
output instant), so a block costs one small matrix product: the only state is the last few samples, the delay constant.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Weights = npt.NDArray[np.float32]

HALF_WIDTH = 20
"""Samples of the lower rate on either side of an output instant: 1.25 ms of delay at 16 kHz, 0.8 ms at 24 kHz."""
ROLL_OFF = 0.90
"""Cut-off as a share of the lower Nyquist frequency: at 16 kHz flat to 6.3 kHz and 55 dB down from 8.3 kHz on."""
KAISER_BETA = 7.0
"""Side lobes of the window near -70 dB, below what a cheap card adds itself."""
LEAST_OUT = 16
"""Outputs per matrix row: fewer would leave numpy's overhead dominant, more would multiply by zeros."""


class Resampler:
    """Converts mono s16le from one rate to another, any multiple of ``unit`` samples at a time."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        """Compute the matrix; about 10 ms on a laptop."""
        common = math.gcd(rate_in, rate_out)
        repeat = -(-LEAST_OUT // (rate_out // common))
        self.unit = rate_in // common * repeat
        """Input samples per step."""
        self._out = rate_out // common * repeat
        self._matrix = _matrix(rate_in, rate_out, self._out)
        span = self._matrix.shape[0]
        self._past = np.zeros(span - self.unit, dtype=np.float32)
        self.delay_s = (span - self.unit) / 2 / rate_in
        """How much later a sound leaves than it came."""

    def process(self, pcm: bytes) -> bytes:
        """Return as much time as ``pcm`` holds. Raises ValueError if it is not a multiple of ``unit`` samples."""
        fresh = np.frombuffer(pcm, dtype="<i2")
        steps, rest = divmod(len(fresh), self.unit)
        if rest:
            raise ValueError(f"{len(fresh)} samples are not a multiple of {self.unit}")
        signal = np.concatenate((self._past, fresh), dtype=np.float32)
        self._past = signal[len(fresh) :]
        windows = np.lib.stride_tricks.as_strided(
            signal, (steps, self._matrix.shape[0]), (self.unit * signal.itemsize, signal.itemsize), writeable=False
        )
        out = np.rint(windows @ self._matrix)
        samples: Samples = np.clip(out, -32768, 32767).astype("<i2")
        return samples.tobytes()


def _matrix(rate_in: int, rate_out: int, count: int) -> Weights:
    """Column k holds the weights of the inputs for output k of a step; unity gain for a constant."""
    lower = min(rate_in, rate_out)
    reach = math.ceil(HALF_WIDTH * rate_in / lower)
    unit = count * rate_in // rate_out
    inputs = np.arange(unit + 2 * reach)[:, None]
    instants = np.arange(count)[None, :] * rate_in / rate_out + reach
    distance = (inputs - instants) * lower / rate_in  # in samples of the lower rate
    inside = np.abs(distance) <= HALF_WIDTH
    window = np.i0(KAISER_BETA * np.sqrt(np.where(inside, 1 - (distance / HALF_WIDTH) ** 2, 0)))
    weights = np.where(inside, np.sinc(distance * ROLL_OFF) * window, 0)
    matrix: Weights = (weights / weights.sum(axis=0)).astype(np.float32)
    return matrix
