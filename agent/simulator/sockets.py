"""A server socket that can misbehave on command, below the WebSocket protocol."""

from __future__ import annotations

import socket
import struct
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

SMALL_BUFFER: Final = 16 * 1024  # bytes; what the kernel takes in unread is not felt by the client
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # close sends RST and throws away what is unsent


class SimulatedSocket(ServerConnection):
    """A websockets server connection with faults of the line."""

    number = 0  # of the connection, from 1; 0 until the handshake
    hung = False
    _bytes_per_s = 0

    def reset(self) -> None:
        """Break the TCP connection with RST, no close frame."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()

    def hang(self) -> None:
        """Stop reading and writing for good, with the TCP connection open.

        The kernel goes on to acknowledge until its buffer is full, so that buffer is made small.
        """
        self.hung = True
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.transport.pause_reading()

    def read_slowly(self, bytes_per_s: int) -> None:
        """Read no faster than this from now on, so that the client's send buffer fills up."""
        self._bytes_per_s = bytes_per_s

    def delay_pongs(self, delay_s: float) -> None:
        """Answer every ping this much later."""
        send_frame = self.protocol.send_frame

        def late(frame: Frame) -> None:
            if self.protocol.state is State.OPEN:
                send_frame(frame)
                self.send_data()

        def hold(frame: Frame) -> None:
            if frame.opcode is Opcode.PONG:
                self.loop.call_later(delay_s, late, frame)
            else:
                send_frame(frame)

        self.protocol.send_frame = hold  # type: ignore[method-assign] # websockets offers no hook for pongs

    def data_received(self, data: bytes) -> None:
        """Handle received bytes; a slow reader then pauses for as long as they should have taken."""
        super().data_received(data)
        if self._bytes_per_s:
            self.transport.pause_reading()
            self.loop.call_later(len(data) / self._bytes_per_s, self._read_on)

    def _read_on(self) -> None:
        if not self.hung and not self.transport.is_closing():
            self.transport.resume_reading()
