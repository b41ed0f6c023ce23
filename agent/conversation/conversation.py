"""The exchange with the service, over as many connections as it takes.

Owns everything that is about the service and nothing that is about the box: delivery, outbox, session, link, dialogue.
What the turn machine must know goes out through ``emit``; what it asks for comes in as method calls.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from agent.conversation.delivery import Delivery
from agent.conversation.dialogue import Dialogue
from agent.conversation.note_sender import NoteSender
from agent.errors import Refused, Unreachable
from agent.link.link import Link
from agent.link.state import LinkState
from agent.link.verdicts import Next, Verdict
from agent.turn import events
from agent.uplink.outbox import Outbox, Outgoing
from agent.uplink.utterance import Kind
from agent.wire import protocol
from agent.wire.events import (
    GenerationComplete,
    GoAway,
    InputTranscript,
    OutputTranscript,
    ResumptionUpdate,
    ToolCall,
    TurnComplete,
    Unreadable,
)
from agent.wire.history import missed_text
from agent.wire.session import HANDLE_LIFE_S, REPEAT, Session, repeated

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.errors import LinkError
    from agent.metrics import Counters, TurnRecord
    from agent.store.store import Store
    from agent.wire.events import FunctionCall, ServerEvent
    from hardware.ports import Speaker

log = logging.getLogger(__name__)

FORGET_EVERY_S = 86_400.0
"""How often what is older than ``notes.keep_days`` is looked for, in a box that is never switched off."""


class Conversation:
    """What is said to the service and what it says. Implements :class:`agent.link.link.Listener`."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once by the one place that wires the agent
        self,
        settings: Settings,
        key: Callable[[], str],
        speaker: Speaker,
        counters: Counters,
        store: Store,
        *,
        emit: Callable[[events.Event], None],
        mark: Callable[..., None],
        on_record: Callable[[TurnRecord], None],
        on_failure: Callable[[LinkError], None],
    ) -> None:
        """Connect nothing yet. ``mark(name, **fields)`` is told what is worth observing.

        ``on_failure`` is told of attempts that fail before there was any connection.
        """
        self._settings = settings
        self._counters = counters
        self._emit = emit
        self._mark = mark
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._local_detection = settings.turn.local_detection
        self._state = LinkState.IDLE
        self._failing = False  # since the last connection that came up
        self._handle = ""  # as it is on disk
        self._to_read = False  # answers to notes are being fetched
        self._starting_over = False  # another conversation begins with the next connection
        self._losses = 0  # of connections
        self._forget_at = 0.0
        self._lost_at: float | None = None  # when the connection was, or the first attempt failed
        self._frames = self._dropped = 0  # sent since the last question; dropped until then
        self._store = store
        self.session = Session(settings)
        self.delivery = Delivery(
            settings,
            store,
            self.session.history,
            counters,
            clock=self._loop.time,
            emit=self._on_note,
            on_record=on_record,
        )
        self.ledger = self.delivery.ledger
        self.outbox = Outbox(self.ledger, narrowband=settings.link.narrowband)
        self.link = Link(settings, key, self.session, self.outbox, self)
        self.dialogue = Dialogue(speaker, self.delivery, counters)
        self.note_sender = NoteSender(
            self.delivery,
            self._loop,
            patience_s=settings.turn.response_timeout_s,
            quiet=lambda: (
                self._local_detection and self.link.ready and self.ledger.idle and not self.dialogue.incomplete
            ),
            send=self.link.pump,
            unanswered=self.link.renew,
        )

    def begin(self) -> None:
        """Take up the last conversation, if it is young enough; else begin one."""
        past = self._store.past.conversation
        if past is None or self.delivery.stale:
            self.delivery.begin_conversation()
        else:
            self.delivery.continue_conversation()
            age_s = max(0.0, self._store.wall() - past.handle_at)
            if past.model == self.delivery.counterpart and age_s < HANDLE_LIFE_S:
                position = self.delivery.answered_before(past.handle_at)
                self.session.restore(past.handle, age_s, self._loop.time(), position)
        self.delivery.report_notes()

    def end(self) -> None:
        """Keep what is open for the next start."""
        self.note_sender.close()
        self.delivery.end(self._loop.time())

    # what the technician says

    def wake(self) -> None:
        """The microphone is open: where the service detects speech, the stream to it begins."""
        if self.delivery.stale:
            self._begin_another()
        if not self._local_detection:
            self.delivery.open(b"")

    def sleep(self) -> None:
        """The microphone is closed: end whatever is open."""
        self.delivery.end(self._loop.time())
        self.link.pump()

    def disconnect_when_done(self) -> None:
        """Have no connection any more; should something be owed still, it becomes a note, which needs one."""
        if self.ledger.idle or not self._local_detection:
            self.link.release()
        else:
            self.save()

    def open_utterance(self, pre_roll: bytes) -> None:
        """Begin an utterance."""
        self.dialogue.drop_deferred()
        self.delivery.withdraw_notes()
        if self._local_detection:
            self.delivery.open(pre_roll)
        self.link.pump()

    def hear(self, chunk: bytes, *, quiet: bool) -> None:
        """Add 20 ms to the open utterance and send them if the pipe allows; ``quiet``: nobody speaks in them."""
        self.delivery.hear(chunk, quiet=quiet)
        self.link.pump()

    def end_utterance(self, speech_ended_at: float, *, listening: bool) -> None:
        """End the open utterance; ``listening``: the microphone stays open."""
        self.delivery.end(speech_ended_at)
        if not self._local_detection and listening:
            self.delivery.open(b"")  # the stream goes on; its end made the service flush what it had
        self.link.pump()

    def ask(self, text: str) -> None:
        """Say something in writing."""
        self.dialogue.drop_deferred()
        self.delivery.withdraw_notes()
        self.delivery.ask(text)
        self.link.pump()

    def cancel_catch_up(self) -> None:
        """Let what still waits to be sent wait as a note: the technician goes first."""
        self.dialogue.drop_deferred()
        self.delivery.cancel_catch_up()
        self.link.pump()

    def frame_budget(self) -> tuple[int, str]:
        """Return how large a frame may be now, in bytes, and why none may be taken if that is 0."""
        if not self.link.ready:
            room = self._settings.video.max_frame_kb * 1000 if self.delivery.picture_wanted else 0
            return room, "offline"
        now, uplink = self._loop.time(), self.link.uplink
        if refusal := self.outbox.frame_refusal(uplink, now):
            return 0, refusal
        fps = self._settings.video.fps or 1.0  # without a stream there are stills, and they are rarer than that
        budget = uplink.frame_budget(now, fps)
        return budget, "" if budget else "rate"

    @property
    def lag_s(self) -> float:
        """How late what is said now reaches the service: what waits here and in the pipe, in seconds."""
        return self.ledger.backlog_s + (self.link.uplink.queue_s if self.link.ready else 0.0)

    def show(self, jpeg: bytes) -> None:
        """Offer a camera frame; one of an utterance that cannot be sent now is kept with it."""
        if self.link.ready:
            self.outbox.frame(jpeg)
            self.link.pump()
        else:
            self.delivery.picture(jpeg)

    # what becomes of the answer

    def cut(self) -> None:
        """Silence the answer, and want no more of it."""
        self._to_read = False
        self.dialogue.cut(self._loop.time())

    def save(self) -> None:
        """Keep what was not answered as notes."""
        self.dialogue.give_up_rest()
        self.delivery.save()

    def play_answers(self) -> None:
        """Play the answers to notes that nobody has heard yet."""
        self._to_read = True
        self._store.load_answers(self._read)

    def _read(self, answers: list[tuple[int, bytes]]) -> None:
        if not self._to_read:  # cut short before it began
            self.delivery.report_notes(force=True)
        elif answers:
            self.dialogue.read(answers)
        else:
            self.delivery.unplayed = 0
            self.delivery.report_notes(force=True)
            self._emit(events.Drained())

    def drained(self) -> None:
        """Take the speaker's word that the answer was played."""
        for event in self.dialogue.drained(self._loop.time()):
            self._emit(event)
        self.note_sender.look()

    def change_over_if_due(self) -> None:
        """Replace a connection that the service is about to end, in a quiet moment if there is one."""
        quiet = self.ledger.recording is None and not self.dialogue.pending and self.outbox.empty
        now = self._loop.time()
        if self.session.should_change_over(now, quiet=quiet):
            self._mark("change_over")
            self.session.closed(now, drop_handle=False)  # for us it is; else it would be due again at once
            self.link.renew()

    # the link (agent.link.link.Listener)

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        """Take the link's new state."""
        before, self._state = self._state, state
        self._log_link(before, state, verdict)
        if before is LinkState.UP and state is not LinkState.UP:
            self._connection_lost()
        self._keep_handle()
        if state is LinkState.UP:
            self._take_up()
        if verdict is not None and verdict.next is not Next.FRESH and self.link.connections == 0:
            kind = Refused if verdict.next is Next.REFUSED else Unreachable
            self._on_failure(kind(str(verdict)))
        self._emit(events.LinkChanged(state, verdict.fault if verdict is not None else None))

    def sent(self, outgoing: Outgoing) -> None:
        """Take note of what left."""
        if outgoing.is_frame:
            self._counters.frames_sent += 1
            self._frames += 1
            self._counters.frame_bytes += len(outgoing.message)
        utterance = outgoing.completes
        self.note_sender.progress()
        if utterance is not None and utterance.kind is not Kind.STREAM:
            dropped = self._counters.frames_dropped.total()
            self.dialogue.asked(utterance, self._loop.time(), self._frames, dropped - self._dropped)
            self._frames, self._dropped = 0, dropped
            self.delivery.sent(utterance, self.link.connections)
            if not (utterance.kind is Kind.NOTE or utterance.withdrawn):
                self._emit(events.Delivered())

    def server_event(self, event: ServerEvent) -> None:
        """Take one thing the service said."""
        now = self._loop.time()
        match event:
            case ResumptionUpdate() if not self._starting_over:
                self.session.resumption_update(event, now, self.dialogue.answered)
                self._keep_handle()
            case GoAway():
                log.info("link: the service says good-bye in %.0f s", event.time_left_s)
                self.session.go_away(event, now)
            case ToolCall():
                self._answer_calls(event)
            case Unreadable():
                self._unreadable(event)
            case InputTranscript():
                self._mark("heard", text=event.text)
            case OutputTranscript():
                self._mark("said", text=event.text)
        moves = self.dialogue.feed(event, now)  # first: audio is not to wait for the turn machine
        if isinstance(event, GenerationComplete | TurnComplete) and not self.ledger.preface:
            self.session.caught_up()
        self._emit(events.ServerHeard())
        for move in moves:
            self._emit(move)
        self.change_over_if_due()

    # parts of the above

    def _log_link(self, before: LinkState, state: LinkState, verdict: Verdict | None) -> None:
        """Log a first failure loudly, repeats quietly, recovery once."""
        self._mark("link", state=state.value, problem=str(verdict or ""))
        if verdict is not None:
            repeat = before is LinkState.CONNECTING and self._failing
            log.log(logging.DEBUG if repeat else logging.WARNING, "link: %s", verdict)
        elif state is LinkState.UP:
            log.info("link: up, connection %d", self.link.connections)
        self._failing = state.away or (self._failing and state is LinkState.CONNECTING)
        if verdict is not None and self._lost_at is None:
            self._lost_at = self._loop.time()
            self._store.event("network", f"no connection: {verdict}")
        elif state is LinkState.UP and self._lost_at is not None:
            self._store.event("network", f"connected again after {self._loop.time() - self._lost_at:.0f} s")
            self._lost_at = None

    def _connection_lost(self) -> None:
        self._losses += 1
        for event in self.dialogue.connection_lost():
            self._emit(event)
        self.outbox.connection_lost()
        if self.delivery.rewind():
            self.dialogue.give_up_rest()

    def _take_up(self) -> None:
        """Go on with the conversation over a new connection: resumed, or told what was said, or begun."""
        self._starting_over = False
        now = self._loop.time()
        if self._settings.service.url.startswith("wss:") and now >= self._forget_at:
            # A certificate was valid just now, so the clock is about right: one that is years ahead would forget all.
            self._forget_at = now + FORGET_EVERY_S
            self._store.forget(self._settings.notes.keep_days)
        self.ledger.known = self.session.known
        self.ledger.preface = missed_text(self.session.missed())
        seed = self.session.seed()
        if seed is not None:
            self._mark("replay", size=len(seed))
            log.info("link: a fresh session is told the conversation in %d bytes", len(seed))
            self.outbox.control(seed)
        if self._settings.session.initial_message and not self.delivery.greeted:
            self.delivery.greeted = True
            self._store.greeted()
            self._mark("greeting")
            self.ask(self._settings.session.initial_message)
        self.note_sender.look()

    def _begin_another(self) -> None:
        """Begin another conversation: so long after the last word of the old one, it is nobody's context any more."""
        self.session.forget()
        self.delivery.begin_conversation()
        self._starting_over = self.link.ready  # what is still read from this connection is about the old one
        self.link.renew()

    def _keep_handle(self) -> None:
        """Have the handle on disk that would be used next."""
        handle = self.session.handle(self._loop.time())
        if handle != self._handle:
            self._handle = handle
            self._store.keep_handle(handle)

    def _on_note(self, event: events.Event) -> None:
        if isinstance(event, events.NoteSaved) and event.delivered:
            self.link.renew()  # the service owes an answer that nobody will take any more
        self._emit(event)
        self.note_sender.look()

    def _answer_calls(self, event: ToolCall) -> None:
        """Answer every call once, and only after it is on disk: an unanswered one would mute the model."""
        self._counters.tool_calls += len(event.calls)
        losses = self._losses
        for call in event.calls:

            def answer(number: int | None, call: FunctionCall = call) -> None:
                lost = self._losses != losses  # it went down with its connection
                response = {"response": {"error": "the connection was lost"}} if lost else self._made(call)
                if number is not None:
                    self._store.call_ended(number, response["response"])
                if lost:
                    return
                self.outbox.control(protocol.tool_response([response]))
                self.link.pump()

            latest = self.dialogue.latest
            turn = latest.utterance if latest is not None else None
            self._store.call(turn, call.id, call.name, call.args, answer)

    def _made(self, call: FunctionCall) -> dict[str, Any]:
        """Make a function call; return the response."""
        if call.name != REPEAT or not self._settings.session.repeat:
            result = {"error": f"no tool named {call.name}", "retryable": False}
            return {"id": call.id, "name": call.name, "response": result}
        seconds, moves = self.dialogue.repeat()
        for move in moves:
            self._emit(move)
        return repeated(self._settings.session.model, call.id, seconds)

    def _unreadable(self, event: Unreadable) -> None:
        self._counters.unreadable += 1
        level = logging.DEBUG if self._counters.unreadable > 1 else logging.WARNING
        log.log(level, "link: unreadable message of %d bytes: %s", event.size, event.problem)
