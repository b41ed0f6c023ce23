"""Sample rate conversion of a stream, block by block, with numpy.

A fixed block of input maps to a fixed block of output by fixed weights (a windowed-sinc low pass, evaluated at every
output instant). A block therefore costs one small matrix product, the only state is the last few samples, and the delay
is constant.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Weights = npt.NDArray[np.float32]

HALF_WIDTH = 22
"""Samples of the lower rate on either side of an output instant: 1.4 ms of delay at 16 kHz, 0.9 ms at 24 kHz."""
ROLL_OFF = 0.975
"""Cut-off as a share of the lower Nyquist frequency: with these, 16 kHz is flat to 6.8 kHz and closed from 8.8 kHz."""
KAISER_BETA = 8.4
"""Puts the window's side lobes near -85 dB, so that aliases stay below -80 dB."""
LEAST_OUT = 16
"""Least outputs per matrix: with fewer, numpy's overhead would dominate; more would multiply by zeros."""
TOP, BOTTOM = np.float32(32767), np.float32(-32768)


class Resampler:
    """Converts mono s16le from one rate to another, any multiple of ``unit`` samples at a time. One thread only."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        """Compute the weights; about 10 ms on a laptop. Equal rates pass through untouched."""
        plan = _plan(rate_in, rate_out)
        self.unit = plan.unit
        """Input samples per step."""
        self._plan = plan
        self._same = rate_in == rate_out
        self._weights = _weights(plan)
        self._past = np.zeros(plan.past, dtype=np.float32)
        self._buffers: dict[int, _Buffers] = {}
        self.delay_s = 0.0 if self._same else (plan.past - plan.reach) / rate_in
        """By how many seconds the output is delayed."""

    def process(self, pcm: bytes) -> bytes:
        """Return ``pcm`` at the other rate. Raises ValueError if it is not a multiple of ``unit`` samples."""
        return self.convert(np.frombuffer(pcm, dtype="<i2")).tobytes()

    def convert(self, fresh: Samples) -> Samples:
        """Do as :meth:`process` for int16[n]; returns a new array, or ``fresh`` itself if the rates are equal."""
        if self._same:
            return fresh
        buffers = self._buffers.get(len(fresh)) or self._prepare(len(fresh))
        signal, out = buffers.signal, buffers.out
        signal[: len(self._past)] = self._past
        signal[len(self._past) :] = fresh
        self._past[:] = signal[len(fresh) :]
        np.matmul(buffers.windows, self._weights, out=out)
        np.rint(out, out=out)
        np.minimum(out, TOP, out=out)
        np.maximum(out, BOTTOM, out=out)
        samples: Samples = out.astype(np.int16).reshape(-1)
        return samples

    def _prepare(self, size: int) -> _Buffers:
        steps, rest = divmod(size, self.unit)
        if rest:
            raise ValueError(f"{size} samples are not a multiple of {self.unit}")
        plan = self._plan
        signal = np.zeros(plan.past + size, dtype=np.float32)
        strides = tuple(each * signal.itemsize for each in (plan.unit, plan.hop, 0, 1))
        shape = (steps, plan.groups, 1, plan.span)
        windows = np.lib.stride_tricks.as_strided(signal, shape, strides, writeable=False)
        if plan.groups == 1:  # one product of two matrices is faster than a stack of products with a row
            windows = windows[:, 0, 0, :]
        out = np.zeros((*windows.shape[:-1], plan.wide), dtype=np.float32)
        self._buffers[size] = _Buffers(signal, windows, out)
        return self._buffers[size]


class _Buffers(NamedTuple):
    """Working memory for one block size; ``windows`` looks into ``signal``."""

    signal: Weights
    windows: Weights
    out: Weights


class _Plan(NamedTuple):
    """How a step of ``unit`` inputs is divided: ``groups`` products, each of ``span`` inputs and ``wide`` outputs."""

    rate_in: int
    rate_out: int
    unit: int
    groups: int
    wide: int
    hop: int  # inputs from one group to the next, rounded down; the span makes up for the rest
    reach: int
    span: int

    @property
    def past(self) -> int:
        """How many inputs of earlier steps are still needed."""
        return (self.groups - 1) * self.hop + self.span - self.unit


def _plan(rate_in: int, rate_out: int) -> _Plan:
    common = math.gcd(rate_in, rate_out)
    outputs, inputs = rate_out // common, rate_in // common
    repeat = -(-LEAST_OUT // outputs)
    outputs, inputs = outputs * repeat, inputs * repeat
    groups = max(each for each in range(1, outputs + 1) if outputs % each == 0 and outputs // each >= LEAST_OUT)
    reach = math.ceil(HALF_WIDTH * max(1.0, rate_in / rate_out))
    hop, wide = inputs // groups, outputs // groups
    last = (outputs - 1) * rate_in / rate_out - (groups - 1) * hop  # the last output's instant, seen from its group
    span = max(math.floor(last) + 2 * reach + 1, inputs - (groups - 1) * hop)
    return _Plan(rate_in, rate_out, inputs, groups, wide, hop, reach, span)


def _weights(plan: _Plan) -> Weights:
    """Return the weights: column k of matrix g is for output k of group g; a constant has unity gain."""
    group, row, column = np.ogrid[: plan.groups, : plan.span, : plan.wide]
    instants = (group * plan.wide + column) * plan.rate_in / plan.rate_out + plan.reach
    distance = (group * plan.hop + row - instants) * min(1.0, plan.rate_out / plan.rate_in)  # in the lower rate
    inside = np.abs(distance) <= HALF_WIDTH
    window = np.i0(KAISER_BETA * np.sqrt(np.where(inside, 1 - (distance / HALF_WIDTH) ** 2, 0)))
    kernel = np.where(inside, np.sinc(distance * ROLL_OFF) * window, 0)
    weights: Weights = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights if plan.groups > 1 else weights[0]
