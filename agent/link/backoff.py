"""PURE: how long to wait before the next attempt to connect."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 0.5
LONGEST_S = 30.0
QUOTA_LONGEST_S = 300.0
STABLE_S = 30.0
"""Only a connection that lived this long resets the back-off. Otherwise a connection that opens and dies at once would
reset it every time and reconnect every second for hours."""


@dataclass(slots=True)
class Backoff:
    """Doubling waits with jitter; ``failures`` counts connections in a row that were not stable."""

    failures: int = 0

    def in_a_row(self, lived_s: float) -> int:
        """Return what ``failures`` will be with a connection that ended after ``lived_s`` seconds, 0 for an attempt."""
        return 1 if lived_s >= STABLE_S else self.failures + 1

    def failed(self, lived_s: float) -> None:
        """Note that a connection ended after ``lived_s`` seconds, 0 for an attempt that failed."""
        self.failures = self.in_a_row(lived_s)

    def wait(self, at_least_s: float, jitter: float) -> float:
        """Return the seconds to wait now; ``jitter`` is a random number from 0 to 1.

        ``at_least_s`` above 0 (quota, refusal) starts a slower back-off at that value.
        """
        doubled = FIRST_S * 2.0 ** min(self.failures - 1, 16)
        if at_least_s > 0:
            return min(at_least_s * 2.0 ** min(max(self.failures - 1, 0), 8), QUOTA_LONGEST_S) * (1 + 0.1 * jitter)
        return min(doubled, LONGEST_S) * (0.5 + 0.5 * jitter)
