"""PURE: what is so apart from what the box is doing: link, faults, notes; and how that is shown and said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn import effects
from agent.turn.light import rhythm
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from hardware.ports import Rhythm

if TYPE_CHECKING:
    from agent.turn import events
    from agent.turn.phase import Phase
    from agent.voice.phrase import Words


class Condition:
    """What the turn machine knows of link, faults, notes and place."""

    def __init__(self) -> None:
        """Begin without a link, a fault or a note."""
        self.link = LinkState.IDLE
        self.faults: set[str] = set()
        self.notes = 0
        """Notes that wait to be sent."""
        self.answers = 0
        """Answers to notes that nobody has heard yet."""
        self.noisy = False
        """Too loud to listen hands-free."""
        self.trusted = True
        """Whether a voice over an answer is believed to be a person's."""
        self._failing = False  # the last attempt to connect failed
        self._trouble: Fault | None = None  # why the service refuses us
        self._told: Fault | None = None  # the last such reason that was said

    @property
    def away(self) -> bool:
        """Whether nothing can be sent, for all that is known."""
        return self._failing or self.link.away

    @property
    def fault_words(self) -> Words:
        """What needs a person, in words."""
        parts = [Fault.of_part(name) for name in sorted(self.faults)]
        return tuple(word for fault in (*parts, self._trouble) if fault is not None for word in fault.words)

    def rhythm(self, phase: Phase) -> Rhythm:
        """Return what the light shows in ``phase``."""
        shown = rhythm(
            phase,
            self.link,
            fault=bool(self.faults),
            failing=self._failing,
            notes=self.notes > 0,
            answers=self.answers > 0,
        )
        if shown is Rhythm.LISTENING and self.noisy:
            return Rhythm.LOUD
        return Rhythm.ONE_WAY if shown is Rhythm.ANSWERING and not self.trusted else shown

    def link_changed(self, event: events.LinkChanged) -> list[effects.Play]:
        """Note the link's new state; return what is said of it."""
        self.link, self._trouble = event.state, event.fault
        news = self._trouble is not None and self._trouble is not self._told
        if event.state is not LinkState.CONNECTING:
            self._failing, self._told = event.state is LinkState.OFFLINE, self._trouble
        return [_told(self._trouble)] if news else []

    def fault_raised(self, name: str) -> list[effects.Play]:
        """Note a fault of a part; return what is said of it."""
        news = name not in self.faults
        self.faults.add(name)
        return [_told(Fault.of_part(name))] if news else []

    def noise_changed(self, *, noisy: bool) -> list[effects.Play]:
        """Note whether it is too loud; return what is said of it."""
        self.noisy = noisy
        if noisy:
            return [effects.Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))]
        return [effects.Play(Earcon.LISTENING, (Phrase.HANDS_FREE_AGAIN,))]

    def notes_changed(self, event: events.NotesChanged) -> None:
        """Note how many notes wait, and how many answers."""
        self.notes, self.answers = event.waiting, event.answered

    def note_saved(self, event: events.NoteSaved) -> effects.Play:
        """Return what is said when a note is safe."""
        words: Words = (Phrase.NO_ANSWER,) if event.delivered else (Phrase.SAVED_NOT_SENT,)
        return effects.Play(Earcon.SAVED, (*words, self.notes, Phrase.NOTES_WAITING) if self.notes > 1 else words)


def _told(fault: Fault | None) -> effects.Play:
    return effects.Play(Earcon.FAULT, fault.words if fault is not None else ())
