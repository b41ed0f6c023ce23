"""PURE: decides whether it is too loud here to listen hands-free.

To a cheap detector, a drill, metal on metal and a crowd look like speech. They differ in that nothing comes of them:
voice all the time without a confirmed word, utterances that only the maximum ends, starts that turn out to be nothing.
Hands-free listening is then switched off until it is quiet; holding the button still works.
"""

from __future__ import annotations

import math
from collections import deque

BUSY_S = 20.0
"""Nobody speaks to a machine this long without being understood once."""
BUSY_SHARE = 0.25
"""Share of voiced frames: at -36 to -26 dBFS metal gives 0.39 to 0.48, a crowd 0.31 to 0.96, fan and hiss to 0.02."""
FALSE_STARTS = 4
"""Allowed in ``FALSE_STARTS_S``; one more is noise. A drill makes up to 10, a crowd 14, blows on metal 24 a minute."""
FALSE_STARTS_S = 60.0
QUIET_S = 10.0
QUIET_SHARE = 0.05
HEARD_SHARE = 0.8
"""Share of a window that must have been listened to before the window counts as evidence."""
FORGET_S = 300.0
"""After this long without a frame, what was known of the place no longer holds."""
FRAMES_PER_S = 50


class NoiseWatch:
    """Watches for noise; every method's ``now`` is in seconds and never goes back. ``noisy`` is the outcome.

    Frames recorded while the button is held must not be fed: they are speech.
    """

    def __init__(self) -> None:
        """Begin as in a quiet place."""
        self.noisy = False
        """Whether hands-free listening should be off."""
        self._only_busy = False  # the share of voiced frames was the only evidence of noise
        self._seconds: deque[tuple[int, int, int]] = deque()  # which second, frames, voiced frames
        self._false_starts: deque[float] = deque()
        self._confirmed = self._trouble = -math.inf
        self._last = math.inf

    def frame(self, now: float, *, voiced: bool) -> None:
        """Handle the detector's verdict on 20 ms, whether or not anybody acts on it."""
        if now - self._last > FORGET_S:
            self._settle()
        self._last = now
        second, frames, count = self._seconds.pop() if self._seconds else (int(now), 0, 0)
        if second != int(now):
            self._seconds.append((second, frames, count))
            second, frames, count = int(now), 0, 0
        self._seconds.append((second, frames + 1, count + voiced))
        while self._seconds[0][0] < int(now - BUSY_S):
            self._seconds.popleft()
        if self.noisy:
            if now - self._trouble >= QUIET_S and self._share(now, QUIET_S, unknown=1.0) <= QUIET_SHARE:
                self._settle()
        elif now - self._confirmed >= BUSY_S and self._share(now, BUSY_S, unknown=0.0) >= BUSY_SHARE:
            self._alarm(now)
            self._only_busy = True

    def confirmed(self, now: float) -> None:
        """Note that somebody did speak, since the service understood words.

        A long sentence counts as mere voice until it is understood, at its end. That proves it was no noise.
        """
        self._confirmed = now
        if self.noisy and self._only_busy:
            self._settle()

    def false_start(self, now: float) -> None:
        """Note that an utterance or a barge-in turned out to be nothing."""
        self._false_starts.append(now)
        while self._false_starts[0] <= now - FALSE_STARTS_S:
            self._false_starts.popleft()
        if self.noisy or len(self._false_starts) > FALSE_STARTS:
            self._alarm(now)

    def endless(self, now: float) -> None:
        """Note that the maximum ended an utterance: nobody speaks this long without a pause."""
        self._alarm(now)

    def _alarm(self, now: float) -> None:
        self.noisy, self._only_busy, self._trouble = True, False, now

    def _settle(self) -> None:
        self.noisy = False
        self._seconds.clear()
        self._false_starts.clear()

    def _share(self, now: float, window_s: float, *, unknown: float) -> float:
        """Return the share (0..1) of voiced frames in the last ``window_s``; ``unknown`` if too few were heard."""
        recent = [each for each in self._seconds if each[0] >= int(now - window_s)]
        frames = sum(each[1] for each in recent)
        if frames < HEARD_SHARE * window_s * FRAMES_PER_S:
            return unknown
        return sum(each[2] for each in recent) / frames
