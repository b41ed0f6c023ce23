"""PURE: everything that happens in the agent, as values: the only thing that displays, event files and tests are told.

Each notice is small, frozen and named for what has happened. The turn machine's own vocabulary stays inside;
:mod:`agent.noticing` translates what of it is worth telling. ``talk --events`` writes notices as JSON, one object a
line (:func:`as_json`); ``docs/events.md`` is printed from this file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from agent.values import Bare

if TYPE_CHECKING:
    from agent.link.state import LinkState
    from agent.metrics import TurnSummary
    from agent.turn.phase import Phase
    from agent.voice.earcons import Earcon
    from agent.voice.phrase import Words

FORMAT, VERSION = "field-agent-events", 1
"""What a program looks for; the version grows when a field changes its meaning or goes, not when one is added."""


# the box


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The box does something else now."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class ButtonMoved:
    """The button went down or up."""

    down: bool


@dataclass(frozen=True, slots=True)
class GestureMade:
    """The button's movements meant something: ``tap``, ``hold``, ``hold_end``, or ``settled``, a series being over."""

    gesture: str
    count: int  # of taps


@dataclass(frozen=True, slots=True)
class SensorsSwitched:
    """Microphone and camera were opened or closed."""

    on: bool


@dataclass(frozen=True, slots=True)
class EarconPlayed:
    """The box made one of its own sounds, and said ``words`` after it."""

    earcon: Earcon
    words: Words


class StatusSpoken(Bare):
    """The box said how things stand."""


class StillSaved(Bare):
    """A photo is safe on disk."""


@dataclass(frozen=True, slots=True)
class FaultBegan:
    """A part needs a person."""

    part: str


@dataclass(frozen=True, slots=True)
class FaultEnded:
    """The part works again."""

    part: str


@dataclass(frozen=True, slots=True)
class NoiseJudged:
    """It became too loud to listen hands-free, or quiet enough."""

    noisy: bool


@dataclass(frozen=True, slots=True)
class EchoJudged:
    """A voice over an answer is believed from now on, or no longer."""

    trusted: bool


# what the technician says


@dataclass(frozen=True, slots=True)
class SpeechDetected:
    """The endpointer heard speech begin or end."""

    speaking: bool


@dataclass(frozen=True, slots=True)
class UtteranceOpened:
    """An utterance is recorded for the service, beginning ``pre_roll_s`` seconds ago."""

    pre_roll_s: float


class UtteranceEnded(Bare):
    """The open utterance is over, and its answer is expected."""


@dataclass(frozen=True, slots=True)
class UtteranceTyped:
    """A question was typed."""

    text: str


class UtteranceSent(Bare):
    """The end of the last utterance was handed to the connection."""


@dataclass(frozen=True, slots=True)
class QuestionHeard:
    """The service transcribed the next words of the utterance; leading spaces count."""

    text: str


class QuestionRetried(Bare):
    """No answer came, and the question is sent again over another connection."""


@dataclass(frozen=True, slots=True)
class NoteKept:
    """An utterance is safe on disk as a note; ``delivered``: it was sent, and not answered."""

    delivered: bool


@dataclass(frozen=True, slots=True)
class NotesCounted:
    """This many notes are ``waiting`` to be sent, this many answers to notes are ``unplayed``."""

    waiting: int
    unplayed: int


# what the service says


class Greeted(Bare):
    """The configured first message was sent."""


class AnswerStarted(Bare):
    """The first audio or text of a wanted answer came."""


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The next words of an answer; leading spaces count."""

    text: str


class AnswerReceived(Bare):
    """All of the answer has come, or no more of it will."""


class AnswerClosed(Bare):
    """The service ended the turn."""


class AnswerOverridden(Bare):
    """The service stopped its answer because it heard somebody speak."""


class AnswerSilenced(Bare):
    """The box stopped the answer, and refuses what still comes of it."""


class AnswerPlayed(Bare):
    """The last sample of a finished answer went to the sound card."""


class NoteAnswersPlaying(Bare):
    """Answers to notes that nobody has heard yet begin to play."""


@dataclass(frozen=True, slots=True)
class AnswerMissed:
    """The service closed the turn of a question with nothing that can be heard."""

    reason: str  # as the service gives it, or nothing


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Neither the service nor the speaker will add to this turn."""

    turn: TurnSummary


# the line


@dataclass(frozen=True, slots=True)
class LinkStateChanged:
    """The link is in another state; ``problem``: why the last connection failed, if it did."""

    state: LinkState
    problem: str


@dataclass(frozen=True, slots=True)
class LagJudged:
    """What is said now arrives much later than it is spoken, or in time again."""

    behind: bool


@dataclass(frozen=True, slots=True)
class ConversationReplayed:
    """A fresh session was told the conversation so far, in ``size`` bytes."""

    size: int


class ConnectionReplaced(Bare):
    """A connection that the service is about to end is replaced by another."""


Notice = (
    PhaseChanged
    | ButtonMoved
    | GestureMade
    | SensorsSwitched
    | EarconPlayed
    | StatusSpoken
    | StillSaved
    | FaultBegan
    | FaultEnded
    | NoiseJudged
    | EchoJudged
    | SpeechDetected
    | UtteranceOpened
    | UtteranceEnded
    | UtteranceTyped
    | UtteranceSent
    | QuestionHeard
    | QuestionRetried
    | NoteKept
    | NotesCounted
    | Greeted
    | AnswerStarted
    | AnswerText
    | AnswerReceived
    | AnswerClosed
    | AnswerOverridden
    | AnswerSilenced
    | AnswerPlayed
    | AnswerMissed
    | NoteAnswersPlaying
    | TurnEnded
    | LinkStateChanged
    | LagJudged
    | ConversationReplayed
    | ConnectionReplaced
)

Observer = Callable[[Notice], None]
"""Who is told; called on the event loop, in the middle of things: it must return at once and may not raise."""


# as JSON


def header() -> dict[str, Any]:
    """Return what an event file begins with."""
    return {"event": "file_began", "format": FORMAT, "version": VERSION}


def as_json(notice: Notice) -> dict[str, Any]:
    """Return a notice as an object of plain values: ``event``, then its fields."""
    return {
        "event": event_name(type(notice)),
        **{part.name: plain(getattr(notice, part.name)) for part in fields(notice)},
    }


def event_name(kind: type[Notice]) -> str:
    """Return what a kind of notice is called in JSON: ``AnswerText`` is ``answer_text``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def plain(value: object) -> object:
    """Return what JSON can hold of a field: an enum by its value if that is a word, else by its name."""
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name.lower()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return [plain(each) for each in value] if isinstance(value, tuple) else value
