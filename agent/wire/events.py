"""PURE: the events that a server message can carry; tested in tests/agent/wire/test_protocol.py.

Text beside the audio (``modelTurn.parts[].text``) is left out: it is not what is spoken, and a thought must never be
shown. So is the service's own voice activity, which current models do not send and the turn machine does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.values import Bare


class SetupComplete(Bare):
    """The session is ready."""


@dataclass(frozen=True, slots=True)
class AudioOut:
    """A piece of the spoken answer: mono s16le at ``rate`` Hz, 1000 to 999 999 (so far always 24 kHz)."""

    pcm: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class UnplayableAudio:
    """A piece of the spoken answer that no speaker of ours can play, in our own words why."""

    problem: str


@dataclass(frozen=True, slots=True)
class InputTranscript:
    """The next words of the question, as the service understood them; leading spaces count."""

    text: str


@dataclass(frozen=True, slots=True)
class OutputTranscript:
    """The next words of the answer; leading spaces count."""

    text: str


class Interrupted(Bare):
    """The answer was stopped because somebody spoke."""


class GenerationComplete(Bare):
    """The service has sent the whole answer; playback is not over."""


@dataclass(frozen=True, slots=True)
class TurnComplete:
    """The turn is over; not yet ``idle`` on models that go on thinking (interactionStatus IN_PROGRESS)."""

    idle: bool
    reason: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function call; its response, exactly one, must carry the same ``id``."""

    id: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Function calls that the model wants made."""

    calls: tuple[FunctionCall, ...]


@dataclass(frozen=True, slots=True)
class ToolCallCancellation:
    """The ids of function calls that no longer need a response."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server will close this connection in ``time_left_s`` seconds."""

    time_left_s: float


@dataclass(frozen=True, slots=True)
class ResumptionUpdate:
    """A handle to resume from; empty while the session cannot be resumed (the last handle stays valid)."""

    handle: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn. The total is computed, since on some models the reported total leaves out thoughts."""

    prompt: int
    response: int
    thoughts: int
    tool_use: int

    @property
    def total(self) -> int:
        """The number of tokens billed."""
        return self.prompt + self.response + self.thoughts + self.tool_use


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message (of ``size`` bytes) or part of one that this codec cannot read: counted and logged, never fatal."""

    problem: str
    size: int


ServerEvent = (
    SetupComplete
    | AudioOut
    | UnplayableAudio
    | InputTranscript
    | OutputTranscript
    | Interrupted
    | GenerationComplete
    | TurnComplete
    | ToolCall
    | ToolCallCancellation
    | GoAway
    | ResumptionUpdate
    | Usage
    | Unreadable
)
