"""PURE: decides whether it is too loud here to listen hands-free.

To a cheap detector, a drill, metal on metal and a crowd look like speech. They differ in what comes of them: utterances
that the service answers with nothing, often or long. Only that counts as evidence. Voice alone does not, because a
person who dictates, or asks where there is no connection, is not understood either until later. Hands-free listening is
then switched off until it is quiet; holding the button still works.
"""

from __future__ import annotations

import math
from collections import deque

FALSE_STARTS = 4
"""Allowed in ``FALSE_STARTS_S``; one more is noise. A drill makes up to 10, a crowd 14, blows on metal 24 a minute."""
FALSE_STARTS_AGAIN = 1
"""The same where it was too loud a while ago: noise that paused is noise that comes back."""
FALSE_STARTS_S = 60.0
LONG_S = 20.0
"""Nobody speaks to a machine this long without a word that it understands: one such utterance is noise."""
QUIET_S = 3.0
"""A person who was taken for noise waits this long for a reply before trying again."""
QUIET_MOST_S = 24.0
"""The quiet that is asked for doubles up to this as the noise comes back: a drill pauses for longer than a person."""
QUIET_SHARE = 0.05
"""Share of voiced frames: metal gives 0.39 to 0.48 at -36 to -26 dBFS, a crowd 0.31 to 0.96, fan and hiss to 0.02."""
HEARD_SHARE = 0.8
"""Share of a window that must have been listened to before the window counts as evidence."""
AGAIN_S = 600.0
"""Noise within this time after the last is the same noise."""
FORGET_S = 300.0
"""After this long without a frame, what was known of the place no longer holds."""
FRAMES_PER_S = 50


class NoiseWatch:
    """Watches for noise; every method's ``now`` is in seconds and never goes back. ``noisy`` is the outcome.

    Only frames in which the box itself is silent and nobody holds the button may be fed: the others are its own voice,
    or speech.
    """

    def __init__(self) -> None:
        """Begin as in a quiet place."""
        self.noisy = False
        """Whether hands-free listening should be off."""
        self._seconds: deque[tuple[int, int, int]] = deque()  # which second, frames, voiced frames
        self._false_starts: deque[float] = deque()
        self._quiet_s = QUIET_S
        self._trouble = -math.inf
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
        while self._seconds[0][0] < int(now - QUIET_MOST_S):
            self._seconds.popleft()
        if self.noisy and now - self._trouble >= self._quiet_s and self._quiet(now):
            self._settle()

    def false_start(self, now: float, seconds: float = 0.0) -> None:
        """Note that nothing came of an utterance or a barge-in, which lasted ``seconds``."""
        self._false_starts.append(now)
        while self._false_starts[0] <= now - FALSE_STARTS_S:
            self._false_starts.popleft()
        allowed = FALSE_STARTS_AGAIN if now - self._trouble < AGAIN_S else FALSE_STARTS
        if self.noisy or seconds >= LONG_S or len(self._false_starts) > allowed:
            self._alarm(now)

    def _alarm(self, now: float) -> None:
        if not self.noisy:
            again = now - self._trouble < AGAIN_S
            self._quiet_s = min(2 * self._quiet_s, QUIET_MOST_S) if again else QUIET_S
        self.noisy, self._trouble = True, now

    def _settle(self) -> None:
        self.noisy = False
        self._seconds.clear()
        self._false_starts.clear()

    def _quiet(self, now: float) -> bool:
        """Return whether hardly a frame of the last ``_quiet_s`` was voiced, and most of them were listened to."""
        recent = [each for each in self._seconds if each[0] >= int(now - self._quiet_s)]
        frames = sum(each[1] for each in recent)
        voiced = sum(each[2] for each in recent)
        return frames >= HEARD_SHARE * self._quiet_s * FRAMES_PER_S and voiced <= QUIET_SHARE * frames
