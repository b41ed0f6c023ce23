"""Echo cancelling, and how far it can be trusted: the canceller, a meter on it, and the gate of barge-in by voice.

The only module that imports pywebrtc-audio. Its one object does both, WebRTC's AEC3 and the noise suppressor behind it:
two objects in a row are worse, because the suppressor learns the noise from the signal in front of the canceller, which
is steady, and behind it would learn from what the canceller punched holes into (docs/audio.md has the figures).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hardware.ports import MICROPHONE_FORMAT, Trust

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE = MICROPHONE_FORMAT.rate
BLOCK = RATE // 100
"""10 ms: the canceller's own frame."""
BLOCK_S = 0.010
NOISE_LEVEL = 2
"""18 dB at most: enough for the endpointer (docs/audio.md), and the last step that does not chirp in speech."""


class Canceller(Protocol):
    """Takes out of what was heard what was played. 16 kHz, blocks of exactly ``BLOCK`` samples, one thread."""

    present: bool
    """Whether it does anything."""

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return int16[160], cleaned, from int16[160] heard and int16[160] played by the same callback."""

    def reset(self) -> None:
        """Forget the room: the next block comes from another card, or after a gap."""


class WebRtcCanceller:
    """AEC3 with a high pass in front, and noise suppression behind it if ``hush``. Delays by 8 ms, hushed by 14 ms.

    No gain control, which costs 15 dB of cancelling, and no delay hint: it finds 10 to 400 ms by itself.
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
        # The library reads memory and ignores strides: without these copies a view would be silently wrong audio.
        cleaned: Samples = self._library.process(np.ascontiguousarray(near), np.ascontiguousarray(far))
        return cleaned

    def reset(self) -> None:
        """Forget echo path and noise."""
        self._library.reset()


class PassThrough:
    """What is there without the library: everything is heard, and nothing is trusted."""

    present = False

    def process(self, near: Samples, far: Samples) -> Samples:
        """Return ``near`` itself."""
        del far
        return near

    def reset(self) -> None:
        """No-op: nothing was learnt."""


def canceller(*, hush: bool) -> Canceller:
    """Return the best canceller that is installed; with ``hush`` it suppresses noise as well."""
    try:
        return WebRtcCanceller(hush=hush)
    except ImportError:
        return PassThrough()


# How well it works

AUDIBLE_DB = 6.0
"""This far above the room, what is heard while something plays is echo and not noise."""
FLOOR_RISE_DB = 0.02
"""A block; the floor falls at once and rises by 2 dB/s, slower than words and quicker than a machine starting."""
UNHEARD_S = 1.0
"""Played for this long and nothing heard: headphones, or volume at zero. Gaps between words are shorter."""
UNHEARD_ERLE_DB = 30.0
"""What an echo counts as that cannot be heard: as good as a cancelled one."""
SMOOTHING_S = 0.5
"""Of echo, not of time: two or three words."""
FADE_S = 0.5
"""After the last played sample its echo may still come: the longest delay that is cancelled, and some of the room."""


class ErleMeter:
    """Echo return loss enhancement: how much quieter the echo leaves than it came. Mean of blocks in dB.

    In dB and not in power, so that the first 150 ms of somebody's speech, not yet judged to be speech, weigh little.
    """

    def __init__(self) -> None:
        """Start with nothing known."""
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.erle_db = 0.0
        self.active = False
        """Whether an echo may be sounding."""
        self.measuring = False
        """Whether the last block told anything."""
        self._fade_s = 0.0
        self._floor_db = 0.0
        self._unheard_s = 0.0

    def feed(self, near_db: float, cleaned_db: float, *, playing: bool, speech: bool) -> None:
        """Measure a block by its levels; ``speech`` says that the technician is judged to speak, which is no echo."""
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
"""Rooms within the canceller's reach give 27 dB and more where no machine drowns the echo, a room beyond it 1 dB."""
LEAVE_DB = 12.0
"""Far enough below that a moment of noise does not switch to and fro."""
LEARN_S = 3.0
"""Of echo. AEC3 lets nothing through in its first 2.5 s, which looks like a perfect canceller and is not."""
LEAVE_S = 0.3
"""Of echo; the figure is smoothed as it is."""
RECOVER_S = 1.0
"""Of echo, two or three words: twice the smoothing."""
WITHDRAW_S = 30.0
"""For the first false barge-in; twice as long for each further one, so that a loop dies out."""
WITHDRAW_MOST_S = 480.0
FORGIVE_S = 600.0
"""Without a false barge-in for this long, the next counts as the first."""


class EchoGate:
    """Whether barge-in by voice may be believed. Counts audio, not the clock: one ``feed`` is 10 ms."""

    def __init__(self, *, present: bool) -> None:
        """Never trust where there is no canceller (``present``)."""
        self._present = present
        self._withdraw_s = WITHDRAW_S
        self._blocked_s = 0.0
        self._since_alarm_s = 0.0
        self.reset()

    @property
    def trusted(self) -> bool:
        """Whether a voice during an answer is the technician's."""
        return self.trust is Trust.TRUSTED

    def reset(self) -> None:
        """Begin to learn, on another card or after a gap. A withdrawal goes on."""
        self.trust = Trust.LEARNING if self._present else Trust.ABSENT
        self._good_s = self._bad_s = 0.0

    def feed(self, erle_db: float, *, measuring: bool) -> None:
        """Count a block; its figure counts only if it was measured in it."""
        self._since_alarm_s += BLOCK_S
        self._blocked_s = max(0.0, self._blocked_s - BLOCK_S)
        if self._since_alarm_s >= FORGIVE_S:
            self._withdraw_s = WITHDRAW_S
        if measuring:
            self._good_s = self._good_s + BLOCK_S if erle_db >= ENTER_DB else 0.0
            self._bad_s = self._bad_s + BLOCK_S if erle_db < LEAVE_DB else 0.0
        if self._present:
            self.trust = self._next()

    def false_alarm(self) -> None:
        """Handle a barge-in behind which nothing was said: trust none for a while."""
        self._blocked_s = self._withdraw_s
        self._withdraw_s = min(2 * self._withdraw_s, WITHDRAW_MOST_S)
        self._since_alarm_s = 0.0
        if self._present:
            self.trust = Trust.WITHDRAWN

    def _next(self) -> Trust:
        if self._blocked_s > 0:
            return Trust.WITHDRAWN
        match self.trust:
            case Trust.TRUSTED:
                return Trust.POOR if self._bad_s >= LEAVE_S else Trust.TRUSTED
            case Trust.LEARNING:
                return Trust.TRUSTED if self._good_s >= LEARN_S else Trust.LEARNING
            case _:
                return Trust.TRUSTED if self._good_s >= RECOVER_S else Trust.POOR
