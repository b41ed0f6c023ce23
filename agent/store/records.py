"""What is written to journal and spool for each thing that happens, and in which order. No loop, no thread.

The order decides what a power cut between two writes leaves; :mod:`agent.store.recovery` repairs it.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any

from agent.store.erasing import damaged, erase, images, of_conversations
from agent.store.errors import FULL, NEARLY_FULL, StorageError
from agent.store.files import is_own, private_folder, read_own, write_whole
from agent.store.folder import locked
from agent.store.journal import Journal
from agent.store.layout import answer_name, picture_name, recording_name
from agent.store.recovery import recover
from agent.store.rows import KeptAnswer
from agent.store.spool import Spool
from hardware.ports import MICROPHONE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from agent.config import NoteSettings
    from agent.store.layout import Layout
    from agent.store.rows import TurnRow

log = logging.getLogger(__name__)

FAILURES = (StorageError, OSError, LookupError, sqlite3.IntegrityError)
"""What any method may raise if the disk fails, or if a row is missing because it failed before.

A method that raised a StorageError which is ``passing`` may be called again; then it does what is still to be done.
"""
DAY_S = 86_400.0
BUSY_S = 0.25
"""How long a write waits for another process before it is put off: speech must reach the disk meanwhile."""
ROOM_BYTES = 4_000_000
"""The longest utterance."""


class Records:
    """Writes and reads one state folder, which belongs to this process while it is open.

    Times are wall-clock seconds. Only one thread at a time may use it.
    """

    def __init__(self, layout: Layout, *, limit_bytes: int, now: float) -> None:
        """Open the folder, or create it. Raises ConfigError if another process has it, StorageError."""
        self._layout = layout
        with ExitStack() as opened:
            opened.enter_context(locked(layout))
            self._spool = Spool(layout, limit_bytes)
            self._journal = opened.enter_context(closing(Journal(layout.journal)))
            self.past = recover(self._journal, self._spool, now)
            self._opened = opened.pop_all()
        self.warning = ""
        """What is wrong with the storage for notes though everything has been written; '' if nothing is."""
        self._calls: dict[int, int] = {}  # the rows of the calls under way
        self._conversation = self.past.number
        self._journal.wait_at_most(BUSY_S)

    def close(self) -> None:
        """Close the journal and unlock the folder."""
        self._opened.close()

    # conversations

    def begin_conversation(self, model: str, at: float) -> None:
        """Begin a conversation; everything that follows belongs to it."""
        self._conversation = self._journal.begin_conversation(model, at)

    def forget(self, notes: NoteSettings, now: float) -> int:
        """Delete what is older than ``notes`` allows; return how many conversations. ``now``: Unix."""
        layout, journal = self._layout, self._journal
        gone: list[int] = []
        if notes.keep_days:
            before = now - notes.keep_days * DAY_S
            gone = journal.old(before)
            erase(layout, journal, of_conversations(journal, gone))
            journal.forget_events(before)
            for path in damaged(layout):
                if is_own(path) and path.lstat().st_mtime < before:
                    path.unlink()
        unplayed = {row.number for row in journal.unplayed()}
        for turn in self._turns_older_than(notes.keep_recordings_days, now):
            if turn.number not in unplayed:
                self._spool.forget(turn.number)
        turns = list(self._turns_older_than(notes.keep_photos_days, now))
        stills = [still for number in {turn.conversation for turn in turns} for still in journal.stills(number)]
        for path in images(layout, turns, stills):
            path.unlink(missing_ok=True)
        return len(gone)

    def _turns_older_than(self, days: int, now: float) -> Iterator[TurnRow]:
        """Yield the turns of the conversations that are older than ``days``; none for 0."""
        for number in self._journal.old(now - days * DAY_S) if days else ():
            yield from self._journal.turns(number)

    def greeted(self) -> None:
        """Note that the initial message was sent."""
        self._journal.greeted(self._conversation)

    def keep_handle(self, handle: str, at: float) -> None:
        """Store the handle with which this conversation is resumed; '' deletes it."""
        self._journal.keep_handle(self._conversation, handle, at)

    def event(self, kind: str, text: str, at: float) -> None:
        """Add an event, such as an outage."""
        self._journal.add_event(at, kind, text, self._conversation or None)

    # questions

    def record(self, number: int) -> None:
        """Begin a recording. Where there is no room it gives way, and the question is in the journal alone."""
        if not self._spool.recording(number):
            self._make_room()
            self._spool.open(number)

    def append(self, number: int, pcm: bytes) -> None:
        """Add audio to a recording (16 kHz mono s16le), if there is one."""
        if self._spool.recording(number):
            self._spool.append(number, pcm)
            self._spool.sync(number)

    def complete(self, number: int) -> None:
        """End a recording."""
        self._spool.close(number)

    def begin(self, number: int, at: float, *, typed: str = "") -> None:
        """Begin a question: a typed question is complete, a spoken question goes on."""
        kind = "typed" if typed else "spoken"
        audio = "" if typed else recording_name(number)
        self._journal.begin_turn(number, self._conversation, kind, at, audio=audio, text=typed)

    def end(self, number: int, audio_s: float, at: float) -> None:
        """Note that a question of ``audio_s`` seconds is over."""
        self._journal.update_turn(number, state="waiting", ended_at=at, audio_s=audio_s)

    def save(self, number: int, at: float) -> None:
        """Mark a question that is over as a note. Raises LookupError if its recording is not whole."""
        row = self._journal.turn(number)
        if row is not None and row.audio and self._spool.size(number) < MICROPHONE_FORMAT.bytes_in(row.audio_s):
            raise LookupError(f"the recording of turn {number} is not whole")
        self._journal.update_turn(number, saved_at=at)

    def update(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - the columns of agent.store.rows.TurnRow
        """Set columns of a turn."""
        self._journal.update_turn(number, **columns)

    def picture(self, number: int, jpeg: bytes) -> None:
        """Store the picture (JPEG) that belongs to a question."""
        file = self._layout.picture(picture_name(number))
        write_whole(file, jpeg)
        self._journal.update_turn(number, still=file.name)

    def load(self, number: int) -> tuple[TurnRow, bytes, bytes]:
        """Return a note: its row, its audio (16 kHz mono s16le), its picture (JPEG). Raises LookupError if unknown."""
        row = self._journal.turn(number)
        if row is None:
            raise LookupError(f"no turn {number}")
        jpeg = b""
        if row.still:
            with suppress(OSError):  # a question is asked without its picture all the same
                jpeg = read_own(self._layout.picture(row.still))
        return row, self._spool.read(number) if row.audio else b"", jpeg

    # answers

    def unasked(self, number: int, at: float, **columns: Any) -> None:  # noqa: ANN401 - as above
        """Store a turn that nobody asked for: the service spoke of its own accord."""
        self._journal.begin_turn(number, self._conversation, "unasked", at, **columns)

    def settle(self, number: int, state: str, at: float) -> None:
        """Note that a question is no longer owed; ``state`` is the final state of its turn."""
        self._journal.update_turn(number, state=state, answered_at=at)
        self._journal.touch(self._conversation, at)
        self._settle_recording(number)

    def keep_answer(self, number: int, pcm: bytes, at: float, **columns: Any) -> None:  # noqa: ANN401 - as above
        """Store the answer to a note (24 kHz mono s16le)."""
        self._spool.write_answer(number, pcm)
        file = answer_name(number)
        self._journal.update_turn(number, state="answered", answered_at=at, answer_audio=file, **columns)
        self._settle_recording(number)

    def load_answer(self, at: float, played: Collection[int] = ()) -> KeptAnswer | None:
        """Return the oldest answer not played yet, if any; one that cannot be read counts as played from now on.

        ``played``: those of which the journal may not know it yet.
        """
        for row in (each for each in self._journal.unplayed() if each.number not in played):
            try:
                return KeptAnswer(row.number, row.began_at, self._spool.read_answer(row.number))
            except StorageError as error:
                log.warning("store: an answer is lost: %s", error)
                self._journal.update_turn(row.number, played_at=at, reason="its recording is lost")
        return None

    def played(self, number: int, at: float) -> None:
        """Note that this answer was played."""
        self._journal.update_turn(number, played_at=at)

    # photos and function calls

    def still(self, turn: int | None, name: str, jpeg: bytes, at: float) -> None:
        """Store a photo of the job (JPEG)."""
        private_folder(self._layout.stills)
        write_whole(self._layout.still(name), jpeg)
        self._journal.add_still(self._conversation, self._known(turn), at, name, len(jpeg))

    def begin_call(  # noqa: PLR0913, PLR0917 - a call begins with as much
        self, ticket: int, turn: int | None, call_id: str, name: str, arguments: dict[str, Any], at: float
    ) -> None:
        """Store a function call before it is made; ``ticket`` is a number of the caller's, for :meth:`end_call`."""
        row = self._journal.begin_call(self._conversation, self._known(turn), call_id, name, arguments, at)
        self._calls[ticket] = row

    def end_call(self, ticket: int, result: dict[str, Any], at: float) -> None:
        """Store the result of a function call. Raises LookupError if its beginning was not stored."""
        self._journal.end_call(self._calls[ticket], result, at)
        del self._calls[ticket]

    def _known(self, turn: int | None) -> int | None:
        """Return ``turn`` if the journal has it, else None: it was not written if the storage was full."""
        return turn if turn is not None and self._journal.turn(turn) is not None else None

    def _settle_recording(self, number: int) -> None:
        row = self._journal.turn(number)
        if row is not None and row.audio:  # a typed question has no recording
            self._spool.sent(number)

    def _unplayed(self) -> list[int] | None:
        try:
            return [row.number for row in self._journal.unplayed()]
        except StorageError:  # what is said is recorded all the same
            return None

    def _make_room(self) -> None:
        if not self._spool.make_room(ROOM_BYTES, self._unplayed()):
            full = StorageError(self._layout.folder, FULL, "bring the box to a network")
            self.warning = str(full)
            raise full
        nearly = f"{self._layout.folder}: {NEARLY_FULL} (bring the box to a network)"
        self.warning = nearly if self._spool.nearly_full else ""
