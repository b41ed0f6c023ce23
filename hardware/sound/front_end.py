"""Between card and agent: converts rates, removes echo and noise; blocks of 10 ms in, chunks of 20 ms out.

Two listeners, two signals: the model gets speech with its noise, the endpointer gets neither noise nor echo. The object
belongs to the thread that calls ``process``; the other methods may be called from any thread. Nothing here waits.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hardware.ports import Echo, MicChunk
from hardware.sound.echo import BLOCK, BLOCK_S, RATE, EchoGate, ErleMeter, canceller, echo_in
from hardware.sound.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from hardware.sound.echo import Canceller

    Samples = npt.NDArray[np.int16]

FULL_SCALE_DB = 20 * math.log10(32768)
ROUNDING = 1 / 12
"""Power of rounding to integers: digital silence is reported as -101 dBFS instead of failing in the logarithm."""
CLIPPED = 32_700
"""Samples from here on count as full scale; some converters stop short of 32767."""
DEAD_S = 2.0
"""No working microphone delivers exact zeros for this long: it is muted in a mixer, or the card died."""
AUDIBLE_PEAK = 33
"""-60 dBFS: quieter playback leaves no echo worth cancelling."""
CANCELLER_DELAY = 127
"""Samples by which the canceller without suppression delays; sound that bypasses it is delayed as much."""
RAMP = (np.arange(BLOCK, dtype=np.float32) + 1) / BLOCK
"""Crossfades from one source to the other within a block, so that nothing clicks."""


class FrontEnd:
    """Makes chunks for the agent from a card's blocks, for one pair of streams."""

    def __init__(self, rate_in: int, rate_out: int, *, make: Callable[..., Canceller] = canceller) -> None:
        """Load the cancellers (0.2 s); the rates are the card's, for capture and for playback."""
        self._sizes = rate_in // 100, rate_out // 100
        self._near, self._far = Resampler(rate_in, RATE), Resampler(rate_out, RATE)
        self._hushed = make(hush=True)
        self._model = ModelPath(make(hush=False))
        self._meter = ErleMeter()
        self._gate = EchoGate(present=self._hushed.present)
        self._notes: deque[Callable[[], None]] = deque()
        self._first: _Block | None = None
        self._zeros_s = 0.0
        self.technician_speaks = False
        """To be set to the endpointer's verdict, so that speech is not measured as echo."""

    def process(self, captured: Samples, played: Samples) -> MicChunk | None:
        """Process 10 ms captured and 10 ms played by the same callback, mono, at the card's rates.

        Returns a chunk with every second call, else None.

        Raises ValueError for blocks of another size.
        """
        if (len(captured), len(played)) != self._sizes:
            raise ValueError(f"blocks of {self._sizes} samples are wanted, not {len(captured)} and {len(played)}")
        while self._notes:
            self._notes.popleft()()
        block = self._clean(captured, played)
        if self._first is None:
            self._first = block
            return None
        first, self._first = self._first, None
        level_dbfs = max(first.level_dbfs, block.level_dbfs)
        cleaned_dbfs = max(first.hushed_dbfs, block.hushed_dbfs)
        return MicChunk(
            first.model + block.model,
            first.hushed + block.hushed,
            self._gate.trust,
            self._meter.erle_db,
            level_dbfs,
            (first.clipping + block.clipping) / 2,
            dead=self._zeros_s >= DEAD_S,
            echo=self._echo(level_dbfs, cleaned_dbfs),
            cleaned_dbfs=cleaned_dbfs,
        )

    def false_alarm(self) -> None:
        """Report that the last voice was a false alarm; from any thread."""
        self._notes.append(self._gate.false_alarm)

    def overheard(self) -> None:
        """Report what sounds like a voice in an answer that none may interrupt; from any thread."""
        self._notes.append(self._gate.overheard)

    def interrupted(self) -> None:
        """Report that a voice interrupts an answer; from any thread."""
        self._notes.append(lambda: self._gate.interrupted(self._meter.erle_db))

    def doubt(self) -> None:
        """Report a gap, or a card that was opened again: the echo may come at another time; from any thread."""
        self._notes.extend((self._hushed.reset, self._meter.doubt, self._gate.doubt))

    def _echo(self, level_dbfs: float, cleaned_dbfs: float) -> Echo:
        if not self._hushed.present:
            return Echo.UNKNOWN
        return echo_in(level_dbfs, cleaned_dbfs) if self._meter.active else Echo.NONE

    def _clean(self, captured: Samples, played: Samples) -> _Block:
        near, far = self._near.convert(captured), self._far.convert(played)
        hushed = self._hushed.process(near, far)
        level_dbfs, hushed_dbfs = decibels(near), decibels(hushed)
        playing = peak(far) >= AUDIBLE_PEAK
        self._meter.feed(level_dbfs, hushed_dbfs, playing=playing, speech=self.technician_speaks)
        self._gate.feed(self._meter.erle_db, measuring=self._meter.measuring)
        model = self._model.process(near, far, echo=self._meter.active)
        loudest = peak(captured)
        self._zeros_s = 0.0 if loudest else self._zeros_s + BLOCK_S
        clipping = 0.0 if loudest < CLIPPED else np.count_nonzero(np.abs(captured.astype(np.int32)) >= CLIPPED)
        return _Block(model.tobytes(), hushed.tobytes(), clipping / len(captured), level_dbfs, hushed_dbfs)


class _Block(NamedTuple):
    """Half a chunk."""

    model: bytes
    hushed: bytes
    clipping: float
    level_dbfs: float
    hushed_dbfs: float


class ModelPath:
    """Makes what the model hears: without echo while there may be one, else as captured, delayed by 8 ms.

    Bypassing the canceller halves the cost of a box that only listens. The noise stays in: suppressing it would harm
    the speech more than the noise does (docs/audio.md).
    """

    def __init__(self, plain: Canceller) -> None:
        """Use ``plain``, a canceller that does not suppress noise."""
        self._plain = plain
        self._primed = self._cancelling = False
        self._past: Samples = np.zeros(CANCELLER_DELAY, dtype=np.int16)

    def process(self, near: Samples, far: Samples, *, echo: bool) -> Samples:
        """Return int16[160] from ``near`` and ``far``, both int16[160]; ``echo``: there may be an echo."""
        if not self._plain.present:
            return near
        delayed = np.concatenate((self._past, near))
        self._past = delayed[BLOCK:]
        around: Samples = delayed[:BLOCK]
        if not (echo or self._cancelling):
            self._primed = False
            return around
        cleaned = self._plain.process(near, far)
        if not self._primed:  # its first output is the end of its last input, from long ago
            self._primed = True
            return around
        if echo and self._cancelling:
            return cleaned
        self._cancelling = echo
        old, new = (around, cleaned) if echo else (cleaned, around)
        blended: Samples = (old + (new - old.astype(np.float32)) * RAMP).astype(np.int16)
        return blended


def peak(samples: Samples) -> int:
    """Return the largest magnitude, 0 to 32768."""
    return max(int(samples.max()), -int(samples.min()))


def decibels(samples: Samples) -> float:
    """Return the rms in dBFS, where a full-scale square wave is 0."""
    signal = samples.astype(np.float32)
    return 10 * math.log10(float(signal @ signal) / len(signal) + ROUNDING) - FULL_SCALE_DB
