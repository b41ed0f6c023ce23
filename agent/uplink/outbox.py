"""PURE: three lanes to the service, and the policy that picks the next message.

Control first (small, never dropped), then audio from the ledger, then at most one frame. Messages queue here and in the
ledger, never in the socket: what is written can no longer be overtaken.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.uplink.degradation import Degradation, Degrader
from agent.wire import protocol

if TYPE_CHECKING:
    from agent.config import VideoSettings
    from agent.uplink.bandwidth import Uplink
    from agent.uplink.ledger import Ledger
    from agent.uplink.utterance import Utterance


BEHIND_S = 0.5
"""A longer backlog than any pause of a healthy line leaves."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send, and the utterance that it completes, if it is the last message of one."""

    message: bytes
    completes: Utterance | None = None
    is_frame: bool = False


class Outbox:
    """Holds what waits to be sent, and picks the next message."""

    def __init__(self, ledger: Ledger, video: VideoSettings, *, narrowband: bool = True) -> None:
        """Send audio from ``ledger``, at 8 kHz while the line is too narrow if ``narrowband``."""
        self._ledger = ledger
        self._fps = video.fps or 1.0  # without frames there are still stills, which come less often than that
        self.largest_frame = video.max_frame_kb * 1000
        """Bytes that a frame may have on the best line."""
        self._degrader = Degrader(narrowband=narrowband)
        self.degradation = Degradation()
        """What is done to audio at present."""
        self._control: deque[bytes] = deque()
        self._frame: bytes | None = None
        self.frames_replaced = 0
        """Frames that a newer one replaced before they could be sent."""
        self.frames_lost = 0
        """Frames that were waiting when a connection ended."""

    def control(self, message: bytes) -> None:
        """Queue a message that belongs to the present connection."""
        self._control.append(message)

    def frame(self, jpeg: bytes) -> None:
        """Queue a frame (JPEG); it replaces one that still waits."""
        self.frames_replaced += self._frame is not None
        self._frame = jpeg

    def next(self, uplink: Uplink, now: float) -> Outgoing | None:
        """Return what to send now; None if nothing may be sent yet.

        Audio goes before every frame that has not started. A frame starts only if nothing else waits and the uplink
        has room for it.
        """
        if self._control:
            return Outgoing(self._control.popleft())
        if uplink.audio_open:
            lag_s = self._ledger.backlog_s + uplink.queue_s
            self.degradation = self._degrader.choose(now, lag_s, narrow=uplink.narrow, fits=uplink.fits)
            step = self._ledger.next(uplink.chunk_s, self.degradation)
            if step is not None:
                message, utterance = step
                return Outgoing(message, utterance if utterance.complete else None)
            if self._frame is not None and not uplink.frame_refusal(now):
                jpeg, self._frame = self._frame, None
                return Outgoing(protocol.video(jpeg), is_frame=True)
        return None

    def frame_budget(self, uplink: Uplink, now: float) -> tuple[int, str]:
        """Return how many bytes a frame may have now, and why none may be taken if that is 0."""
        if refusal := self.frame_refusal(uplink, now):
            return 0, refusal
        budget = uplink.frame_budget(now, self._fps)
        return budget, "" if budget else "rate"

    def frame_refusal(self, uplink: Uplink, now: float) -> str:
        """Return why a frame taken now would have to wait ("waiting", "audio", the uplink's reason); empty if not."""
        if self._frame is not None:
            return "waiting"
        return "audio" if self.audio_waiting(uplink) else uplink.frame_refusal(now)

    def audio_waiting(self, uplink: Uplink) -> bool:
        """Return whether there is audio that should have been sent by now."""
        return self._ledger.unsent(uplink.chunk_s)

    @property
    def behind(self) -> bool:
        """Whether so much audio waits that the box is catching up."""
        return self._ledger.backlog_s > BEHIND_S

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._control and self._frame is None and not self._ledger.unsent()

    def connection_lost(self) -> None:
        """Discard control messages and the frame that were meant for the connection that ended."""
        self._control.clear()
        self.frames_lost += self._frame is not None
        self._frame = None
