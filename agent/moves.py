"""PURE: the vocabulary of the turn machine: its phases, events that happen to it, effects that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from agent.gestures import Gesture

if TYPE_CHECKING:
    from agent.earcons import Earcon
    from agent.troubles import Trouble, Words


class Phase(Enum):
    """What the box is doing. In ASLEEP and SPEAKING microphone and camera are closed, in all others open."""

    ASLEEP = auto()
    LISTENING = auto()
    HEARING = auto()  # an utterance is open, the endpointer will end it
    TALKING = auto()  # an utterance is open, releasing the button will end it
    THINKING = auto()
    ANSWERING = auto()
    SPEAKING = auto()  # an answer plays though nobody is listened to: it came late, or after hanging up


class LinkState(Enum):
    """How things stand with the service."""

    IDLE = "idle"  # not connected, and nobody wants to be
    CONNECTING = "connecting"
    UP = "up"
    OFFLINE = "offline"  # an attempt failed, the next is waited for
    REFUSED = "refused"  # the service will not have us until a person mends something


# events


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The endpointer heard speech begin, at most ``pre_roll_s`` seconds ago."""

    pre_roll_s: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The endpointer heard it end."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line was typed instead of spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerBegan:
    """The first audio (or text) of an answer that is wanted."""


@dataclass(frozen=True, slots=True)
class AnswerGenerated:
    """All of it has been received, or no more of it will be."""


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The service closed the turn; with nothing received before, it chose to say nothing."""


@dataclass(frozen=True, slots=True)
class AnswerInterrupted:
    """The service stopped it because it heard somebody speak."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The last sample of a finished answer went to the sound card."""


@dataclass(frozen=True, slots=True)
class ServerHeard:
    """Any message came from the service."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The end of the last utterance was handed to the connection."""


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The link is in another state; ``trouble``: why the service refuses us, if it does."""

    state: LinkState
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class NoteSaved:
    """An utterance that could not be sent is safe on disk; ``delivered``: it was sent, and not answered."""

    delivered: bool = False


@dataclass(frozen=True, slots=True)
class NotesChanged:
    """So many notes ``waiting`` to be sent, so many ``answered`` and not heard yet."""

    waiting: int
    answered: int


@dataclass(frozen=True, slots=True)
class StillKept:
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
class FaultRaised:
    """Something needs a person; ``name`` is what."""

    name: str


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """It no longer does."""

    name: str


@dataclass(frozen=True, slots=True)
class Tick:
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
    | ServerHeard
    | Delivered
    | LinkChanged
    | NoteSaved
    | NotesChanged
    | StillKept
    | NoiseChanged
    | TrustChanged
    | FaultRaised
    | FaultCleared
    | Tick
)


# effects


@dataclass(frozen=True, slots=True)
class Sense:
    """Light on and microphone and camera open, or all of them closed."""

    on: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """Have a connection, if there is none yet."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Have none."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Replace the connection; what is not acknowledged is sent again."""


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Record for the service, beginning ``pre_roll_s`` seconds ago."""

    pre_roll_s: float


@dataclass(frozen=True, slots=True)
class EndUtterance:
    """End the open utterance; its answer is expected."""


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a typed utterance; its answer is expected."""

    text: str


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """Silence the answer that plays, and refuse what is still to come of it and of any asked for earlier."""


@dataclass(frozen=True, slots=True)
class FinishAnswer:
    """Play what has come to its end, then report Drained."""


@dataclass(frozen=True, slots=True)
class SaveNote:
    """Keep what was not answered as a note, and report NoteSaved when it is on disk."""


@dataclass(frozen=True, slots=True)
class CancelCatchUp:
    """Let what still waits to be sent wait as a note: the technician goes first."""


@dataclass(frozen=True, slots=True)
class PlayAnswers:
    """Play the answers to notes that nobody has heard yet, then report Drained."""


@dataclass(frozen=True, slots=True)
class Play:
    """Sound an earcon, and then say ``words``."""

    earcon: Earcon
    words: Words = ()


@dataclass(frozen=True, slots=True)
class TakeStill:
    """Take a full-resolution picture."""


@dataclass(frozen=True, slots=True)
class DiscardStill:
    """The taps turned out to mean something else: forget the picture just taken."""


@dataclass(frozen=True, slots=True)
class SpeakStatus:
    """Say how things stand."""


Speech = OpenUtterance | EndUtterance | SendText | CutAnswer | SaveNote | CancelCatchUp | PlayAnswers
"""Effects on the conversation."""

Effect = (
    Speech | Sense | Connect | Disconnect | Reconnect | FinishAnswer | Play | TakeStill | DiscardStill | SpeakStatus
)
