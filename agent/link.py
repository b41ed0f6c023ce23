"""The WebSocket: connect, tune the socket, one sender, one reader, liveness, back-off.

One task for the life of the agent. Sending is synchronous and never waits: :meth:`Link.pump` hands over what the
outbox picks while the pipe is shallow. The library's own keepalive is off: its ping waits behind unsent data, so it
never fires on a dead line that is being talked into, and it kills healthy connections whose pongs are slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI
from websockets.protocol import State

from agent import protocol
from agent.backoff import Backoff
from agent.errors import ConfigError
from agent.moves import LinkState
from agent.verdicts import REFUSED_WAIT_S, Next, Verdict, judge_close, judge_status, judge_unreachable
from agent.wire_events import SetupComplete

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.outbox import Outbox, Outgoing
    from agent.session import Session
    from agent.wire_events import ServerEvent

log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.addFilter(lambda record: record.levelno >= logging.WARNING)  # at DEBUG the library writes out headers: the key

PING_EVERY_S = 5.0
"""Keeps something outstanding, so that TCP_USER_TIMEOUT can notice a dead line while nobody speaks."""
DEAD_LINE_MS = 3000
"""Unacknowledged data this old is a dead line. Congested lines were never silent for more than 2.5 s."""
CLOSE_S = 1.0
"""A closing handshake that takes longer is not worth a technician's time."""
REPUMP_S = 0.020
"""How soon a full pipe is looked at again."""


class Listener(Protocol):
    """Who is told what happens on the link; called on the event loop, never re-entered."""

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        """Take the new state, and why the last connection failed if it did."""

    def server_event(self, event: ServerEvent) -> None:
        """Take one thing that the service said."""

    def sent(self, outgoing: Outgoing) -> None:
        """Take note that a message was handed to the socket."""


class _BadAddressError(Exception):
    """What stands in service.url, or in the environment for a proxy, is no address."""


