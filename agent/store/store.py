"""Everything the box keeps on disk, from the event loop's side; :class:`agent.store.records.Records` says how.

Every method returns at once, and things are written in the order in which they were asked for. ``then`` is called on
the loop when what was asked for survives a power cut; what must not happen before that (the "saved" earcon, a function
call) is done there. What need not wait does not: live audio is on its way to the service while the disk, at most
``WRITE_S`` behind, is still being written.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from agent.store.layout import Layout
from agent.store.records import FAILURES, Records
from agent.store.writer import Writer, nothing
from hardware.ports import MICROPHONE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.store.rows import TurnRow

log = logging.getLogger(__name__)

WRITE_S = 0.5
"""Speech is written and synced this often: half of the second that a power cut may cost."""
WRITE_BYTES = MICROPHONE_FORMAT.bytes_in(WRITE_S)
MB = 1_000_000
DAY_S = 86_400.0


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
        """Open ``folder``, or begin it. ``on_problem`` is told on the loop what is wrong, and '' when it no longer is.

        Blocks for some milliseconds. Raises ConfigError if another process has it or it may not be written,
        StorageError if the disk fails.
        """
        self.layout = Layout(folder)
        self._wall = wall
        self._records = records = Records(self.layout, limit_bytes=limit_mb * MB, now=wall())
        self.past = records.past
        self._writer = Writer(FAILURES, warning=lambda: records.warning, on_problem=on_problem)
        self._speech: dict[int, bytearray] = {}  # not yet handed to the thread

    async def aclose(self) -> None:
        """Write what is open, and let go of the folder. Idempotent."""
        for number in list(self._speech):
            self._flush(number)  # recovered at the next start, like after a power cut
        await self._writer.aclose(self._records.close)

    # conversations

    def begin_conversation(self, model: str) -> None:
        """Begin a new conversation, to which belongs what follows."""
        at = self._wall()
        self._writer.submit(lambda: self._records.begin_conversation(model, at))

    def forget(self, days: int) -> None:
        """Forget conversations older than this many days, with their recordings and photos; 0: none."""
        before = self._wall() - days * DAY_S

        def forgotten(count: int) -> None:
            if count:
                log.info("store: %d conversations and events older than %d days are forgotten", count, days)

        if days:
            self._writer.submit(lambda: self._records.forget(before), forgotten)

    def greeted(self) -> None:
        """Note that the technician was greeted."""
        self._writer.submit(self._records.greeted)

    def keep_handle(self, handle: str) -> None:
        """Keep the handle with which this conversation is resumed; '' forgets it."""
        at = self._wall()
        self._writer.submit(lambda: self._records.keep_handle(handle, at))

    def event(self, kind: str, text: str) -> None:
        """Note something worth telling later."""
        at = self._wall()
        self._writer.submit(lambda: self._records.event(kind, text, at))

    # questions

    def begin(self, number: int, pre_roll: bytes = b"", *, typed: str = "") -> None:
        """Note that an utterance begins."""
        at = self._wall()
        self._writer.submit(lambda: self._records.begin(number, at, typed=typed))
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
        if number in self._speech:
            at = self._wall()
            self._flush(number)
            del self._speech[number]
            self._writer.submit(lambda: self._records.end(number, audio_s, at))

    def _flush(self, number: int) -> None:
        pcm = bytes(self._speech[number])
        self._speech[number].clear()
        self._writer.submit(lambda: self._records.append(number, pcm))

    def update(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - the columns of agent.store.rows.TurnRow
        """Note how a turn stands."""
        self._writer.submit(lambda: self._records.update(number, **columns))

    def save(self, number: int, then: Callable[[], None], otherwise: Callable[[], None] = nothing) -> None:
        """Make a note of an utterance that is over."""
        at = self._wall()
        self._writer.submit(lambda: self._records.update(number, saved_at=at), lambda _: then(), otherwise)

    def picture(self, number: int, jpeg: bytes) -> None:
        """Keep what the camera saw when an utterance began that could not be sent."""
        self._writer.submit(lambda: self._records.picture(number, jpeg))

    def load(
        self, number: int, then: Callable[[TurnRow, bytes, bytes], None], otherwise: Callable[[], None] = nothing
    ) -> None:
        """Read a note again: its row, its audio, its picture; ``otherwise`` is called if that cannot be done."""
        self._writer.submit(lambda: self._records.load(number), lambda found: then(*found), otherwise)

    # answers

    def unasked(self, number: int, **columns: Any) -> None:  # noqa: ANN401 - as above
        """Note what the service said of its own accord."""
        at = self._wall() - columns.get("answer_s", 0.0)
        self._writer.submit(lambda: self._records.unasked(number, at, **columns))

    def settled(self, number: int, state: str) -> None:
        """Note that nothing is owed for an utterance any more, in the end ``state`` of its turn."""
        at = self._wall()
        self._writer.submit(lambda: self._records.settle(number, state, at))

    def keep_answer(
        self,
        number: int,
        pcm: bytes,
        then: Callable[[], None],
        otherwise: Callable[[], None] = nothing,
        **columns: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Keep the answer to a note (24 kHz mono s16le) until somebody is there to hear it."""
        at = self._wall()
        self._writer.submit(lambda: self._records.keep_answer(number, pcm, at, **columns), lambda _: then(), otherwise)

    def load_answers(self, then: Callable[[list[tuple[int, bytes]]], None]) -> None:
        """Read answers that were not played yet, oldest first: as many as the speaker holds, but one at least.

        What cannot be read any more is passed over for good. ``then`` is called in any case.
        """
        at = self._wall()
        self._writer.submit(lambda: self._records.load_answers(at), then, lambda: then([]))

    def played(self, numbers: list[int]) -> None:
        """Note that these answers were played."""
        at = self._wall()
        self._writer.submit(lambda: self._records.played(numbers, at))

    # photos and function calls

    def still(self, turn: int | None, name: str, jpeg: bytes, then: Callable[[], None]) -> None:
        """Keep a photo of the job."""
        at = self._wall()
        self._writer.submit(lambda: self._records.still(turn, name, jpeg, at), lambda _: then())

    def drop_still(self, name: str) -> None:
        """Forget a photo that was taken by mistake."""
        self._writer.submit(lambda: self._records.drop_still(name))

    def call(
        self, turn: int | None, call_id: str, name: str, arguments: dict[str, Any], then: Callable[[int | None], None]
    ) -> None:
        """Note a function call before it is made; ``then`` is given its number for :meth:`call_ended`.

        It is given None where the disk fails: the model waits for an answer all the same.
        """
        at = self._wall()
        self._writer.submit(
            lambda: self._records.begin_call(turn, call_id, name, arguments, at), then, lambda: then(None)
        )

    def call_ended(self, number: int, result: dict[str, Any]) -> None:
        """Note what a function gave."""
        at = self._wall()
        self._writer.submit(lambda: self._records.end_call(number, result, at))
