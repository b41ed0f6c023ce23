"""The conversation with the service, over as many connections as it takes: everything the box can ask for.

Owns everything about the service and nothing about the box. What happens on the link is handled in
:mod:`agent.conversation.exchange`, which tells the box through its ``Host``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.conversation.continuity import Continuity
from agent.conversation.delivery import Delivery
from agent.conversation.dialogue import Dialogue
from agent.conversation.exchange import Exchange
from agent.conversation.turn_log import TurnLog
from agent.tools import repeat
from agent.turn import events
from agent.uplink.outbox import Outbox
from agent.wire.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.conversation.exchange import Host
    from agent.link.link import Link
    from agent.metrics import Counters
    from agent.store.store import Store
    from agent.uplink.utterance import Utterance
    from hardware.ports import Speaker


class Conversation:
    """Sends the technician's questions to the service and plays, keeps or discards the answers."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once by the one place that wires the agent
        self,
        settings: Settings,
        key: Callable[[], str],
        host: Host,
        *,
        speaker: Speaker,
        counters: Counters,
        store: Store,
        wall: Callable[[], float],
    ) -> None:
        """Wire the parts without connecting; ``key()`` returns the API key, ``wall()`` the time of day."""
        self._host = host
        self._loop = loop = asyncio.get_running_loop()
        self._local_detection = local_detection = settings.turn.local_detection
        session = Session(settings, [repeat.declaration(settings.session.model)] if settings.session.repeat else [])
        self.continuity = Continuity(settings, store, session, wall)
        self.delivery = delivery = Delivery(
            store,
            speaker,
            counters,
            local_detection=local_detection,
            clock=loop.time,
            wall=wall,
            emit=self._note_changed,
            introduce=lambda recorded_at, then: host.introduce(wall() - recorded_at, then),
        )
        self.outbox = Outbox(delivery.ledger, settings.video, narrowband=settings.link.narrowband)
        take_number = delivery.ledger.take_number
        turn_log = TurnLog(store, self.continuity, clock=loop.time, take_number=take_number, on_over=host.turn_over)
        self.dialogue = Dialogue(speaker, delivery, turn_log, counters)
        self.exchange = Exchange(
            settings,
            key,
            host,
            store=store,
            continuity=self.continuity,
            delivery=delivery,
            dialogue=self.dialogue,
            outbox=self.outbox,
            counters=counters,
            ask=self.ask,
        )

    @property
    def link(self) -> Link:
        """The link to the service."""
        return self.exchange.link

    @property
    def change_over_at(self) -> float | None:
        """When the connection must be replaced, if the service announced its end; loop time."""
        return self.continuity.session.change_over_at

    @property
    def recording(self) -> Utterance | None:
        """The open utterance, or the stream to a service that detects speech itself."""
        return self.delivery.ledger.recording

    def begin(self) -> None:
        """Continue the last conversation if it is young enough, else begin a new one."""
        self.continuity.begin(self._loop.time())
        self.delivery.answers.report()

    def end(self) -> None:
        """Stop sending notes and end the open utterance; the next start finds on disk what is unanswered."""
        self.exchange.note_sender.close()
        self.delivery.end(self._loop.time())

    # what the technician says

    def wake(self) -> None:
        """Prepare for speech; if the service detects speech, its stream begins as the microphone opens."""
        if self.continuity.stale:
            self.continuity.start_over(connected=self.link.ready)
            self.link.renew()
        if not self._local_detection:
            self._open(b"")

    def sleep(self) -> None:
        """End the open utterance or stream: the microphone is closed."""
        self.delivery.end(self._loop.time())
        self.link.pump()

    def disconnect_when_done(self) -> None:
        """Disconnect, unless something is unanswered: that becomes a note, and the connection stays to deliver it."""
        if self.delivery.ledger.idle or not self._local_detection:
            self.link.release()
        else:
            self.save()

    def open_utterance(self, pre_roll: bytes) -> None:
        """Begin an utterance with ``pre_roll`` (16 kHz mono s16le)."""
        self._connect_at_once()
        self.dialogue.drop_deferred()
        self.delivery.withdraw_notes()
        if self._local_detection:
            self._open(pre_roll)
        self.link.pump()

    def hear(self, chunk: bytes, *, quiet: bool) -> None:
        """Add 20 ms to the open utterance and send what the line allows; ``quiet``: nobody speaks in them."""
        self.delivery.hear(chunk, quiet=quiet)
        self.link.pump()

    def end_utterance(self, speech_ended_at: float, *, listening: bool) -> None:
        """End the open utterance; ``listening``: the microphone stays open."""
        self.delivery.end(speech_ended_at)
        if not self._local_detection and listening:
            self._open(b"")  # the stream goes on; its end made the service flush what it had
        self.link.pump()

    def ask(self, text: str, *, looking: bool = False) -> None:
        """Send a typed question; ``looking``: as soon as its picture was :meth:`seen`."""
        self._connect_at_once()
        self.dialogue.drop_deferred()
        self.delivery.withdraw_notes()
        self.delivery.ask(text, looking=looking)
        self.continuity.touch()
        self.link.pump()

    def cancel_catch_up(self) -> None:
        """Turn what still waits to be sent into notes: the technician's next question goes first."""
        self.dialogue.drop_deferred()
        self.delivery.cancel_catch_up()
        self.link.pump()

    def frame_budget(self) -> tuple[int, str]:
        """Return how large a frame may be now, in bytes, and why none may be taken if that is 0."""
        if self.link.ready:
            return self.outbox.frame_budget(self.link.uplink, self._loop.time())
        return self.outbox.largest_frame if self.delivery.picture_wanted else 0, "offline"

    @property
    def lag_s(self) -> float:
        """Seconds until the technician's words reach the service: audio that waits here, and on the line."""
        return self.delivery.ledger.backlog_s + (self.link.uplink.queue_s if self.link.ready else 0.0)

    def show(self, jpeg: bytes) -> None:
        """Offer a camera frame (JPEG); while the link is down, keep it with the open utterance."""
        if self.link.ready:
            self.outbox.frame(jpeg)
            self.link.pump()
        else:
            self.delivery.picture(jpeg)

    def seen(self, jpeg: bytes) -> None:
        """Send the typed question that waits for a picture with this JPEG, or without one if it is empty."""
        self.delivery.seen(jpeg)
        self.link.pump()

    # what becomes of the answer

    def cut(self) -> None:
        """Silence the answer and refuse the rest of it."""
        self.delivery.answers.cut()
        self.dialogue.cut(self._loop.time())
        self.exchange.note_sender.look()  # a speaker that was silenced does not report that it is done

    def save(self) -> None:
        """Save every unanswered utterance as a note."""
        self.dialogue.give_up_rest()
        self.delivery.save()

    def drained(self) -> None:
        """Handle the speaker's report that the answer has been played."""
        for event in self.dialogue.drained(self._loop.time()):
            self._host.dispatch(event)
        self.exchange.note_sender.look()

    # parts of the above

    def _open(self, pre_roll: bytes) -> None:
        self.delivery.open(pre_roll)
        self.continuity.touch()

    def _connect_at_once(self) -> None:
        """Cut short the wait for the next attempt, as a press does: somebody is asking now."""
        if self.link.state.away:
            self.link.want()

    def _note_changed(self, event: events.Event) -> None:
        if isinstance(event, events.NoteSaved) and event.delivered:
            self.link.renew()  # the service still owes an answer that is no longer wanted
        self._host.dispatch(event)
        self.exchange.note_sender.look()
