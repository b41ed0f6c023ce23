"""One WebSocket connection; with :mod:`agent.link.intake`, all that uses the websockets library.

A thin shell: open, send at once, ping at once, receive, measure the unsent bytes, close. What any of it means is
decided in :mod:`agent.link.link`. The library's own keepalive is off: its ping waits behind unsent data, so it never
fires on a dead line that is being written to, and it kills healthy connections whose pongs are slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.asyncio.connection import broadcast
from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from agent.config import UNNEEDED, ServiceSettings, is_loopback
from agent.errors import ConfigError
from agent.link import tcp_info
from agent.link.inflow import MESSAGE_BYTES
from agent.link.intake import Intake
from agent.link.network import has_name, has_route
from agent.link.verdicts import (
    Reach,
    Verdict,
    judge_certificate,
    judge_key,
    judge_status,
    judge_unknown_host,
    judge_unreachable,
)
from agent.uplink.bandwidth import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings

CLOSE_S = 1.0
"""A closing handshake that takes longer is not worth a technician's time."""

SERVICE_HOST = urlsplit(ServiceSettings().url).hostname or ""
"""A host that is known wherever there is an internet: that of the service, unless the configuration names another."""
NO_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)
"""The errors of name servers that answer."""
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, None)
"""The errors of a network that leads nowhere. None: asyncio sums up several addresses, each with its own error."""

_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.addFilter(lambda record: record.levelno >= logging.WARNING)  # at DEBUG the library logs headers, with the key


class BadAddressError(Exception):
    """The value of service.url, or of a proxy variable in the environment, is not an address."""


class NoSuchHostError(Exception):
    """The name servers know other hosts, and not the one to connect to."""


FAILURES = (ConfigError, OSError, InvalidHandshake, InvalidURI, InvalidProxy, BadAddressError, NoSuchHostError)
"""The exceptions of a failed attempt: ConfigError for the key, and what :func:`open_connection` raises (TimeoutError is
an OSError). :func:`judge_failure` handles each."""


class _Connect(connect):
    """Follows no redirect: the API key must not be sent to another host."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class Connection(Intake):
    """An open WebSocket. Nothing here waits but ``receive`` and :meth:`dispose`."""

    last_frame_at = 0.0
    """When a frame of any kind, a pong included, last came from the peer; loop time."""
    on_pong: Callable[[float], None] | None = None
    """Called for each pong, with the loop time at which its ping was sent."""
    _written = 0

    def send_now(self, message: bytes) -> None:
        """Send a text message without waiting; what does not fit into the socket is buffered."""
        self._written += len(message)
        broadcast((self,), message, text=True)

    def ping_now(self) -> None:
        """Send a ping behind everything written so far; its payload is the present loop time."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_ping(repr(self.loop.time()).encode())
            self.send_data()

    def look(self, *, kernel: bool) -> Pipe:
        """Return how many bytes are outstanding; without ``kernel``, only those that the library buffers."""
        transport = self.transport
        inner = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)  # TLS has a buffer behind it
        transports = (transport,) if inner is None else (transport, inner)
        buffered = sum(each.get_write_buffer_size() for each in transports)
        facts = tcp_info.look(transport.get_extra_info("socket")) if kernel else None
        if facts is None:
            return Pipe(buffered, self._written - buffered, 0.0, certain=False)
        return Pipe(buffered + facts.unacknowledged, facts.acknowledged, facts.round_trip_s)

    def pace(self, bytes_per_s: int) -> None:
        """Limit the rate at which the kernel sends."""
        tcp_info.pace(self.transport.get_extra_info("socket"), bytes_per_s)

    @property
    def service_time(self) -> float | None:
        """What time it is (Unix) by the service's answer to the handshake; None if it does not say, or is not known.

        Only over TLS is it the service that says so.
        """
        told = self.response.headers.get("Date", "") if self.response is not None else ""
        if self.transport.get_extra_info("ssl_object") is None:
            return None
        try:
            return parsedate_to_datetime(told).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None

    @property
    def local_address_text(self) -> str:
        """The local address, for finding its interface; empty if there is none."""
        address = self.transport.get_extra_info("sockname")
        return str(address[0]) if isinstance(address, tuple) else ""

    def say_goodbye(self) -> None:
        """Begin an orderly close; after ``CLOSE_S`` the connection is cut, whatever the peer does."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(1000)
            self.send_data()
        self.loop.call_later(CLOSE_S, self.transport.abort)

    async def dispose(self, within_s: float = CLOSE_S) -> None:
        """Wait until the connection is closed; cut it after ``within_s`` seconds, whatever the peer does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.wait_closed()
        self.transport.abort()
        await self.wait_closed()

    def process_event(self, event: Any) -> None:  # noqa: ANN401 - the library's own union of frames
        """Handle a frame from the library."""
        self.last_frame_at = self.loop.time()
        if isinstance(event, Frame) and event.opcode is Opcode.PONG and self.on_pong is not None:
            with contextlib.suppress(ValueError):  # a pong to no ping of ours
                self.on_pong(float(event.data))
        super().process_event(event)
        if self.protocol.state is State.CLOSING:  # the peer sent its close frame: it must also close TCP
            self.loop.call_later(CLOSE_S, self.transport.abort)


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Return a context that trusts SSL_CERT_FILE or the system's certificates; reading them takes 25 ms or more.

    Raises OSError if that is no file: the library would wait for ever for a FIFO.
    """
    file = os.environ.get("SSL_CERT_FILE", "")
    if os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113 - any text, which no path may be
        raise OSError(errno.EINVAL, "SSL_CERT_FILE is not a regular file", file)
    return ssl.create_default_context()


async def open_connection(settings: Settings, key: str, on_answer: Callable[[], None] = lambda: None) -> Connection:
    """Connect, with the key in a header if the connection is encrypted. Raises one of FAILURES.

    ``on_answer()`` is called when somebody has taken the TCP connection, whatever comes of it.
    """
    address = endpoint(settings)

    def answered(*arguments: Any, **options: Any) -> Connection:  # noqa: ANN401 - the library's own
        on_answer()
        return Connection(*arguments, **options)

    try:
        connection = await _Connect(
            address,
            ssl=_trust() if address.startswith("wss:") else None,
            additional_headers={"x-goog-api-key": key if settings.service.encrypted else UNNEEDED},
            proxy=None if is_loopback(address) else True,  # to a proxy, "localhost" is itself
            compression=None,  # deflating base64 of noise costs the Pi more than it saves
            ping_interval=None,
            open_timeout=settings.link.open_timeout_s,
            close_timeout=CLOSE_S,
            max_size=MESSAGE_BYTES,
            max_queue=None,  # bounded by Inflow: the library would stop reading, and pongs with it
            logger=_quiet,
            create_connection=answered,  # type: ignore[arg-type] # asyncio calls it when the socket is connected
        )
    except ssl.SSLCertVerificationError:
        _trust.cache_clear()  # a repaired file is enough
        raise
    except socket.gaierror as error:
        if await _is_wrong(address, error):
            raise NoSuchHostError from error
        raise
    except OSError:  # some OSErrors are ValueErrors, too
        raise
    except ImportError as error:  # no library for this kind of proxy
        raise BadAddressError(str(error)) from error
    except (ValueError, OverflowError):  # their texts quote what should be a port, which may be half a password
        raise BadAddressError("its host or port is not valid") from None
    assert isinstance(connection, Connection)
    tcp_info.tune(connection.transport.get_extra_info("socket"))
    return connection


async def _is_wrong(address: str, error: socket.gaierror) -> bool:
    """Return whether name servers that do not know the host of ``address`` know the service's own."""
    theirs = error.errno in NO_NAME and urlsplit(address).hostname != SERVICE_HOST
    return theirs and has_route() and await has_name(SERVICE_HOST)


