"""PURE: how long to wait before the next connection attempt."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 0.5
LONGEST_S = 30.0
QUOTA_LONGEST_S = 300.0
STABLE_S = 30.0
"""Only a connection that lived this long resets the back-off: one that opens and dies at once would reset it every time
and reconnect every second for hours."""


@dataclass(slots=True)
class Backoff:
    """Doubling waits with jitter; ``failures`` counts connections in a row that were not stable."""

    failures: int = 0

    def failed(self, lived_s: float) -> None:
        """Note a connection (or an attempt, which lives 0 s) that ended."""
        if lived_s >= STABLE_S:
            self.failures = 0
        self.failures += 1

    def wait(self, at_least_s: float, jitter: float) -> float:
        """Return seconds to wait now; ``jitter`` is a random number from 0 to 1."""
        doubled = FIRST_S * 2.0 ** min(self.failures - 1, 16)
        if at_least_s > 0:  # quota or refusal: its own, slower ladder
            return min(at_least_s * 2.0 ** min(max(self.failures - 1, 0), 8), QUOTA_LONGEST_S) * (1 + 0.1 * jitter)
        return min(doubled, LONGEST_S) * (0.5 + 0.5 * jitter)
