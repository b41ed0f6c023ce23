"""PURE: the effects that the turn machine asks for; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.values import Bare

if TYPE_CHECKING:
    from agent.voice.earcons import Earcon
    from agent.voice.phrase import Words


@dataclass(frozen=True, slots=True)
class Sensors:
    """Open the microphone and the camera and turn the light on, or close all of them."""

    on: bool


class Connect(Bare):
    """Connect, if there is no connection yet."""


class Disconnect(Bare):
    """Close the connection, unless something is still unanswered."""


class Reconnect(Bare):
    """Replace the connection; what was not acknowledged is sent again."""


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Record for the service, beginning ``pre_roll_s`` seconds ago."""

    pre_roll_s: float


class EndUtterance(Bare):
    """End the open utterance; its answer is expected."""


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a typed utterance; its answer is expected."""

    text: str


class PauseAnswer(Bare):
    """Fall silent at once: an answer waits for ResumeAnswer or CutAnswer, the box's own words are dropped."""


class ResumeAnswer(Bare):
    """Play the paused answer on, if there is one."""


class CutAnswer(Bare):
    """Silence the answer that plays; discard the rest of it, and every answer asked for earlier."""


class FinishAnswer(Bare):
    """Play the answer as far as it was received, then report Drained."""


class SaveNote(Bare):
    """Save every unanswered utterance as a note, and report NoteSaved when it is on disk."""


class CancelCatchUp(Bare):
    """Stop catching up: what still waits to be sent becomes a note, so that the technician goes first."""


class PlayAnswers(Bare):
    """Play the answers to notes that were not played yet, then report Drained."""


@dataclass(frozen=True, slots=True)
class Play:
    """Play an earcon, then say ``words``."""

    earcon: Earcon
    words: Words = ()


class TakeStill(Bare):
    """Take a full-resolution picture."""


class SpeakStatus(Bare):
    """Say the status: faults, network, notes."""


ConversationEffect = OpenUtterance | EndUtterance | SendText | CutAnswer | SaveNote | CancelCatchUp | PlayAnswers
"""Effects on the conversation."""

Effect = (
    ConversationEffect
    | Sensors
    | Connect
    | Disconnect
    | Reconnect
    | PauseAnswer
    | ResumeAnswer
    | FinishAnswer
    | Play
    | TakeStill
    | SpeakStatus
)
