"""The rows of the journal. Times are wall-clock seconds; '' stands for a missing text or file.

Tested with the journal that returns them: tests/agent/store/test_journal.py.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent.outside.text import cleaned

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Json = dict[str, Any]
Row = TypeVar("Row")
GREATEST = 2**63 - 1
"""The greatest number that SQLite stores."""
FARTHEST = 1e15
"""Seconds: no row has a moment or a length beyond it, so that whoever reads it can count with it."""
DEEPEST = 64
"""Levels of a call's arguments or result. Python's own limit depends on who asks; a function has few parameters."""
READABLE = 1000
"""Characters kept of what cannot be read."""
SETTLED = ("answered", "cut", "unanswered")
"""The states of a turn that is no longer owed to the service."""


class Opaque(str):
    """A text of the service that only the service reads, so it is stored as it came: a resumption handle."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """Turns that belong together: one session with the service, over as many connections as it took."""

    number: int
    began_at: float
    last_at: float
    model: str
    greeted: bool
    handle: str  # lets the service resume the session
    handle_at: float


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One utterance and its answer."""

    number: int
    conversation: int
    kind: str  # spoken, typed, unasked
    state: str  # recording, waiting, asked, answered, unanswered, cut
    began_at: float
    ended_at: float | None
    audio_s: float
    audio: str  # file in the spool
    text: str  # as typed
    saved_at: float | None  # when it became a note: saved, not sent
    delivered_at: float | None
    answered_at: float | None
    played_at: float | None  # when the answer was played to the technician
    attempts: int
    question: str  # the service's transcript of it
    answer: str
    played: str  # the part of the answer's text that was played
    answer_s: float
    played_s: float
    interrupted: bool
    reason: str
    ttfab_s: float | None
    tokens: int
    frames: int
    frames_dropped: int
    connections: int
    answer_audio: str  # file in the spool
    still: str  # file that was sent with a note


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer to a note, from the spool: the note's number, when it was recorded, 24 kHz mono s16le."""

    number: int
    recorded_at: float
    pcm: bytes


@dataclass(frozen=True, slots=True)
class StillRow:
    """A full-resolution picture that the technician took."""

    number: int
    turn: int | None
    conversation: int
    at: float
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class CallRow:
    """A function call of the model; without ``ended_at`` it is under way, or was when the power failed."""

    number: int
    turn: int | None
    conversation: int
    call_id: str
    name: str
    arguments: Json
    result: Json | None
    began_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something worth reporting later, such as a lost network or a full disk."""

    number: int
    at: float
    kind: str
    text: str
    conversation: int | None


def decoded(kind: type[Row], stored: sqlite3.Row) -> Row:
    """Return a stored row as ``kind``, whose fields are named like the columns."""
    return kind(**{name: _DECODERS.get(name, _bounded)(stored[name]) for name in stored.keys()})  # noqa: SIM118 - iterating a sqlite3.Row gives its values


def encoded(value: object) -> object:
    """Return what SQLite can store, so that no figure of the service's costs a whole row.

    Objects become JSON, texts lose invisible characters and secrets, numbers the limits of 64 bits.
    """
    match value:
        case Opaque():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return json.dumps(cleaned(value), ensure_ascii=True, separators=(",", ":"))
        case int():
            return max(-GREATEST - 1, min(value, GREATEST))
        case float() if math.isnan(value):
            return 0.0  # SQLite would make it NULL
        case _:
            return cleaned(value)


def _bounded(value: Any) -> Any:  # noqa: ANN401 - whatever SQLite gives
    return max(-FARTHEST, min(value, FARTHEST)) if isinstance(value, float) else value


def _object(text: str) -> Json:
    """Return ``text`` decoded from JSON, or ``{"unreadable": text}`` if a failing card damaged it."""
    try:
        return _shallow(dict(json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        return _unreadable(text)


def _shallow(value: Json) -> Json:
    """Return ``value``, or a note in its place if it is nested too deep for whoever reads it."""
    level: list[Any] = [value]
    depth = 0
    while level and depth <= DEEPEST:
        inner = (part for each in level for part in (each.values() if isinstance(each, dict) else each))
        level, depth = [part for part in inner if isinstance(part, dict | list)], depth + 1
    return _unreadable("nested too deep") if level else value


def _unreadable(text: str) -> Json:
    return {"unreadable": text[:READABLE]}


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "greeted": bool,
    "interrupted": bool,
    "arguments": _object,
    "result": lambda text: None if text is None else _object(text),
}
