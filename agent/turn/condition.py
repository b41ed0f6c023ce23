"""PURE: the box's condition apart from its phase: link, faults, notes, noise, lag."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.faults import Fault
from agent.link.state import LinkState

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

    def link_changed(self, event: events.LinkChanged) -> bool:
        """Update the link's state; return whether the service refuses us for a reason that was not announced."""
        self.link, self.refusal = event.state, event.fault
        news = self.refusal is not None and self.refusal is not self.announced
        if event.state is not LinkState.CONNECTING:
            self.failing, self.announced = event.state is LinkState.OFFLINE, self.refusal
        return news

    def fault_raised(self, name: str) -> bool:
        """Add the fault of the part called ``name``; return whether it is new."""
        news = name not in self.faults
        self.faults.add(name)
        return news

    def notes_changed(self, event: events.NotesChanged) -> None:
        """Update the numbers of notes and answers."""
        self.notes, self.answers = event.waiting, event.answered
