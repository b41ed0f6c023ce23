"""The simulator: a Gemini Live server on a local port, for the demo, the tests and the bench."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as listen

from agent.simulator.connection import Connection
from agent.simulator.faults import FaultBook
from agent.simulator.memory import Session, SessionStore, Utterance
from agent.simulator.report import Observer, Recorder
from agent.simulator.scenario import AT_OPENING, Fault, Scenario
from agent.simulator.settings import SimulatorSettings
from agent.simulator.sockets import SMALL_BUFFER, SimulatedSocket
from agent.simulator.voice import Voice
from agent.simulator.world import World

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from websockets.http11 import Request, Response

_PATH: Final = re.compile(
    r"/{1,2}ws/google\.ai\.generativelanguage\.(v1beta|v1alpha|v1)\.GenerativeService\.BidiGenerateContent"
)
_CLOSE_S: Final = 1.0  # a client that does not answer a close frame is cut off after this
_OPEN_S: Final = 5.0

_log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.addFilter(lambda record: record.levelno >= logging.ERROR and "handshake" not in record.getMessage())


class Simulator:
    """A Live API server as an async context manager: `async with Simulator() as sim: connect(sim.url)`."""

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        scenario: Scenario | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Store the settings of the run; nothing is opened before the context is entered."""
        self.settings = settings or SimulatorSettings()
        self.scenario = scenario or Scenario()
        self._tls = tls
        self._recorder = Recorder(observer)
        self._connections = 0
        self._server: Server | None = None
        self._world: World | None = None

    async def __aenter__(self) -> Self:
        """Start to listen. Raises OSError when the port is taken."""
        self._world = self._new_world(asyncio.get_running_loop())
        self._server = await listen(
            self._serve,
            self.settings.host,
            self.settings.port,
            ssl=self._tls,
            process_request=self._admit,
            create_connection=SimulatedSocket,
            compression=None,
            open_timeout=_OPEN_S,
            close_timeout=_CLOSE_S,
            ping_interval=None,
            max_size=None,
            max_queue=None,
            logger=_quiet,
        )
        if any(fault.kind == "slow_read" for fault in self.scenario.faults):
            for sock in self._server.sockets:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection, dead lines too, and wait until nothing is left of them."""
        assert self._server is not None
        assert self._world is not None
        self.bury()
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def base_url(self) -> str:
        """The scheme, host and port; a client adds the path of the service."""
        return f"{'wss' if self._tls else 'ws'}://{self.settings.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address of the v1beta service."""
        return f"{self.base_url}/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

    @property
    def utterances(self) -> list[Utterance]:
        """All utterances so far, with their PCM."""
        return self._recorder.utterances

    @property
    def sessions(self) -> list[Session]:
        """All sessions so far, with their histories."""
        return self._world.sessions.all if self._world is not None else []

    def strike(self, fault: Fault) -> None:
        """Trigger a fault now on the newest connection, whatever its trigger says.

        A fault of opening a connection happens to the next connection, and so does any fault while there is none. A
        fault without a limit to its `times` also happens to all connections that follow.
        """
        assert self._world is not None
        newest = self._world.open.get(max(self._world.open, default=0))
        if fault.kind in AT_OPENING or newest is None or not fault.times:
            self._world.faults.add(fault)
        if fault.kind not in AT_OPENING and newest is not None:
            newest.strike(fault)

    def relent(self) -> None:
        """Trigger no more faults, neither from the scenario nor from `strike`."""
        assert self._world is not None
        self._world.faults.clear()

    def bury(self) -> None:
        """Drop the connections that hang, as a service does that has not heard from a client for a while."""
        assert self._world is not None
        for connection in self._world.open.values():
            if connection.socket.hung:
                connection.socket.transport.abort()

    def report(self) -> dict[str, Any]:
        """Return the record of the run as plain data, ready for JSON."""
        return self._recorder.report()

    def save_audio(self, file: BinaryIO) -> None:
        """Write all audio that arrived as one WAV."""
        self._recorder.save_audio(file)

    def _new_world(self, loop: asyncio.AbstractEventLoop) -> World:
        started_at = loop.time()
        return World(
            settings=self.settings,
            scenario=self.scenario,
            faults=FaultBook(self.scenario.faults),
            sessions=SessionStore(self.settings.handle_validity_s),
            voice=Voice(self.settings.assets, answers=self.settings.answers, espeak=self.settings.espeak),
            recorder=self._recorder,
            clock=lambda: loop.time() - started_at,
        )

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Judge the HTTP request of a handshake: only its path, and what the scenario has against it."""
        assert isinstance(connection, SimulatedSocket)
        assert self._world is not None
        self._connections += 1
        connection.number = self._connections
        fault = self._world.faults.opening("handshake", connection.number)
        if fault is not None:
            self._recorder.note("fault", at_s=self._world.clock(), connection=connection.number, fault=fault.kind)
            status = HTTPStatus(fault.options["status"])
            return connection.respond(status, f"{status.phrase}\n")
        if _PATH.fullmatch(urlsplit(_one_slash(request.path)).path) is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "Not Found\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, SimulatedSocket)
        assert connection.request is not None
        assert self._world is not None
        address = urlsplit(_one_slash(connection.request.path))
        path = _PATH.fullmatch(address.path)
        assert path is not None
        query = parse_qs(address.query).get("key", [""])[0]
        key = connection.request.headers.get("x-goog-api-key", query)
        await Connection(connection, self._world, key, path[1]).run()


async def serve(
    settings: SimulatorSettings,
    scenario: Scenario | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    observer: Observer | None = None,
    stop: asyncio.Event | None = None,
) -> dict[str, Any]:
    """Run a simulator until `stop` is set or the task is cancelled; give its report. Raises OSError."""
    async with Simulator(settings, scenario, tls=tls, observer=observer) as simulator:
        _log.info("simulator listens on %s", simulator.url)
        await (stop or asyncio.Event()).wait()
    return simulator.report()


def _one_slash(path: str) -> str:
    """Undo the SDK's double slash, which would be read as the start of a host name (PROTOCOL 1)."""
    return path[1:] if path.startswith("//") else path
