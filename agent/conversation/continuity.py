"""Which conversation this is, and how it goes on over the next connection: resumed, told what was said, or begun anew.

A conversation is the turns that share context, over as many connections as it takes. One that is young enough goes on
after a restart; so long after the last word that it is nobody's context any more, another begins.
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

FORGET_EVERY_S = 86_400.0
"""How often what is older than ``notes.keep_days`` is looked for, in a box that is never switched off."""


@dataclass(frozen=True, slots=True)
class Catchup:
    """What a new connection's session must be told, and what it knows."""

    known: int  # the last utterance whose sound the session has in its memory for certain; 0 for none
    preface: str  # what it has missed, to be told before the next utterance
    seed: bytes | None  # the history for a fresh session, to be sent at once


class Continuity:
    """Keeps conversation and session together, in memory and in the store."""

    def __init__(self, settings: Settings, store: Store, session: Session, wall: Callable[[], float]) -> None:
        """Look at what ``store`` found at the start; nothing is begun before :meth:`begin`."""
        self._settings = settings
        self._store = store
        self.session = session
        """Our side of the server's memory."""
        self._wall = wall
        past = store.past.conversation
        self._last_at = past.last_at if past else None
        self._greeted = bool(past and past.greeted)
        self._handle = ""  # as it is on disk
        self._forget_at = 0.0
        self.starting_over = False
        """Whether another conversation begins with the next connection: what still comes is about the old one."""

    @property
    def counterpart(self) -> str:
        """Whom the conversation is with: a handle is good for this one alone."""
        service, model = self._settings.service.url, self._settings.session.model
        return model if service == ServiceSettings().url else f"{model} at {service}"

    @property
    def model(self) -> str:
        """The model that is talked to."""
        return self._settings.session.model

    @property
    def stale(self) -> bool:
        """Whether what is said next begins a new conversation."""
        if self._last_at is None:
            return True
        # A clock that was set back says nothing about age, and a box without one starts in the past.
        return self._wall() - self._last_at > self._settings.conversation.resume_within_s

    def begin(self, now: float) -> None:
        """Continue the last conversation if it is young enough, else begin one; ``now`` is the loop's time."""
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
        """Note that the technician or the service said something."""
        self._last_at = self._wall()

    def start_over(self, *, connected: bool) -> None:
        """Begin another conversation with the next connection."""
        self.session.forget()
        self._begin_new()
        self.starting_over = connected

    def connected(self, now: float) -> Catchup:
        """Go on over a new connection; returns what its session must be told."""
        self.starting_over = False
        self._forget_old(now)
        return Catchup(self.session.known, missed_text(self.session.missed()), self.session.seed())

    def greeting(self) -> str:
        """Return what is to be said first in this conversation, the first time it is asked for; else nothing."""
        greeting = "" if self._greeted else self._settings.session.initial_message
        if greeting:
            self._greeted = True
            self._store.greeted()
        return greeting

    def keep_handle(self, now: float) -> None:
        """Bring the handle that would be used next to the disk."""
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

    def _forget_old(self, now: float) -> None:
        """Forget what is too old, once a day: a certificate was valid just now, so the clock is about right."""
        if self._settings.service.url.startswith("wss:") and now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY_S
            self._store.forget(self._settings.notes.keep_days)


def settled_rows(turns: list[TurnRow]) -> list[TurnRow]:
    """Return the turns that can be told again, in the order in which they were answered."""
    told = [row for row in turns if row.state in SETTLED and (row.question or row.text or row.answer)]
    return sorted(told, key=answered_at)


def answered_at(row: TurnRow) -> float:
    """Return when a turn was answered, or began if that is not known."""
    return row.answered_at or row.began_at
