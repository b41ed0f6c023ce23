"""PURE: the ledger of what was said: kept whole from first sample to acknowledgement, and sent from it.

The audio lane is a cursor into this ledger, so that recording before the connection exists, sending again after a drop
and sending live are one mechanism. Messages of one utterance leave in order: start, audio, end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from agent.hearing.endpointer import FRAME_S
from agent.uplink.degradation import HALF_RATE, PAUSE_S, Degradation, halve
from agent.wire import protocol

LIVE_BYTES = 640
"""20 ms of 16 kHz s16le: what is sent when nothing waits."""
BYTES_PER_S = 32_000
CATCH_UP_BYTES = 6400
"""200 ms: what is sent in one message when more waits; fewer messages, and no audible difference to the service."""
PAUSE_PIECES = round(PAUSE_S / FRAME_S)
WHOLE = Degradation()
MAX_ATTEMPTS = 3
"""An utterance that so many connections did not survive is the likely reason, and is given up."""


@dataclass(slots=True, eq=False)
class Utterance:
    """One thing the technician said (16 kHz mono s16le) or typed."""

    number: int
    marked: bool  # wrapped in activityStart and activityEnd; else the service detects speech itself
    note: bool = False  # said earlier and kept on disk meanwhile; its answer is kept, too, until somebody is there
    pcm: bytearray = field(default_factory=bytearray)
    quiet: bytearray = field(default_factory=bytearray)  # for each LIVE_BYTES of pcm, whether nobody speaks in it
    pause: int = 0  # quiet pieces just sent
    text: str = ""
    preface: str = ""  # what the session has missed
    remark: str = ""  # what the model must know of it: when it was said, what of its answer was given already
    picture: bytes = b""  # JPEG, of an utterance that was spoken where no frame could be streamed
    answered_in_part: bool = False
    answer_text: str = ""  # that part, in words
    led: int = 0  # messages of the lead that were sent
    ended: bool = False
    ended_at: float = 0.0  # when the last word was spoken, on the loop's clock
    recorded_at: float = 0.0  # when the first one was, on the wall's
    wanted: bool = True  # whether the technician still waits for the answer
    opened: bool = False
    sent: int = 0
    closed: bool = False
    withdrawn: bool = False  # half sent when it was; only its end still goes out
    attempts: int = 0

    @property
    def lead_size(self) -> int:
        """Number of messages that go out before its audio."""
        return bool(self.picture) + sum(map(bool, (self.preface, self.remark, self.text)))

    def next_of_lead(self) -> bytes:
        """Return the next of them."""
        place, self.led = self.led, self.led + 1
        if place == 0 and self.picture:
            return protocol.video(self.picture)
        lines = [line for line in (self.preface, self.remark, self.text) if line]
        return protocol.text(lines[place - bool(self.picture)])


class Ledger:
    """Utterances in order; those the service has acknowledged are forgotten."""

    def __init__(self, *, marked: bool, first: int = 1) -> None:
        """Use activity markers if ``marked``, else stream and let the service detect speech.

        ``first`` is the number of the first utterance; they count over the life of the box.
        """
        self._local_detection = marked
        self._entries: deque[Utterance] = deque()
        self._numbers = first - 1
        self.preface = ""
        """What the present session must be told before the next utterance."""
        self.known = 0
        """The last utterance whose sound the present session has in its memory, as far as an answer showed it."""
        self.trimmed_s = 0.0
        """Pauses left out of live streams."""
        self.skipped_s = 0.0
        """Speech left out of live streams because it was hopelessly late."""
        self.recording: Utterance | None = None
        """The utterance that :meth:`append` adds to."""

    @property
    def backlog_bytes(self) -> int:
        """Audio that is recorded and not yet handed to a connection."""
        return sum(len(entry.pcm) - entry.sent for entry in self._entries)

    def unsent(self, chunk_s: float = FRAME_S) -> bool:
        """Whether a message could be sent now if the pipe allowed; see :meth:`next` for ``chunk_s``."""
        least = round(chunk_s / FRAME_S) * LIVE_BYTES
        return any(
            len(entry.pcm) - entry.sent >= least
            or (not entry.closed and (entry.ended or not entry.opened or entry.led < entry.lead_size))
            for entry in self._entries
        )

    @property
    def over(self) -> list[Utterance]:
        """Utterances that are over and not acknowledged, oldest first."""
        return [entry for entry in self._entries if entry.ended and not entry.withdrawn]

    @property
    def backlog_s(self) -> float:
        """The same as :attr:`backlog_bytes` in seconds."""
        return self.backlog_bytes / BYTES_PER_S

    @property
    def waiting(self) -> int:
        """How many they are."""
        return len(self.over)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to say, and nothing said that waits for an answer."""
        return all(entry.closed and not entry.wanted for entry in self._entries)

    def open(self, pre_roll: bytes) -> int:
        """Begin an utterance with the audio just before it; returns its number."""
        assert self.recording is None, "one utterance at a time"
        self.recording = self._add()
        self.recording.pcm += pre_roll
        self.recording.quiet += bytes(len(pre_roll) // LIVE_BYTES)
        return self.recording.number

    def append(self, chunk: bytes, *, quiet: bool = False) -> None:
        """Add 20 ms to the open utterance; ``quiet``: nobody speaks in it."""
        if self.recording is not None:
            self.recording.pcm += chunk
            self.recording.quiet.append(quiet)

    def end(self, speech_ended_at: float) -> None:
        """End the open utterance, if there is one; its last word was spoken at ``speech_ended_at``."""
        if self.recording is not None:
            self.recording.ended, self.recording.ended_at = True, speech_ended_at
            self.recording = None

    def add_text(self, text: str, now: float) -> int:
        """Add a typed utterance, complete at once; returns its number."""
        entry = self._add()
        entry.text, entry.ended, entry.ended_at = text, True, now
        return entry.number

    def add_note(self, note: Utterance) -> None:
        """Add an utterance of earlier, complete, with its old number."""
        note.note = note.ended = True
        self._entries.append(note)

    def next(self, chunk_s: float = FRAME_S, degradation: Degradation = WHOLE) -> tuple[bytes, Utterance] | None:
        """Return the next message to send and its utterance; None when all is sent.

        Live audio waits until ``chunk_s`` of it have come together, or the utterance is over. ``degradation`` is for a
        line that is too narrow; what it leaves out is kept all the same.
        """
        least = round(chunk_s / FRAME_S) * LIVE_BYTES
        for entry in self._entries:
            message = self._next_of(entry, least, degradation)
            if message is not None:
                return message, entry
            if entry.marked and not entry.closed:
                return None  # its next audio is still to come, and nothing may overtake it
        return None

    def put_back(self, entry: Utterance) -> None:
        """Ask ``entry``, which :meth:`rewind` took out, from its beginning after all."""
        entry.opened = entry.closed = False
        entry.sent = entry.led = entry.attempts = 0
        self._entries.appendleft(entry)

    def acknowledge(self, number: int) -> list[Utterance]:
        """Forget ``number`` and all before it, and return them: the service has answered it."""
        done = [entry for entry in self._entries if entry.number <= number and entry.closed]
        self._entries = deque(entry for entry in self._entries if entry not in done)
        return done

    def cut(self) -> list[Utterance]:
        """Note that no answer is wanted to what is over; it is still delivered, as part of the conversation.

        Returns those that had an answer in part: nothing more will be asked about them.
        """
        for entry in self._entries:
            entry.wanted = entry.wanted and not entry.ended
        given = [entry for entry in self.over if entry.answered_in_part]
        for entry in given:
            self.withdraw(entry)
        return given

    def withdraw(self, entry: Utterance) -> None:
        """Say no more of ``entry``. What is half sent still gets its end: the service waits for it."""
        if entry.opened and not entry.closed and entry.marked:
            entry.withdrawn, entry.wanted, entry.note = True, False, False
            del entry.pcm[entry.sent :]
            entry.led = entry.lead_size
        elif entry in self._entries:
            self._entries.remove(entry)

    def continue_answer(self, number: int, said: str, remark: str) -> bool:
        """Ask, by ``remark``, for the rest of the answer to ``number``, which broke off after ``said``.

        False if the utterance is not kept.
        """
        entry = next((entry for entry in self.over if entry.number == number and entry.marked), None)
        if entry is not None:
            entry.answer_text, entry.remark, entry.answered_in_part = said, remark, True
        return entry is not None

    def rewind(self) -> list[Utterance]:
        """Prepare everything unacknowledged for a new connection.

        Returns what leaves the ledger instead: notes, and what so many connections did not survive.
        """
        self._entries = deque(entry for entry in self._entries if not entry.withdrawn)
        leaving = [
            entry
            for entry in self.over
            if entry.note or (entry.attempts >= MAX_ATTEMPTS and (entry.marked or entry.text))
        ]
        for entry in leaving:
            self._entries.remove(entry)
        for entry in self._entries:
            entry.opened = entry.closed = False
            entry.sent = entry.led = 0
            entry.preface = ""
        return leaving

    def forget(self, number: int) -> None:
        """Forget ``number`` alone: its answer is in safe hands."""
        self._entries = deque(entry for entry in self._entries if entry.number != number)

    def take_number(self) -> int:
        """Use up a number for something that is not an utterance."""
        self._numbers += 1
        return self._numbers

    def _add(self) -> Utterance:
        entry = Utterance(self.take_number(), self._local_detection)
        self._entries.append(entry)
        return entry

    def _next_of(self, entry: Utterance, least: int, degradation: Degradation) -> bytes | None:
        if entry.closed:
            return None
        if not entry.opened:
            entry.opened = True
            entry.attempts += 1
            if entry.answered_in_part and entry.number <= self.known:
                entry.sent = len(entry.pcm)  # the session has heard it, and only needs to be told to go on
            if entry.marked:
                entry.preface, self.preface = self.preface, ""
                return protocol.ACTIVITY_START
        if entry.led < entry.lead_size:
            message = entry.next_of_lead()
            entry.closed = not (entry.marked or entry.pcm) and entry.led == entry.lead_size
            return message
        self._leave_out(entry, degradation)
        waiting = len(entry.pcm) - entry.sent
        if waiting >= least or (waiting and entry.ended):
            return self._audio(entry, waiting, least, degradation)
        if not entry.ended:
            return None
        entry.closed = True
        if entry.withdrawn or not entry.marked:
            self._entries.remove(entry)  # nothing will acknowledge it
        return protocol.ACTIVITY_END if entry.marked else protocol.AUDIO_STREAM_END

    def _leave_out(self, entry: Utterance, degradation: Degradation) -> None:
        """Move over what the line has no room for."""
        if degradation.skip_s and entry is self.recording and entry.attempts == 1:  # live, not sent again
            skipped = min(len(entry.pcm) - entry.sent, round(degradation.skip_s / FRAME_S) * LIVE_BYTES)
            entry.sent += skipped
            self.skipped_s += skipped / BYTES_PER_S
        while degradation.trim and self._in_long_pause(entry):
            entry.sent += LIVE_BYTES
            self.trimmed_s += FRAME_S

    def _in_long_pause(self, entry: Utterance) -> bool:
        piece = entry.sent // LIVE_BYTES
        return entry.pause >= PAUSE_PIECES and piece < len(entry.quiet) and bool(entry.quiet[piece])

    def _audio(self, entry: Utterance, waiting: int, least: int, degradation: Degradation) -> bytes:
        size = min(waiting, least if waiting < 2 * least else CATCH_UP_BYTES)
        if degradation.trim:
            size = min(size, LIVE_BYTES * PAUSE_PIECES)  # a pause must be noticed within it
        start, end = entry.sent, entry.sent + size
        entry.sent = end
        spoken = entry.quiet[start // LIVE_BYTES : end // LIVE_BYTES]
        entry.pause = len(spoken) - 1 - spoken.rfind(0) + (entry.pause if 0 not in spoken else 0)
        if degradation.rate == HALF_RATE:
            message = protocol.audio(halve(entry.pcm, start, end), HALF_RATE)
        else:
            message = protocol.audio(memoryview(entry.pcm)[start:end])
        if not entry.marked:  # the service has no word for having heard it, so it is not kept either
            del entry.pcm[: entry.sent]
            del entry.quiet[: entry.sent // LIVE_BYTES]
            entry.sent = 0
        return message
