"""PURE: what a server message can say, as values; tested in tests/agent/wire/test_protocol.py.

Text beside the audio (``modelTurn.parts[].text``) is not among them: it is not what is spoken, and a thought must never
be shown. Nor is the service's own voice activity, which current models do not send and the turn machine does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.values import Bare


class SetupComplete(Bare):
    """The session is ready."""


@dataclass(frozen=True, slots=True)
class AudioOut:
    """A piece of the spoken answer, mono s16le at ``rate`` (24 kHz until now)."""

    pcm: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class InputTranscript:
    """The next words of what the service heard; leading spaces count."""

    text: str


@dataclass(frozen=True, slots=True)
class OutputTranscript:
    """The next words of what it says; leading spaces count."""

    text: str


class Interrupted(Bare):
    """The answer was stopped because somebody spoke."""


class GenerationComplete(Bare):
    """All of the answer has been sent; playback is not over."""


@dataclass(frozen=True, slots=True)
class TurnComplete:
    """The turn is over; not yet ``idle`` on models that go on thinking (interactionStatus IN_PROGRESS)."""

    idle: bool
    reason: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One call; ``id`` must be echoed in its one answer."""

    id: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Calls that the model wants made."""

    calls: tuple[FunctionCall, ...]


@dataclass(frozen=True, slots=True)
class ToolCallCancellation:
    """Calls that need no answer any more."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server will close this connection in ``time_left_s`` seconds."""

    time_left_s: float


@dataclass(frozen=True, slots=True)
class ResumptionUpdate:
    """A handle to resume from; empty while the session cannot be resumed (the last one stays good)."""

    handle: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn. The total that the service reports leaves out thoughts on some models, so it is derived."""

    prompt: int
    response: int
    thoughts: int
    tool_use: int

    @property
    def total(self) -> int:
        """All tokens that are billed."""
        return self.prompt + self.response + self.thoughts + self.tool_use


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something (of ``size`` bytes) that this codec cannot read: counted, logged by kind, never fatal."""

    problem: str
    size: int


ServerEvent = (
    SetupComplete
    | AudioOut
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
