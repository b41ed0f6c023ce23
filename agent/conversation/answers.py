"""PURE: finds out which question the service is answering.

Answers have no identifier on the wire; they come in the order of the questions, each closed by turnComplete. This
ledger of expected answers attributes what arrives, refuses what is no longer wanted, and says when an answer is over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent.metrics import TurnRecord
from agent.turn import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.wire.events import TurnComplete

CUT_GRACE_S = 2.0
"""How long after the next question a cut answer may still trickle in before its end counts as lost."""
LATE_S = 30.0
"""How long after a question whose turn ended empty what comes unasked is taken for its answer after all."""


class Use(Enum):
    """What to do with an answer."""

    ALOUD = auto()  # play it, and tell the turn machine of it
    DEFERRED = auto()  # keep it for later: nobody may be there
    UNWANTED = auto()  # refuse it, though it was to be played; its end still acknowledges the question
    DROPPED = auto()  # refuse it, though it was to be kept; its end acknowledges nothing, so the note is sent again


class Arrival(Enum):
    """How much of an answer has been received."""

    EXPECTED = auto()  # nothing
    BEGUN = auto()
    GENERATED = auto()  # all of it except the end of the turn
    EMPTY = auto()  # likewise, but the answer had no content


_REFUSED = {Use.ALOUD: Use.UNWANTED, Use.DEFERRED: Use.DROPPED}
_BY_PIECE = {Arrival.EXPECTED: Arrival.BEGUN, Arrival.EMPTY: Arrival.GENERATED}
_BY_GENERATED = {Arrival.EXPECTED: Arrival.EMPTY, Arrival.BEGUN: Arrival.GENERATED}
_BY_MORE = {Arrival.EMPTY: Arrival.EXPECTED, Arrival.GENERATED: Arrival.BEGUN}


@dataclass(slots=True)
class Answer:
    """An answer that the service owes."""

    utterance: int | None  # None: the service speaks of its own accord, or by its own speech detection
    asked_at: float
    use: Use = Use.ALOUD
    arrival: Arrival = Arrival.EXPECTED
    record: TurnRecord = field(default_factory=TurnRecord)
    stopped: bool = False  # the service says that it has stopped: nothing more of it comes
    goes_on: bool = False  # the service says that it is not idle: more of it may come any time

    @property
    def aloud(self) -> bool:
        """Whether the answer is played, so that the turn machine is told of it."""
        return self.use is Use.ALOUD

    @property
    def wanted(self) -> bool:
        """Whether the answer's content is used: played, or kept for later."""
        return self.use in (Use.ALOUD, Use.DEFERRED)

    @property
    def begun(self) -> bool:
        """Whether any content of the answer has been received."""
        return self.arrival in (Arrival.BEGUN, Arrival.GENERATED)

    @property
    def generated(self) -> bool:
        """Whether the answer has been received to its end."""
        return self.arrival in (Arrival.GENERATED, Arrival.EMPTY)

    @property
    def acknowledges(self) -> int | None:
        """The utterance that the end of the answer acknowledges; None if that utterance is to be sent again."""
        return None if self.use is Use.DROPPED else self.utterance

    def refuse(self) -> None:
        """Refuse the rest of the answer."""
        self.use = _REFUSED.get(self.use, self.use)


