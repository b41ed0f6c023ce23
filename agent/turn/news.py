"""PURE: what the box has to say of itself: kept until nobody else speaks, and said only if it is still true then."""

from __future__ import annotations

from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, assert_never

from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn import effects
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase

if TYPE_CHECKING:
    from agent.turn.condition import Condition
    from agent.voice.phrase import Words

NOISE_AGAIN_S = 600.0
"""Where it is too loud to listen, that is said once in this time: a drill that pauses is still the same drill."""
ONE_WAY_AGAIN_S = 3600.0
"""That no voice can interrupt is said once in this time: it is worth knowing, and not worth hearing often."""


class Topic(Enum):
    """What there is to say."""

    FAULT = auto()  # of a part
    REFUSAL = auto()  # by the service
    NOISE = auto()  # it is too loud to listen
    SAVED = auto()  # a question that cannot be sent is kept
    NO_ANSWER = auto()  # a question was sent, and not answered
    CUT = auto()  # the rest of an answer did not come
    ONE_WAY = auto()  # no voice could be heard while the box sounded; now it hears again
    CONNECTED = auto()  # after the box had said that nothing could be sent


SELDOM_S = {Topic.NOISE: NOISE_AGAIN_S, Topic.ONE_WAY: ONE_WAY_AGAIN_S}
"""Words that are not said again for so long."""


class News:
    """What was not said yet, oldest first."""

    def __init__(self, condition: Condition) -> None:
        """Begin with nothing to say; ``condition`` tells what is still true."""
        self._condition = condition
        self._topics: dict[tuple[Topic, str], None] = {}  # in order, each once
        self._said_at = dict.fromkeys(SELDOM_S, -inf)
        self._one_way = False  # no voice could be heard while the box sounded, and why was not said yet
        self.told_away = False
        """Whether the technician was told, in effect, that there is no connection."""

    def add(self, topic: Topic, part: str = "") -> None:
        """Have ``topic`` said; ``part`` is the one that failed."""
        self._topics[topic, part] = None

    def connected(self, *, heard: bool) -> None:
        """Take note that the connection is back; said if the technician is there to hear it."""
        self.told_away = False
        if heard:
            self.add(Topic.CONNECTED)

    def parting(self, now: float) -> Words:
        """Return what to say as the box falls asleep, when the words cover nothing that the technician says."""
        why, self._one_way = self._one_way, False
        return (Phrase.HOLD_TO_INTERRUPT,) if why and self._due_again(Topic.ONE_WAY, now) else ()

    def due(self, now: float, *, awake: bool) -> list[effects.Play]:
        """Return what is to be said now, and forget it; ``awake``: the box listens."""
        topics, self._topics = self._topics, {}
        said = (self._said(topic, part, now) for topic, part in topics if awake or topic is not Topic.NOISE)
        return [play for play in said if play is not None]

    def _said(self, topic: Topic, part: str, now: float) -> effects.Play | None:
        condition = self._condition
        match topic:
            case Topic.FAULT:
                return _fault(Fault.of_part(part)) if part in condition.faults else None
            case Topic.REFUSAL:
                return None if condition.refusal is None else _fault(condition.refusal)
            case Topic.NOISE:
                said = condition.noisy and self._due_again(topic, now)
                return effects.Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,)) if said else None
            case Topic.ONE_WAY:
                return self._hears_again()
            case Topic.SAVED:
                return self._saved() if condition.notes else None
            case Topic.NO_ANSWER:
                return effects.Play(Earcon.SAVED, self._counted(Phrase.NO_ANSWER))
            case Topic.CUT:
                self._told_why()
                return effects.Play(Earcon.FAULT, (Phrase.ANSWER_CUT,))
            case Topic.CONNECTED:
                up = condition.link is LinkState.UP
                return effects.Play(Earcon.LISTENING, (Phrase.CONNECTED_AGAIN,)) if up else None
            case _:
                assert_never(topic)

    def _saved(self) -> effects.Play:
        self._told_why()
        return effects.Play(Earcon.SAVED, self._counted(Phrase.SAVED_NOT_SENT))

    def _told_why(self) -> None:
        self.told_away = self._condition.link is not LinkState.UP

    def _hears_again(self) -> effects.Play:
        self._one_way |= not self._condition.trusted
        return effects.Play(Earcon.LISTENING)

    def _due_again(self, topic: Topic, now: float) -> bool:
        due = now - self._said_at[topic] >= SELDOM_S[topic]
        if due:
            self._said_at[topic] = now
        return due

    def _counted(self, phrase: Phrase) -> Words:
        notes = self._condition.notes
        return (phrase, notes, Phrase.NOTES_WAITING) if notes > 1 else (phrase,)


def _fault(fault: Fault | None) -> effects.Play:
    return effects.Play(Earcon.FAULT, fault.words if fault is not None else ())
