"""PURE: what happens to the turn machine; tested in tests/agent/turn/test_machine.py.

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
    """The endpointer heard speech begin, at most ``pre_roll_s`` seconds ago."""

    pre_roll_s: float


class SpeechEnded(Bare):
    """The endpointer heard speech end."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line was typed instead of spoken."""

    text: str


class AnswerBegan(Bare):
    """The first audio (or text) of an answer that is wanted."""


class AnswerGenerated(Bare):
    """All of it has been received, or no more of it will be."""


class AnswerEnded(Bare):
    """The service closed the turn; with nothing received before, it chose to say nothing."""


class AnswerInterrupted(Bare):
    """The service stopped it because it heard somebody speak."""


class Drained(Bare):
    """The last sample of a finished answer went to the sound card."""


class Delivered(Bare):
    """The end of the last utterance was handed to the connection."""


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The link is in another state; ``fault``: why the service refuses us, if it does."""

    state: LinkState
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class NoteSaved:
    """An utterance that could not be sent is safe on disk; ``delivered``: it was sent, and not answered."""

    delivered: bool = False


@dataclass(frozen=True, slots=True)
class NotesChanged:
    """How many notes are ``waiting`` to be sent, and how many ``answered`` and not heard yet, has changed."""

    waiting: int
    answered: int


class StillKept(Bare):
    """A photo is safe on disk."""


@dataclass(frozen=True, slots=True)
class NoiseChanged:
    """It is too loud here to listen hands-free, or no longer."""

    noisy: bool


@dataclass(frozen=True, slots=True)
class TrustChanged:
    """A voice over an answer can be told from the answer's echo, or no longer."""

    trusted: bool


@dataclass(frozen=True, slots=True)
class LagChanged:
    """What is said now arrives much later than it is spoken, or in time again."""

    behind: bool


@dataclass(frozen=True, slots=True)
class FaultRaised:
    """Something needs a person; ``name`` is what."""

    name: str


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """What needed a person no longer does; ``name`` is what."""

    name: str


class Tick(Bare):
    """The deadline has come."""


Event = (
    Gesture
    | SpeechStarted
    | SpeechEnded
    | Typed
    | AnswerBegan
    | AnswerGenerated
    | AnswerEnded
    | AnswerInterrupted
    | Drained
    | Delivered
    | LinkChanged
    | NoteSaved
    | NotesChanged
    | StillKept
    | NoiseChanged
    | TrustChanged
    | LagChanged
    | FaultRaised
    | FaultCleared
    | Tick
)
