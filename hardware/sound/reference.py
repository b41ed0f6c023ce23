"""The canceller's reference where microphone and speaker are two streams: which played block goes with a captured one.

Each stream calls back every 10 ms in its own thread. A duplex stream would pair its blocks by itself; here they are
paired by their numbers, so that a late callback shifts nothing: the delay of the echo is constant. Only when the age at
which blocks are taken has drifted away are they paired anew, because clocks differ and hiccups lose blocks.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from hardware.ports import AudioFormat
from hardware.sound.streams import BLOCK_S

if TYPE_CHECKING:
    from collections.abc import Callable

AGE_BLOCKS = 2
AGE_S = (AGE_BLOCKS - 0.5) * BLOCK_S
"""How long before it is taken a block was handed to its driver. With less, a late callback leaves it out. With more, it
comes after its echo: the shortest way through two drivers was 25 ms, to which the caller adds 10 ms."""
SLACK_S, NEW_SLACK_S = BLOCK_S, 0.5 * BLOCK_S
"""How far the age may be off, and how far when a pair is new. A correction shifts the echo by a whole block: half a
block is the best that it can do, and what starts within that stays far from the limit, however busy the machine."""
WINDOW = 100
"""Blocks whose median age is judged: a busy machine is late for a few, seldom for a second's worth."""
NEW_WINDOWS = 2
MOST = 12
"""Blocks that may wait. A callback that is 100 ms late catches up; beyond that the driver has lost some."""
MISSING = 8
"""Blocks missing in a row after which the output stopped; fewer are late, and skipped when they come."""


class Played(NamedTuple):
    """A block as it was handed to the output's driver."""

    rate: int
    pcm: bytes
    at: float


class EchoReference:
    """Blocks that were played, to be taken by the input. One thread puts, another takes; neither ever waits."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, slipped: Callable[[], None] = lambda: None
    ) -> None:
        """Begin with nothing played.

        ``slipped`` is called when the echo's delay may have changed by more than a block, because blocks were lost.
        """
        self._clock = clock
        self._slipped = slipped
        self._blocks: dict[int, Played] = {}
        self._newest = 0  # written by put() alone, all below by take()
        self._taken = 0
        self._before = 0  # the blocks up to this number are from before the output rested
        self._stopped: int | None = 0
        self._ages: list[float] = []
        self._windows = 0
        self._silence: tuple[int, bytes] | None = None

    def put(self, rate: int, pcm: bytes) -> None:
        """Add a block that is handed to the driver now."""
        newest = self._newest + 1
        self._blocks[newest] = Played(rate, pcm, self._clock())
        self._blocks.pop(newest - MOST - 1, None)
        self._newest = newest

    def take(self, otherwise: int) -> tuple[int, bytes]:
        """Return the block to go with the next captured one, and its rate.

        If there is none, return silence at the last rate, at ``otherwise`` if nothing was played yet.
        """
        newest = self._newest
        if newest == self._stopped:
            return self._silent(otherwise)
        if self._stopped is not None or newest - self._taken > MOST:
            if self._stopped is None:
                self._slipped()
            self._begin(newest)
        self._taken += 1
        block = self._blocks.get(self._taken) if self._taken > self._before else None
        if block is None and self._taken - newest >= MISSING:
            self._stopped = newest
        self._judge(self._clock() - block.at if block else (newest - self._taken) * BLOCK_S)
        if block is None:
            return self._silent(otherwise)
        if self._silence is None or self._silence[0] != block.rate:
            self._silence = block.rate, bytes(len(block.pcm))
        return block.rate, block.pcm

    def _begin(self, newest: int) -> None:
        """Pair anew: one of the streams has started, or has lost blocks."""
        self._taken = newest - AGE_BLOCKS
        if self._stopped is not None:
            self._before, self._stopped = self._stopped, None
        self._ages.clear()
        self._windows = 0

    def _judge(self, age: float) -> None:
        """Correct the pairing if blocks have been taken too old or too young for a while."""
        self._ages.append(age)
        if len(self._ages) < WINDOW:
            return
        off = median(self._ages) - AGE_S
        self._ages.clear()
        self._windows += 1
        if abs(off) > (SLACK_S if self._windows > NEW_WINDOWS else NEW_SLACK_S):
            self._taken += round(off / BLOCK_S)

    def _silent(self, otherwise: int) -> tuple[int, bytes]:
        return self._silence or (otherwise, bytes(AudioFormat(otherwise).bytes_in(BLOCK_S)))
