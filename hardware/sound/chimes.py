"""Short sounds mixed over a voice, which makes room for them: their sum never clips, and the voice never steps.

The voice is lowered by as much as the sounds need at their loudest, within 10 ms before they begin, and raised as fast
after they end. What is costly is done when a sound is made; blocks are mixed in place.
"""

from __future__ import annotations

from array import array

from hardware.ports import SPEAKER_FORMAT
from hardware.sound.pcm import LOUDEST, QUIETEST

RAMP = round(0.010 * SPEAKER_FORMAT.rate)
"""Samples in which the voice's gain changes from full to none, or part of the way: 10 ms do not click."""
FULL_BITS = 15
FULL = 1 << FULL_BITS
"""The voice's gain as a whole number: what it multiplies is shifted back, with no fraction to be made and dropped."""
STEP = -(-FULL // RAMP)


class Chime:
    """A short sound, and how far it has come."""

    def __init__(self, pcm: bytes) -> None:
        """Take 24 kHz mono s16le. Finding its peak takes milliseconds on a slow board: not to be done under a lock."""
        self._samples = array("h", pcm)
        self._next = 0
        self.peak = max(max(self._samples, default=0), -min(self._samples, default=0))
        """Its loudest sample, 0 to 32768."""

    @property
    def done(self) -> bool:
        """Whether all of it was mixed."""
        return self._next >= len(self._samples)

    def delay(self, samples: int) -> None:
        """Begin so much later."""
        self._next = -samples

    def add_to(self, mixed: array[int]) -> None:
        """Add the next samples to ``mixed``, saturating."""
        samples, offset = self._samples, self._next
        self._next += len(mixed)
        for place in range(max(0, -offset), min(len(mixed), len(samples) - offset)):
            total = mixed[place] + samples[place + offset]
            mixed[place] = total if QUIETEST <= total <= LOUDEST else LOUDEST if total > 0 else QUIETEST


class Chimes:
    """The sounds that are due, and the gain of the voice below them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._due: list[Chime] = []
        self._gain = FULL

    @property
    def sounding(self) -> bool:
        """Whether any is due."""
        return bool(self._due)

    def add(self, chime: Chime, *, over_voice: bool) -> None:
        """Let ``chime`` sound from now on, or, if a voice sounds, as soon as that is low."""
        self._due.append(chime)
        if over_voice:
            chime.delay(RAMP)
        else:
            self._gain = self._target

    def over(self, voice: bytes) -> bytes:
        """Return ``voice`` with what is due mixed over it; it may have any length."""
        if self._gain == FULL and not self._due:
            return voice
        mixed = array("h", voice)
        self._lower(mixed)
        for chime in self._due:
            chime.add_to(mixed)
        if any(chime.done for chime in self._due):
            self._due = [chime for chime in self._due if not chime.done]
        return mixed.tobytes()

    @property
    def _target(self) -> int:
        return max(0, LOUDEST - sum(chime.peak for chime in self._due)) if self._due else FULL

    def _lower(self, voice: array[int]) -> None:
        gain, target = self._gain, self._target
        for place, sample in enumerate(voice):
            if gain != target:
                gain += max(-STEP, min(STEP, target - gain))
            voice[place] = sample * gain >> FULL_BITS
        self._gain = gain
