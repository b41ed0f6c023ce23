"""PURE: how speech is degraded when the line is too narrow for it, depending on how late it is.

In this order, each only if the step before was not enough: half the sample rate; trimmed pauses; beyond eight seconds,
the oldest speech is left out of the live stream. The ledger keeps what is left out.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import inf

from hardware.ports import MICROPHONE_FORMAT

NARROW_AT_S = 0.5
"""If audio is later than this, it is sent at 8 kHz: telephone quality, at 60 % of the bytes."""
LATE_S = 0.200
LATE_FOR_S = 0.7
"""Also if it is later than ``LATE_S`` for this long: then the queue does not shrink by itself."""
WIDE_BELOW_S = 0.150
"""If audio is less late than this for long enough, it is sent at 16 kHz again."""
FIRST_PATIENCE_S = 4.0
MOST_PATIENCE_S = 60.0
"""How long is long enough: doubled with each return to 16 kHz."""
TRIM_AT_S = 0.6
"""If audio is later than this, pauses are shortened."""
PAUSE_S = 0.300
"""What is left of a pause: enough to hear it, and for the service to tell words apart."""
SKIP_AT_S = 8.0
SKIP_TO_S = 4.0
"""An answer to speech eight seconds old helps nobody: half of it is left out at once."""
FULL_RATE = MICROPHONE_FORMAT.rate
HALF_RATE = 8_000


@dataclass(frozen=True, slots=True)
class Degradation:
    """What to do to the audio that is sent now: sample rate, shortened pauses, seconds to leave out."""

    rate: int = FULL_RATE
    trim: bool = False
    skip_s: float = 0.0


_BY_RATE = {rate: Degradation(rate) for rate in (FULL_RATE, HALF_RATE)}
"""Made once, since they are used several times per chunk."""


class Degrader:
    """Chooses the degradation, with hysteresis; call it whenever something may be sent."""

    def __init__(self, *, narrowband: bool) -> None:
        """Use 8 kHz only if ``narrowband``."""
        self._narrowband = narrowband
        self._rate = FULL_RATE
        self._patience_s = FIRST_PATIENCE_S
        self._good_since: float | None = None
        self._late_since = inf

    def choose(self, now: float, lag_s: float, *, narrow: bool, fits: bool) -> Degradation:
        """Return what to do to audio that is ``lag_s`` late.

        ``narrow``: the line carries little more than speech; a wider line catches up by itself, with every sample.
        ``fits``: the line carries speech at the full sample rate.
        """
        self._choose_rate(now, lag_s, narrow=narrow, fits=fits)
        if not narrow or lag_s <= TRIM_AT_S:
            return _BY_RATE[self._rate]
        return Degradation(self._rate, trim=True, skip_s=lag_s - SKIP_TO_S if lag_s > SKIP_AT_S else 0.0)

    def _choose_rate(self, now: float, lag_s: float, *, narrow: bool, fits: bool) -> None:
        if lag_s <= LATE_S:
            self._late_since = now
        if self._rate == FULL_RATE:
            late = lag_s > NARROW_AT_S or now - self._late_since > LATE_FOR_S
            if self._narrowband and narrow and late:
                self._rate, self._good_since = HALF_RATE, None
        elif lag_s > WIDE_BELOW_S or not fits:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        elif now - self._good_since >= self._patience_s:
            self._rate = FULL_RATE
            self._patience_s = min(2 * self._patience_s, MOST_PATIENCE_S)


# A half-band filter of 11 taps, the outer ones over 512; every second tap but the middle one is zero.
MIDDLE, FIRST, SECOND, THIRD = 256, 150, -25, 3
REACH = 5
"""How many samples the filter looks back and ahead."""


def halve(pcm: bytes | bytearray, start: int, end: int) -> bytes:
    """Return ``pcm[start:end]`` (s16le at 16 kHz; bounds in bytes, multiples of 4) at 8 kHz.

    Uses the samples around the bounds, as far as there are any, so that pieces join without a seam. Measured:
    -1.7 dB at 3 kHz, -15 dB at 5 kHz, -32 dB at 6 kHz.
    """
    reach = 2 * REACH
    before, after = min(start, reach), min(len(pcm) - end, reach)
    padded = bytes(reach - before) + bytes(pcm[start - before : end + after]) + bytes(reach - after)
    x = array("h", padded)
    count = (end - start) // 4
    taps = [x[k : k + 2 * count : 2] for k in (0, 2, 4, 5, 6, 8, 10)]
    out = array(
        "h",
        [
            max(-32768, min(32767, (THIRD * (a + g) + SECOND * (b + f) + FIRST * (c + e) + MIDDLE * d) >> 9))
            for a, b, c, d, e, f, g in zip(*taps, strict=True)
        ],
    )
    return out.tobytes()
