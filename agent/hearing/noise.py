"""PURE: whether it is too loud here to listen hands-free.

A drill, metal on metal and a crowd look like speech to a detector that costs nothing. What tells them apart is that
nothing comes of it: voice all the time without a word confirmed, utterances that only the maximum ends, starts that
turn out to be nothing. Then hands-free listening is switched off, and holding the button remains, until it is quiet.
"""

from __future__ import annotations

import math
from collections import deque

BUSY_S = 20.0
"""Longer than people speak to a machine without being understood once."""
BUSY_SHARE = 0.25
"""Of frames voiced: at -36 to -26 dBFS metal gives 0.39 to 0.48, a crowd 0.31 to 0.96, fan and hiss up to 0.02."""
FALSE_STARTS = 4
"""In ``FALSE_STARTS_S``; one more is noise. A drill makes up to 10, a crowd 14, blows on metal 24 a minute."""
FALSE_STARTS_S = 60.0
QUIET_S = 10.0
QUIET_SHARE = 0.05
HEARD_SHARE = 0.8
"""Of a window must have been listened to, before it says anything."""
FORGET_S = 300.0
"""Without a frame for so long the box was elsewhere."""
FRAMES_PER_S = 50


class NoiseWatch:
    """Takes events with the time in seconds, never going back; ``noisy`` is the outcome.

    Frames of a held button are not fed: they are somebody's speech.
    """

    def __init__(self) -> None:
        """Begin in a quiet place."""
        self.noisy = False
        """Whether hands-free listening should be off."""
        self._only_busy = False  # nothing else spoke for noise
        self._seconds: deque[tuple[int, int, int]] = deque()  # which second, frames, voiced frames
        self._false_starts: deque[float] = deque()
        self._confirmed = self._trouble = -math.inf
        self._last = math.inf

    def frame(self, now: float, *, voiced: bool) -> None:
        """Take the detector's verdict on 20 ms, whether or not anybody acts on it."""
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
        """Somebody did speak: the service understood words, or a better detector agreed.

        A long sentence is nothing but voice until it is understood, which is at its end: then it was no noise.
        """
        self._confirmed = now
        if self.noisy and self._only_busy:
            self._settle()

    def false_start(self, now: float) -> None:
        """An utterance or a barge-in turned out to be nothing."""
        self._false_starts.append(now)
        while self._false_starts[0] <= now - FALSE_STARTS_S:
            self._false_starts.popleft()
        if self.noisy or len(self._false_starts) > FALSE_STARTS:
            self._alarm(now)

    def endless(self, now: float) -> None:
        """An utterance was ended by its maximum: nobody speaks for so long without a pause."""
        self._alarm(now)

    def _alarm(self, now: float) -> None:
        self.noisy, self._only_busy, self._trouble = True, False, now

    def _settle(self) -> None:
        self.noisy = False
        self._seconds.clear()
        self._false_starts.clear()

    def _share(self, now: float, window_s: float, *, unknown: float) -> float:
        """Return how many of the frames of the last ``window_s`` were voiced; ``unknown`` if too few were heard."""
        recent = [each for each in self._seconds if each[0] >= int(now - window_s)]
        frames = sum(each[1] for each in recent)
        if frames < HEARD_SHARE * window_s * FRAMES_PER_S:
            return unknown
        return sum(each[2] for each in recent) / frames
