"""What a scheduler would reach that knows the rate exactly: computed, no network.

Audio goes first, in messages of 200 ms where more than 300 ms wait; one frame at a time, never interrupted, sized from
the rate. 8 kHz where 16 kHz does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from uplink_source import AUDIO_HEAD, FPS, FRAME_BYTES, TAIL, VIDEO_HEAD, camera_time

if TYPE_CHECKING:
    from agent.simulator.bottleneck import Trace

DELAY_S = 0.030
WEBSOCKET_SHORT, WEBSOCKET, TLS, SEGMENT, HEADERS = 8, 14, 22, 1448, 52
SHORT = 65_535
FINE_ABOVE_KBIT, FINE_S, COARSE_S, LONGEST_S = 600, 0.020, 0.040, 0.200
BEHIND_S = 0.3
"""Sooner, coalescing costs the oldest audio more than the saved headers are worth."""
FRAME_S, SHARE = 0.25, 0.75
LEAST_FRAME, LEAST_EVERY_S = 6_000, 5.0
"""If no frame fits into the share, a frame of this size is sent this often, so that the picture never freezes."""
LEAST_SPARE = 1.03
"""16 kHz fits if the rate exceeds its need by this factor."""
ROUNDING_S = 1e-9


def wire(payload: int, head: int) -> int:
    """Return the bytes on the line of one message: base64, JSON, WebSocket, TLS, TCP and IP."""
    message = 4 * -(-payload // 3) + head
    record = message + (WEBSOCKET_SHORT if message <= SHORT else WEBSOCKET) + TLS * -(-message // 16_384)
    return record + HEADERS * -(-record // SEGMENT)


def audio_wire(seconds: float, rate: int) -> int:
    """Return the bytes on the line of one message of audio."""
    return wire(round(seconds * rate) * 2, len(AUDIO_HEAD) + len(TAIL))


def frame_wire(size: int) -> int:
    """Return the bytes on the line of one frame."""
    return wire(size, len(VIDEO_HEAD) + len(TAIL))


def frame_size(kbit: float, audio_kbit: float) -> int:
    """Return the bytes of JPEG that the rate affords."""
    bits = min(FRAME_S * kbit, SHARE * (kbit - audio_kbit) / FPS) * 1000
    return min(FRAME_BYTES, int((bits / 8) / frame_wire(FRAME_BYTES) * FRAME_BYTES))


@dataclass
class Ideal:
    """One run of it."""

    trace: Trace
    seconds: float
    latencies: list[tuple[float, float, float]] = field(default_factory=list)  # arrival, latency, seconds of audio
    frames: list[tuple[float, int]] = field(default_factory=list)
    now: float = 0.0
    sent: float = 0.0
    last_frame: float = -LEAST_EVERY_S
    cameras: int = 0  # frames that the camera has offered

    def run(self) -> Ideal:
        """Send everything."""
        while self.sent < self.seconds - ROUNDING_S:
            kbit = self.trace.at(self.now).kbit or self.trace.queue_kbit(self.now)
            chunk = FINE_S if kbit > FINE_ABOVE_KBIT else COARSE_S
            rate = 16_000 if audio_wire(chunk, 16_000) * 8 / chunk / 1000 * LEAST_SPARE <= kbit else 8_000
            ready = int((min(self.now, self.seconds) - self.sent + ROUNDING_S) / chunk) * chunk
            size = self._frame(kbit, audio_wire(chunk, rate) * 8 / chunk / 1000)
            if ready > 0:
                self._send_audio(min(ready, LONGEST_S if self.now - self.sent > BEHIND_S else chunk), rate)
            elif size and self.now + ROUNDING_S >= camera_time(self.cameras):
                self._send_frame(size)
            else:
                due = camera_time(self.cameras)
                later = [self.sent + chunk] + ([due] if size and due > self.now else [])
                self.now = max(self.now + ROUNDING_S, min(later))
        return self

    def _frame(self, kbit: float, audio_kbit: float) -> int:
        size = frame_size(kbit, audio_kbit)
        if size >= LEAST_FRAME:
            return size
        return LEAST_FRAME if self.now - self.last_frame >= LEAST_EVERY_S and kbit > audio_kbit else 0

    def _send_audio(self, seconds: float, rate: int) -> None:
        self.now = self.trace.busy_until(self.now, audio_wire(seconds, rate))
        self.sent += seconds
        self.latencies.append((self.now + DELAY_S, self.now + DELAY_S - self.sent, seconds))

    def _send_frame(self, size: int) -> None:
        self.last_frame = self.now
        self.now = self.trace.busy_until(self.now, frame_wire(size))
        self.frames.append((self.now + DELAY_S, size))
        while camera_time(self.cameras) <= self.now:
            self.cameras += 1
