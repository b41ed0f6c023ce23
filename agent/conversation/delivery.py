"""Every utterance, kept until answered: on disk within half a second, in memory while it is being sent.

    recorded --> ledger (memory) and store (disk) --> answered
                    |  cannot be sent, or is not answered
                    v
                 note (disk alone) --> ledger again, in a quiet moment --> answered; the answer waits for the next press

Ledger, notes and store are changed together here and nowhere else. Nothing here knows the link.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent.conversation.note_answers import NoteAnswers
from agent.conversation.notes import LONGEST_AGE_S, Notes, label, rest_wanted
from agent.turn import events
from agent.uplink.ledger import Ledger
from agent.uplink.utterance import Kind, Stage, Utterance, Wants
from hardware.ports import CHUNK_BYTES, MICROPHONE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.metrics import Counters, TurnRecord
    from agent.store.rows import TurnRow
    from agent.store.store import Store
    from hardware.ports import Speaker

log = logging.getLogger(__name__)

CATCHING_UP_BYTES = MICROPHONE_FORMAT.bytes_in(1.0)
"""An ended utterance with more than a second of audio unsent is being caught up with, not just on its way."""


class Delivery:
    """Delivers what the technician says at least once: live, or later as a note. One instance per agent."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once
        self,
        store: Store,
        speaker: Speaker,
        counters: Counters,
        *,
        local_detection: bool,
        clock: Callable[[], float],
        wall: Callable[[], float],
        emit: Callable[[events.Event], None],
        introduce: Callable[[float, Callable[[], None]], None],
    ) -> None:
        """Continue with what ``store`` found at the start; ``clock`` is the loop's, ``wall`` the calendar's.

        ``introduce``: see :class:`agent.conversation.note_answers.NoteAnswers`.
        """
        self._store = store
        self._counters = counters
        self._clock = clock
        self._wall = wall
        self._emit = emit
        self.local_detection = local_detection
        past = store.past
        self.ledger = Ledger(local_detection=local_detection, first=past.next_turn)
        self.notes = Notes()
        for row in past.owed:
            self.notes.add(row.number, row.began_at)
        self.answers = NoteAnswers(speaker, store, self.notes, past.unplayed, emit=emit, introduce=introduce)
        """The answers to notes that were not played yet."""

    # what the technician says

    def open(self, pre_roll: bytes) -> None:
        """Begin an utterance with ``pre_roll`` (16 kHz mono s16le)."""
        number = self.ledger.open(pre_roll)
        assert self.ledger.recording is not None
        self.ledger.recording.recorded_at = self._wall()
        if self.local_detection:  # else only the service knows where an utterance begins
            self._store.begin(number, pre_roll)

    def hear(self, chunk: bytes, *, quiet: bool) -> None:
        """Add 20 ms to the open utterance; ``quiet``: nobody speaks in them."""
        recording = self.ledger.recording
        if recording is not None:
            self.ledger.append(chunk, quiet=quiet)
            self._store.hear(recording.number, chunk)

    def end(self, speech_ended_at: float) -> None:
        """End the open utterance, if there is one; its last word was spoken at ``speech_ended_at`` (loop time)."""
        recording = self.ledger.recording
        if recording is not None:
            self.ledger.end(speech_ended_at)
            self._store.end(recording.number, MICROPHONE_FORMAT.seconds_in(len(recording.pcm)))

    def ask(self, text: str, *, looking: bool = False) -> None:
        """Add a typed utterance; ``looking``: its picture follows, see :meth:`seen`."""
        number = self.ledger.add_text(text, self._clock(), looking=looking)
        self.ledger.over[-1].recorded_at = self._wall()
        self._store.begin(number, typed=text)

    def picture(self, jpeg: bytes) -> None:
        """Keep the first camera frame (JPEG) with the open utterance, which cannot be sent now."""
        recording = self.ledger.recording
        if recording is not None and not recording.picture:
            recording.picture = jpeg
            self._store.picture(recording.number, jpeg)

    def seen(self, jpeg: bytes) -> None:
        """Add the picture (JPEG) to the typed utterance that waits for it; empty if none could be taken."""
        number = self.ledger.seen(jpeg)
        if number and jpeg:
            self._store.picture(number, jpeg)

    @property
    def picture_wanted(self) -> bool:
        """Whether the open utterance, if there is one, has no picture yet."""
        return self.local_detection and self.ledger.recording is not None and not self.ledger.recording.picture

    # what becomes of it

    def sent(self, utterance: Utterance, connections: int) -> None:
        """Note that ``utterance`` was handed over completely, on the link's ``connections``-th connection."""
        if not utterance.withdrawn:
            at = self._wall()
            state = {"state": "asked", "delivered_at": at, "attempts": utterance.attempts, "connections": connections}
            self._store.update(utterance.number, **state)

    def acknowledge(self, number: int, record: TurnRecord) -> None:
        """Note that utterance ``number`` was answered, as ``record`` says; earlier utterances were answered with it."""
        for entry in self.ledger.acknowledge(number):
            if entry.kind is not Kind.NOTE or entry.number == number:
                self.notes.remove(entry.number)
                self._store.settled(entry.number, _state(entry, record if entry.number == number else None))
        if self.notes.remove(number):  # answered late, after it had become a note
            self._store.settled(number, "answered")
        self.answers.report()

    def keep_answer(self, number: int, pcm: bytes, record: TurnRecord) -> None:
        """Store the answer to note ``number`` (24 kHz mono s16le) until it can be played."""
        self.ledger.forget(number)
        self.notes.remove(number)
        answer = record.answer
        columns = {"question": record.question_text.strip(), "answer": answer.text, "answer_s": answer.audio_s}

        def lost() -> None:
            self.notes.add(number, self._wall())
            self.notes.failed(number, self._clock())
            self.answers.report()

        self._store.keep_answer(number, pcm, self.answers.kept, lost, **columns)

    def cut(self) -> None:
        """Note that the technician no longer wants the answers to anything asked so far."""
        for entry in self.ledger.cut():
            self._store.settled(entry.number, "answered")

    def continue_answer(self, number: int, heard: str) -> bool:
        """Ask for the rest of an answer that broke off after ``heard``; False if the utterance is no longer kept."""
        return self.ledger.continue_answer(number, heard, rest_wanted(heard))

    # notes

    def save(self) -> None:
        """Save every ended and unanswered utterance as a note."""
        for entry in self.ledger.over:
            self._save(entry)

    def _save(self, entry: Utterance) -> None:
        if entry.kind is Kind.NOTE or not self.local_detection:
            return
        delivered = entry.stage is Stage.SENT
        before = delivered, entry.attempts, entry.answer_text

        def saved() -> None:
            # Else the network was back in time, and the utterance is on its way, or even answered in part.
            if entry in self.ledger.over and before == (entry.stage is Stage.SENT, entry.attempts, entry.answer_text):
                self.ledger.withdraw(entry)
                self._becomes_note(entry)
                self._counters.notes += 1
                self._emit(events.NoteSaved(delivered=delivered))

        self._store.save(entry.number, saved)

    def _becomes_note(self, entry: Utterance) -> None:
        self.notes.add(entry.number, entry.recorded_at)
        if entry.attempts:
            self.notes.failed(entry.number, self._clock())
        self.answers.report()

    def cancel_catch_up(self) -> None:
        """Make way for the next utterance: what is being caught up with becomes a note, and notes wait again."""
        self.withdraw_notes()
        for entry in self.ledger.over:
            if entry.unsent_bytes > CATCHING_UP_BYTES:
                self._save(entry)

    def withdraw_notes(self) -> None:
        """Stop sending notes; they wait again."""
        for entry in self.ledger.over:
            if entry.kind is Kind.NOTE:
                self.ledger.withdraw(entry)

    def rewind(self) -> bool:
        """Prepare for the next connection; return whether a question was given up and became a note."""
        leaving = self.ledger.rewind()
        for entry in leaving:
            if entry.kind is Kind.NOTE:
                self.notes.failed(entry.number, self._clock())
            else:
                self._refused(entry)
        lost = [entry for entry in leaving if entry.kind is not Kind.NOTE]
        if lost:
            self._counters.unanswered += len(lost)
            log.warning("kept as notes: %d utterance(s) that the service would not answer", len(lost))
        return bool(lost)

    def _refused(self, entry: Utterance) -> None:
        """Save an utterance that no connection survived as a note, so that the questions behind it have their turn."""
        self._becomes_note(entry)

        def lost() -> None:  # the disk failed: keep the utterance in memory
            self.notes.remove(entry.number)
            self.ledger.put_back(entry)
            self.answers.report()

        self._store.save(entry.number, lambda: self._emit(events.NoteSaved()), lost)

    def fetch(self, number: int, then: Callable[[Utterance | None], None]) -> None:
        """Read note ``number`` back for sending and call ``then`` with it, or with None if it cannot be read now."""

        def lost() -> None:
            self.notes.failed(number, self._clock())
            then(None)

        self._store.load(number, lambda row, pcm, picture: then(self._restored(row, pcm, picture)), lost)

    def offer(self, note: Utterance) -> None:
        """Queue a fetched note for sending."""
        self.ledger.add_note(note)

    def connected(self, known: int, preface: str) -> None:
        """Set what a new connection's session knows; see :class:`agent.conversation.continuity.Catchup`."""
        self.ledger.known, self.ledger.preface = known, preface

    def _restored(self, row: TurnRow, pcm: bytes, picture: bytes) -> Utterance:
        age_s = self._wall() - row.began_at
        said = time.strftime("%H:%M", time.localtime(row.began_at)) if 0 <= age_s <= LONGEST_AGE_S else ""
        remark = label(said, age_s)
        remark += f" {rest_wanted(row.answer)}" if row.answer else ""
        return Utterance(
            row.number,
            Kind.NOTE,
            pcm=bytearray(pcm),
            quiet=bytearray(len(pcm) // CHUNK_BYTES),
            text=row.text,
            remark=remark,
            answer_text=row.answer,
            picture=picture,
            recorded_at=row.began_at,
        )


def _state(entry: Utterance, record: TurnRecord | None) -> str:
    """Return the end state of a question, with the record of its own answer if it had one."""
    if record is not None and (record.answer.text or record.answer.audio_s):
        return "answered"
    made_way = entry.wants is Wants.REST and record is None  # the rest of its answer made way for the next answer
    return "cut" if entry.wants is Wants.NOTHING or made_way else "answered"
