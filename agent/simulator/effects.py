"""What a client message means to the server: an effect for the shell to carry out, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.simulator.rules import INVALID, Refusal

if TYPE_CHECKING:
    from agent.simulator.memory import Entry, FunctionCall, Utterance


class Refused(Exception):
    """The service would close the connection on this message."""

    def __init__(self, reason: str, code: int = INVALID) -> None:
        """Store the reason and the code of the close."""
        super().__init__(reason)
        self.refusal = Refusal(code, reason)


@dataclass(frozen=True, slots=True)
class Opened:
    """Speech has begun."""

    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Ask:
    """The user has finished: an answer is due. `entry` is the user's line in the history."""

    turn: int
    entry: Entry
    text: str = ""
    utterance: Utterance | None = None
    result: str = ""  # of a function call, told in a turn of its own


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Whatever is being generated or played stops."""


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A function call has its last answer."""

    call: FunctionCall
    scheduling: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture arrived."""

    size: int
    in_window: bool


@dataclass(frozen=True, slots=True)
class Discarded:
    """Audio arrived that belongs to no window."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Warn:
    """Something the service lets pass and a good client does not do."""

    kind: str
    text: str


Effect = Opened | Ask | Interrupt | CallAnswered | Frame | Discarded | Warn
