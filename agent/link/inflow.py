"""PURE: how much a peer may send before it counts as a flood.

Three buckets, each of which refills: frames, bytes, and entries, which are the events that end on the disk. The service
sends 4 to 10 messages a second while it speaks, and what gathers while a line stalls comes in one go.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message. The service sends 240 ms of sound in 16 kB; the longest answer seen, 33 s, makes 2.1 MB."""
FRAMES, FRAMES_PER_S = 2000, 200.0
"""33 s of sound in pieces of 20 ms are 1650. A line that stalls for 8 s is dead, so that not even 100 can gather."""
BYTES, BYTES_PER_S = 16 * 1024 * 1024, 1024.0 * 1024.0
"""Four minutes of sound at once, and 16 times real time for ever; the playback buffer holds two minutes."""
ENTRIES, ENTRIES_PER_S = 50, 5.0
"""Turns, function calls and handles; a turn takes seconds. Each costs the disk one or two syncs of some milliseconds,
and the end of the agent waits for them."""


@dataclass(slots=True)
class _Bucket:
    size: float
    per_s: float
    left: float
    at: float

    def take(self, amount: float, now: float) -> bool:
        """Take ``amount``; return whether there was so much."""
        self.left = min(self.size, self.left + (now - self.at) * self.per_s) - amount
        self.at = now
        return self.left >= 0


class Inflow:
    """What one connection has brought. Times are in seconds, from one clock."""

    def __init__(self, now: float) -> None:
        """Start at ``now`` with full buckets."""
        self._frames = _Bucket(FRAMES, FRAMES_PER_S, FRAMES, now)
        self._bytes = _Bucket(BYTES, BYTES_PER_S, BYTES, now)
        self._entries = _Bucket(ENTRIES, ENTRIES_PER_S, ENTRIES, now)

    def received(self, frames: int, size: int, now: float) -> str:
        """Count frames and bytes; return what there is too much of, an empty string if there is not."""
        if not self._frames.take(frames, now):
            return "too many frames"
        return "" if self._bytes.take(size, now) else "too many bytes"

    def entered(self, entries: int, now: float) -> str:
        """Count events that are written to disk; return what there is too much of, as :meth:`received` does."""
        return "" if self._entries.take(entries, now) else "too many turns, calls or handles"
