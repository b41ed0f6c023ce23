"""A link with a listener that writes down what it is told, and a server that may do anything."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from websockets.utils import accept_key

from agent import config
from agent.link.connection import CLOSE_S
from agent.link.link import Link
from agent.link.state import LinkState
from agent.uplink.ledger import Ledger
from agent.uplink.outbox import Outbox
from agent.wire.session import Session

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from agent.link.verdicts import Verdict
    from agent.uplink.outbox import Outgoing
    from agent.wire.events import ServerEvent

KEY = "AIza-a-key-that-nobody-may-see"
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
NOBODY = "ws://127.0.0.1:1"
SETUP_COMPLETE = b'{"setupComplete":{}}'


@dataclass
class Ears:
    """A listener that writes down what it is told."""

    states: list[tuple[float, LinkState, Verdict | None]] = field(default_factory=list)
    events: list[ServerEvent] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        self.states.append((asyncio.get_running_loop().time(), state, verdict))

    def server_event(self, event: ServerEvent) -> None:
        self.events.append(event)

    def sent(self, outgoing: Outgoing) -> None:
        self.messages.append(outgoing)

    @property
    def problems(self) -> list[str]:
        return [verdict.problem for _, _, verdict in self.states if verdict is not None]

    def times(self, state: LinkState) -> list[float]:
        return [at for at, seen, _ in self.states if seen is state]


@dataclass
class Rig:
    link: Link
    ears: Ears
    ledger: Ledger
    outbox: Outbox
    session: Session
    task: asyncio.Task[None]

    async def until(self, state: LinkState, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while self.link.state is not state:
                await asyncio.sleep(0.001)

    async def up(self) -> None:
        self.link.want()
        await self.until(LinkState.UP)


@asynccontextmanager
async def rigged(
    url: str, key: Callable[[], str] = lambda: KEY, *, unencrypted: bool = False, **link: Any
) -> AsyncIterator[Rig]:
    service = {"url": url, "allow_unencrypted": unencrypted}
    settings = config.override(config.Settings(), {"service": service, "link": {"kernel": False} | link}, where="test")
    ears, ledger, session = Ears(), Ledger(local_detection=True), Session(settings)
    outbox = Outbox(ledger, settings.video)
    built = Link(settings, key, session, outbox, ears)
    task = asyncio.create_task(built.run())
    try:
        yield Rig(built, ears, ledger, outbox, session, task)
    finally:
        started = asyncio.get_running_loop().time()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert asyncio.get_running_loop().time() - started <= 2 * CLOSE_S + 0.1


class RawServer:
    """A server written by hand, which may do anything: ``behave`` is given each connection."""

    def __init__(
        self,
        behave: Callable[[RawServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._behave = behave
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[str] = []
        self.ends: list[float] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._behave(self, reader, writer)
            while await reader.read(4096):
                pass  # whatever comes, nothing is answered
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self.ends.append(asyncio.get_running_loop().time())
            writer.transport.abort()

    async def handshake(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(request)
        nonce = re.search(r"(?i)sec-websocket-key: (\S+)", request)
        assert nonce is not None
        lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        writer.write("\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept_key(nonce[1])}", "", ""]).encode())

    async def set_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.handshake(reader, writer)
        await reader.read(4096)
        writer.write(b"\x81" + bytes([len(SETUP_COMPLETE)]) + SETUP_COMPLETE)
