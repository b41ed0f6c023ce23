"""Keeps one connection while it is wanted: connect, send what the outbox picks, read, notice a dead line, back off.

One task for the life of the agent. Sending is synchronous and never waits: :meth:`Link.pump` sends what the outbox
picks for the present state of the uplink. A dead line is declared here, by missing acknowledgements, and never by a
library.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Never, Protocol

from agent.link.backoff import Backoff, Budget
from agent.link.connection import CLOSE_S, FAILURES, Connection, judge_failure, open_connection
from agent.link.intake import ConnectionEnded, Misbehaved
from agent.link.network import NetworkWatch, interface_of, resolver_stamp
from agent.link.redial import REDIAL_S, first_of
from agent.link.state import NEXT_PHASES, LinkPhase, LinkState
from agent.link.verdicts import Next, Verdict, judge_close, judge_misbehaviour
from agent.uplink.bandwidth import START_RATE, Uplink
from agent.wire import protocol
from agent.wire.events import ResumptionUpdate, SetupComplete, ToolCall, TurnComplete

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.uplink.outbox import Outbox, Outgoing
    from agent.wire.events import ServerEvent
    from agent.wire.session import Session

log = logging.getLogger(__name__)

TICK_S = 0.010
"""How often the uplink is measured while something waits or a frame is under way; times a frame's drain to 5 %."""
IDLE_TICK_S = 0.250
"""How often otherwise: often enough for the three seconds after which a line is dead."""
HEARTBEAT_S = 1.0
"""How often a ping is sent. It keeps something outstanding, so that a dead line shows while nobody speaks, and it
measures the queue where the kernel does not report it."""
PROMPT_S = 2.0
"""A service that has once answered a ping faster than this is expected to keep doing so."""
SILENCE_S = 8.0
"""If such a service sends nothing for this long, not even a pong, it is gone, even if TCP still acknowledges. Shorter
than ``turn.response_timeout_s``, so that the rest of an answer is asked for before the answer is given up."""
RESOLVER_LOOK_S = 2.0
"""How often a waiting link checks whether the name servers changed: the kernel does not report that."""
BACK_PAUSE_S = 0.5
"""The least time between attempts caused by network news: an interface that comes up sends a dozen messages at once."""
LEAVE_S = 0.02
"""When the agent ends, the peer is given this long to answer the good-bye, which is on its way by then."""
PACE_CHANGE = 0.2
"""The kernel is told a new pacing rate if it differs from the last by more than this share."""


class Listener(Protocol):
    """Handles what happens on the link; called on the event loop, never re-entered."""

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        """Handle the new state; ``verdict``: why the last connection failed, if it did."""

    def server_event(self, event: ServerEvent) -> None:
        """Handle one event from the service."""

    def sent(self, outgoing: Outgoing) -> None:
        """Note that a message was handed to the socket."""


