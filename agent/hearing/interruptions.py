"""PURE: decides whether an answer is interrupted more often than a person would, whatever the service makes of it.

A service answers an echo as it answers a question, so an answer does not prove that somebody spoke. A box that hears
itself would go on for ever: each answer interrupts itself, and the piece of it that was sent is answered.
"""

from __future__ import annotations

from collections import deque

MOST = 3
"""A person who was misunderstood interrupts twice, and then has the button."""
IN_S = 30.0


class Interruptions:
    """Counts the barge-ins by voice; ``now`` is in seconds and never goes back."""

    def __init__(self) -> None:
        """Begin with none."""
        self._times: deque[float] = deque(maxlen=MOST)

    def another(self, now: float) -> bool:
        """Note one; return whether it is the last of ``MOST`` within ``IN_S``. The count then begins anew."""
        self._times.append(now)
        too_many = len(self._times) == MOST and now - self._times[0] <= IN_S
        if too_many:
            self._times.clear()
        return too_many
