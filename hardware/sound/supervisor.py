"""Keeps the streams on sound cards up: one thread opens, starts, watches, stops and reopens all of them.

PortAudio does not tell when a card is unplugged: its callbacks stop, its streams claim to be active, and stopping them
may never return. So a stream proves that it lives by calling back (a heartbeat), and every call into the driver runs in
a helper thread with a time limit. All of that happens here and not on the event loop, which the driver must not block.

    CLOSED --open--> READY --start--> RUNNING --stop--> READY
    any --failure or silence--> CLOSED, tried again after RETRY_S
    any --a driver call that hangs--> STUCK, for good: its thread cannot be ended, nor what it holds be freed
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.3
"""A stream without a callback for this long is dead: a loaded machine delays one by 80 ms at most."""
FIRST_BEAT_S = 1.0
"""How long a stream may take to its first callback; some cards take half a second."""
WATCH_S = 0.1
"""How often a running stream is checked."""
RETRY_S = 2.0
"""Time between two attempts to reopen: somebody is pushing a plug back in."""
RESCAN_S = 10.0
"""Time between rescans if the kernel reports no change: the card may have been in use when PortAudio looked."""
CALL_LIMIT_S = 4.0
"""A driver call that takes longer hangs; opening a slow USB card takes less than 1 s, setting its levels 2 s."""
CALM_S = 2.5
"""If a stream spins this soon after it was started again, that was no cure: two times as long as it takes to see."""


class Stream(Protocol):
    """What a driver must offer. Every method may raise DeviceError."""

    @property
    def spinning(self) -> bool:
        """Whether it works but hogs the processor, which aborting and starting it again should cure."""

    @property
    def glitches(self) -> int:
        """How often sound was lost or displaced since it was opened."""

    def start(self) -> None:
        """Begin to call back."""

    def abort(self) -> None:
        """Stop at once; ready to be started again."""

    def close(self) -> None:
        """Release."""


class SupervisedStream:
    """One direction of one card: ``opened()`` returns a new stream, which runs while ``wanted()`` is true.

    Both are called in threads of the supervisor.
    """

    def __init__(
        self,
        name: str,
        opened: Callable[[], Stream],
        wanted: Callable[[], bool],
    ) -> None:
        """Start closed; ``name`` is for messages."""
        self.name = name
        self.on_fault: Callable[[DeviceError], None] = lambda _: None
        """Called once per outage, in a thread; set by :meth:`StreamSupervisor.add`."""
        self.fault: DeviceError | None = None
        """Why it does not work at present; None while it works."""
        self.stream: Stream | None = None
        self.leaving = False
        """Set to have it closed and removed; ``left`` is set when that is done."""
        self.left = threading.Event()
        self.stuck = False
        """Whether only a new process can use it again."""
        self._again = False
        self._opened = opened
        self._wanted = wanted
        self._running = False
        self._beating = False
        self._dead_at = math.inf
        self._retry_at = -math.inf
        self._calmed_at = -math.inf
        self._counted: tuple[int, Stream | None] = 0, None  # glitches of the streams before this one: read as one

    @property
    def glitches(self) -> int:
        """How many glitches there were in all streams that were opened so far; from any thread."""
        before, stream = self._counted
        return before + (stream.glitches if stream else 0)

    def beat(self) -> None:
        """Prove that the stream lives; called by the driver's callback."""
        self._dead_at = time.monotonic() + HEARTBEAT_S
        self._beating = True

    def reopen(self) -> None:
        """Ask for the stream to be closed and opened again, though nothing failed; from any thread."""
        self._again = True

    def due(self) -> bool:
        """Return whether an attempt to open may be made now."""
        return self.stream is None and not self.stuck and time.monotonic() >= self._retry_at

    @property
    def running(self) -> bool:
        """Whether the stream is running, not just ready."""
        return self._running

    def hasten(self) -> None:
        """Make the next attempt due now, together with those of the other streams, so that they keep their order."""
        self._retry_at = -math.inf

    def step(self) -> float:
        """Bring the stream into the state it should be in; return the seconds until the next check."""
        if self.stuck:
            return math.inf
        if self._again:
            self._again = False
            self.drop()
        if self.stream is None and not self.due():
            return self._retry_at - time.monotonic()
        try:
            self._advance()
        except DeviceError as error:
            self.fail(error)
            return max(0.0, self._retry_at - time.monotonic())
        return WATCH_S if self._running else math.inf

    def fail(self, error: DeviceError) -> None:
        """Report the outage once and drop the stream; the first attempt to reopen comes at once."""
        if error.fatal:
            self._give_up(error)
            return
        pause = RETRY_S
        if self.fault is None:
            self.fault = error.of(self.name)
            self.on_fault(self.fault)
            pause = 0.0
        self.drop()
        self._retry_at = time.monotonic() + pause

    def drop(self) -> None:
        """Release the stream, whatever state it is in."""
        stream = self._part()
        if stream is not None:
            try:
                limited(self.name, stream.abort)
                limited(self.name, stream.close)
            except DeviceError as error:
                if error.fatal:  # any other error is no surprise: the stream is dropped because it is broken
                    self._give_up(error)

    def _give_up(self, error: DeviceError) -> None:
        self.stuck = True
        self._part()
        self.fault = error.of(self.name)
        self.on_fault(self.fault)

    def _part(self) -> Stream | None:
        """Part with the stream and return it; its glitches stay counted."""
        stream = self.stream
        self._counted = self.glitches, None
        self.stream, self._running = None, False
        return stream

    def _advance(self) -> None:
        if self.stream is None:
            self.stream = limited(self.name, self._opened)
            self._counted = self._counted[0], self.stream
        if self._wanted() != self._running:
            self._switch(self.stream)
        if not self._running or self._beating:
            self.fault = None
        if self._running and time.monotonic() > self._dead_at:
            raise DeviceError(self.name, "stopped delivering", "check that it is plugged in")
        if self._running and self.stream.spinning:
            self._calm(self.stream)

    def _calm(self, stream: Stream) -> None:
        """Start a spinning stream again, which takes 2 ms; if that was of no use the last time, open it again."""
        now = time.monotonic()
        again = now < self._calmed_at + CALM_S
        self._calmed_at = now
        log.warning("%s: its driver hogs the processor, %s it", self.name, "reopening" if again else "restarting")
        if again:
            self.drop()
        else:
            self._switch(stream)
        self._advance()

    def _switch(self, stream: Stream) -> None:
        if self._running:
            limited(self.name, stream.abort)
            self._running = False
        else:
            self._beating = False
            self._dead_at = time.monotonic() + FIRST_BEAT_S
            limited(self.name, stream.start)
            self._running = True


