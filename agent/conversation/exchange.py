"""Handles what happens on the link: its states, messages sent, messages received, over all its connections."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from agent import notices
from agent.conversation.note_sender import NoteSender
from agent.conversation.outages import OutageLog
from agent.errors import Refused, Unreachable
from agent.link.link import Link
from agent.link.state import LinkState
from agent.link.verdicts import Next
from agent.tools import repeat
from agent.tools.calls import ToolCalls
from agent.turn import events
from agent.uplink.utterance import Kind
from agent.wire.events import (
    GenerationComplete,
    GoAway,
    InputTranscript,
    OutputTranscript,
    ResumptionUpdate,
    ToolCall,
    ToolCallCancellation,
    TurnComplete,
    Unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.conversation.continuity import Continuity
    from agent.conversation.delivery import Delivery
    from agent.conversation.dialogue import Dialogue
    from agent.errors import LinkError
    from agent.link.verdicts import Verdict
    from agent.metrics import Counters, TurnRecord
    from agent.store.store import Store
    from agent.uplink.outbox import Outbox, Outgoing
    from agent.wire.events import FunctionCall, ServerEvent

log = logging.getLogger(__name__)


class Host(Protocol):
    """The box, as a conversation sees it; every method is called on the event loop."""

    def dispatch(self, event: events.Event) -> None:
        """Pass an event to the turn machine."""

    def service_alive(self) -> None:
        """Handle a sign of life from the service. Cheap; called for every message."""

    def tell(self, notice: notices.Notice) -> None:
        """Pass a notice to every observer."""

    def question_heard(self, text: str) -> None:
        """Handle the next piece of the transcript of the technician's speech."""

    def turn_over(self, record: TurnRecord) -> None:
        """Handle the final record of a turn."""

    def introduce(self, age_s: float, then: Callable[[], None]) -> None:
        """Tell the technician that the answer to a question follows that was asked ``age_s`` ago, then call ``then``.

        ``then`` is called also if nothing can be said; the sound that it makes follows the words.
        """

    def connection_failed(self, error: LinkError) -> None:
        """Handle a failed attempt to connect, if no connection has come up before."""


