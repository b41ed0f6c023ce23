"""PURE: the events that the turn machine handles; tested in tests/agent/turn/test_machine.py.

The gestures of the button are in :mod:`agent.turn.gestures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.turn.gestures import Gesture
from agent.values import Bare

if TYPE_CHECKING:
    from agent.faults import Fault
    from agent.link.state import LinkState


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The endpointer found the start of speech, at most ``pre_roll_s`` seconds ago."""

    pre_roll_s: float


class SpeechEnded(Bare):
    """The endpointer found the end of speech."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line was typed instead of spoken."""

    text: str


class AnswerBegan(Bare):
    """The first audio (or text) of a wanted answer was received."""


class AnswerGenerated(Bare):
    """The whole answer has been received, or no more of it will be."""


class AnswerEnded(Bare):
    """The service closed the turn. If no answer was received before, it chose not to answer."""


@dataclass(frozen=True, slots=True)
class AnswerMissing:
    """The service closed the turn of a question that it understood, with nothing audible; ``reason``: why, if told."""

    reason: str = ""


class AnswerInterrupted(Bare):
    """The service stopped the answer because it heard somebody speak."""


class Drained(Bare):
    """The last sample of a finished answer was handed to the sound card."""


class Delivered(Bare):
    """The end of the last utterance was handed to the connection."""


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The link's state changed to ``state``; ``fault``: why the service refuses us, if it does."""

    state: LinkState
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class NoteSaved:
    """An unanswered utterance is safe on disk as a note; ``delivered``: all of it had been sent."""

    delivered: bool = False


@dataclass(frozen=True, slots=True)
class NotesChanged:
    """The notes changed: ``waiting`` of them are to be sent, ``answered`` have an answer that was not played yet."""

    waiting: int
    answered: int


class StillKept(Bare):
    """A photo is safe on disk."""


@dataclass(frozen=True, slots=True)
class NoiseChanged:
    """It has become too loud to listen hands-free, or is no longer."""

    noisy: bool


@dataclass(frozen=True, slots=True)
class TrustChanged:
    """A voice over an answer can be told from the answer's echo now, or no longer."""

    trusted: bool


@dataclass(frozen=True, slots=True)
class HearsAgain:
    """The box sounded, no voice could be told from that, and now it hears; ``missed``: somebody may have spoken."""

    missed: bool


@dataclass(frozen=True, slots=True)
class LagChanged:
    """The technician's speech reaches the service much later than it is spoken, or in time again."""

    behind: bool


@dataclass(frozen=True, slots=True)
class FaultRaised:
    """The part called ``name`` needs a person."""

    name: str


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """The part called ``name`` no longer needs a person."""

    name: str


class Tick(Bare):
    """The turn machine's deadline has come."""


Event = (
    Gesture
    | SpeechStarted
    | SpeechEnded
    | Typed
    | AnswerBegan
    | AnswerGenerated
    | AnswerEnded
    | AnswerMissing
    | AnswerInterrupted
    | Drained
    | Delivered
    | LinkChanged
    | NoteSaved
    | NotesChanged
    | StillKept
    | NoiseChanged
    | TrustChanged
    | HearsAgain
    | LagChanged
    | FaultRaised
    | FaultCleared
    | Tick
)