class StreamSupervisor:
    """The thread that keeps all streams up. It starts with the first stream and ends with the last."""

    def __init__(self, rescan: Callable[[], None], stale: Callable[[], bool]) -> None:
        """``rescan()`` renews the driver's list of cards and kills all streams; ``stale()`` says if that would help."""
        self._rescan = rescan
        self._stale = stale
        self._streams: list[SupervisedStream] = []
        self._lock = threading.Lock()
        self._poked = threading.Event()
        self._thread: threading.Thread | None = None
        self._rescanned_at = time.monotonic()

    def add(self, stream: SupervisedStream, on_fault: Callable[[DeviceError], None]) -> None:
        """Supervise ``stream`` from now on; ``on_fault`` is called once per outage, in a thread. Idempotent."""
        stream.on_fault = on_fault
        with self._lock:
            if stream not in self._streams:
                self._streams.append(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sound-streams", daemon=True)
                self._thread.start()
        self.poke()

    def poke(self) -> None:
        """Check all streams now, since one of them may have to start or stop."""
        self._poked.set()

    def remove(self, stream: SupervisedStream) -> None:
        """Close and remove ``stream``; blocks while the driver closes, at most twice ``CALL_LIMIT_S``."""
        if stream in self._streams:
            stream.leaving = True
            self.poke()
            stream.left.wait(2 * CALL_LIMIT_S)

    @property
    def stuck(self) -> bool:
        """Whether the driver holds a thread that may never return."""
        return any(stream.stuck for stream in self._streams)

    def _run(self) -> None:
        while streams := self._present():
            self._renew(streams)
            wait = min(math.inf if self.stuck else stream.step() for stream in streams)
            self._poked.wait(None if wait == math.inf else wait)
            self._poked.clear()

    def _present(self) -> list[SupervisedStream]:
        """Release the streams that are leaving and return the others; the thread ends with the last stream."""
        for stream in [each for each in self._streams if each.leaving]:
            if not self.stuck:
                stream.drop()
            with self._lock:
                self._streams.remove(stream)
            stream.left.set()
        with self._lock:
            if not self._streams:
                self._thread = None
            return list(self._streams)

    def _renew(self, streams: list[SupervisedStream]) -> None:
        """Rescan before another attempt to open, unless that would kill a good stream for nothing."""
        if self.stuck or not any(stream.fault and stream.due() for stream in streams):
            return
        for stream in streams:
            stream.hasten()
        if not (self._stale() or self._free(streams)):
            return
        for stream in streams:
            stream.drop()
        self._rescanned_at = time.monotonic()
        try:
            limited("sound driver", self._rescan)
        except DeviceError as error:
            for stream in streams:
                stream.fail(error)

    def _free(self, streams: list[SupervisedStream]) -> bool:
        """Return whether a rescan disturbs no stream, or only streams that are not running, and those seldom."""
        if not any(each.stream for each in streams):
            return True
        idle = not any(stream.running for stream in streams)
        return idle and time.monotonic() - self._rescanned_at >= RESCAN_S


def limited(name: str, call: Callable[[], T]) -> T:
    """Return ``call()``, run in a daemon thread. Raises a fatal DeviceError if it takes more than ``CALL_LIMIT_S``."""
    results: list[T] = []
    failures: list[DeviceError] = []

    def work() -> None:
        try:
            results.append(call())
        except DeviceError as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="sound-call", daemon=True)
    thread.start()
    thread.join(CALL_LIMIT_S)
    if thread.is_alive():
        fix = "restart the service; unplug the device if that does not help"
        raise DeviceError(name, "its driver hangs", fix, fatal=True)
    if failures:
        raise failures[0]
    if not results:
        raise DeviceError(name, "its driver failed unexpectedly", "read the traceback in the log")
    return results[0]
