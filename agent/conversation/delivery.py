"""What was said, kept until it is answered: on disk from its first half second, in memory while it is asked.

    spoken --> ledger (memory) and store (disk) --> answered
                  |  cannot be sent, or is not answered
                  v
               note (disk alone) --> ledger again, in a quiet moment --> answered; the answer is kept for the next press

Ledger, notes and store are changed together here and nowhere else. Knows nothing of the link.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent.config import ServiceSettings
from agent.conversation.notes import Notes, label, rest_wanted
from agent.store.rows import SETTLED
from agent.turn import events
from agent.uplink.ledger import BYTES_PER_S, Ledger, Utterance
from agent.wire.history import PastTurn

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.metrics import Counters, TurnRecord
    from agent.store.rows import TurnRow
    from agent.store.store import Store
    from agent.wire.history import History

log = logging.getLogger(__name__)

PROGRESS_S = 1.0
"""What has been said of an answer is written down this often while it comes."""
CATCHING_UP_BYTES = BYTES_PER_S
"""An utterance that is over with more than a second of it unsent is caught up with, and not just on its way."""


class Delivery:
    """One per agent."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once
        self,
        settings: Settings,
        store: Store,
        history: History,
        counters: Counters,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        emit: Callable[[events.Event], None],
        on_record: Callable[[TurnRecord], None],
    ) -> None:
        """Take up what ``store`` found at the start; ``clock`` is the loop's, ``wall`` tells the time of day."""
        self._settings = settings
        self._store = store
        self._history = history
        self._counters = counters
        self._clock = clock
        self._wall = wall
        self._emit = emit
        self._on_record = on_record
        self._local_detection = settings.turn.detection == "local"
        self._progress_at = 0.0
        self._reported = events.NotesChanged(0, 0)
        past = store.past
        self._last_at = past.conversation.last_at if past.conversation else None
        self.greeted = bool(past.conversation and past.conversation.greeted)
        self.ledger = Ledger(marked=self._local_detection, first=past.next_turn)
        self.notes = Notes()
        self.unplayed = past.unplayed
        """Answers to notes that nobody has heard yet."""
        for row in past.owed:
            self.notes.add(row.number, row.began_at)

    # conversations

    @property
    def counterpart(self) -> str:
        """Whom the conversation is with: a handle is good for this one alone."""
        service, model = self._settings.service.url, self._settings.session.model
        return model if service == ServiceSettings().url else f"{model} at {service}"

    @property
    def stale(self) -> bool:
        """Whether what is said next begins a new conversation."""
        if self._last_at is None:
            return True
        # A clock that was set back says nothing about age, and a box without one starts in the past.
        return self._wall() - self._last_at > self._settings.conversation.resume_within_s

    def begin_conversation(self) -> None:
        """Begin a new one."""
        self._store.begin_conversation(self.counterpart)
        self._last_at, self.greeted = self._wall(), False
        self._history.clear()

    def continue_conversation(self) -> None:
        """Take up the last one: what was said in it can be told again."""
        for row in self._settled_rows():
            calls = [call for call in self._store.past.calls if call.turn == row.number]
            tools = tuple(f"{call.name} returned {call.result}" for call in calls)
            self._history.add(PastTurn(row.question or row.text, row.played or row.answer, tools, row.number))

    def answered_before(self, at: float) -> int:
        """Return how many turns of the last conversation had been answered at a time of the wall."""
        return sum(answered_at(row) <= at for row in self._settled_rows())

    def _settled_rows(self) -> list[TurnRow]:
        rows = (row for row in self._store.past.turns if row.state in SETTLED)
        return sorted((row for row in rows if row.question or row.text or row.answer), key=answered_at)

    # what the technician says

    def open(self, pre_roll: bytes) -> None:
        """Begin an utterance."""
        number = self.ledger.open(pre_roll)
        assert self.ledger.recording is not None
        self._last_at = self.ledger.recording.recorded_at = self._wall()
        if self._local_detection:  # else only the service knows where an utterance begins
            self._store.begin(number, pre_roll)

    def hear(self, chunk: bytes, *, quiet: bool) -> None:
        """Add 20 ms to it; ``quiet``: nobody speaks in them."""
        recording = self.ledger.recording
        if recording is not None:
            self.ledger.append(chunk, quiet=quiet)
            self._store.hear(recording.number, chunk)

    def end(self, speech_ended_at: float) -> None:
        """End it, if there is one."""
        recording = self.ledger.recording
        if recording is not None:
            self.ledger.end(speech_ended_at)
            self._store.end(recording.number, len(recording.pcm) / BYTES_PER_S)

    def ask(self, text: str) -> None:
        """Take a typed utterance."""
        number = self.ledger.add_text(text, self._clock())
        self._last_at = self.ledger.over[-1].recorded_at = self._wall()
        self._store.begin(number, typed=text)

    def picture(self, jpeg: bytes) -> None:
        """Keep what the camera sees while somebody speaks who cannot be sent."""
        recording = self.ledger.recording
        if recording is not None and not recording.picture:
            recording.picture = jpeg
            self._store.picture(recording.number, jpeg)

    @property
    def picture_wanted(self) -> bool:
        """Whether the present utterance has no picture yet."""
        return self._local_detection and self.ledger.recording is not None and not self.ledger.recording.picture

    # what becomes of it

    def sent(self, utterance: Utterance, connections: int) -> None:
        """Note that all of it was handed to the service, over its ``connections``-th connection."""
        if not utterance.withdrawn:
            at = self._wall()
            state = {"state": "asked", "delivered_at": at, "attempts": utterance.attempts, "connections": connections}
            self._store.update(utterance.number, **state)

    def acknowledge(self, number: int, record: TurnRecord) -> None:
        """Note that it was answered, as ``record`` says; what came before it was answered with it."""
        self._remember(record)
        for entry in self.ledger.acknowledge(number):
            if not entry.note or entry.number == number:
                self.notes.remove(entry.number)
                self._store.settled(entry.number, _state(entry, record if entry.number == number else None))
        if self.notes.remove(number):  # answered late, when it had become a note
            self._store.settled(number, "answered")
        self.report_notes()

    def keep_answer(self, number: int, pcm: bytes, record: TurnRecord) -> None:
        """Keep the answer to a note (24 kHz mono s16le)."""
        self.ledger.forget(number)
        self.notes.remove(number)
        answer = record.answer
        columns = {"question": record.question_text.strip(), "answer": answer.text, "answer_s": answer.audio_s}

        def kept() -> None:
            self.unplayed += 1
            self.report_notes()

        def lost() -> None:
            self.notes.add(number, self._wall())
            self.notes.failed(number, self._clock())
            self.report_notes()

        self._store.keep_answer(number, pcm, kept, lost, **columns)

    def played(self, numbers: list[int]) -> None:
        """Note that the answers to these notes were played."""
        self._store.played(numbers)
        self.unplayed = max(0, self.unplayed - len(numbers))
        self.report_notes()

    def cut(self) -> None:
        """Note that the technician wants no more of what was asked until now."""
        for entry in self.ledger.cut():
            self._store.settled(entry.number, "answered")

    def continue_answer(self, number: int, said: str) -> bool:
        """Have the rest of an answer asked for that broke off after ``said``; False if the utterance is not kept."""
        return self.ledger.continue_answer(number, said, rest_wanted(said))

    def progress(self, record: TurnRecord) -> None:
        """Write down what has come of an answer, now and then."""
        now = self._clock()
        if record.utterance is not None and now - self._progress_at >= PROGRESS_S:
            self._progress_at = now
            self._store.update(record.utterance, question=record.question_text.strip(), answer=record.answer.text)

    def settle(self, record: TurnRecord) -> None:
        """Write down a turn that is over."""
        self._remember(record)
        columns = record.columns()
        if record.utterance is not None:
            self._store.update(record.utterance, **columns)
        elif record.answer.text or record.answer.audio_s:  # else only the end of what a half-sent utterance began
            self._store.unasked(self.ledger.take_number(), **columns)
        self._last_at = self._wall()
        self._on_record(record)

    def _remember(self, record: TurnRecord) -> None:
        """Have it told to a session that does not know of it."""
        asked = record.question_text.strip() or record.typed
        if asked or record.answer.text:
            self._history.add(PastTurn(asked, record.played_text, number=record.utterance or 0))

    # notes

    def save(self) -> None:
        """Make notes of all that is over and not answered."""
        for entry in self.ledger.over:
            self._save(entry)

    def _save(self, entry: Utterance) -> None:
        if entry.note or not entry.marked:
            return
        delivered = entry.closed
        before = delivered, entry.attempts, entry.answer_text

        def saved() -> None:
            # Else the network was back in time, and it is on its way, or even answered in part.
            if entry in self.ledger.over and before == (entry.closed, entry.attempts, entry.answer_text):
                self.ledger.withdraw(entry)
                self._becomes_note(entry)
                self._counters.notes += 1
                self._emit(events.NoteSaved(delivered=delivered))

        self._store.save(entry.number, saved)

    def _becomes_note(self, entry: Utterance) -> None:
        self.notes.add(entry.number, entry.recorded_at)
        if entry.attempts:
            self.notes.failed(entry.number, self._clock())
        self.report_notes()

    def cancel_catch_up(self) -> None:
        """Make way for what is said next: what waits to be sent becomes a note, and notes wait again."""
        self.withdraw_notes()
        for entry in self.ledger.over:
            if not entry.closed and len(entry.pcm) - entry.sent > CATCHING_UP_BYTES:
                self._save(entry)

    def withdraw_notes(self) -> None:
        """Let a note that is being put to the service wait again."""
        for entry in self.ledger.over:
            if entry.note:
                self.ledger.withdraw(entry)

    def rewind(self) -> bool:
        """Prepare for another connection; True if something was given up as a live question."""
        leaving = self.ledger.rewind()
        for entry in leaving:
            if entry.note:
                self.notes.failed(entry.number, self._clock())
            else:
                self._refused(entry)
        lost = [entry for entry in leaving if not entry.note]
        if lost:
            self._counters.unanswered += len(lost)
            log.warning("kept as notes: %d utterance(s) that the service would not answer", len(lost))
        return bool(lost)

    def _refused(self, entry: Utterance) -> None:
        """Make a note of what no connection survived, so that the questions behind it have their turn."""
        self._becomes_note(entry)

        def lost() -> None:  # where the disk fails, memory is all there is
            self.notes.remove(entry.number)
            self.ledger.put_back(entry)
            self.report_notes()

        self._store.save(entry.number, lambda: self._emit(events.NoteSaved()), lost)

    def fetch(self, number: int, then: Callable[[Utterance | None], None]) -> None:
        """Read a note again, ready to be sent; None if it cannot be read now."""

        def lost() -> None:
            self.notes.failed(number, self._clock())
            then(None)

        self._store.load(number, lambda row, pcm, picture: then(self._restored(row, pcm, picture)), lost)

    def _restored(self, row: TurnRow, pcm: bytes, picture: bytes) -> Utterance:
        said = time.strftime("%H:%M", time.localtime(row.began_at))
        remark = label(said, self._wall() - row.began_at)
        remark += f" {rest_wanted(row.answer)}" if row.answer else ""
        return Utterance(
            row.number,
            marked=self._local_detection,
            pcm=bytearray(pcm),
            quiet=bytearray(len(pcm) // 640),
            text=row.text,
            remark=remark,
            answer_text=row.answer,
            picture=picture,
            recorded_at=row.began_at,
        )

    def report_notes(self, *, force: bool = False) -> None:
        """Let the turn machine know how many notes wait and how many answers, if that is news or ``force``."""
        news = events.NotesChanged(len(self.notes), self.unplayed)
        if force or news != self._reported:
            self._reported = news
            self._emit(news)


def answered_at(row: TurnRow) -> float:
    """Return when a turn was answered, or began if that is not known."""
    return row.answered_at or row.began_at


def _state(entry: Utterance, record: TurnRecord | None) -> str:
    """Return the end state of a question, with the record of its own answer if it had one."""
    if record is not None and (record.answer.text or record.answer.audio_s):
        return "answered"
    made_way = entry.answered_in_part and record is None  # the rest of its answer, for the next one's
    return "answered" if entry.wanted and not made_way else "cut"
