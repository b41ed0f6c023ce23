"""Everything the box keeps on disk, from the event loop's side: the journal and the spool, written by one thread.

Every method returns at once, and things are written in the order in which they were asked for. ``then`` is called on
the loop when what was asked for survives a power cut; what must not happen before that (the "saved" earcon, a function
call) is done there. What need not wait does not: live audio is on its way to the service while the disk, at most
``WRITE_S`` behind, is still being written.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from agent.store.errors import StorageError
from agent.store.files import private_folder, write_whole
from agent.store.folder import locked
from agent.store.journal import Journal
from agent.store.layout import Layout, answer_name, picture_name, recording_name
from agent.store.recovery import recover
from agent.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.store.rows import TurnRow

log = logging.getLogger(__name__)
T = TypeVar("T")

WRITE_S = 0.5
"""Speech is written and synced this often: half of the second that a power cut may cost."""
WRITE_BYTES = round(WRITE_S * 32_000)
ROOM_BYTES = 4_000_000
"""One utterance of the longest kind."""
READ_BYTES = 100 * 48_000
"""100 s of answers at a time: the speaker's buffer holds two minutes."""
MB = 1_000_000
DAY_S = 86_400.0


def nothing() -> None:
    """Do nothing."""


class Store:
    """One folder, which belongs to this process while it is open."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_mb: int,
        wall: Callable[[], float] = time.time,
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open ``folder``, or begin it. ``on_problem`` is told on the loop what is wrong, and "" when it no longer is.

        Blocks for some milliseconds. Raises ConfigError if another process has it or it may not be written,
        StorageError if the disk fails.
        """
        self.layout = Layout(folder)
        self.wall = wall
        self.on_problem = on_problem
        self._loop = asyncio.get_running_loop()
        self._lock = locked(self.layout)
        try:
            self._spool = Spool(self.layout, limit_mb * MB)
            self._journal = Journal(self.layout.journal)
        except StorageError:
            self._lock.close()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._trouble = ""
        self._speech: dict[int, bytearray] = {}  # not yet handed to the thread
        self._full = False
        self._closed = False
        self.past = recover(self._journal, self._spool, wall())
        self._conversation = self.past.number  # changed by the thread alone

    # conversations

    def begin_conversation(self, model: str) -> None:
        """Let what follows belong to a new conversation."""
        at = self.wall()

        def job() -> None:
            self._conversation = self._journal.begin_conversation(model, at)

        self._write(job)

    def forget(self, days: int) -> None:
        """Forget conversations older than so many days, with their recordings and photos; 0: none."""
        before = self.wall() - days * DAY_S

        def job() -> None:
            stills, turns = self._journal.stills_before(before), self._journal.turns_before(before)
            count = self._journal.forget(before)
            if count:
                log.info("store: %d conversations and events older than %d days are forgotten", count, days)
            for file in stills:
                self.layout.still(file).unlink(missing_ok=True)
            for row in turns:
                self._spool.forget(row.number)
                if row.still:
                    self.layout.picture(row.still).unlink(missing_ok=True)

        if days:
            self._write(job)

    def greeted(self) -> None:
        """Note that the technician was greeted."""
        self._write(lambda: self._journal.greeted(self._conversation))

    def keep_handle(self, handle: str) -> None:
        """Keep the handle with which this conversation is resumed; '' forgets it."""
        at = self.wall()
        self._write(lambda: self._journal.keep_handle(self._conversation, handle, at))

    def event(self, kind: str, text: str) -> None:
        """Note something worth telling later."""
        at = self.wall()
        self._write(lambda: self._journal.add_event(at, kind, text, self._conversation or None))

    # what is said

    def begin(self, number: int, pre_roll: bytes = b"", *, typed: str = "") -> None:
        """Note that an utterance begins."""
        at = self.wall()

        def job() -> None:
            if not typed:
                self._make_room()
                self._spool.open(number)
            kind, audio = ("typed", "") if typed else ("spoken", recording_name(number))
            self._journal.begin_turn(number, self._conversation, kind, at, audio=audio, text=typed)
            self._journal.touch(self._conversation, at)

        self._write(job)
        if not typed:
            self._speech[number] = bytearray()
            self.hear(number, pre_roll)

    def hear(self, number: int, pcm: bytes) -> None:
        """Add audio to an open utterance (16 kHz mono s16le)."""
        waiting = self._speech.get(number)
        if waiting is not None:
            waiting += pcm
            if len(waiting) >= WRITE_BYTES:
                self._flush(number)

    def end(self, number: int, audio_s: float) -> None:
        """Note that an utterance of ``audio_s`` seconds is over."""
        if number not in self._speech:
            return
        at = self.wall()
        self._flush(number)
        del self._speech[number]

        def job() -> None:
            self._spool.close(number)
            self._journal.update_turn(number, state="waiting", ended_at=at, audio_s=audio_s)

        self._write(job)

    def _flush(self, number: int) -> None:
        pcm = bytes(self._speech[number])
        self._speech[number].clear()

        def job() -> None:
            self._spool.append(number, pcm)
            self._spool.sync(number)

        self._write(job)

    def save(self, number: int, then: Callable[[], None], otherwise: Callable[[], None] = nothing) -> None:
        """Make a note of an utterance that is over."""
        at = self.wall()
        self._write(lambda: self._journal.update_turn(number, saved_at=at), lambda _: then(), otherwise)

    def picture(self, number: int, jpeg: bytes) -> None:
        """Keep what the camera saw when an utterance began that could not be sent."""
        file = self.layout.picture(picture_name(number))

        def job() -> None:
            write_whole(file, jpeg)
            self._journal.update_turn(number, still=file.name)

        self._write(job)

    def load(
        self, number: int, then: Callable[[TurnRow, bytes, bytes], None], otherwise: Callable[[], None] = nothing
    ) -> None:
        """Read a note again: its row, its audio, its picture; ``otherwise`` is called if that cannot be done."""

        def job() -> tuple[TurnRow, bytes, bytes]:
            row = self._journal.turn(number)
            if row is None:
                raise LookupError(f"no turn {number}")
            file = self.layout.picture(row.still)
            jpeg = file.read_bytes() if row.still and file.exists() else b""
            return row, self._spool.read(number) if row.audio else b"", jpeg

        self._write(job, lambda found: then(*found), otherwise)

    # what is answered

    def update(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - the columns of agent.store.rows.TurnRow
        """Note how a turn stands."""
        self._write(lambda: self._journal.update_turn(number, **columns))

    def unasked(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - as above
        """Note what the service said of its own accord."""
        at = self.wall() - columns.get("answer_s", 0.0)

        def job() -> None:
            self._journal.begin_turn(number, self._conversation, "unasked", at)
            self._journal.update_turn(number, **columns)

        self._write(job)

    def settled(self, number: int, state: str) -> None:
        """Note that nothing is owed for an utterance any more, in the end ``state`` of its turn."""
        at = self.wall()

        def job() -> None:
            self._journal.update_turn(number, state=state, answered_at=at)
            self._journal.touch(self._conversation, at)
            self._settle_recording(number)

        self._write(job)

    def keep_answer(
        self,
        number: int,
        pcm: bytes,
        then: Callable[[], None],
        otherwise: Callable[[], None] = nothing,
        **columns: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Keep the answer to a note (24 kHz mono s16le) until somebody is there to hear it."""
        at = self.wall()

        def job() -> None:
            self._spool.write_answer(number, pcm)
            self._journal.update_turn(
                number, state="answered", answered_at=at, answer_audio=answer_name(number), **columns
            )
            self._settle_recording(number)

        self._write(job, lambda _: then(), otherwise)

    def load_answers(self, then: Callable[[list[tuple[int, bytes]]], None]) -> None:
        """Read the answers that nobody has heard yet, oldest first, at most ``READ_BYTES`` of them but one at least.

        What cannot be read any more is passed over for good. ``then`` is called in any case.
        """

        def job() -> list[tuple[int, bytes]]:
            found: list[tuple[int, bytes]] = []
            for row in self._journal.unplayed():
                try:
                    pcm = self._spool.read_answer(row.number)
                except StorageError as error:
                    log.warning("store: an answer is lost: %s", error)
                    self._journal.update_turn(row.number, spoken_at=self.wall(), reason="its recording is lost")
                    continue
                if found and sum(len(each) for _, each in found) + len(pcm) > READ_BYTES:
                    break
                found.append((row.number, pcm))
            return found

        self._write(job, then, lambda: then([]))

    def played(self, numbers: list[int]) -> None:
        """Note that these answers were played."""
        at = self.wall()

        def job() -> None:
            for number in numbers:
                self._journal.update_turn(number, spoken_at=at)

        self._write(job)

    # pictures and function calls

    def still(self, turn: int | None, name: str, jpeg: bytes, then: Callable[[], None]) -> None:
        """Keep a photo of the job."""
        at = self.wall()

        def job() -> None:
            private_folder(self.layout.stills)
            write_whole(self.layout.still(name), jpeg)
            self._journal.add_still(self._conversation, self._known(turn), at, name, len(jpeg))

        self._write(job, lambda _: then())

    def drop_still(self, name: str) -> None:
        """Forget a photo that was taken by mistake."""

        def job() -> None:
            self.layout.still(name).unlink(missing_ok=True)
            self._journal.drop_still(name)

        self._write(job)

    def call(
        self, turn: int | None, call_id: str, name: str, arguments: dict[str, Any], then: Callable[[int | None], None]
    ) -> None:
        """Note a function call before it is made; ``then`` is given its number for :meth:`call_ended`.

        It is given None where the disk fails: the model waits for an answer all the same.
        """
        at = self.wall()

        def job() -> int:
            return self._journal.begin_call(self._conversation, self._known(turn), call_id, name, arguments, at)

        self._write(job, then, lambda: then(None))

    def _known(self, turn: int | None) -> int | None:
        """Return ``turn`` if the journal has it: with a full memory it has not."""
        return turn if turn is not None and self._journal.turn(turn) is not None else None

    def call_ended(self, number: int, result: dict[str, Any]) -> None:
        """Note what a function gave."""
        at = self.wall()
        self._write(lambda: self._journal.end_call(number, result, at))

    # the thread

    async def aclose(self) -> None:
        """Write what is open, and let go of the folder. Idempotent."""
        for number in list(self._speech):
            self._flush(number)  # recovered at the next start, like after a power cut
        if not self._closed:
            self._closed = True
            await self._loop.run_in_executor(self._thread, self._journal.close)
            self._thread.shutdown()
            self._lock.close()

    def _settle_recording(self, number: int) -> None:
        row = self._journal.turn(number)
        if row is not None and row.audio:  # what was typed has none
            self._spool.sent(number)

    def _make_room(self) -> None:
        unheard = [row.number for row in self._journal.unplayed()]
        room = self._spool.make_room(ROOM_BYTES, unheard)
        if not room:
            self._full = True
            raise StorageError(self.layout.folder, "the memory for notes is full", "bring the box to a network")
        full = self._spool.nearly_full
        if full != self._full:
            self._full = full
            problem = (
                f"{self.layout.folder}: memory for notes is nearly full (bring the box to a network)" if full else ""
            )
            self._loop.call_soon_threadsafe(self._report, problem)

    def _write(
        self, job: Callable[[], T], then: Callable[[T], None] | None = None, otherwise: Callable[[], None] = nothing
    ) -> None:
        """Have the thread do ``job``, and then the loop ``then`` if it succeeded, else ``otherwise``."""

        def done(future: asyncio.Future[T]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            if error is None:
                if not self._full:
                    self._report("")
                if then is not None:
                    then(future.result())
                return
            otherwise()
            if not isinstance(error, StorageError | OSError | LookupError | sqlite3.IntegrityError):
                raise error
            self._report(str(error))

        if self._closed:
            otherwise()
            return
        self._loop.run_in_executor(self._thread, job).add_done_callback(done)

    def _report(self, problem: str) -> None:
        """Report a problem once, and of its end once."""
        if bool(problem) != bool(self._trouble):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "store: %s", problem or "is written again")
            self.on_problem(problem)
        self._trouble = problem
