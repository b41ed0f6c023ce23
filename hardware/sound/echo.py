"""Echo cancelling, and how far it can be trusted: the canceller, a meter on it, and the gate for barge-in by voice.

The only module that imports pywebrtc-audio. A single object of that library does both: WebRTC's AEC3, and the noise
suppressor behind it. Two objects in a row are worse. A single object learns the noise from the signal before the
canceller, which is steady; a second object would learn it from a signal in which the canceller has cut holes
(docs/audio.md has the figures).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hardware.ports import MICROPHONE_FORMAT, Echo, Trust

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE = MICROPHONE_FORMAT.rate
BLOCK = RATE // 100
"""10 ms: the canceller's own frame."""
BLOCK_S = 0.010
NOISE_LEVEL = 2
"""18 dB at most: enough for the endpointer (docs/audio.md), and the strongest level that does not chirp in speech."""


class Canceller(Protocol):
    """Removes what was played from what was captured. 16 kHz, blocks of exactly ``BLOCK`` samples, one thread."""

    present: bool
    """Whether it does anything."""

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return the cleaned block; all are int16[160], ``near`` captured and ``far`` played by the same callback."""

    def reset(self) -> None:
        """Forget the room: after a gap, finding the new delay takes longer than beginning afresh."""


class WebRtcCanceller:
    """AEC3 behind a high pass; with ``hush``, noise suppression follows. Delays by 8 ms, with ``hush`` by 14 ms.

    It uses no gain control, which would cost 15 dB of cancelling, and no delay hint: it finds 10 to 400 ms by itself.
    """

    present = True

    def __init__(self, *, hush: bool) -> None:
        """Raise ImportError if pywebrtc-audio is not installed."""
        import pywebrtc_audio  # noqa: PLC0415 - a simulated box does not need it

        self._library: Any = pywebrtc_audio.AudioProcessor(
            sample_rate=RATE, echo_cancellation=True, noise_suppression=hush, ns_level=NOISE_LEVEL
        )

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return the cleaned block. Raises ValueError for a block of another size."""
        if len(near) != BLOCK or len(far) != BLOCK:
            raise ValueError(f"a block has {BLOCK} samples, not {len(near)} and {len(far)}")
        # The library ignores strides: without these copies, a view would silently become wrong audio.
        cleaned: Samples = self._library.process(np.ascontiguousarray(near), np.ascontiguousarray(far))
        return cleaned

    def reset(self) -> None:
        """Forget echo path and noise."""
        self._library.reset()


class PassThrough:
    """Stands in for a missing library: removes nothing, so that no voice over an answer is trusted."""

    present = False

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return ``near`` itself."""
        del far
        return near

    def reset(self) -> None:
        """No-op: there is nothing to forget."""


def canceller(*, hush: bool) -> Canceller:
    """Return the best canceller that is installed; with ``hush``, it also suppresses noise."""
    try:
        return WebRtcCanceller(hush=hush)
    except ImportError:
        return PassThrough()


# How well it works

AUDIBLE_DB = 6.0
"""Sound this far above the room's noise, while something plays, is echo."""
FLOOR_RISE_DB = 0.02
"""Per block. The floor falls at once and rises by 2 dB/s: slower than words, faster than a machine starting up."""
UNHEARD_S = 1.0
"""Playing for this long without an echo means headphones, or volume zero. Gaps between words are shorter."""
UNHEARD_ERLE_DB = 30.0
"""The figure for an echo that cannot be heard: as good as a cancelled echo."""
SMOOTHING_S = 0.5
"""Seconds of echo, not of time: two or three words."""
FADE_S = 0.5
"""How long the echo of the last sample may still come: the longest delay that is cancelled, and some of the room."""


RESIDUE_DB = 15.0
"""Cleaned sound this far below what was captured is no voice: one 12 dB softer than the echo is left 12 dB below.
A saturated loudspeaker leaves bursts of its echo at -38 dBFS, which an absolute floor would have to let pass. From 13
to 18 dB the tuning scenes hardly differ; below, people are missed, and above, bursts pass."""
CLEAR_DB = 3.0
"""Captured sound from which the canceller takes less than this holds no echo. At 4 dB the tuning scenes are the same;
from 6 dB on, noise interrupts more often."""


def echo_in(level_dbfs: float, cleaned_dbfs: float) -> Echo:
    """Return what a chunk is, as captured and as cleaned, while an echo may sound; never ``Echo.NONE``."""
    removed_db = level_dbfs - cleaned_dbfs
    if removed_db > RESIDUE_DB:
        return Echo.RESIDUE
    return Echo.CLEAR if removed_db < CLEAR_DB else Echo.MIXED


class ErleMeter:
    """Measures the echo return loss enhancement: by how much the canceller reduces the echo. Mean of blocks in dB.

    The mean is of dB and not of power, so that the first 150 ms of speech, before it is recognised, weigh little.
    """

    def __init__(self) -> None:
        """Start with nothing known."""
        self.erle_db = 0.0
        self.active = False
        """Whether there may be an echo now."""
        self.measuring = False
        """Whether the last block counted in the figure."""
        self._fade_s = 0.0
        self._floor_db = 0.0
        self._unheard_s = 0.0

    def doubt(self) -> None:
        """Let no more than just enough speak for the canceller, so that what comes now decides."""
        self.erle_db = min(self.erle_db, ENTER_DB)

    def feed(self, near_db: float, cleaned_db: float, *, playing: bool, speech: bool) -> None:
        """Measure a block by its levels in dBFS; ``speech``: the technician speaks, so the block is not just echo."""
        self._fade_s = FADE_S if playing else max(0.0, self._fade_s - BLOCK_S)
        self.active = self._fade_s > 0
        self._floor_db = min(near_db, self._floor_db + FLOOR_RISE_DB)
        audible = near_db > self._floor_db + AUDIBLE_DB
        self._unheard_s = 0.0 if audible or not self.active else self._unheard_s + BLOCK_S
        unheard = self._unheard_s >= UNHEARD_S
        self.measuring = self.active and not speech and (audible or unheard)
        if self.measuring:
            now_db = UNHEARD_ERLE_DB if unheard else near_db - cleaned_db
            self.erle_db += (now_db - self.erle_db) * BLOCK_S / SMOOTHING_S


