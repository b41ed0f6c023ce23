"""Deletes for good what was said and seen, on request or by its age: rows, recordings, photos, damaged journals.

Files go first. Should the power fail in between, their rows are still there to ask again; the other way round, a
recording without a row would be taken for a question that is owed.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.store.files import ASIDE
from agent.store.folder import locked
from agent.store.journal import Journal
from agent.store.rows import SETTLED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from agent.store.layout import Layout
    from agent.store.rows import StillRow, TurnRow


@dataclass(frozen=True, slots=True)
class Extent:
    """What is to be deleted. Conversations with all that is in them, and more turns, photos and events."""

    conversations: Collection[int] = ()
    turns: Collection[TurnRow] = ()
    stills: Collection[StillRow] = ()
    events: tuple[float, float] | None = None
    """From when until when (Unix) events are deleted; half open."""
    everything: bool = field(default=False, kw_only=True)
    """Every file, too, whatever it is, and damaged journals."""

    @property
    def owed(self) -> int:
        """How many of the questions the service has not answered yet."""
        return sum(turn.state not in SETTLED for turn in self.turns)

    def __bool__(self) -> bool:
        """Whether there is anything to delete."""
        return bool(self.conversations or self.turns or self.stills or self.everything)


def of_conversations(journal: Journal, numbers: Collection[int]) -> Extent:
    """Return the extent of whole conversations."""
    turns = [turn for number in numbers for turn in journal.turns(number)]
    stills = [still for number in numbers for still in journal.stills(number)]
    return Extent(numbers, turns, stills)


def of_turn(journal: Journal, turn: TurnRow) -> Extent:
    """Return the extent of one turn, with the photos that were taken in it."""
    return Extent((), [turn], [still for still in journal.stills(turn.conversation) if still.turn == turn.number])


def of_time(journal: Journal, begin: float, end: float) -> Extent:
    """Return the extent of what began within a time (Unix, half open), and of conversations that lie in it."""
    talks = journal.conversations()
    turns = [turn for talk in talks for turn in journal.turns(talk.number) if begin <= turn.began_at < end]
    stills = [still for talk in talks for still in journal.stills(talk.number) if begin <= still.at < end]
    whole = [talk.number for talk in talks if begin <= talk.began_at and talk.last_at < end]
    return Extent(whole, turns, stills, (begin, end))


def of_all(journal: Journal) -> Extent:
    """Return the extent of everything."""
    everything = of_conversations(journal, [talk.number for talk in journal.conversations()])
    return Extent(everything.conversations, everything.turns, everything.stills, (-1e18, 1e18), everything=True)


def erase(layout: Layout, journal: Journal, extent: Extent) -> None:
    """Delete ``extent``. Raises OSError, StorageError."""
    for path in (*_files(layout, extent), *(_all_files(layout) if extent.everything else ())):
        if path.is_dir() and not path.is_symlink():  # somebody's, in the place of a file
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    journal.erase(extent.conversations, [turn.number for turn in extent.turns], extent.stills, extent.events)


def erase_in(layout: Layout, find: Callable[[Journal], Extent], agreed: Callable[[Extent], bool], at: float) -> Extent:
    """Delete what ``find`` returns, if ``agreed`` to, from a folder that no agent uses; return what was deleted.

    ``at``: the present (Unix), for the event that says how much was deleted. Raises ConfigError, StorageError, OSError.
    """
    with closing(locked(layout)), closing(Journal(layout.journal)) as journal:
        extent = find(journal)
        if not extent or not agreed(extent):
            return Extent()
        erase(layout, journal, extent)
        journal.scrub()
        conversations, turns, stills = map(len, (extent.conversations, extent.turns, extent.stills))
        journal.add_event(at, "log", f"deleted: {conversations} conversations, {turns} turns, {stills} photos")
        return extent


def damaged(layout: Layout) -> Iterator[Path]:
    """Yield what was set aside: damaged journals, and what stood in the place of a folder."""
    for folder in (layout.folder, layout.spool):
        yield from folder.glob(f"*{ASIDE}*")


def sounds(layout: Layout, turn: TurnRow) -> tuple[Path, Path]:
    """Return where the recording and the answer of a settled turn are."""
    return layout.sent_recording(turn.number), layout.answer(turn.number)


def images(layout: Layout, turns: Collection[TurnRow], stills: Collection[StillRow]) -> list[Path]:
    """Return where the pictures of turns and the photos are."""
    pictures = [layout.picture(turn.still) for turn in turns if turn.still]
    return [*pictures, *(layout.still(still.file) for still in stills)]


def _files(layout: Layout, extent: Extent) -> Iterator[Path]:
    for turn in extent.turns:
        yield layout.unsent_recording(turn.number)
        yield from sounds(layout, turn)
    yield from images(layout, extent.turns, extent.stills)


def _all_files(layout: Layout) -> Iterator[Path]:
    yield from list(damaged(layout))
    for folder in layout.written:
        if folder.is_dir():
            yield from (each for each in folder.iterdir() if each not in layout.written)
