"""Where time is taken: at the two ends of the WebSocket library, so that agent and floor are measured alike."""

from __future__ import annotations

import time
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.protocol import Protocol


class Wire:
    """Remembers when what was last handed to, and got from, the TLS transport. One per process."""

    def __init__(self) -> None:
        """Put the taps in."""
        self.sent_at = 0.0
        """When the library last returned from writing to the transport."""
        self.audio_sent = 0
        """Audio messages so far."""
        self.starts: list[float] = []
        """When each activityStart was handed over."""
        self.got_at = 0.0
        """When decrypted bytes last came out of the transport."""
        self._tap_sending()
        self._tap_receiving()

    def _tap_sending(self) -> None:
        send_text, send_data = Protocol.send_text, Connection.send_data

        def tapped_text(protocol: Protocol, data: bytes, *rest: Any, **more: Any) -> None:  # noqa: ANN401 - as the library has it
            send_text(protocol, data, *rest, **more)
            self.audio_sent += b'"audio":{' in data[:60]
            if b"activityStart" in data[:60]:
                self.starts.append(time.monotonic())

        def tapped_data(connection: Connection) -> None:
            send_data(connection)
            self.sent_at = time.monotonic()

        Protocol.send_text = tapped_text  # type: ignore[method-assign]
        Connection.send_data = tapped_data  # type: ignore[method-assign]

    def _tap_receiving(self) -> None:
        received = Connection.data_received

        def tapped(connection: Connection, data: bytes) -> None:
            self.got_at = time.monotonic()
            received(connection, data)

        Connection.data_received = tapped  # type: ignore[method-assign]
