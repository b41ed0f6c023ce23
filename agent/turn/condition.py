"""PURE: the box's condition apart from its phase (link, faults, notes, noise, lag), and what it says on a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn import effects
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase

if TYPE_CHECKING:
    from agent.turn import events
    from agent.voice.phrase import Words


@dataclass(slots=True)
class Condition:
    """The condition of the box. The turn machine keeps it up to date; :mod:`agent.turn.light` shows it."""

    link: LinkState = LinkState.IDLE
    failing: bool = False  # the last attempt to connect failed, whatever is being tried now
    refusal: Fault | None = None  # why the service refuses us, if it does
    faults: set[str] = field(default_factory=set)  # parts that need a person
    notes: int = 0  # waiting to be sent
    answers: int = 0  # to notes, not played yet
    noisy: bool = False  # too loud to listen hands-free
    trusted: bool = True  # a voice over an answer is believed to be a person's
    behind: bool = False  # what the technician says now reaches the service much later
    announced: Fault | None = None  # the last refusal that the box announced

    @property
    def away(self) -> bool:
        """Whether nothing can be sent, as far as the box knows."""
        return self.failing or self.link.away

    @property
    def fault_words(self) -> Words:
        """The words for every fault, for the box to say: those of its parts, then the service's refusal."""
        parts = [Fault.of_part(name) for name in sorted(self.faults)]
        return tuple(word for fault in (*parts, self.refusal) if fault is not None for word in fault.words)

    def link_changed(self, event: events.LinkChanged) -> list[effects.Play]:
        """Update the link's state; return the announcement of a new refusal, else nothing."""
        self.link, self.refusal = event.state, event.fault
        news = self.refusal is not None and self.refusal is not self.announced
        if event.state is not LinkState.CONNECTING:
            self.failing, self.announced = event.state is LinkState.OFFLINE, self.refusal
        return [_said(self.refusal)] if news else []

    def fault_raised(self, name: str) -> list[effects.Play]:
        """Add the fault of the part called ``name``; return its announcement, unless it is known already."""
        news = name not in self.faults
        self.faults.add(name)
        return [_said(Fault.of_part(name))] if news else []

    def noise_changed(self, *, noisy: bool) -> list[effects.Play]:
        """Update whether it is too loud to listen hands-free; return the announcement."""
        self.noisy = noisy
        if noisy:
            return [effects.Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))]
        return [effects.Play(Earcon.LISTENING, (Phrase.HANDS_FREE_AGAIN,))]

    def notes_changed(self, event: events.NotesChanged) -> None:
        """Update the numbers of notes and answers."""
        self.notes, self.answers = event.waiting, event.answered

    def note_saved(self, event: events.NoteSaved) -> effects.Play:
        """Return the announcement that a note is safe on disk."""
        words: Words = (Phrase.NO_ANSWER,) if event.delivered else (Phrase.SAVED_NOT_SENT,)
        return effects.Play(Earcon.SAVED, (*words, self.notes, Phrase.NOTES_WAITING) if self.notes > 1 else words)


def _said(fault: Fault | None) -> effects.Play:
    return effects.Play(Earcon.FAULT, fault.words if fault is not None else ())
