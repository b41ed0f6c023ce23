"""Three lanes to the service and the policy that picks the next message.

Control first (small, never dropped), then audio from the ledger, then at most one frame, and that only when the pipe is
shallow. Pure decisions: the link says how much is buffered, the outbox says what goes next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent import protocol

if TYPE_CHECKING:
    from agent.utterances import Ledger, Utterance

AUDIO_HOLD_BYTES = 64 * 1024
"""Above this much unsent data in the library's buffers audio waits here, where it stays in order and can be counted."""
FRAME_GATE_BYTES = 8 * 1024
"""A frame starts only below this: about 150 ms of audio in base64."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, and the utterance that it completes, if it is the last of one."""

    message: bytes
    completes: Utterance | None = None
    is_frame: bool = False


class Outbox:
    """What waits to be sent."""

    def __init__(self, ledger: Ledger) -> None:
        """Take audio from ``ledger``."""
        self._ledger = ledger
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
        """Offer a frame; the newest wins."""
        self.frames_replaced += self._frame is not None
        self._frame = jpeg

    @property
    def frame_waiting(self) -> bool:
        """Whether a frame has not left yet."""
        return self._frame is not None

    def next(self, buffered: int) -> Outgoing | None:
        """Return what to send now, given ``buffered`` bytes already on their way; None to wait."""
        if self._control:
            return Outgoing(self._control.popleft())
        if buffered > AUDIO_HOLD_BYTES:
            return None
        step = self._ledger.next()
        if step is not None:
            message, utterance = step
            return Outgoing(message, utterance if utterance.closed else None)
        if self._frame is not None and buffered <= FRAME_GATE_BYTES:
            jpeg, self._frame = self._frame, None
            return Outgoing(protocol.video(jpeg), is_frame=True)
        return None

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._control and self._frame is None and not self._ledger.unsent

    def connection_lost(self) -> None:
        """Forget what was meant for the connection that ended."""
        self._control.clear()
        self.frames_lost += self._frame is not None
        self._frame = None
