"""A thin uplink for the demo and the tests: a TCP proxy on loopback that forwards at the rate of a trace.

What a client sends waits in a bounded queue, leaves it at the trace's rate and arrives a delay later; when the queue is
full nothing more is read, so that the client's kernel fills up as it does behind a slow modem. What the server sends is
only delayed. All clients share the one line.

It splits TCP: the client's bytes are acknowledged when they enter the queue and not when the server has them, nothing
is ever lost, and rates are those of TCP's payload. Policies that read the kernel's facts need a bottleneck of packets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Final, Self, cast

from agent.simulator.files import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SHOWN = 40
"""Characters of a wrong line that are shown."""
DELAY_MS: Final = 30.0
"""Each way, where a trace says nothing: a usual mobile network."""
QUEUE_S: Final = 1.0
"""What routers and modems commonly hold."""
SEGMENT: Final = 1400
"""Bytes; loopback's own segments of 64 kB would not fit through so small a receive buffer."""
RECEIVE_BUFFER: Final = 8 * 1024
"""Bytes; what the kernel takes in unread is a queue that nobody sees."""
PIECE_S: Final = 0.002
"""How much a fast line forwards at a time."""
LARGEST_PIECE: Final = 64 * 1024
SAMPLE_S: Final = 0.1
_RESET: Final = struct.pack("ii", 1, 0)


class TraceError(ValueError):
    """A trace that cannot be used; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of time with one rate; 0 kbit/s is an outage."""

    seconds: float
    kbit: float
    delay_ms: float = DELAY_MS


class Trace:
    """The rate of a line over time. The last step lasts for ever."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Store the steps, of which there must be at least one."""
        if not steps:
            raise TraceError("a trace needs at least one step")
        self.steps = tuple(steps)

    @classmethod
    def constant(cls, kbit: float, delay_ms: float = DELAY_MS) -> Trace:
        """Return the trace of a line that never changes."""
        return cls([Step(inf, kbit, delay_ms)])

    @classmethod
    def read(cls, path: Path) -> Trace:
        """Read lines of ``SECONDS KBIT [DELAY_MS]``: how long, how fast, how far; ``#`` begins a comment.

        Raises TraceError.
        """
        try:
            lines = text_of(path).splitlines()
        except OSError as error:
            raise TraceError(f"{path}: cannot be read: {error.strerror}") from error
        steps = []
        for number, line in enumerate(lines, 1):
            if fields := line.partition("#")[0].split():
                steps.append(_step(fields, f"{path}, line {number}"))
        if not steps:
            raise TraceError(f"{path}: no line with a rate in it")
        return cls(steps)

    def at(self, seconds: float) -> Step:
        """Return the step that is in force this long after the beginning."""
        for step in self.steps[:-1]:
            seconds -= step.seconds
            if seconds < 0:
                return step
        return self.steps[-1]

    def busy_until(self, begin: float, size: int) -> float:
        """Return when ``size`` bytes are through that enter the line at ``begin``; infinite if they never are."""
        bits, starts, last = size * 8.0, 0.0, self.steps[-1]
        for step in self.steps:
            ends = inf if step is last else starts + step.seconds
            now = max(begin, starts)
            if now < ends and step.kbit:
                through = now + bits / (step.kbit * 1000)
                if through <= ends:
                    return through
                bits -= (ends - now) * step.kbit * 1000
            starts = ends
        return inf

    def queue_kbit(self, seconds: float) -> float:
        """Return the rate in force, or in an outage the last one before it: a queue does not vanish with its line."""
        rate, starts = 0.0, 0.0
        for step in self.steps:
            if starts > seconds:
                break
            rate, starts = step.kbit or rate, starts + step.seconds
        return rate


def _step(fields: list[str], where: str) -> Step:
    told = repr(" ".join(fields)[:SHOWN])
    if len(fields) not in (2, 3):
        raise TraceError(f"{where}: must be SECONDS KBIT [DELAY_MS], not {told}")
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        raise TraceError(f"{where}: must be numbers, not {told}") from None
    if not all(isfinite(number) and number >= 0 for number in numbers):
        raise TraceError(f"{where}: must be numbers of at least 0, not {told}")
    if not numbers[0]:
        raise TraceError(f"{where}: a step must last longer than 0 seconds")
    return Step(*numbers)