class Exchange:
    """The service's side of a conversation. Implements :class:`agent.link.link.Listener`."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once by the conversation
        self,
        settings: Settings,
        key: Callable[[], str],
        host: Host,
        *,
        store: Store,
        continuity: Continuity,
        delivery: Delivery,
        dialogue: Dialogue,
        outbox: Outbox,
        counters: Counters,
        ask: Callable[[str], None],
    ) -> None:
        """Wire the parts without connecting; ``ask(text)`` sends a typed question."""
        self._loop = asyncio.get_running_loop()
        self._continuity = continuity
        self._delivery = delivery
        self._dialogue = dialogue
        self._outbox = outbox
        self._counters = counters
        self._host = host
        self._ask = ask
        functions = {repeat.NAME: self._repeat} if settings.session.repeat else {}
        self._calls = ToolCalls(store, functions, self._respond)
        self._outages = OutageLog(store)
        self.link = Link(settings, key, continuity.session, outbox, self)
        self.note_sender = NoteSender(
            delivery,
            self._loop,
            patience_s=settings.turn.response_timeout_s,
            quiet=self._quiet,
            send=self.link.pump,
            unanswered=self.link.renew,
        )

    def change_over_if_due(self) -> None:
        """Replace the connection if the service is about to end it, in a quiet moment if one comes in time."""
        quiet = self._delivery.ledger.recording is None and not self._dialogue.pending and self._outbox.empty
        now = self._loop.time()
        if self._continuity.session.should_change_over(now, quiet=quiet):
            self._host.tell(notices.ConnectionReplaced())
            self._continuity.session.closed(now, drop_handle=False)  # already, or it would be due again at once
            self.link.renew()

    # the listener

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        """Handle the link's new state; ``verdict``: why the last connection failed, if it did."""
        was_up = self._outages.state is LinkState.UP
        self._host.tell(notices.LinkStateChanged(state, str(verdict or "")))
        self._outages.changed(state, verdict, self._loop.time(), self.link.connections)
        if was_up and state is not LinkState.UP:
            self._connection_lost()
        self._continuity.keep_handle(self._loop.time())
        if state is LinkState.UP:
            self._connected()
        if verdict is not None and verdict.next is not Next.FRESH and self.link.connections == 0:
            kind = Refused if verdict.next is Next.REFUSED else Unreachable
            self._host.connection_failed(kind(str(verdict)))
        announced = verdict.fault if verdict is not None and not verdict.quiet else None
        self._host.dispatch(events.LinkChanged(state, announced))

    def sent(self, outgoing: Outgoing) -> None:
        """Note that a message was handed to the socket."""
        self._counters.sent(len(outgoing.message) if outgoing.is_frame else 0)
        utterance = outgoing.completes
        self.note_sender.progress()
        if utterance is not None and utterance.kind is not Kind.STREAM:
            self._counters.sent(len(utterance.picture))
            self._dialogue.asked(utterance, self._loop.time(), *self._counters.frames_of_question())
            self._delivery.sent(utterance, self.link.connections)
            if not (utterance.kind is Kind.NOTE or utterance.withdrawn):
                self._host.dispatch(events.Delivered())

    def server_event(self, event: ServerEvent) -> None:
        """Handle one event from the service."""
        now = self._loop.time()
        moves = self._dialogue.feed(event, now)  # first, because audio must not wait for anything else
        self._heed(event, now)
        self._host.service_alive()
        for move in moves:
            self._host.dispatch(move)
        if isinstance(event, TurnComplete):
            self.note_sender.look()  # of an answer that was refused, nobody hears the end
        self.change_over_if_due()

    def _heed(self, event: ServerEvent, now: float) -> None:
        """Handle everything about the event that is not the answer's audio."""
        match event:
            case ResumptionUpdate() if not self._continuity.starting_over:
                self._continuity.session.resumption_update(event, now, self._dialogue.answered)
                self._continuity.keep_handle(now)
            case GoAway():
                log.info("link: the service says good-bye in %.0f s", event.time_left_s)
                self._continuity.session.go_away(event, now)
            case ToolCall():
                self._counters.tool_calls += len(event.calls)
                latest = self._dialogue.latest
                self._calls.answer(event, latest.utterance if latest is not None else None)
            case ToolCallCancellation():
                self._calls.cancel(event)
            case Unreadable():
                self._unreadable(event)
            case InputTranscript():
                self._host.question_heard(event.text)
            case OutputTranscript():
                self._host.tell(notices.AnswerText(event.text))
            case GenerationComplete() | TurnComplete() if not self._delivery.ledger.preface:
                self._continuity.session.caught_up()

    # parts of the above

    def _quiet(self) -> bool:
        """Return whether a note may be sent: the link is up, and nothing else is being asked, answered or played.

        To the service an answer lasts as long as it takes to play: a note would interrupt it.
        """
        idle = self._delivery.ledger.idle and not self._dialogue.incomplete and not self._dialogue.playing
        return self._delivery.local_detection and self.link.ready and idle

    def _connection_lost(self) -> None:
        self._calls.connection_lost()
        for event in self._dialogue.connection_lost():
            self._host.dispatch(event)
        self._outbox.connection_lost()
        if self._delivery.rewind():
            self._dialogue.give_up_rest()

    def _connected(self) -> None:
        """Continue the conversation over a new connection."""
        catchup = self._continuity.connected(self._loop.time(), self.link.service_time)
        self._delivery.connected(catchup.known, catchup.preface)
        if catchup.seed is not None:
            self._host.tell(notices.ConversationReplayed(len(catchup.seed)))
            log.info("link: a fresh session is told the conversation in %d bytes", len(catchup.seed))
            self._outbox.control(catchup.seed)
        if greeting := self._continuity.greeting():
            self._host.tell(notices.Greeted())
            self._ask(greeting)
        self.note_sender.look()

    def _repeat(self, call: FunctionCall) -> dict[str, Any]:
        seconds, moves = self._dialogue.repeat()
        for move in moves:
            self._host.dispatch(move)
        return repeat.response(self._continuity.model, call.id, seconds)

    def _respond(self, message: bytes) -> None:
        self._outbox.control(message)
        self.link.pump()

    def _unreadable(self, event: Unreadable) -> None:
        self._counters.unreadable += 1
        level = logging.DEBUG if self._counters.unreadable > 1 else logging.WARNING
        log.log(level, "link: unreadable message of %d bytes: %s", event.size, event.problem)
