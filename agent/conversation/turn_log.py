"""Writes turns to the store, while they happen and when they are over, and to the history for the next session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.wire.history import PastTurn

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.conversation.continuity import Continuity
    from agent.metrics import TurnRecord
    from agent.store.store import Store

PROGRESS_S = 1.0
"""How often a growing answer is written to the store."""


class TurnLog:
    """Writes the turns of one conversation."""

    def __init__(
        self,
        store: Store,
        continuity: Continuity,
        *,
        clock: Callable[[], float],
        take_number: Callable[[], int],
        on_over: Callable[[TurnRecord], None],
    ) -> None:
        """``take_number()`` returns a number for a turn that nobody asked for; ``on_over`` gets each finished turn."""
        self._store = store
        self._continuity = continuity
        self._clock = clock
        self._take_number = take_number
        self._on_over = on_over
        self._progress_at = 0.0

    def progress(self, record: TurnRecord) -> None:
        """Write the answer so far to the store, unless that was done within ``PROGRESS_S``."""
        now = self._clock()
        if record.utterance is not None and now - self._progress_at >= PROGRESS_S:
            self._progress_at = now
            self._store.update(record.utterance, question=record.question_text.strip(), answer=record.answer.text)

    def unheard(self, record: TurnRecord) -> None:
        """Take back what was written of an answer of which nothing could be heard, or its rest would be asked for."""
        if record.utterance is not None:
            self._store.update(record.utterance, answer="")

    def settle(self, record: TurnRecord) -> None:
        """Write a finished turn to the store and the history, and report it."""
        self.remember(record)
        columns = record.columns()
        if record.utterance is not None:
            self._store.update(record.utterance, **columns)
        elif record.answer.text or record.answer.audio_s:  # else it is only the end of a half-sent utterance's turn
            self._store.unasked(self._take_number(), **columns)
        self._continuity.touch()
        self._on_over(record)

    def remember(self, record: TurnRecord) -> None:
        """Add a turn to the history, for a session that does not know of it."""
        question = record.question_text.strip() or record.typed
        if question or record.answer.text:
            self._continuity.session.history.add(PastTurn(question, record.played_text, number=record.utterance or 0))
