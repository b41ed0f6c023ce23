"""PURE: whose answer it is that the service is sending.

The wire gives answers no name; they come in the order of the questions, each closed by turnComplete. This ledger of
expected answers attributes what arrives, refuses what nobody wants any more, and says when one is over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.metrics import TurnRecord
from agent.turn import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.wire.events import TurnComplete

CUT_GRACE_S = 2.0
"""How long after the next question a cut answer may still trickle in before its missing end is taken as lost."""


@dataclass(slots=True)
class Answer:
    """One answer: expected, perhaps begun, perhaps no longer wanted."""

    utterance: int | None  # None: the service speaks of its own accord, or by its own speech detection
    asked_at: float
    wanted: bool = True
    deferred: bool = False  # kept for later instead of spoken: nobody may be there
    began: bool = False
    generated: bool = False
    record: TurnRecord = field(default_factory=TurnRecord)

    @property
    def aloud(self) -> bool:
        """Whether the turn machine is told of it."""
        return self.wanted and not self.deferred

    @property
    def acknowledges(self) -> int | None:
        """The utterance that the end of it acknowledges; one that was to be kept and broke off must come again."""
        return None if self.deferred and not self.wanted else self.utterance


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
        *,
        wanted: bool,
        deferred: bool = False,
        record: TurnRecord | None = None,
    ) -> Answer:
        """Note that ``utterance`` has been put to the service; ``record``: the rest of an answer that broke off."""
        answer = Answer(utterance, now, wanted, deferred, record=record or TurnRecord(utterance))
        self._owed.append(answer)
        return answer

    def cut(self) -> None:
        """Want nothing of what was asked until now."""
        for answer in self._owed:
            answer.wanted = answer.wanted and answer.deferred

    def drop_deferred(self) -> None:
        """Want nothing of what was to be kept for later: something else is asked now."""
        for answer in self._owed:
            answer.wanted = answer.wanted and not answer.deferred

    def content(self, now: float) -> tuple[Answer | None, list[events.Event]]:
        """Attribute a piece of answer: the answer it belongs to (None: refuse it) and what to tell the turn machine."""
        self._drop_lost(now)
        if not self._owed:
            self._owed.append(Answer(None, now))
        answer = self._owed[0]
        first, answer.began = not answer.began, True
        if not answer.wanted:
            return None, []
        return answer, [events.AnswerBegan()] if first and not answer.deferred else []

    def generation_complete(self) -> tuple[int | None, list[events.Event]]:
        """All of the present answer has come: the utterance that this acknowledges, and events."""
        answer = self.current
        if answer is None or answer.generated:
            return None, []
        answer.generated = True
        return answer.acknowledges, [events.AnswerGenerated()] if answer.aloud else []

    def turn_complete(self, event: TurnComplete) -> tuple[int | None, list[events.Event]]:
        """Close the present answer: the utterance that this acknowledges, and events."""
        answer = self.current
        if answer is None:
            return None, []
        if not event.idle:
            answer.generated = False  # more of it follows
            return None, []
        self._owed.popleft()
        return answer.acknowledges, [events.AnswerEnded()] if answer.aloud else []

    def interrupted(self) -> list[events.Event]:
        """Take the service's word that it stopped speaking because somebody else did.

        Before the answer's first piece this is about an earlier one, or an empty turn that turnComplete will report.
        """
        answer = self.current
        if answer is None:
            return [events.AnswerInterrupted()]
        if not answer.began:
            return []
        news: list[events.Event] = [events.AnswerInterrupted()] if answer.aloud else []
        answer.wanted = False
        return news

    def connection_lost(self) -> None:
        """Nothing more will come on this connection."""
        while self._owed:
            self._on_lost(self._owed.popleft())

    def _drop_lost(self, now: float) -> None:
        """Drop answers whose end never came, when the piece at hand must belong to a later question.

        One that was generated has no further piece. A cut one may still trickle in; one that never began was swallowed
        whole: the service merged it into the next question.
        """
        while len(self._owed) > 1 and (self._owed[0].generated or not self._owed[0].wanted):
            oldest, following = self._owed[0], self._owed[1]
            if oldest.began and not oldest.generated and now < following.asked_at + CUT_GRACE_S:
                return
            self._on_lost(self._owed.popleft())
