"""The rows of the journal. Times are wall-clock seconds; '' stands for a missing text or file.

Tested with the journal that returns them: tests/agent/store/test_journal.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent.outside.text import cleaned

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

Json = dict[str, Any]
Row = TypeVar("Row")
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
    return kind(**{name: _DECODERS.get(name, _as_it_is)(stored[name]) for name in stored.keys()})  # noqa: SIM118 - iterating a sqlite3.Row gives its values


def encoded(value: object) -> object:
    """Return what SQLite can store: objects as JSON, every text without invisible characters and secrets."""
    if isinstance(value, Opaque):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return json.dumps(cleaned(value), ensure_ascii=True, separators=(",", ":"))
    return cleaned(value)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - whatever SQLite gives
    return value


def _object(text: str) -> Json:
    """Return ``text`` decoded from JSON, or ``{"unreadable": text}`` if a failing card damaged it."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        return {"unreadable": text}


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "greeted": bool,
    "interrupted": bool,
    "arguments": _object,
    "result": lambda text: None if text is None else _object(text),
}