class _Line:
    """Does things at their moments, in the order in which they were put; one timer, however many wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.last = 0.0

    def put(self, due: float, action: Callable[[], None]) -> None:
        """Do ``action`` at ``due``, or as soon as everything before it is done."""
        self.last = max(self.last, due)
        self._waiting.append((self.last, action))
        self._arm()

    def stop(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is None and self._waiting and self._waiting[0][0] < inf:
            self._timer = self._loop.call_at(self._waiting[0][0], self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time() + 1e-6  # sums of floats are not exact
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1]()
        self._arm()


@dataclass(frozen=True, slots=True)
class Sample:
    """What one tenth of a second looked like; ``at_s`` is its beginning, ``queued`` bytes are those at its end."""

    at_s: float
    kbit: float
    queued: int


class Bottleneck:
    """``async with Bottleneck(host, port, Trace.constant(500)) as line: connect to 127.0.0.1:line.port``."""

    def __init__(self, target_host: str, target_port: int, trace: Trace, *, queue_s: float = QUEUE_S) -> None:
        """Listen to nothing before the context is entered; the trace begins then."""
        self._target = (target_host, target_port)
        self.trace = trace
        self._queue_s = queue_s
        self._ends: set[_End] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._tenths: dict[int, tuple[int, int]] = {}  # number of the tenth -> bytes through, bytes queued
        self.port = 0
        self.queued = 0
        """Bytes in the queue now."""
        self.forwarded = 0
        """Bytes that have left it for the server."""

    async def __aenter__(self) -> Self:
        """Listen on loopback, on any free port."""
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()  # when the trace did
        self._queue, self._uplink = _Line(self.loop), _Line(self.loop)
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.port = listener.getsockname()[1]
        self._server = await self.loop.create_server(lambda: _ClientEnd(self), sock=listener)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut every connection and leave nothing behind."""
        self._server.close()
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        self._queue.stop()
        for end in list(self._ends):
            end.cut()
        self._uplink.stop()
        while self._ends:  # noqa: ASYNC110 - connection_lost comes with the loop's next turn
            await asyncio.sleep(0)
        await self._server.wait_closed()

    def samples(self) -> list[Sample]:
        """Return the line's life so far, ten samples a second, for a plot."""
        queued, found = 0, []
        for tenth in range(int(self._now() / SAMPLE_S)):
            through, queued = self._tenths.get(tenth, (0, queued))
            found.append(Sample(tenth * SAMPLE_S, through * 8 / 1000 / SAMPLE_S, queued))
        return found

    # what the ends of a connection ask for

    def dial(self, client: _ClientEnd) -> None:
        """Connect to the target for a client that has come."""
        task = self.loop.create_task(self._dial(client))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, client: _ClientEnd) -> None:
        try:
            _, peer = await self.loop.create_connection(lambda: _End(self), *self._target)
        except OSError:
            client.cut()
            return
        client.meet(peer)

    def room(self) -> int:
        """Return how many bytes to read at most; 0 to wait."""
        rate = self.trace.queue_kbit(self._now()) * 1000 / 8
        piece = min(max(SEGMENT, int(rate * PIECE_S)), LARGEST_PIECE)
        return 0 if self.queued >= max(rate * self._queue_s, SEGMENT) else piece

    def enqueue(self, size: int, deliver: Callable[[], None]) -> None:
        """Queue ``size`` bytes; ``deliver`` is called when they reach the server."""
        self._count(0, size)
        begin = max(self._now(), self._queue.last - self.began)
        through = self.trace.busy_until(begin, size)
        self._queue.put(self.began + through, lambda: self._through(size, deliver))

    def _through(self, size: int, deliver: Callable[[], None]) -> None:
        self._count(size, -size)
        self._uplink.put(self.loop.time() + self.delay_s, deliver)
        for end in self._ends:
            end.read_on()

    @property
    def delay_s(self) -> float:
        """One way, now."""
        return self.trace.at(self._now()).delay_ms / 1000

    def joined(self, end: _End) -> None:
        """Note a new connection."""
        self._ends.add(end)

    def left(self, end: _End) -> None:
        """Note the end of the connection."""
        self._ends.discard(end)

    def _count(self, through: int, queued: int) -> None:
        self.queued += queued
        self.forwarded += through
        tenth = int(self._now() / SAMPLE_S)
        self._tenths[tenth] = (self._tenths.get(tenth, (0, 0))[0] + through, self.queued)

    def _now(self) -> float:
        return self.loop.time() - self.began


class _End(asyncio.BufferedProtocol):
    """One end of a proxied connection, here the server's; what it reads goes to its peer after the delay."""

    def __init__(self, line: Bottleneck) -> None:
        self.line = line
        self._lane = _Line(line.loop)  # the way from the server to the client
        self._buffer = bytearray(LARGEST_PIECE)
        self._peer: _End | None = None
        self._unmet: list[Callable[[_End], None]] = []
        self._peer_full = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.line.joined(self)

    def meet(self, peer: _End) -> None:
        """Set the other end of the connection; it gets what came before."""
        self._peer, peer._peer = peer, self
        waiting, self._unmet = self._unmet, []
        for deliver in waiting:
            deliver(peer)

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return memoryview(self._buffer)[: max(self._room(), 1)]

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        self._forward(nbytes, lambda peer: peer.write(data))
        self.read_on()

    def eof_received(self) -> bool:
        self._forward(0, lambda peer: peer.write_eof())
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.line.left(self)
        broken = exc is not None
        self._forward(0, lambda peer: peer.end(broken=broken))

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.peer_full(full=True)

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.peer_full(full=False)

    def peer_full(self, *, full: bool) -> None:
        """Note whether the other side accepts more."""
        self._peer_full = full
        self.read_on()

    def read_on(self) -> None:
        """Read, or not, as there is room."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._room() and not self._peer_full:
            transport.resume_reading()
        else:
            transport.pause_reading()

    # what the other end does to this one

    def write(self, data: bytes) -> None:
        """Send on what the peer read."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """Send on that the peer will send no more."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def end(self, *, broken: bool) -> None:
        """Close as the peer was closed."""
        if broken:
            self.cut()
        elif self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Reset the connection."""
        self._lane.stop()
        if self._transport is not None:
            with contextlib.suppress(OSError):
                raw = self._transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    # what differs between the directions

    def _room(self) -> int:
        return LARGEST_PIECE

    def _forward(self, size: int, deliver: Callable[[_End], None]) -> None:
        del size
        self._lane.put(self.line.loop.time() + self.line.delay_s, lambda: self._deliver(deliver))

    def _deliver(self, deliver: Callable[[_End], None]) -> None:
        if self._peer is not None:
            deliver(self._peer)
        else:
            self._unmet.append(deliver)


class _ClientEnd(_End):
    """The end at the client, whose bytes go through the queue."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.line.dial(self)

    def _room(self) -> int:
        return self.line.room()

    def _forward(self, size: int, deliver: Callable[[_End], None]) -> None:
        self.line.enqueue(size, lambda: self._deliver(deliver))
