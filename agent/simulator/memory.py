"""What the server remembers: utterances, sessions, the handles that lead back to them, open function calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agent.simulator import sound

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPEAT_S: Final = 0.2  # less than this may be equal by chance
_REPEAT_DBFS: Final = -70.0  # digital silence always equals itself


@dataclass(slots=True)
class Utterance:
    """One window of speech as it arrived. Times in seconds since the simulator started."""

    number: int
    connection: int
    session: int
    turn: int
    opened_at: float
    rate: int = 16000
    pcm: bytearray = field(default_factory=bytearray)
    chunks: int = 0
    frames: int = 0
    texts: list[str] = field(default_factory=list)
    first_audio_at: float | None = None
    last_audio_at: float | None = None
    closed_at: float | None = None
    repeat_of: int | None = None
    generated: bool = False  # its answer went out whole, whatever became of the turn after that
    outcome: str = "open"  # then "cut" or "asked"; then "complete", "interrupted", "empty" or "lost"

    @property
    def seconds(self) -> float:
        """Its audio in seconds."""
        return sound.seconds(self.pcm, self.rate)

    def add(self, pcm: bytes, rate: int, now: float) -> None:
        """Append audio as it arrives."""
        self.rate = rate
        self.pcm += pcm
        self.chunks += 1
        self.first_audio_at = now if self.first_audio_at is None else self.first_audio_at
        self.last_audio_at = now

    def repeats(self, earlier: Utterance) -> bool:
        """Return whether both begin with the same samples, as far as both go: long and loud enough to be sure."""
        size = min(len(self.pcm), len(earlier.pcm))
        if size < _REPEAT_S * self.rate * sound.SAMPLE_BYTES or self.pcm[:size] != earlier.pcm[:size]:
            return False
        return sound.level(bytes(self.pcm[:size])) > _REPEAT_DBFS


@dataclass(slots=True)
class Entry:
    """One turn of the history: who, what was said, and for how long."""

    role: str
    text: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class FunctionCall:
    """A call the model made; `state` is "open", "answered" or "cancelled"."""

    id: str
    name: str
    blocking: bool
    state: str = "open"
    cancelled_at: float = 0.0
    responses: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """One memory: history and calls. It outlives its connections and belongs to one model."""

    number: int
    model: str
    history: list[Entry] = field(default_factory=list)
    calls: dict[str, FunctionCall] = field(default_factory=dict)
    connection: int = 0
    left_at: float | None = None

    @property
    def turn(self) -> int:
        """The number of the turn that comes next, from 1; a seeded line in brackets is a note, not a turn."""
        return 1 + sum(entry.role == "user" and not entry.text.startswith("[") for entry in self.history)

    def call(self, name: str, *, blocking: bool) -> FunctionCall:
        """Make a call with a new id."""
        call = FunctionCall(f"function-call-{self.number}-{len(self.calls) + 1}", name, blocking)
        self.calls[call.id] = call
        return call

    def open_calls(self) -> list[FunctionCall]:
        """List the calls that wait for their answer."""
        return [call for call in self.calls.values() if call.state == "open"]


class SessionStore:
    """All sessions and all handles. A handle leads back to the history as it was when it was given out."""

    def __init__(self, validity_s: float) -> None:
        """Keep handles for `validity_s` seconds after the session was left (PROTOCOL 4.7)."""
        self._validity_s = validity_s
        self._handles: dict[str, tuple[Session, int]] = {}
        self.all: list[Session] = []
        """Every session of the run, oldest first."""

    def fresh(self, model: str) -> Session:
        """Start a session with an empty history."""
        self.all.append(Session(len(self.all) + 1, model))
        return self.all[-1]

    def issue(self, session: Session) -> str:
        """Return a new handle for the session as it is now."""
        handle = f"handle-{session.number}-{len(self._handles) + 1}"
        self._handles[handle] = (session, len(session.history))
        return handle

    def resume(self, handle: str, model: str, now: float) -> Session | None:
        """Find the session of a handle and take its history back to that point.

        None for a handle that is unknown, too old or of another model (PROTOCOL 4.9).
        """
        session, length = self._handles.get(handle, (None, 0))
        if session is None or session.model != model:
            return None
        if session.left_at is not None and now - session.left_at > self._validity_s:
            return None
        del session.history[length:]
        session.left_at = None
        return session