class Link:
    """Keeps one connection while it is wanted; see :mod:`agent.link.state` for its phases."""

    def __init__(
        self, settings: Settings, key: Callable[[], str], session: Session, outbox: Outbox, listener: Listener
    ) -> None:
        """``key()`` returns the API key; it is called before each attempt, so that repairing a key file is enough."""
        self._settings = settings
        self._key = key
        self._session = session
        self._outbox = outbox
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff()
        self._budget = Budget()
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._connection: Connection | None = None
        self._answered = False  # somebody took the TCP connection of the present attempt
        self._redial = False  # the last connection died: make the next attempts in parallel
        self._back_at = -BACK_PAUSE_S  # when a network last came back
        self._up_at: float | None = None  # when the present connection became ready
        self._ticking: asyncio.TimerHandle | None = None
        self._heartbeat_at = 0.0
        self._paced = 0
        self._prompt = False  # the service has answered a ping promptly
        self.uplink = Uplink()
        """What is known of the present connection's uplink."""
        self.state = LinkState.IDLE
        """The state that the listener was told last."""
        self.phase = LinkPhase.IDLE
        self.failure: Verdict | None = None
        """Why the last connection or attempt failed; None while it has not."""
        self.connections = 0
        """How many connections became ready so far."""
        self.bytes_sent = 0
        self.service_time: float | None = None
        """What time it was (Unix) by the service when the present connection opened; None if it cannot be told."""

    # what others ask for

    def want(self) -> None:
        """Connect and stay connected; cuts short a wait for the next attempt, within the budget of a minute."""
        self._wanted.set()
        self._hurry.set()

    def release(self) -> None:
        """Close the connection and stay disconnected."""
        self._wanted.clear()
        self._hurry.set()
        self.renew()

    def renew(self) -> None:
        """End the present connection; if one is wanted, the next is made at once."""
        connection = self._connection
        if connection is None or self.phase is LinkPhase.PARTING:
            return
        polite = self.ready
        self._enter(LinkPhase.PARTING)
        if polite:
            connection.say_goodbye()
        else:
            connection.drop()

    def pump(self) -> None:
        """Send everything that the uplink has room for now."""
        connection = self._connection
        if connection is None or self.phase is not LinkPhase.LIVE:
            return
        self._look(connection)
        while (outgoing := self._outbox.next(self.uplink, self._loop.time())) is not None:
            self._hand_over(connection, outgoing)
            if self._outbox.empty:  # as after almost every chunk: nothing else need be asked
                break
        self._tick_within(TICK_S if self.uplink.measuring or not self._outbox.empty else IDLE_TICK_S)

    @property
    def buffered_ms(self) -> float:
        """Milliseconds that a byte written now would wait in the uplink's queue; 0 without a connection."""
        return 1000 * self.uplink.queue_s if self.ready else 0.0

    @property
    def ready(self) -> bool:
        """Whether messages can be sent."""
        return self.phase is LinkPhase.LIVE

    async def run(self) -> None:
        """Keep a connection while one is wanted, until cancelled."""
        watch = NetworkWatch(self._loop, self._interface_lost, self._network_back)
        try:
            while True:
                if not self._wanted.is_set() and self.phase is not LinkPhase.IDLE:
                    self._enter(LinkPhase.IDLE)
                    self._set_state(LinkState.IDLE)
                await self._wanted.wait()
                await self._live()
        finally:
            watch.close()

    # one connection

    async def _live(self) -> None:
        """Live through one connection and the wait after it."""
        await self._until_allowed()
        if not self._wanted.is_set():
            return
        self._hurry.clear()
        self._enter(LinkPhase.OPENING)
        self._set_state(LinkState.CONNECTING)
        self._up_at = None
        self.failure = verdict = await self._attempt()
        now = self._loop.time()
        drop = verdict is not None and verdict.next is Next.FRESH
        self._session.closed(now, drop_handle=drop, failed=verdict is not None)
        if self._wanted.is_set() and verdict is not None:
            self._backoff.failed(verdict.kind)
            await self._wait(verdict)

    async def _attempt(self) -> Verdict | None:
        """Make one connection and serve it to its end; return the verdict on its end, None if we ended it."""
        resumed, close_s = bool(self._session.handle(self._loop.time())), CLOSE_S
        try:
            self._connection = await self._open()
            self._enter(LinkPhase.SETTING_UP)
            if not self._wanted.is_set():
                return None
            async with asyncio.timeout(self._settings.link.setup_timeout_s):
                await self._set_up(self._connection)
            return await self._converse(self._connection)
        except ConnectionEnded as ended:
            return self._judge_end(ended, resumed=resumed)
        except FAILURES as error:
            return judge_failure(error, answered=self._answered)
        except asyncio.CancelledError:
            close_s = LEAVE_S
            raise
        finally:
            await self._dispose(close_s)

    def _judge_end(self, ended: ConnectionEnded, *, resumed: bool) -> Verdict | None:
        self._backoff.lived(0.0 if self._up_at is None else self._loop.time() - self._up_at)
        earlier = self._backoff.kinds
        if isinstance(ended, Misbehaved):
            return judge_misbehaviour(ended.reason, resumed=resumed, earlier=earlier)
        parting = self.phase is LinkPhase.PARTING
        return None if parting else judge_close(ended.code, ended.reason, resumed=resumed, earlier=earlier)

    async def _open(self) -> Connection:
        """Connect; after a dead line by parallel attempts, since the line may be back any moment."""
        limit_s = self._settings.link.open_timeout_s
        every_s, self._redial = REDIAL_S if self._redial else limit_s + 1, False
        self._answered = False
        key = self._key()
        return await first_of(
            lambda: open_connection(self._settings, key, self._answer),
            Connection.drop,
            every_s=every_s,
            within_s=limit_s,
        )

    def _answer(self) -> None:
        self._answered = True

    async def _set_up(self, connection: Connection) -> None:
        self._send(connection, self._session.setup(self._loop.time()))
        while True:
            events = await self._read(connection)
            # A setupComplete that arrives after we began to close no longer counts; the connection's end is next.
            if self.phase is LinkPhase.SETTING_UP and any(isinstance(event, SetupComplete) for event in events):
                break
        self._start_serving(connection)
        self._set_state(LinkState.UP)
        for event in events:
            self._listener.server_event(event)
        self.pump()

    def _start_serving(self, connection: Connection) -> None:
        now = self._loop.time()
        self._paced = 0
        connection.last_frame_at = self._up_at = now
        connection.on_pong = self._pong
        # The last connection's rate is better than no guess, but its best is no evidence for this connection.
        self.uplink = Uplink(min(self.uplink.rate, START_RATE))
        self._session.opened(now)
        self.service_time = connection.service_time
        self._enter(LinkPhase.LIVE)
        self.failure = None
        self.connections += 1

    async def _converse(self, connection: Connection) -> Never:
        while True:
            for event in await self._read(connection):
                self._listener.server_event(event)

    async def _read(self, connection: Connection) -> list[ServerEvent]:
        events = protocol.decode(await connection.receive())
        if entries := sum(map(_entries, events)):
            connection.entered(entries)
        return events

    async def _dispose(self, close_s: float) -> None:
        """Close what is left of the connection, within ``close_s``, whatever the peer does."""
        connection, self._connection = self._connection, None
        parting = self.phase is LinkPhase.PARTING
        self._enter(LinkPhase.CLOSED)
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if connection is not None:
            if not parting:
                connection.drop()
            await connection.dispose(close_s)

    # while it lives

    def _tick_within(self, seconds: float) -> None:
        if self._ticking is not None and self._ticking.when() <= self._loop.time() + seconds:
            return
        if self._ticking is not None:
            self._ticking.cancel()
        self._ticking = self._loop.call_later(seconds, self._tick)

    def _tick(self) -> None:
        """Check the line and keep the heartbeat, then send what waits."""
        self._ticking = None
        connection, now = self._connection, self._loop.time()
        if connection is None or not self.ready:
            return
        dead = self._look_for_death(connection, now)
        if dead:
            self._declare_dead(dead)
            return
        if now - self._heartbeat_at >= HEARTBEAT_S:
            self._ping(connection, now)
        self.pump()

    def _look_for_death(self, connection: Connection, now: float) -> str:
        """Return why the line is dead, an empty string if it is not."""
        self._look(connection)
        if self.uplink.dead(now):
            return "nothing acknowledged for 3 s"
        allowed_s = self._settings.link.pong_timeout_s
        limit_s = min(SILENCE_S, allowed_s) if self._prompt else allowed_s
        return f"nothing heard for {limit_s:.0f} s" if now - connection.last_frame_at >= limit_s else ""

    def _declare_dead(self, because: str) -> None:
        if self._connection is not None and self.ready:
            self._redial = True
            self._enter(LinkPhase.DEAD)
            self._connection.drop(because)

    def _interface_lost(self, index: int) -> None:
        if self._connection is not None and self.ready and interface_of(self._connection.local_address_text) == index:
            self._declare_dead("the network interface went down")

    def _network_back(self) -> None:
        """Try again at once, unless the service refuses us: it would do so over any network."""
        now = self._loop.time()
        if self.state is LinkState.OFFLINE and now - self._back_at >= BACK_PAUSE_S:
            log.info("link: the network has changed, trying again")
            self._hurry.set()
            self._back_at = now

    def _look(self, connection: Connection) -> None:
        pipe = connection.look(kernel=self._settings.link.kernel)
        line_full = not self.uplink.audio_open and self._outbox.audio_waiting(self.uplink)
        self.uplink.observe(self._loop.time(), pipe, line_full=line_full, behind=self._outbox.behind)

    def _hand_over(self, connection: Connection, outgoing: Outgoing) -> None:
        if outgoing.is_frame:
            self.uplink.frame_sent(self._loop.time(), len(outgoing.message))
        self._send(connection, outgoing.message)
        self.uplink.written(len(outgoing.message))
        if outgoing.is_frame:
            self._ping(connection, self._loop.time())
            self._pace(connection)
        self._listener.sent(outgoing)

    def _send(self, connection: Connection, message: bytes) -> None:
        self.bytes_sent += len(message)
        connection.send_now(message)

    def _ping(self, connection: Connection, now: float) -> None:
        self._heartbeat_at = now
        self.uplink.ping_sent(now)
        connection.ping_now()

    def _pong(self, pinged_at: float) -> None:
        now = self._loop.time()
        self._prompt = self._prompt or now - pinged_at <= PROMPT_S
        self.uplink.pong(now, pinged_at)
        self._tick_within(0)  # a frame may go now

    def _pace(self, connection: Connection) -> None:
        rate = self.uplink.pacing_rate
        if self._settings.link.kernel and abs(rate - self._paced) > PACE_CHANGE * self._paced:
            self._paced = rate
            connection.pace(rate)

    def _enter(self, phase: LinkPhase) -> None:
        assert phase in NEXT_PHASES[self.phase], f"{self.phase} to {phase}"
        self.phase = phase

    def _set_state(self, state: LinkState, verdict: Verdict | None = None) -> None:
        self.state = state
        self._listener.link_changed(state, verdict)

    async def _until_allowed(self) -> None:
        """Wait until the next attempt is within the budget, and spend it; or until nobody wants one."""
        while self._wanted.is_set() and (seconds := self._budget.wait(self._loop.time())):
            self._hurry.clear()
            if self.phase is not LinkPhase.WAITING:
                self._enter(LinkPhase.WAITING)
                self._set_state(LinkState.OFFLINE, self.failure)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()
        if self._wanted.is_set():
            self._budget.spend(self._loop.time())

    async def _wait(self, verdict: Verdict) -> None:
        """Wait until the next attempt is due or somebody asks for one."""
        if verdict.at_once:
            self._set_state(LinkState.CONNECTING, verdict)
            return
        self._enter(LinkPhase.WAITING)
        self._set_state(LinkState.REFUSED if verdict.next is Next.REFUSED else LinkState.OFFLINE, verdict)
        seconds = self._backoff.wait(verdict.kind, verdict.wait_s, random.random())  # noqa: S311 - jitter, not a secret
        due, stamp = self._loop.time() + seconds, resolver_stamp()
        while not self._hurry.is_set() and (left := due - self._loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, RESOLVER_LOOK_S)):
                    await self._hurry.wait()
            if resolver_stamp() != stamp:
                self._network_back()
                stamp = resolver_stamp()


def _entries(event: ServerEvent) -> int:
    """Return how many entries on the disk an event may lead to."""
    return len(event.calls) if isinstance(event, ToolCall) else isinstance(event, ResumptionUpdate | TurnComplete)