def endpoint(settings: Settings) -> str:
    """Return the WebSocket address; the Live API's path is added to an address that has none."""
    url = urlsplit(settings.service.url)
    if url.path.strip("/"):
        return settings.service.url
    name = f"google.ai.generativelanguage.{settings.service.api_version}.GenerativeService.BidiGenerateContent"
    return url._replace(path=f"/ws/{name}").geturl()


def judge_failure(error: Exception, *, answered: bool = False) -> Verdict:
    """Return the verdict on an attempt that failed with ``error``; ``answered``: after the TCP connection was made."""
    match error:
        case ConfigError():
            return judge_key(str(error))
        case InvalidStatus():
            return judge_status(error.response.status_code)
        case ssl.SSLCertVerificationError():
            return judge_certificate(error.verify_code, error.verify_message, time.time())
        case TimeoutError() if answered:
            return judge_unreachable("the service did not answer in time")
        case ConnectionError() | ssl.SSLError():
            return judge_unreachable(*_described(error))
        case NoSuchHostError():
            return judge_unknown_host()
        case socket.gaierror() | TimeoutError():
            return _nobody(error)
        case OSError() if error.errno in NO_WAY:
            return _nobody(error)
    return judge_unreachable(*_described(error))


def _nobody(error: OSError) -> Verdict:
    """Return the verdict on an attempt that nobody answered: not the service, not even a name server."""
    match error:
        case socket.gaierror():
            what = "host name not found"
        case TimeoutError():
            what = "no answer in time"
        case _:
            what = f"no connection: {error.strerror or type(error).__name__}"
    if not has_route():
        return judge_unreachable(f"{what}: no network", "check Wi-Fi, cable or modem", Reach.NOWHERE)
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        # A name server says so, which may know no other name either: that of a network without internet.
        return judge_unreachable(what, "check the network and service.url", Reach.NETWORK)
    fix = "check its way to the internet, and service.url"
    return judge_unreachable(f"{what}: a network, but no internet", fix, Reach.NETWORK)


def _described(error: Exception) -> tuple[str, str]:
    """Return the problem and its fix; the fix is empty if it is not known."""
    match error:
        case ConnectionRefusedError():
            return "connection refused", "check service.url"
        case ssl.SSLError() | ConnectionResetError():
            return "connection reset before it was made", "is it wss:// to a ws:// server?"
        case OSError():
            return f"no connection: {error.strerror or type(error).__name__}", ""
        case InvalidProxy() | BadAddressError():
            return f"not a usable address: {error}", "check service.url and the proxy, if there is one"
    return f"not a WebSocket service: {error}", "check service.url"
