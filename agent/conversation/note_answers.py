"""Answers to notes: counted as they arrive, and played one after another when the technician is there."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from agent.turn import events
from hardware.ports import SPEAKER_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.conversation.notes import Notes
    from agent.store.store import Store
    from hardware.ports import Speaker


class NoteAnswers:
    """Counts and plays the answers that were not played yet; reports them and the notes to the turn machine."""

    def __init__(
        self, speaker: Speaker, store: Store, notes: Notes, unplayed: int, emit: Callable[[events.Event], None]
    ) -> None:
        """Start with ``unplayed`` answers on disk; ``emit`` gets the events for the turn machine."""
        self._speaker = speaker
        self._store = store
        self._notes = notes
        self._emit = emit
        self._reported = events.NotesChanged(0, 0)
        self._wanted = False  # they are being fetched
        self._playing: list[tuple[int, float]] = []  # number of each note whose answer plays, and the second it begins
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
        """Read answers from the store and play them, as many as one read returns."""
        self._wanted = True
        self._store.load_answers(self._fetched)

    def cut(self) -> None:
        """Play no answers, if they are still being read."""
        self._wanted = False

    def _fetched(self, answers: list[tuple[int, bytes]]) -> None:
        if not self._wanted:  # cut before they began to play
            self.report(force=True)
        elif answers:
            self.read(answers)
        else:
            self.unplayed = 0
            self.report(force=True)
            self._emit(events.Drained())

    def read(self, answers: list[tuple[int, bytes]]) -> None:
        """Play ``answers``, each the number of its note and 24 kHz mono s16le, one after another."""
        begins = 0.0
        for number, pcm in answers:
            self._playing.append((number, begins))
            self._speaker.write(pcm, self._speaker.epoch)
            begins += SPEAKER_FORMAT.seconds_in(len(pcm))
        self._speaker.finish()

    def played(self, played_s: float = inf) -> None:
        """Mark every answer as played that began within the ``played_s`` seconds that the speaker played."""
        playing, self._playing = self._playing, []
        heard = [number for number, begins in playing if begins < played_s]
        if heard:
            self._store.played(heard)
            self.unplayed = max(0, self.unplayed - len(heard))
            self.report()
        if len(heard) < len(playing):
            self.report(force=True)