class Answers:
    """The answers owed by the service, oldest first. Events for the turn machine are about wanted ones only."""

    def __init__(self, on_lost: Callable[[Answer], None]) -> None:
        """Start with nothing owed; ``on_lost`` gets each answer whose end will not come."""
        self._owed: deque[Answer] = deque()
        self._on_lost = on_lost
        self._empty: Answer | None = None  # was closed last, and nothing of it had come

    @property
    def pending(self) -> bool:
        """Whether a wanted answer is still owed or not closed yet."""
        return any(answer.wanted for answer in self._owed)

    @property
    def incomplete(self) -> bool:
        """Whether a part of a wanted answer is still to come."""
        return any(answer.wanted and not answer.generated for answer in self._owed)

    @property
    def newest(self) -> Answer | None:
        """The answer to the newest question."""
        return self._owed[-1] if self._owed else None

    @property
    def current(self) -> Answer | None:
        """The answer that is being received."""
        return self._owed[0] if self._owed else None

    def expect(
        self,
        utterance: int | None,
        now: float,
        use: Use,
        record: TurnRecord | None = None,
    ) -> Answer:
        """Expect the answer to ``utterance``, which was sent.

        ``record``: the answer that broke off, if this is the rest of it.
        """
        answer = Answer(utterance, now, use, record=record or TurnRecord(utterance))
        self._owed.append(answer)
        self._empty = None
        return answer

    def cut(self) -> None:
        """Mark every answer asked for so far as unwanted, except those kept for later."""
        self._empty = None
        for answer in self._owed:
            if answer.use is Use.ALOUD:
                answer.refuse()

    def drop_deferred(self) -> None:
        """Refuse the answers that were to be kept for later: a new question comes first."""
        for answer in self._owed:
            if answer.use is Use.DEFERRED:
                answer.refuse()

    def content(self, now: float) -> tuple[Answer | None, list[events.Event]]:
        """Attribute a piece of content; return its answer (None: refuse it) and the events for the turn machine."""
        self._drop_lost(now)
        if not self._owed:
            self._owed.append(self._reopened(now) or Answer(None, now))
        answer = self._owed[0]
        first = not answer.begun
        answer.arrival = _BY_PIECE.get(answer.arrival, answer.arrival)
        if not answer.wanted:
            return None, []
        return answer, [events.AnswerBegan()] if first and answer.aloud else []

    def generation_complete(self) -> tuple[int | None, list[events.Event]]:
        """Note that the present answer is complete; return the utterance that this acknowledges, and events."""
        answer = self.current
        if answer is None or answer.generated:
            return None, []
        answer.arrival = _BY_GENERATED[answer.arrival]
        return answer.acknowledges, [events.AnswerGenerated()] if answer.aloud else []

    def turn_complete(self, event: TurnComplete) -> tuple[int | None, list[events.Event]]:
        """Close the present answer; return the utterance that this acknowledges, and events."""
        answer = self.current
        if answer is None:
            return None, []
        answer.goes_on = not event.idle
        if not event.idle:
            answer.arrival = _BY_MORE.get(answer.arrival, answer.arrival)
            return None, []
        self._owed.popleft()
        nothing = answer.arrival is Arrival.EXPECTED and answer.aloud and not event.reason
        self._empty = answer if nothing and not self._owed else None
        return answer.acknowledges, [events.AnswerEnded()] if answer.aloud else []

    def drop(self) -> Answer:
        """Stop expecting the present answer, and return it; its question is not acknowledged."""
        return self._owed.popleft()

    def interrupted(self) -> list[events.Event]:
        """Handle the service's report that it stopped the answer because it heard speech; return events.

        Before the answer's first piece, the report is about an earlier answer or an empty turn, which turnComplete
        will report.
        """
        answer = self.current
        if answer is None:
            return [events.AnswerInterrupted()]
        if not answer.begun:
            return []
        news: list[events.Event] = [events.AnswerInterrupted()] if answer.aloud else []
        answer.refuse()
        answer.stopped = True
        return news

    def played_out(self, record: TurnRecord) -> None:
        """Note that the answer of ``record`` was played to its end, as far as it had come, and is waited for no more.

        Unless the service goes on with it, what comes after the next question belongs to that.
        """
        answer = self.current
        if answer is not None and answer.record is record and not answer.goes_on:
            answer.arrival = _BY_GENERATED.get(answer.arrival, answer.arrival)

    def connection_lost(self) -> None:
        """Pass every answer that is still owed to ``on_lost``, oldest first."""
        self._empty = None
        while self._owed:
            self._on_lost(self._owed.popleft())

    def _reopened(self, now: float) -> Answer | None:
        """Return the rest of the answer that was closed last and empty: the end that closed it was another's.

        That end was a double, or late. It has acknowledged the question already.
        """
        empty, self._empty = self._empty, None
        if empty is None or now > empty.asked_at + LATE_S:
            return None
        old = empty.record
        record = TurnRecord(old.utterance, old.speech_ended_at, question_text=old.question_text, typed=old.typed)
        return Answer(None, now, record=record)

    def _drop_lost(self, now: float) -> None:
        """Drop answers whose end never came, when the present piece must belong to a later question.

        A complete answer has no further piece. A cut answer may still trickle in. A cut answer that never began was
        never made: the service merged its question into the next.
        """
        while len(self._owed) > 1 and (self._owed[0].generated or not self._owed[0].wanted):
            oldest, following = self._owed[0], self._owed[1]
            trickles = oldest.arrival is Arrival.BEGUN and not oldest.stopped
            if trickles and now < following.asked_at + CUT_GRACE_S:
                return
            self._on_lost(self._owed.popleft())
