"""PURE: whose answer it is that the service is sending.

The wire gives answers no name; they come in the order of the questions, each closed by turnComplete. This ledger of
expected answers attributes what arrives, refuses what nobody wants any more, and says when one is over.
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
"""How long after the next question a cut answer may still trickle in before its missing end is taken as lost."""


class Use(Enum):
    """What is done with an answer."""

    ALOUD = auto()  # it is played, and the turn machine is told of it
    DEFERRED = auto()  # it is kept for later instead: nobody may be there
    UNWANTED = auto()  # it was to be played and is refused; its end still acknowledges the question
    DROPPED = auto()  # it was to be kept and is refused; its end acknowledges nothing, so that the note comes again


class Arrival(Enum):
    """How much of an answer has come."""

    EXPECTED = auto()  # nothing
    BEGUN = auto()
    GENERATED = auto()  # all of it, but for the end of the turn
    EMPTY = auto()  # the same, and there was nothing in it


_REFUSED = {Use.ALOUD: Use.UNWANTED, Use.DEFERRED: Use.DROPPED}
_BY_PIECE = {Arrival.EXPECTED: Arrival.BEGUN, Arrival.EMPTY: Arrival.GENERATED}
_BY_GENERATED = {Arrival.EXPECTED: Arrival.EMPTY, Arrival.BEGUN: Arrival.GENERATED}
_BY_MORE = {Arrival.EMPTY: Arrival.EXPECTED, Arrival.GENERATED: Arrival.BEGUN}


@dataclass(slots=True)
class Answer:
    """One answer that the service owes."""

    utterance: int | None  # None: the service speaks of its own accord, or by its own speech detection
    asked_at: float
    use: Use = Use.ALOUD
    arrival: Arrival = Arrival.EXPECTED
    record: TurnRecord = field(default_factory=TurnRecord)

    @property
    def aloud(self) -> bool:
        """Whether the turn machine is told of it."""
        return self.use is Use.ALOUD

    @property
    def wanted(self) -> bool:
        """Whether its content is taken."""
        return self.use in (Use.ALOUD, Use.DEFERRED)

    @property
    def begun(self) -> bool:
        """Whether a piece of it has come."""
        return self.arrival in (Arrival.BEGUN, Arrival.GENERATED)

    @property
    def generated(self) -> bool:
        """Whether all of it has come."""
        return self.arrival in (Arrival.GENERATED, Arrival.EMPTY)

    @property
    def acknowledges(self) -> int | None:
        """The utterance that its end acknowledges, None if it is to be sent again."""
        return None if self.use is Use.DROPPED else self.utterance

    def refuse(self) -> None:
        """Refuse what is still to come of it."""
        self.use = _REFUSED.get(self.use, self.use)


class Answers:
    """The answers owed by the service, oldest first. Events for the turn machine are about wanted ones only."""

    def __init__(self, on_lost: Callable[[Answer], None]) -> None:
        """Start with nothing owed; ``on_lost`` is told of an answer whose end will not come."""
        self._owed: deque[Answer] = deque()
        self._on_lost = on_lost

    @property
    def pending(self) -> bool:
        """Whether a wanted answer is still owed, or not closed."""
        return any(answer.wanted for answer in self._owed)

    @property
    def incomplete(self) -> bool:
        """Whether something of a wanted answer is still to come."""
        return any(answer.wanted and not answer.generated for answer in self._owed)

    @property
    def newest(self) -> Answer | None:
        """The answer to the last question asked."""
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
        """Note that ``utterance`` was sent to the service; ``record``: the rest of an answer that broke off."""
        answer = Answer(utterance, now, use, record=record or TurnRecord(utterance))
        self._owed.append(answer)
        return answer

    def cut(self) -> None:
        """Mark every answer asked for so far as unwanted, but for those that are kept for later."""
        for answer in self._owed:
            if answer.use is Use.ALOUD:
                answer.refuse()

    def drop_deferred(self) -> None:
        """Discard the answers that were to be kept for later: a new question comes first."""
        for answer in self._owed:
            if answer.use is Use.DEFERRED:
                answer.refuse()

    def content(self, now: float) -> tuple[Answer | None, list[events.Event]]:
        """Attribute a piece of answer: the answer it belongs to (None: refuse it) and what to tell the turn machine."""
        self._drop_lost(now)
        if not self._owed:
            self._owed.append(Answer(None, now))
        answer = self._owed[0]
        first = not answer.begun
        answer.arrival = _BY_PIECE.get(answer.arrival, answer.arrival)
        if not answer.wanted:
            return None, []
        return answer, [events.AnswerBegan()] if first and answer.aloud else []

    def generation_complete(self) -> tuple[int | None, list[events.Event]]:
        """Note that all of the present answer has come; return the utterance that this acknowledges, and events."""
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
        if not event.idle:
            answer.arrival = _BY_MORE.get(answer.arrival, answer.arrival)
            return None, []
        self._owed.popleft()
        return answer.acknowledges, [events.AnswerEnded()] if answer.aloud else []

    def interrupted(self) -> list[events.Event]:
        """Handle the service's report that it stopped speaking because somebody else did.

        Before the answer's first piece this is about an earlier one, or an empty turn that turnComplete will report.
        """
        answer = self.current
        if answer is None:
            return [events.AnswerInterrupted()]
        if not answer.begun:
            return []
        news: list[events.Event] = [events.AnswerInterrupted()] if answer.aloud else []
        answer.refuse()
        return news

    def connection_lost(self) -> None:
        """Report every answer that is still owed as lost."""
        while self._owed:
            self._on_lost(self._owed.popleft())

    def _drop_lost(self, now: float) -> None:
        """Drop answers whose end never came, when the piece at hand must belong to a later question.

        One that was generated has no further piece. A cut one may still trickle in; one that never began was swallowed
        whole: the service merged it into the next question.
        """
        while len(self._owed) > 1 and (self._owed[0].generated or not self._owed[0].wanted):
            oldest, following = self._owed[0], self._owed[1]
            if oldest.arrival is Arrival.BEGUN and now < following.asked_at + CUT_GRACE_S:
                return
            self._on_lost(self._owed.popleft())