class _Connect(connect):
    """Follows no redirect: the API key must not go to whatever host one names."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class _Connection(ClientConnection):
    """Remembers when anything at all, a pong included, was last heard from the peer."""

    heard_at = 0.0

    def process_event(self, event: Any) -> None:  # noqa: ANN401 - the library's own union of frames
        self.heard_at = self.loop.time()
        super().process_event(event)
        if self.protocol.state is State.CLOSING:  # the peer said good-bye: it must also hang up
            self.loop.call_later(CLOSE_S, self.transport.abort)

    def ping_now(self) -> None:
        """Send a ping without waiting for anything."""
        self.protocol.send_ping(b"")
        self.send_data()


class Link:
    """Keeps one connection while it is wanted."""

    def __init__(
        self, settings: Settings, key: Callable[[], str], session: Session, outbox: Outbox, listener: Listener
    ) -> None:
        """Ask ``key`` for the API key before each attempt, so that a mended key file is enough."""
        self._settings = settings
        self._key = key
        self._session = session
        self._outbox = outbox
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff()
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ready: _Connection | None = None
        self._connection: _Connection | None = None
        self._parting = False  # we are ending this connection ourselves
        self._up_at: float | None = None  # when the present connection became ready
        self._repump: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self.state = LinkState.IDLE
        self.connections = 0
        """Connections that became ready."""
        self.bytes_sent = 0

    # what others ask for

    def want(self) -> None:
        """Have a connection; a pending wait for the next attempt is cut short."""
        self._wanted.set()
        self._hurry.set()

    def release(self) -> None:
        """Have none."""
        self._wanted.clear()
        self._hurry.set()
        self.renew()

    def renew(self) -> None:
        """End the present connection; if one is wanted, the next is made at once."""
        connection = self._connection
        if connection is None or self._parting:
            return
        self._parting = True
        if self._ready is None:
            connection.transport.abort()
        else:
            self._say_goodbye(connection)

    def pump(self) -> None:
        """Send what may be sent now."""
        connection = self._ready
        if connection is None:
            return
        transport = connection.transport
        while (outgoing := self._outbox.next(transport.get_write_buffer_size())) is not None:
            self._send(connection, outgoing.message)
            self._listener.sent(outgoing)
        if self._repump is None and not self._outbox.empty:
            self._repump = self._loop.call_later(REPUMP_S, self._pump_again)

    @property
    def buffered_bytes(self) -> int:
        """Bytes in the library's buffer."""
        return self._ready.transport.get_write_buffer_size() if self._ready is not None else 0

    async def run(self) -> None:
        """Keep a connection while wanted, until cancelled."""
        while True:
            if not self._wanted.is_set() and self.state is not LinkState.IDLE:
                self._set_state(LinkState.IDLE)
            await self._wanted.wait()
            self._hurry.clear()
            self._set_state(LinkState.CONNECTING)
            self._up_at = None
            verdict = await self._attempt()
            now = self._loop.time()
            self._session.closed(now, drop_handle=verdict is not None and verdict.next is Next.FRESH)
            if self._wanted.is_set() and verdict is not None:
                self._backoff.failed(0.0 if self._up_at is None else now - self._up_at)
                await self._wait(verdict)

    # one connection

    async def _attempt(self) -> Verdict | None:
        """Live through one connection; the verdict on its end, None if we ended it."""
        resumed = bool(self._session.handle(self._loop.time()))
        self._parting = False
        try:
            self._connection = await self._open()
            if not self._wanted.is_set():
                return None
            async with asyncio.timeout(self._settings.link.setup_timeout_s):
                await self._set_up(self._connection)
        except TimeoutError:
            return judge_unreachable("the service did not answer in time")
        except ConnectionClosed as closed:
            return self._judge(closed, resumed=resumed)
        except ConfigError as error:  # the key file is being replaced, perhaps
            return Verdict(Next.REFUSED, str(error), wait_s=REFUSED_WAIT_S)
        except (OSError, InvalidHandshake, InvalidURI, InvalidProxy, _BadAddressError) as error:
            return judge_failure(error)
        else:
            return await self._converse(self._connection, resumed=resumed)
        finally:
            await self._dispose()

    async def _open(self) -> _Connection:
        link = self._settings.link
        key = self._key()
        try:
            connection = await _Connect(
                endpoint(self._settings),
                additional_headers={"x-goog-api-key": key},
                compression=None,  # deflating base64 of noise costs the Pi more than it saves
                ping_interval=None,
                open_timeout=link.open_timeout_s,
                close_timeout=CLOSE_S,
                max_size=None,  # the service sends as large as it likes; the reader never lets it queue
                max_queue=None,
                create_connection=_Connection,
                logger=_quiet,
            )
        except OSError:  # some of these are ValueErrors too
            raise
        except (ValueError, OverflowError, ImportError) as error:  # no host name, no port, no library for this proxy
            raise _BadAddressError(str(error)) from error
        assert isinstance(connection, _Connection)
        tune(connection.transport.get_extra_info("socket"))
        return connection

    async def _set_up(self, connection: _Connection) -> None:
        self._send(connection, self._session.setup(self._loop.time()))
        while True:
            events = protocol.decode(await connection.recv(decode=False))
            if any(isinstance(event, SetupComplete) for event in events):
                break
        connection.heard_at = self._up_at = self._loop.time()
        self._session.opened(connection.heard_at)
        self._ready = connection
        self.connections += 1
        self._set_state(LinkState.UP)
        for event in events:
            self._listener.server_event(event)
        self.pump()

    async def _converse(self, connection: _Connection, *, resumed: bool) -> Verdict | None:
        self._watch(connection)
        try:
            while True:
                for event in protocol.decode(await connection.recv(decode=False)):
                    self._listener.server_event(event)
        except ConnectionClosed as closed:
            return self._judge(closed, resumed=resumed)
        finally:
            _cancel(self._watching)

    def _judge(self, closed: ConnectionClosed, *, resumed: bool) -> Verdict | None:
        if self._parting:
            return None
        cause = closed.__cause__
        lost = (1006, (cause.strerror or "") if isinstance(cause, OSError) else "")
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else lost
        return judge_close(code, reason, resumed=resumed, failures=self._backoff.failures + 1)

    async def _dispose(self) -> None:
        """Leave nothing of the connection behind; bounded, whatever the peer does."""
        connection, self._connection, self._ready = self._connection, None, None
        _cancel(self._repump)
        self._repump = None
        if connection is None:
            return
        if not self._parting:
            reset_on_close(connection.transport.get_extra_info("socket"))
            connection.transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await connection.wait_closed()
        connection.transport.abort()
        await connection.wait_closed()

    # small parts

    def _watch(self, connection: _Connection) -> None:
        silent_s = self._loop.time() - connection.heard_at
        if silent_s > self._settings.link.pong_timeout_s:
            log.warning("link: nothing heard for %.0f s, line taken as dead", silent_s)
            connection.transport.abort()
            return
        connection.ping_now()
        self._watching = self._loop.call_later(PING_EVERY_S, self._watch, connection)

    def _send(self, connection: _Connection, message: bytes) -> None:
        self.bytes_sent += len(message)
        broadcast((connection,), message, text=True)

    def _pump_again(self) -> None:
        self._repump = None
        self.pump()

    def _say_goodbye(self, connection: _Connection) -> None:
        self._ready = None
        connection.protocol.send_close(1000)
        connection.send_data()
        self._loop.call_later(CLOSE_S, connection.transport.abort)

    def _set_state(self, state: LinkState, verdict: Verdict | None = None) -> None:
        self.state = state
        self._listener.link_changed(state, verdict)

    async def _wait(self, verdict: Verdict) -> None:
        """Wait until the next attempt is due, or somebody asks for one."""
        if verdict.at_once and self._backoff.failures <= 1:
            self._set_state(LinkState.CONNECTING, verdict)
            return
        self._set_state(LinkState.REFUSED if verdict.next is Next.REFUSED else LinkState.OFFLINE, verdict)
        seconds = self._backoff.wait(verdict.wait_s, random.random())  # noqa: S311 - jitter, not a secret
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def endpoint(settings: Settings) -> str:
    """Return the WebSocket address; the Live API's path is added to an address that has none."""
    url = urlsplit(settings.service.url)
    if url.path.strip("/"):
        return settings.service.url
    name = f"google.ai.generativelanguage.{settings.service.api_version}.GenerativeService.BidiGenerateContent"
    return url._replace(path=f"/ws/{name}").geturl()


