"""The thread between the sound card and the loop: makes chunks for the agent from captured and played blocks.

In the card's own thread, this work would lose blocks whenever Python is busy elsewhere. On the loop, it would hold up
the loop. In a thread of its own, it may be two seconds late and still lose nothing, if it catches up.
"""

from __future__ import annotations

import math
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import MicChunk

Samples = npt.NDArray[np.int16]

BURST = 220
"""Blocks that may wait (2.2 s) before the oldest is dropped: what a card held back in a hiccup of 2 s comes at once. A
laptop processes it 64 times faster than it was captured. Loading the canceller takes 0.2 s, on a Pi Zero 1 s. At most
1.1 MB, of a stereo card with 32 bits."""
BOUND = 50
"""Blocks that may wait (500 ms) for longer than CATCH_UP_S: a slow processor need not be 2 s late for ever."""
CATCH_UP_S = 3.0
"""How long catching up may take: enough if blocks are processed one and a half times faster than they are captured."""
GAP_S = 0.05
"""A card that calls back this late has lost sound, whether or not its driver says so: it is asked to buffer 20 ms."""
CLOSE_S = 1.0
"""How long to wait for the thread to end; a block takes a millisecond."""


class Capture(NamedTuple):
    """The layout of a card's samples, and the microphone's channel among them."""

    rate: int
    channels: int
    channel: int
    wide: bool


class Block(NamedTuple):
    """10 ms as captured (interleaved), and the mono s16le given to the card at the same time."""

    capture: Capture
    captured: bytes
    rate_out: int
    played: bytes
    deliver: Callable[[MicChunk], None]
    """Called with the chunk, in the thread that made it: the listener at the time of capture."""


class BlockSink(Protocol):
    """Processes blocks. Called by the card's threads, which it never makes wait."""

    @property
    def alive(self) -> bool:
        """Whether blocks are being processed."""

    def prepare(self, rate_in: int, rate_out: int) -> None:
        """Prepare for the rates of a newly opened card."""

    def feed(self, block: Block) -> None:
        """Queue a block."""

    def doubt(self) -> None:
        """Report that sound was lost, so that the echo may come at another time."""


class DspThread:
    """Runs a :class:`~hardware.sound.front_end.FrontEnd`. Any thread may call it; only ``close`` waits."""

    def __init__(self) -> None:
        """Start without a thread; :meth:`prepare` starts it."""
        self._work: SimpleQueue[Block | Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._front: Any = None
        self._rates = (0, 0)
        self._speaking = False
        self._fed_at = -math.inf
        self._kept_up_at = -math.inf
        self.dropped = 0
        """Blocks lost because the processor was busy elsewhere for too long."""

    @property
    def alive(self) -> bool:
        """Whether blocks are being processed."""
        return self._thread is not None and self._thread.is_alive()

    def prepare(self, rate_in: int, rate_out: int) -> None:
        """Start the thread unless it runs, and prepare it for the rates of a newly opened card."""
        self._work.put(lambda: self._renew(rate_in, rate_out))
        if not self.alive:
            self._thread = threading.Thread(target=self._run, name="sound-dsp", daemon=True)
            self._thread.start()

    def feed(self, block: Block) -> None:
        """Queue a block; one that comes late, or for which another is dropped, comes after a gap."""
        now = time.monotonic()
        if now - self._fed_at > GAP_S:
            self.doubt()
        self._fed_at = now
        if self._work.qsize() < BOUND:
            self._kept_up_at = now
        else:
            self._shed(BURST if now - self._kept_up_at < CATCH_UP_S else BOUND)
        self._work.put(block)

    def _shed(self, most: int) -> None:
        """Drop the oldest blocks, so that with the next one ``most`` of them wait."""
        before = self.dropped
        for _ in range(self._work.qsize() + 1 - most):
            try:
                work = self._work.get_nowait()
            except Empty:
                break
            if isinstance(work, Block):
                self.dropped += 1
            else:
                self._work.put(work)  # nothing but sound may be lost
        if self.dropped > before:
            self.doubt()

    def speech(self, *, on: bool, over_answer: bool = False) -> None:
        """Tell the front end whether the technician is speaking, so that their speech is not measured as echo."""
        self._speaking = on
        if on and over_answer and self._front is not None:
            self._front.interrupted()

    def false_alarm(self) -> None:
        """Report that the last voice was a false alarm."""
        if self._front is not None:
            self._front.false_alarm()

    def overheard(self) -> None:
        """Report what sounds like a voice in an answer that none may interrupt."""
        if self._front is not None:
            self._front.overheard()

    def doubt(self) -> None:
        """Report that sound was lost: voices over an answer are not trusted until its echo is gone again."""
        if self._front is not None:
            self._front.doubt()

    def close(self) -> None:
        """End the thread; waits up to ``CLOSE_S``. Idempotent."""
        self._work.put(None)
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if isinstance(work, Block):
                self._clean(work)
            else:
                work()

    def _renew(self, rate_in: int, rate_out: int) -> None:
        """Make a front end for these rates; if there is one, a card was opened again, and it need not learn anew."""
        if self._rates == (rate_in, rate_out):
            self._front.doubt()
            return
        from hardware.sound.front_end import FrontEnd  # noqa: PLC0415 - 17 MB and 0.2 s that only a card needs

        self._front = FrontEnd(rate_in, rate_out)
        self._rates = rate_in, rate_out

    def _clean(self, block: Block) -> None:
        if self._rates != (block.capture.rate, block.rate_out):  # the other card was opened later, or reopened
            self._renew(block.capture.rate, block.rate_out)
        self._front.technician_speaks = self._speaking
        chunk = self._front.process(mono(block), np.frombuffer(block.played, dtype="<i2"))
        if chunk is not None:
            block.deliver(chunk)


def mono(block: Block) -> Samples:
    """Return the samples of the microphone's channel; of 32-bit samples, the upper 16 bits."""
    _, channels, channel, wide = block.capture
    words = np.frombuffer(block.captured, dtype="<i2")
    if channels == 1 and not wide:
        return words
    step = 2 * channels if wide else channels
    first = 2 * channel - 1 if wide else channel - 1
    return np.ascontiguousarray(words[first::step])
