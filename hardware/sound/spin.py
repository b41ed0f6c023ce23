"""Whether PortAudio's thread spins: polls without ever waiting, and yet calls back on time (docs/portaudio-spin.md)."""

from __future__ import annotations

import resource
import time

SPIN_BLOCKS = 100
"""How many callbacks to judge at a time: a second."""
WAITS = 60
"""Voluntary context switches per ``SPIN_BLOCKS``. A healthy thread waits for each block, which makes 100 or more; a
spinning one waits for little but locks. Its share of the processor tells less, since others may need the rest."""
REAL_TIME_S = 0.5
"""Blocks that came faster than this were waiting after a hiccup, and there was nothing to wait for."""


class SpinWatch:
    """Counts how often the thread that calls ``block`` waits. One object for each start of a stream: a new thread."""

    def __init__(self) -> None:
        """Begin with the first block."""
        self.spinning = False
        """Whether the last ``SPIN_BLOCKS`` came without waiting for them."""
        self._calls = 0
        self._switches = 0
        self._at = 0.0

    def block(self) -> None:
        """Count a callback. Asks the system once for every ``SPIN_BLOCKS``, for 2 microseconds."""
        if self._calls % SPIN_BLOCKS == 0:
            self._judge(resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw, time.monotonic())
        self._calls += 1

    def _judge(self, switches: int, now: float) -> None:
        if self._calls:
            self.spinning = switches - self._switches < WAITS and now - self._at > REAL_TIME_S
        self._switches, self._at = switches, now
