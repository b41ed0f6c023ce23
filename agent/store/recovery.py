"""Recovery at the start: makes journal and recordings agree again, whatever a power cut left.

A recording among the unsent is owed, even if the journal is lost; a turn that the journal calls settled is settled.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.store.errors import StorageError
from agent.store.layout import recording_name
from agent.store.rows import SETTLED
from hardware.ports import MICROPHONE_FORMAT

if TYPE_CHECKING:
    from agent.store.journal import Journal
    from agent.store.rows import CallRow, ConversationRow, TurnRow
    from agent.store.spool import Spool

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found at the start."""

    conversation: ConversationRow | None  # the last one
    turns: list[TurnRow]  # of that conversation
    calls: list[CallRow]  # of that conversation
    owed: list[TurnRow]  # not answered by the service yet
    unplayed: int  # how many answers to notes were not played yet
    next_turn: int

    @property
    def number(self) -> int:
        """The number of the last conversation; 0 for none."""
        return self.conversation.number if self.conversation else 0


def recover(journal: Journal, spool: Spool, now: float) -> Recovered:
    """Repair what a power cut left half done, and return what was found. ``now`` is in wall-clock time."""
    if journal.set_aside is not None:
        log.error("journal: was damaged and is kept as %s; a new one was begun", journal.set_aside)
    owed = spool.recover()
    for number in owed:
        _adopt(journal, spool, number)
    for row in journal.unsent():
        if row.kind == "spoken" and row.number not in owed:
            journal.update_turn(row.number, state="cut", reason="nothing was recorded")
        elif row.saved_at is None:  # the power failed before it was answered or saved
            journal.update_turn(row.number, saved_at=now)
    latest = journal.latest_conversation()
    number = latest.number if latest else 0
    return Recovered(
        latest,
        journal.turns(number),
        journal.calls(number),
        journal.unsent(),
        len(journal.unplayed()),
        max(journal.next_turn(), spool.highest() + 1),
    )


def _adopt(journal: Journal, spool: Spool, number: int) -> None:
    """Make the journal agree with an owed recording, which it may not know, or may call settled or still open."""
    row = journal.turn(number)
    if row is None:
        latest, at = journal.latest_conversation(), spool.recorded_at(number)
        conversation = latest.number if latest else journal.begin_conversation("", at)
        journal.begin_turn(number, conversation, "spoken", at, audio=recording_name(number))
    if row is None or row.state == "recording":
        journal.update_turn(number, state="waiting", audio_s=_length(spool, number))
    elif row.state in SETTLED:
        spool.sent(number)  # only the move was missing


def _length(spool: Spool, number: int) -> float:
    """Return the seconds of a recording; 0 if it cannot be read now, for it is owed all the same."""
    try:
        return MICROPHONE_FORMAT.seconds_in(len(spool.read(number)))
    except StorageError as error:
        log.warning("spool: %s", error)
        return 0.0
