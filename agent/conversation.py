"""The exchange with the service, over as many connections as it takes.

Owns everything that is about the service and nothing that is about the box: ledger, outbox, session, link, dialogue.
What the turn machine must know goes out through ``emit``; what it asks for comes in as method calls.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from agent import protocol
from agent.dialogue import Dialogue
from agent.errors import Refused, Unreachable
from agent.link import Link
from agent.moves import Delivered, LinkChanged, LinkState, ServerHeard
from agent.outbox import Outbox, Outgoing
from agent.session import Session
from agent.utterances import Ledger
from agent.verdicts import Next, Verdict
from agent.wire_events import GoAway, InputTranscript, OutputTranscript, ResumptionUpdate, ToolCall, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.errors import LinkError
    from agent.metrics import Counters, TurnRecord
    from agent.moves import Event
    from agent.wire_events import ServerEvent
    from hardware.ports import Speaker

log = logging.getLogger(__name__)

FAILING = (LinkState.OFFLINE, LinkState.REFUSED)


class Conversation:
    """What is said to the service and what it says. Implements :class:`agent.link.Listener`."""

    def __init__(  # noqa: PLR0913 - its surroundings, each given once by the one place that wires the agent
        self,
        settings: Settings,
        key: Callable[[], str],
        speaker: Speaker,
        counters: Counters,
        *,
        emit: Callable[[Event], None],
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
        self._marked = settings.turn.detection == "local"
        self._state = LinkState.IDLE
        self._failing = False  # since the last connection that came up
        self._greeted = False
        self.ledger = Ledger(marked=self._marked)
        self.outbox = Outbox(self.ledger, narrowband=settings.link.narrowband)
        self.session = Session(settings)
        self.link = Link(settings, key, self.session, self.outbox, self)
        self.dialogue = Dialogue(speaker, self.ledger, counters, on_record)

    # what the technician says

    def wake(self) -> None:
        """The microphone is open: where the service detects speech, the stream to it begins."""
        if not self._marked:
            self.ledger.open(b"")

    def sleep(self) -> None:
        """The microphone is closed: end whatever is open."""
        self.ledger.end(self._loop.time())
        self.link.pump()

    def open_utterance(self, pre_roll: bytes) -> None:
        """Begin an utterance."""
        if self._marked:
            self.ledger.open(pre_roll)
        self.link.pump()

    def hear(self, chunk: bytes, *, quiet: bool) -> None:
        """Add 20 ms to the open utterance and send them if the pipe allows; ``quiet``: nobody speaks in them."""
        self.ledger.append(chunk, quiet=quiet)
        self.link.pump()

    def end_utterance(self, spoken_until: float, *, listening: bool) -> None:
        """End the open utterance; ``listening``: the microphone stays open."""
        self.ledger.end(spoken_until)
        if not self._marked and listening:
            self.ledger.open(b"")  # the stream goes on; its end made the service flush what it had
        self.link.pump()

    def type(self, text: str) -> None:
        """Say something in writing."""
        self.ledger.add_text(text, self._loop.time())
        self.link.pump()

    def frame_room(self) -> tuple[int, str]:
        """Return how large a frame may be now, in bytes, and why none may be taken if that is 0."""
        if not self.link.ready:
            return 0, "offline"
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
        """Offer a camera frame."""
        self.outbox.frame(jpeg)
        self.link.pump()

    # what becomes of the answer

    def cut(self) -> None:
        """Silence the answer, and want no more of it."""
        self.dialogue.cut(self._loop.time())

    def give_up(self) -> None:
        """Stop asking for answers that were not given."""
        self._lost(self.ledger.give_up())

    def drained(self) -> None:
        """Take the speaker's word that the answer was played."""
        for event in self.dialogue.drained(self._loop.time()):
            self._emit(event)

    def change_over_if_due(self) -> None:
        """Replace a connection that the service is about to end, in a quiet moment if there is one."""
        quiet = self.ledger.recording is None and not self.dialogue.pending and self.outbox.empty
        now = self._loop.time()
        if self.session.should_change_over(now, quiet=quiet):
            self._mark("change_over")
            self.session.closed(now, drop_handle=False)  # for us it is; else it would be due again at once
            self.link.renew()

    # the link (agent.link.Listener)

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        """Take the link's new state."""
        before, self._state = self._state, state
        self._log_link(before, state, verdict)
        if before is LinkState.UP and state is not LinkState.UP:
            self._connection_lost()
        if state is LinkState.UP:
            self._greet()
        if verdict is not None and self.link.connections == 0:
            kind = Refused if verdict.next is Next.REFUSED else Unreachable
            self._on_failure(kind(str(verdict)))
        self._emit(LinkChanged(state))

    def sent(self, outgoing: Outgoing) -> None:
        """Take note of what left."""
        if outgoing.is_frame:
            self._counters.frames_sent += 1
            self._counters.frame_bytes += len(outgoing.message)
        utterance = outgoing.completes
        if utterance is not None and (utterance.marked or utterance.text):
            self.dialogue.asked(utterance, self._loop.time())
            self._emit(Delivered())

    def server_event(self, event: ServerEvent) -> None:
        """Take one thing the service said."""
        now = self._loop.time()
        match event:
            case ResumptionUpdate():
                self.session.resumption_update(event, now)
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
        self._emit(ServerHeard())
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
        self._failing = state in FAILING or (self._failing and state is LinkState.CONNECTING)

    def _connection_lost(self) -> None:
        for event in self.dialogue.connection_lost():
            self._emit(event)
        self.outbox.connection_lost()
        self._lost(self.ledger.rewind())

    def _greet(self) -> None:
        if self._settings.session.initial_message and not self._greeted:
            self._greeted = True
            self._mark("greeting")
            self.type(self._settings.session.initial_message)

    def _answer_calls(self, event: ToolCall) -> None:
        """Answer every call once: no tools are declared, and an unanswered call would mute the model."""
        self._counters.tool_calls += len(event.calls)
        responses = [
            {"id": call.id, "name": call.name, "response": {"error": f"no tool named {call.name}", "retryable": False}}
            for call in event.calls
        ]
        self.outbox.control(protocol.tool_response(responses))
        self.link.pump()

    def _unreadable(self, event: Unreadable) -> None:
        self._counters.unreadable += 1
        level = logging.DEBUG if self._counters.unreadable > 1 else logging.WARNING
        log.log(level, "link: unreadable message of %d bytes: %s", event.size, event.problem)

    def _lost(self, utterances: int) -> None:
        if utterances:
            self._counters.utterances_lost += utterances
            log.warning("given up: %d utterance(s) that the service would not answer", utterances)
