"""The event loop's side of everything on disk; :class:`agent.store.records.Records` does the work, in a thread.

Every method returns at once, and jobs are done in the order in which they were submitted. ``then`` is called on the
loop when the data survives a power cut; whatever must not happen before that (the "saved" earcon, a function call)
happens there. Nothing else waits: live audio is on its way to the service while the disk, at most ``WRITE_S`` behind,
is still being written.
"""

from __future__ import annotations

import itertools
import logging
import time
from typing import TYPE_CHECKING, Any

from agent.store.backlog import Lane, nothing
from agent.store.layout import Layout
from agent.store.records import FAILURES, Records
from agent.store.writer import Writer
from hardware.ports import MICROPHONE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.config import NoteSettings
    from agent.store.rows import KeptAnswer, TurnRow

log = logging.getLogger(__name__)

WRITE_S = 0.5
"""How often speech is written and synced: half of the one second that a power cut may cost."""
WRITE_BYTES = MICROPHONE_FORMAT.bytes_in(WRITE_S)
MB = 1_000_000


class Store:
    """One state folder, which belongs to this process while it is open."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_mb: int,
        wall: Callable[[], float] = time.time,
        on_problem: Callable[[str], None] = nothing,
    ) -> None:
        """Open ``folder``, or create it; blocks for some milliseconds.

        ``on_problem`` is called on the loop with what is wrong, and with '' when that is over. Raises ConfigError if
        another process has the folder or it cannot be written, StorageError if the disk fails.
        """
        self.layout = Layout(folder)
        self._wall = wall
        self._records = records = Records(self.layout, limit_bytes=limit_mb * MB, now=wall())
        self.past = records.past
        self._writer = Writer(FAILURES, warning=lambda: records.warning, on_problem=on_problem)
        self._speech: dict[int, bytearray] = {}  # not yet handed to the thread
        self._played: set[int] = set()  # in this run: the journal may not know it yet
        self._tickets = itertools.count(1)

    async def aclose(self) -> None:
        """Write what waits to be written, and release the folder. Idempotent."""
        for number in list(self._speech):
            self._flush(number)  # recovered at the next start, like after a power cut
        await self._writer.aclose(self._records.close)

    # conversations

    def begin_conversation(self, model: str) -> None:
        """Begin a new conversation; everything that follows belongs to it."""
        at = self._wall()
        self._writer.keep(lambda: self._records.begin_conversation(model, at))

    def forget(self, notes: NoteSettings) -> None:
        """Delete what is older than ``notes`` allows: conversations with all that is in them, recordings, photos."""
        now = self._wall()

        def forgotten(count: int) -> None:
            if count:
                log.info("store: %d conversations older than %d days were deleted", count, notes.keep_days)

        if notes.keep_days or notes.keep_recordings_days or notes.keep_photos_days:
            self._writer.submit(lambda: self._records.forget(notes, now), forgotten)

    def greeted(self) -> None:
        """Note that the initial message was sent."""
        self._writer.keep(self._records.greeted)

    def keep_handle(self, handle: str) -> None:
        """Store the handle with which this conversation is resumed; '' deletes it."""
        at = self._wall()
        self._writer.keep(lambda: self._records.keep_handle(handle, at))

    def event(self, kind: str, text: str) -> None:
        """Add an event, such as an outage."""
        at = self._wall()
        self._writer.keep(lambda: self._records.event(kind, text, at))

    # questions

    def begin(self, number: int, pre_roll: bytes = b"", *, typed: str = "") -> None:
        """Begin an utterance: ``typed``, or a recording that begins with ``pre_roll`` (16 kHz mono s16le)."""
        at = self._wall()
        if not typed:
            self._writer.keep(lambda: self._records.record(number), lane=Lane.SPEECH)
            self._speech[number] = bytearray()
            self.hear(number, pre_roll)
        self._writer.keep(lambda: self._records.begin(number, at, typed=typed))

    def hear(self, number: int, pcm: bytes) -> None:
        """Add audio to an open utterance (16 kHz mono s16le)."""
        waiting = self._speech.get(number)
        if waiting is not None:
            waiting += pcm
            if len(waiting) >= WRITE_BYTES:
                self._flush(number)

    def end(self, number: int, audio_s: float) -> None:
        """Note that an utterance of ``audio_s`` seconds is over."""
        if number in self._speech:
            at = self._wall()
            self._flush(number)
            del self._speech[number]
            self._writer.keep(lambda: self._records.complete(number), lane=Lane.SPEECH)
            self._writer.keep(lambda: self._records.end(number, audio_s, at))

    def _flush(self, number: int) -> None:
        pcm = bytes(self._speech[number])
        self._speech[number].clear()
        self._writer.keep(lambda: self._records.append(number, pcm), lane=Lane.SPEECH, size=len(pcm))

    def update(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - the columns of agent.store.rows.TurnRow
        """Set columns of a turn."""
        self._writer.keep(lambda: self._records.update(number, **columns))

    def save(self, number: int, then: Callable[[], None], otherwise: Callable[[], None] = nothing) -> None:
        """Mark an utterance that is over as a note.

        ``then`` is called when that and all of its speech are on disk; ``otherwise`` if the recording is not whole.
        """
        at = self._wall()
        self._writer.keep(lambda: self._records.save(number, at), lambda _: then(), otherwise, after=Lane.SPEECH)

    def picture(self, number: int, jpeg: bytes) -> None:
        """Store the picture (JPEG) that belongs to an utterance."""
        self._writer.keep(lambda: self._records.picture(number, jpeg), size=len(jpeg))

    def load(
        self, number: int, then: Callable[[TurnRow, bytes, bytes], None], otherwise: Callable[[], None] = nothing
    ) -> None:
        """Read a note and call ``then`` with its row, audio and picture, or ``otherwise`` if it cannot be read."""
        self._writer.submit(lambda: self._records.load(number), lambda found: then(*found), otherwise)

    # answers

    def unasked(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - as above
        """Store a turn that nobody asked for: the service spoke of its own accord."""
        at = self._wall() - columns.get("answer_s", 0.0)
        self._writer.keep(lambda: self._records.unasked(number, at, **columns))

    def settled(self, number: int, state: str) -> None:
        """Note that an utterance is no longer owed; ``state`` is the final state of its turn."""
        at = self._wall()
        self._writer.keep(lambda: self._records.settle(number, state, at))

    def keep_answer(
        self,
        number: int,
        pcm: bytes,
        then: Callable[[], None],
        otherwise: Callable[[], None] = nothing,
        **columns: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Store the answer to a note (24 kHz mono s16le) until it can be played.

        ``then`` is called when it is on disk, ``otherwise`` if it never will be.
        """
        at, size = self._wall(), len(pcm)
        self._writer.keep(
            lambda: self._records.keep_answer(number, pcm, at, **columns), lambda _: then(), otherwise, size=size
        )

    def load_answer(self, then: Callable[[KeptAnswer | None], None]) -> None:
        """Read the oldest answer that was not played yet; ``then`` is called in any case, with None if there is none.

        An answer that cannot be read counts as played from now on.
        """
        at, played = self._wall(), frozenset(self._played)
        self._writer.submit(lambda: self._records.load_answer(at, played), then, lambda: then(None))

    def played(self, number: int) -> None:
        """Note that this answer was played."""
        at = self._wall()
        self._played.add(number)
        self._writer.keep(lambda: self._records.played(number, at))

    # photos and function calls

    def still(self, turn: int | None, name: str, jpeg: bytes, then: Callable[[], None]) -> None:
        """Store a photo of the job (JPEG); ``then`` is called when it is on disk."""
        at = self._wall()
        self._writer.keep(lambda: self._records.still(turn, name, jpeg, at), lambda _: then(), size=len(jpeg))

    def call(
        self, turn: int | None, call_id: str, name: str, arguments: dict[str, Any], then: Callable[[], None]
    ) -> int:
        """Store a function call before it is made; return its ticket, for :meth:`call_ended`.

        ``then`` is called when it is on disk, or the disk refuses it: the model waits for a response all the same.
        """
        at = self._wall()
        ticket = next(self._tickets)
        self._writer.keep(lambda: self._records.begin_call(ticket, turn, call_id, name, arguments, at))
        self._writer.submit(nothing, lambda _: then(), then)
        return ticket

    def call_ended(self, ticket: int, result: dict[str, Any]) -> None:
        """Store the result of a function call."""
        at = self._wall()
        self._writer.keep(lambda: self._records.end_call(ticket, result, at))
