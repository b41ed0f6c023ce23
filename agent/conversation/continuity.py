"""Which conversation this is, and how it goes on over the next connection: resumed, replayed, or begun anew.

A conversation is the turns that share context, over as many connections as it takes. A young conversation goes on after
a restart. Once its last word is older than ``conversation.resume_within_s``, the next word begins a new conversation.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.config import ServiceSettings
from agent.store.rows import SETTLED
from agent.wire.history import PastTurn, missed_text
from agent.wire.session import HANDLE_LIFE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.store.rows import TurnRow
    from agent.store.store import Store
    from agent.wire.session import Session

log = logging.getLogger(__name__)

CLOCK_OFF_S = 600.0
"""How far our clock may be from the service's while something is deleted by its age."""
FORGET_EVERY_S = 86_400.0
"""How often a box that is never switched off deletes what is older than ``notes.keep_days``."""


@dataclass(frozen=True, slots=True)
class Catchup:
    """What the session of a new connection knows, and what it must be told."""

    known: int  # the last utterance whose audio the session certainly remembers; 0 for none
    preface: str  # the turns it has missed, to be sent before the next utterance
    seed: bytes | None  # the history for a fresh session, to be sent at once


class Continuity:
    """Keeps the conversation and the service's session in step, in memory and in the store."""

    def __init__(self, settings: Settings, store: Store, session: Session, wall: Callable[[], float]) -> None:
        """Read what ``store`` found at the start; no conversation begins before :meth:`begin`."""
        self._settings = settings
        self._store = store
        self.session = session
        """What we know of the server's memory."""
        self._wall = wall
        past = store.past.conversation
        self._last_at = past.last_at if past else None
        self._greeted = bool(past and past.greeted)
        self._handle = ""  # the handle on disk
        self._forget_at = 0.0
        self.starting_over = False
        """Whether a new conversation begins with the next connection; until then, messages are about the old one."""

    @property
    def counterpart(self) -> str:
        """The model, and the service if it is not the default one: a handle is valid for this pair only."""
        service, model = self._settings.service.url, self._settings.session.model
        return model if service == ServiceSettings().url else f"{model} at {service}"

    @property
    def model(self) -> str:
        """The configured model's id."""
        return self._settings.session.model

    @property
    def stale(self) -> bool:
        """Whether the technician's next words begin a new conversation."""
        if self._last_at is None:
            return True
        # A clock that was set back says nothing about age, and a box without a clock starts in the past.
        return self._wall() - self._last_at > self._settings.conversation.resume_within_s

    def begin(self, now: float) -> None:
        """Continue the last conversation if it is young enough, else begin a new one; ``now`` is the loop's time."""
        past = self._store.past.conversation
        if past is None or self.stale:
            self._begin_new()
            return
        rows = settled_rows(self._store.past.turns)
        for row in rows:
            self.session.history.add(self._past_turn(row))
        age_s = max(0.0, self._wall() - past.handle_at)
        if past.model == self.counterpart and age_s < HANDLE_LIFE_S:
            position = sum(answered_at(row) <= past.handle_at for row in rows)
            self.session.restore(past.handle, age_s, now, position)

    def touch(self) -> None:
        """Note that a question was begun or a turn ended: the conversation is as young as that."""
        self._last_at = self._wall()

    def start_over(self, *, connected: bool) -> None:
        """Begin a new conversation with the next connection; ``connected``: there is still one for the old."""
        self.session.forget()
        self._begin_new()
        self.starting_over = connected

    def connected(self, now: float, service_time: float | None = None) -> Catchup:
        """Continue over a new connection; return what its session knows and must be told.

        ``service_time``: what time it is by the service (Unix), if that is known.
        """
        self.starting_over = False
        self._forget_old(now, service_time)
        return Catchup(self.session.known, missed_text(self.session.missed()), self.session.seed())

    def greeting(self) -> str:
        """Return the initial message, once in a conversation; after that, or without one, an empty string."""
        greeting = "" if self._greeted else self._settings.session.initial_message
        if greeting:
            self._greeted = True
            self._store.greeted()
        return greeting

    def keep_handle(self, now: float) -> None:
        """Write the handle that the next connection would use to disk, if it changed."""
        handle = self.session.handle(now)
        if handle != self._handle:
            self._handle = handle
            self._store.keep_handle(handle)

    def _begin_new(self) -> None:
        self._store.begin_conversation(self.counterpart)
        self._last_at, self._greeted = self._wall(), False
        self.session.history.clear()

    def _past_turn(self, row: TurnRow) -> PastTurn:
        calls = [call for call in self._store.past.calls if call.turn == row.number]
        tools = tuple(f"{call.name} returned {call.result}" for call in calls)
        return PastTurn(row.question or row.text, row.played or row.answer, tools, row.number)

    def _forget_old(self, now: float, service_time: float | None) -> None:
        """Delete what is too old, once a day, if our clock is the service's: a certificate bears one months ahead."""
        if service_time is None or now < self._forget_at:
            return
        off_s = abs(self._wall() - service_time)
        if off_s > CLOCK_OFF_S:
            log.warning("store: nothing is deleted by age: our clock and the service's differ by %.0f s", off_s)
            return
        self._forget_at = now + FORGET_EVERY_S
        self._store.forget(self._settings.notes)


def settled_rows(turns: list[TurnRow]) -> list[TurnRow]:
    """Return the turns that can be replayed, in the order in which they were answered."""
    told = [row for row in turns if row.state in SETTLED and (row.question or row.text or row.answer)]
    return sorted(told, key=answered_at)


def answered_at(row: TurnRow) -> float:
    """Return the wall-clock time at which a turn was answered, or at which it began if that is not known."""
    return row.answered_at or row.began_at
