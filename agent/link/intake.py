"""What a WebSocket brings: parsed and handed out a bounded part at a time, and cut off when it floods.

The library parses in one go whatever one read of the socket brought: 256 kB, which may hold 130 000 frames. It hands
out message after message without a turn of the loop between them. Here microphone, button and signals have theirs.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from agent.link import tcp_info
from agent.link.inflow import Inflow
from agent.link.verdicts import NO_FRAME

SLICE = 512
"""Bytes that are parsed in one go; they hold 256 of the smallest frames at most."""
TURN_FRAMES = 64
"""The frames after which the rest waits for the loop's next turn: microphone, button and signals go first."""
TURN_COST, MESSAGE_COST = 64 * 1024, 4 * 1024
"""Likewise for messages handed out: 16 small ones, or one of 60 kB. Reading and handling one costs its bytes and this
much more."""
TURN_S = 0.010
"""Likewise for the time that it takes to handle them: what costs little here may cost much on another machine."""


class ConnectionEnded(Exception):
    """The connection is over: close ``code`` (1006: no close frame came) and ``reason``."""

    def __init__(self, code: int, reason: str) -> None:
        """Store ``code`` and ``reason``; the message is both in one line."""
        super().__init__(f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Misbehaved(ConnectionEnded):
    """We ended the connection: the peer floods us, or breaks the protocol; ``reason`` says how."""


class Intake(ClientConnection):
    """The receiving half of a connection, and how it is cut. Nothing here waits but :meth:`receive`."""

    _ended_because = ""
    _misbehaved = ""
    _frames = 0  # received
    _cost = 0  # of the messages handed out in this turn of the loop
    _handling_s = 0.0  # seconds that handling them took
    _handed_out_at = 0.0  # when the last message was handed out; real time, since handling takes no other
    _unparsed = b""
    _parsing: asyncio.Handle | None = None
    _inflow: Inflow

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a new transport."""
        self._inflow = Inflow(self.loop.time())
        super().connection_made(transport)

    async def receive(self) -> bytes:
        """Return the next message; never keeps the loop for long, however many wait. Raises ConnectionEnded."""
        self._handling_s += time.monotonic() - self._handed_out_at
        if self._cost >= TURN_COST or self._handling_s >= TURN_S:
            self._cost, self._handling_s = 0, 0.0
            await asyncio.sleep(0)
        try:
            if self._misbehaved:  # what it sent before that is not worth reading
                raise Misbehaved(NO_FRAME, self._misbehaved)
            message: bytes = await self.recv(decode=False)
        except ConnectionClosed as closed:
            if self._misbehaved:
                raise Misbehaved(NO_FRAME, self._misbehaved) from None
            cause = closed.__cause__
            lost = self._ended_because or ((cause.strerror or "") if isinstance(cause, OSError) else "")
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (NO_FRAME, lost)
            raise ConnectionEnded(code, reason) from None
        self._cost += MESSAGE_COST + len(message)
        self._handed_out_at = time.monotonic()
        return message

    def entered(self, entries: int) -> None:
        """Count events that are written to disk; too many are a flood."""
        self._judge(self._inflow.entered(entries, self.loop.time()))

    def drop(self, because: str = "") -> None:
        """Cut the connection; the kernel discards what it has not delivered, which is sent again on the next."""
        self._ended_because = because
        tcp_info.reset_on_close(self.transport.get_extra_info("socket"))
        self.transport.abort()

    # called by the transport and the library

    def data_received(self, data: bytes) -> None:
        """Parse what came, a bounded part of it in each turn of the loop."""
        self._unparsed += data
        if self._parsing is None:
            self._parse()

    def eof_received(self) -> None:
        """Parse what came before the end, then handle the end."""
        self._parse_all()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Parse what came before the end, then handle the end."""
        self._parse_all()
        super().connection_lost(exc)

    def _parse(self) -> None:
        """Parse for one turn of the loop; what is left waits for the next, and meanwhile nothing more is read."""
        self._parsing = None
        unparsed, at, begun = self._unparsed, 0, self._frames
        while at < len(unparsed) and self._frames - begun < TURN_FRAMES and not self._misbehaved:
            before, piece = self._frames, unparsed[at : at + SLICE]
            super().data_received(piece)
            at += SLICE
            self._judge(self._inflow.received(self._frames - before, len(piece), self.loop.time()) or self._broken)
        self._unparsed = b"" if self._misbehaved else unparsed[at:]
        if self._unparsed:
            self.transport.pause_reading()
            self._parsing = self.loop.call_soon(self._parse)
        else:
            self.transport.resume_reading()

    def _parse_all(self) -> None:
        """Parse what is left; what is not enough for a flood takes bounded time."""
        while self._unparsed:
            self._parse()
            if self._parsing is not None:
                self._parsing.cancel()
                self._parsing = None

    @property
    def _broken(self) -> str:
        """Why the library has given the connection up; empty if it has not."""
        sent = self.protocol.close_sent
        given_up = sent is not None and self.protocol.close_rcvd is None and sent.code != CloseCode.NORMAL_CLOSURE
        return f"{sent.code} {sent.reason}".rstrip() if sent is not None and given_up else ""

    def _judge(self, misbehaviour: str) -> None:
        """Cut the connection if there is any ``misbehaviour``."""
        if misbehaviour and not self._misbehaved:
            self._misbehaved = misbehaviour
            self.drop(misbehaviour)

    def process_event(self, event: Any) -> None:  # noqa: ANN401 - the library's own union of frames
        """Count a frame, and handle it as the library does."""
        self._frames += 1
        super().process_event(event)