# Whether to believe a voice in it


ENTER_DB = 18.0
"""A room within the canceller's reach gives 27 dB or more unless a machine drowns the echo; beyond its reach 1 dB."""
LEAVE_DB = 12.0
"""Far enough below that a moment of noise does not toggle the trust."""
LEARN_S = 3.0
"""Seconds of echo. In its first 2.5 s AEC3 lets nothing through, which only looks like a perfect canceller."""
LEAVE_S = 0.3
"""Seconds of echo; the figure is already smoothed."""
RECOVER_S = 2.0
"""Seconds of echo. After a gap AEC3 begins afresh, and 2 of 150 echoes that gaps moved interrupted their answer. If it
goes on instead, it takes a second to see that the echo has moved, in which nothing comes through and all looks well:
13 interrupted their answer, and 59 if trusted after 1 s (docs/audio.md)."""
HASTE_S = 1.0
"""A voice this shortly before a gap is reported was the echo that the gap moved."""
WITHDRAW_S = 30.0
"""How long trust is withdrawn after a first false barge-in; doubled with each further one, so that a loop dies out."""
WITHDRAW_MOST_S = 480.0
FORGIVE_S = 600.0
"""After this long without a false barge-in, the next counts as the first again."""


class EchoGate:
    """Decides whether barge-in by voice is trusted. Counts audio, not the clock: one ``feed`` is 10 ms."""

    def __init__(self, *, present: bool) -> None:
        """Begin to learn; without a canceller (not ``present``), never trust."""
        self._present = present
        self._withdraw_s = WITHDRAW_S
        self._blocked_s = 0.0
        self._since_alarm_s = 0.0
        self._since_voice_s = math.inf
        self._good_s = self._bad_s = 0.0
        self.trust = Trust.LEARNING if present else Trust.ABSENT

    @property
    def trusted(self) -> bool:
        """Whether a voice during an answer is the technician's."""
        return self.trust is Trust.TRUSTED

    def feed(self, erle_db: float, *, measuring: bool) -> None:
        """Count a block; ``erle_db`` counts only if it was measured in this block."""
        self._since_alarm_s += BLOCK_S
        self._since_voice_s += BLOCK_S
        self._blocked_s = max(0.0, self._blocked_s - BLOCK_S)
        if self._since_alarm_s >= FORGIVE_S:
            self._withdraw_s = WITHDRAW_S
        if measuring:
            self._good_s = self._good_s + BLOCK_S if erle_db >= ENTER_DB else 0.0
            self._bad_s = self._bad_s + BLOCK_S if erle_db < LEAVE_DB else 0.0
        if self._present:
            self.trust = self._next()

    def doubt(self) -> None:
        """Ask for ``RECOVER_S`` of good echo: sound was lost, and the echo may come at another time from now on."""
        if self._since_voice_s < HASTE_S:
            self.false_alarm()
        self._shake()

    def interrupted(self, erle_db: float) -> None:
        """Note that a voice interrupts an answer. While the echo comes back, it was the voice: trust is withdrawn.

        Otherwise the next answer's echo has to be gone before trust goes on. While somebody speaks nothing is measured,
        so that an echo that moved would interrupt answer after answer and be trusted all the time.
        """
        if self.trust is not Trust.TRUSTED:
            return
        if erle_db < ENTER_DB:
            self.false_alarm()
        else:
            self._shake()
            self._since_voice_s = 0.0

    def overheard(self) -> None:
        """Ask for ``RECOVER_S`` of good echo: nobody may interrupt, and there was what sounds like a voice.

        It may be an echo that the canceller does not reach, or a noise that would interrupt once it is trusted.
        """
        if self.trust is not Trust.TRUSTED:
            self._shake()

    def false_alarm(self) -> None:
        """Withdraw trust for a while: a voice turned out to have been none."""
        self._blocked_s = self._withdraw_s
        self._withdraw_s = min(2 * self._withdraw_s, WITHDRAW_MOST_S)
        self._since_alarm_s = 0.0
        if self._present:
            self.trust = Trust.WITHDRAWN

    def _shake(self) -> None:
        self._good_s = min(self._good_s, LEARN_S - RECOVER_S) if self.trust is Trust.LEARNING else 0.0
        if self.trust in (Trust.TRUSTED, Trust.POOR):
            self.trust = Trust.SHAKEN

    def _next(self) -> Trust:
        if self._blocked_s > 0:
            return Trust.WITHDRAWN
        match self.trust:
            case Trust.TRUSTED:
                return Trust.POOR if self._bad_s >= LEAVE_S else Trust.TRUSTED
            case Trust.LEARNING:
                return Trust.TRUSTED if self._good_s >= LEARN_S else Trust.LEARNING
            case Trust.SHAKEN if self._bad_s < LEAVE_S:
                return Trust.TRUSTED if self._good_s >= RECOVER_S else Trust.SHAKEN
            case _:
                return Trust.TRUSTED if self._good_s >= RECOVER_S else Trust.POOR
