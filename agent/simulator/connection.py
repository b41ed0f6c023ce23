"""One client connection: setup, then messages in and effects carried out, until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from agent.simulator import rules, wire
from agent.simulator.answerer import Answerer
from agent.simulator.conversation import Conversation, audio_rate
from agent.simulator.effects import (
    Ask,
    CallAnswered,
    Discarded,
    Effect,
    Frame,
    Interrupt,
    Opened,
    Refused,
    Warn,
)
from agent.simulator.faults import commit
from agent.simulator.rules import Refusal

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from agent.simulator.memory import Session
    from agent.simulator.scenario import Fault
    from agent.simulator.sockets import SimulatedSocket
    from agent.simulator.world import World

_REASON_BYTES: Final = 123  # what a close frame holds (PROTOCOL 3)
_SUPERSEDED: Final = "The session was resumed on another connection."
_INTERNAL_ERROR: Final = 1011

_log = logging.getLogger(__name__)


class Connection:
    """The server's end of one WebSocket."""

    conversation: Conversation

    def __init__(self, socket: SimulatedSocket, world: World, key: str, version: str) -> None:
        """Serve a socket whose handshake is done, with the API key and version it came with."""
        self.socket = socket
        self.scenario = world.scenario
        self.voice = world.voice
        self.base_style = world.settings.style
        self._world = world
        self._key = key
        self._version = version
        self._answerer = Answerer(self)
        self._tasks: set[asyncio.Task[None]] = set()
        self._record: dict[str, Any] = {
            "connection": socket.number,
            "opened_at": self.now(),
            "session": None,
            "closed_at": None,
        }

    # life

    async def run(self) -> None:
        """Serve the connection until it is closed by either side."""
        self._world.open[self.socket.number] = self
        self._world.recorder.connections.append(self._record)
        self.note("open", version=self._version)
        for fault in self._world.faults.timed(self.socket.number):
            self.spawn(self._strike_later(fault))
        try:
            await self._set_up()
            await self._converse()
        except (wire.WireError, Refused) as error:
            await self.close(error.refusal if isinstance(error, Refused) else Refusal(rules.INVALID, str(error)))
        except ConnectionClosed:
            pass
        finally:
            await self._leave()

    async def _converse(self) -> None:
        while True:
            raw = await self.socket.recv()
            await self._until_alive()
            for effect in self._understand(raw):
                await self._perform(effect)

    async def _leave(self) -> None:
        """Stop everything that was going on and put the end on record."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._world.open.pop(self.socket.number, None)
        for utterance in self._world.recorder.utterances:
            if utterance.connection == self.socket.number and utterance.outcome == "asked":
                utterance.outcome = "lost"
        if hasattr(self, "conversation"):
            self.conversation.end()
            if self.conversation.session.connection == self.socket.number:
                self.conversation.session.left_at = self.now()
        self._record |= {"closed_at": self.now(), **self._ending()}
        self.note("closed", **self._ending())

    def _ending(self) -> dict[str, Any]:
        """Return who closed, with what: "client", "server", or the "line" if there was no close frame."""
        protocol = self.socket.protocol
        if protocol.close_rcvd is not None and protocol.close_rcvd_then_sent:
            who, frame = "client", protocol.close_rcvd
        elif protocol.close_sent is not None:
            who, frame = "server", protocol.close_sent
        else:
            return {"closed_by": "line", "close_code": CloseCode.ABNORMAL_CLOSURE.value, "close_reason": ""}
        return {"closed_by": who, "close_code": int(frame.code), "close_reason": frame.reason}

    # setup

    async def _set_up(self) -> None:
        """Handle the setup and answer it (PROTOCOL 2.1). Raises Refused, WireError."""
        setup = await self._read_setup()
        await self._expect_silence()
        self._judge(setup)
        session = self._remember(setup)
        await self._until_alive()
        if self._world.faults.opening("no_setup_complete", self.socket.number):
            self.note("fault", fault="no_setup_complete")
            await self.socket.wait_closed()
        await self._welcome(setup, session)

    async def _read_setup(self) -> dict[str, Any]:
        message = wire.decode(await self.socket.recv())
        self._count(message)
        if message.kind != "setup":
            raise Refused("setup must be the first message and must be sent once.")
        return message.body

    async def _expect_silence(self) -> None:
        """Refuse a client that does not wait for setupComplete."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.socket.recv(), self._world.settings.setup_s)
            raise Refused(f"{wire.INVALID_ARGUMENT} A message came before setupComplete.")

    def _judge(self, setup: Mapping[str, Any]) -> None:
        wanted = self._world.settings.api_key
        if not self._key or wanted not in {None, self._key}:
            raise Refused(rules.BAD_KEY)
        refusal = rules.refuse_setup(setup, self._version)
        if refusal is not None:
            raise Refused(refusal.reason, refusal.code)

    def _remember(self, setup: Mapping[str, Any]) -> Session:
        """Find the session a handle leads to, or start one."""
        handle = setup.get("sessionResumption", {}).get("handle", "")
        if not handle:
            return self._world.sessions.fresh(setup["model"])
        fault = self._world.faults.opening("refuse_handle", self.socket.number)
        session = None if fault else self._world.sessions.resume(handle, setup["model"], self.now())
        self.note("resumption", handle=handle, accepted=session is not None, turn=session.turn if session else None)
        if session is not None:
            return session
        if fault is None:
            raise Refused(rules.SESSION_NOT_FOUND, rules.VIOLATION)
        self.note("fault", fault=fault.kind)
        raise Refused(fault.options["reason"], fault.options["code"])

    async def _welcome(self, setup: Mapping[str, Any], session: Session) -> None:
        """Take over the session, from an older connection if it still has it."""
        older = self._world.open.get(session.connection)
        if older is not None:
            older.spawn(older.close(Refusal(rules.VIOLATION, _SUPERSEDED)))
        session.connection = self.socket.number
        self._record["session"] = session.number
        self.conversation = Conversation(
            setup,
            session,
            self._world.recorder.utterances,
            threshold_dbfs=self._world.settings.threshold_dbfs,
            close_during_call=self.scenario.input_during_call == "close",
        )
        self.note("setup", model=setup["model"], session=session.number)
        await self.send({"setupComplete": {}})
        update = self.new_handle()
        if update:
            await self.send({"sessionResumptionUpdate": update})

    # messages

    def _understand(self, raw: str | bytes) -> list[Effect]:
        message = wire.decode(raw)
        self._count(message)
        if "audio" in message.body:
            blob = message.body["audio"]
            self._world.recorder.hear(blob.get("data", b""), audio_rate(blob))
        return self.conversation.receive(message, self.now())

    def _count(self, message: wire.ClientMessage) -> None:
        names = [f"realtimeInput.{name}" for name in message.body] if message.kind == "realtimeInput" else []
        self._world.recorder.received.update(names or [message.kind])

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Opened(utterance):
                self.note("speech", utterance=utterance.number, turn=utterance.turn)
                self.fire("speech", utterance.turn)
            case Interrupt():
                await self._answerer.interrupt()
            case Ask(turn=turn):
                self.note("asked", turn=turn, utterance=effect.utterance.number if effect.utterance else None)
                self.fire("activity_end", turn)
                self._answerer.ask(effect)
            case CallAnswered(call):
                self.note("tool_response", id=call.id, name=call.name, response=dict(call.responses[-1]["response"]))
                await self._answerer.call_answered(effect)
            case Frame(size, in_window):
                self.note("frame", size=size, in_window=in_window)
            case Discarded(seconds):
                self._world.recorder.chunks.discarded += 1
                self._world.recorder.chunks.discarded_s += seconds
            case Warn(kind, text):
                self.note("warning", warning=kind, text=text)

    # what answers and faults need

    def now(self) -> float:
        """Return the seconds since the simulator started."""
        return round(self._world.clock(), 4)

    def note(self, kind: str, **data: object) -> None:
        """Put an event on record, with its time and connection."""
        self._world.recorder.note(kind, at_s=self.now(), connection=self.socket.number, **data)

    def new_handle(self) -> Mapping[str, Any] | None:
        """Return a sessionResumptionUpdate if the setup asked for handles, else None."""
        if not self.conversation.resumable:
            return None
        return {"newHandle": self._world.sessions.issue(self.conversation.session), "resumable": True}

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one server message in the configured kind of frame."""
        self._world.recorder.sent.update(list(message))
        await self.send_raw(wire.encode(message, text=self._world.settings.text_frames))

    async def send_raw(self, data: str | bytes) -> None:
        """Send a frame as it is, unless the line is dead."""
        await self._until_alive()
        await self.socket.send(data)

    async def close(self, refusal: Refusal) -> None:
        """Close with a code and a reason, unless the line is dead."""
        await self._until_alive()
        reason = refusal.reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        await self.socket.close(refusal.code, reason)

    def fire(self, moment: str, turn: int) -> None:
        """Trigger the faults of a moment."""
        for fault in self._world.faults.moment(moment, turn, self.socket.number):
            self.spawn(self._strike(fault))

    def strike(self, fault: Fault) -> None:
        """Trigger a fault now, whatever its trigger says."""
        self.spawn(self._strike(fault))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something for as long as the connection lives."""
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # for a task that was cancelled before it began
        return task

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``, which may end with its connection; any other failure becomes the service's internal error."""
        try:
            await work
        except ConnectionClosed:
            pass
        except Exception as error:  # noqa: BLE001 - the last stop of a task: the client must learn of it
            _log.exception("connection %d cannot go on", self.socket.number)
            await self.close(Refusal(_INTERNAL_ERROR, f"Internal error encountered. {error}"))

    async def _strike_later(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s or 0.0)
        if self._world.faults.take(fault, self.socket.number):
            await self._strike(fault)

    async def _strike(self, fault: Fault) -> None:
        self.note("fault", fault=fault.kind, turn=fault.turn)
        await commit(fault, self)

    async def _until_alive(self) -> None:
        """Pass at once, or on a dead line never: raises ConnectionClosed when the socket ends."""
        if self.socket.hung:
            await self.socket.wait_closed()
            raise self.socket.close_exc