def judge_failure(error: Exception) -> Verdict:
    """Judge an attempt that never became a connection."""
    match error:
        case InvalidStatus():
            return judge_status(error.response.status_code)
        case ssl.SSLCertVerificationError():
            return judge_unreachable(
                f"certificate not trusted: {error.verify_message}", "check the clock and SSL_CERT_FILE"
            )
        case socket.gaierror():
            return judge_unreachable("host name not found", "check the network and service.url")
        case ConnectionRefusedError():
            return judge_unreachable("connection refused", "check service.url")
        case ssl.SSLError() | ConnectionResetError():
            return judge_unreachable("connection reset before it was made", "is it wss:// to a ws:// server?")
        case OSError():
            return judge_unreachable(f"no connection: {error.strerror or type(error).__name__}")
        case InvalidProxy() | _BadAddressError():
            return judge_unreachable(
                f"not a usable address: {error}", "check service.url and the proxy, if there is one"
            )
    return judge_unreachable(f"not a WebSocket service: {error}", "check service.url")


def tune(sock: socket.socket) -> None:
    """Make TCP give up on a dead line in DEAD_LINE_MS, where the platform can."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_LINE_MS)


def reset_on_close(sock: socket.socket | None) -> None:
    """Make closing discard what the kernel has not delivered: it will be sent again on the next connection."""
    with contextlib.suppress(OSError, AttributeError):
        assert sock is not None
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
