"""Answers to notes: counted as they arrive, and played one by one when the technician is there."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from agent.turn import events
from hardware.ports import SPEAKER_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.conversation.notes import Notes
    from agent.store.rows import KeptAnswer
    from agent.store.store import Store
    from hardware.ports import Speaker

HEARD_SHARE = 0.8
"""An answer of which this much was played counts as heard; of less, the point may have been missed."""


class _Playing(NamedTuple):
    """The answer on the speaker."""

    number: int
    seconds: float


class NoteAnswers:
    """Counts and plays the answers that were not played yet; reports them and the notes to the turn machine."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once
        self,
        speaker: Speaker,
        store: Store,
        notes: Notes,
        unplayed: int,
        *,
        emit: Callable[[events.Event], None],
        introduce: Callable[[float, Callable[[], None]], None],
    ) -> None:
        """Start with ``unplayed`` answers on disk; ``emit`` gets the events for the turn machine.

        ``introduce(recorded_at, then)`` tells the technician when the question was recorded, then calls ``then``.
        """
        self._speaker = speaker
        self._store = store
        self._notes = notes
        self._emit = emit
        self._introduce = introduce
        self._reported = events.NotesChanged(0, 0)
        self._wanted = False  # one is being fetched or introduced
        self._playing: _Playing | None = None
        self.unplayed = unplayed
        """How many answers were not played yet."""

    def report(self, *, force: bool = False) -> None:
        """Report the numbers of notes and answers, if they changed or ``force``."""
        news = events.NotesChanged(len(self._notes), self.unplayed)
        if force or news != self._reported:
            self._reported = news
            self._emit(news)

    def kept(self) -> None:
        """Count one more answer, which is now safe on disk."""
        self.unplayed += 1
        self.report()

    def play(self) -> None:
        """Read the oldest answer from the store and play it, after the time of its question."""
        self._wanted = True
        self._store.load_answer(self._fetched)

    def cut(self) -> None:
        """Play no answer, if it is still being read or introduced."""
        self._wanted = False

    def _fetched(self, answer: KeptAnswer | None) -> None:
        if answer is None:
            self.unplayed = 0
            self.report(force=True)
            self._emit(events.Drained())
        else:
            self._introduce(answer.recorded_at, lambda: self._begin(answer))

    def _begin(self, answer: KeptAnswer) -> None:
        if not self._wanted:  # cut before it began to play
            self.report(force=True)
            return
        self._wanted = False
        self._playing = _Playing(answer.number, SPEAKER_FORMAT.seconds_in(len(answer.pcm)))
        self._speaker.write(answer.pcm, self._speaker.epoch)
        self._speaker.finish()

    def played(self, played_s: float = inf) -> None:
        """Mark the answer on the speaker as played if it was heard, ``played_s`` seconds of it having sounded."""
        playing, self._playing = self._playing, None
        if playing is None:
            return
        if played_s >= HEARD_SHARE * playing.seconds:
            self._store.played(playing.number)
            self.unplayed = max(0, self.unplayed - 1)
        self.report(force=True)
