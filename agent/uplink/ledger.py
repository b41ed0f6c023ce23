"""PURE: the ledger of utterances: each is kept whole from its first sample until acknowledged, and sent from here.

The audio lane is a cursor into this ledger. Recording before there is a connection, sending live and sending again
after a drop are therefore one mechanism. The messages of an utterance leave in order: start, audio, end. Its stages
are in :mod:`agent.uplink.utterance`.
"""

from __future__ import annotations

from collections import deque

from agent.uplink.degradation import HALF_RATE, PAUSE_S, Degradation, halve
from agent.uplink.utterance import Kind, Stage, Utterance, Wants
from agent.wire import protocol
from hardware.ports import CHUNK_BYTES, CHUNK_S, MICROPHONE_FORMAT

CATCH_UP_BYTES = MICROPHONE_FORMAT.bytes_in(0.200)
"""The size of a message while more waits: fewer messages, and the service hears no difference."""
PAUSE_PIECES = round(PAUSE_S / CHUNK_S)
WHOLE = Degradation()
MAX_ATTEMPTS = 3
"""An utterance that failed on this many connections is given up: it is probably what breaks them."""


class Ledger:
    """Utterances in order; once the service has acknowledged an utterance, the ledger forgets it."""

    def __init__(self, *, local_detection: bool, first: int = 1) -> None:
        """Send activity markers if ``local_detection``, else a stream in which the service detects speech.

        ``first`` is the number of the first utterance; numbers count over the life of the box.
        """
        self._local_detection = local_detection
        self._entries: deque[Utterance] = deque()
        self._numbers = first - 1
        self.backlog_bytes = 0
        """Audio that is recorded and not yet handed to a connection."""
        self.preface = ""
        """The text that the present session must be sent before the next utterance."""
        self.known = 0
        """The last utterance whose audio the present session remembers, as far as its answers show."""
        self.trimmed_s = 0.0
        """Seconds of pauses that were not sent."""
        self.skipped_s = 0.0
        """Seconds of speech left out of the live stream because it was hopelessly late."""
        self.recording: Utterance | None = None
        """The utterance that :meth:`append` adds to."""
        self.looking: Utterance | None = None
        """The typed utterance whose picture is being taken; it is sent when :meth:`seen` is called."""

    # what is in it

    @property
    def backlog_s(self) -> float:
        """The duration of :attr:`backlog_bytes` in seconds."""
        return MICROPHONE_FORMAT.seconds_in(self.backlog_bytes)

    @property
    def over(self) -> list[Utterance]:
        """The utterances that are over and not acknowledged, oldest first."""
        return [entry for entry in self._entries if entry is not self.recording and not entry.withdrawn]

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent, and no utterance waits for an answer."""
        return all(entry.stage is Stage.SENT and entry.wants is Wants.NOTHING for entry in self._entries)

    def unsent(self, chunk_s: float = CHUNK_S) -> bool:
        """Return whether a message could be sent now if the uplink had room; see :meth:`next` for ``chunk_s``."""
        for entry in self._entries:
            if entry.stage is Stage.SENT:
                continue
            if entry is self.looking:
                if self._local_detection:
                    return False
                continue
            if entry is not self.recording or entry.led < entry.lead_size:
                return True
            if entry.stage is Stage.WAITING and self._local_detection:
                return True  # its start marker
            if entry.unsent_bytes >= round(chunk_s / CHUNK_S) * CHUNK_BYTES:
                return True
            if self._local_detection:
                return False
        return False

    # what is said

    def open(self, pre_roll: bytes) -> int:
        """Begin an utterance with ``pre_roll``, the audio just before it; returns its number."""
        assert self.recording is None, "one utterance at a time"
        self.recording = self._add(Kind.LIVE if self._local_detection else Kind.STREAM)
        self.recording.pcm += pre_roll
        self.recording.quiet += bytes(len(pre_roll) // CHUNK_BYTES)
        self.backlog_bytes += len(pre_roll)
        return self.recording.number

    def append(self, chunk: bytes, *, quiet: bool = False) -> None:
        """Add 20 ms to the open utterance; ``quiet``: nobody speaks in it."""
        if self.recording is not None:
            self.recording.pcm += chunk
            self.recording.quiet.append(quiet)
            self.backlog_bytes += len(chunk)

    def end(self, speech_ended_at: float) -> None:
        """End the open utterance, if there is one; its last word was spoken at ``speech_ended_at``."""
        if self.recording is not None:
            self.recording.ended_at = speech_ended_at
            self.recording = None

    def add_text(self, text: str, now: float, *, looking: bool = False) -> int:
        """Add a typed utterance, complete at once; returns its number.

        ``looking``: its picture follows, see :meth:`seen`; an earlier utterance that waits for one goes without.
        """
        entry = self._add(Kind.TYPED)
        entry.text, entry.ended_at = text, now
        self.looking = entry if looking else None
        return entry.number

    def seen(self, jpeg: bytes) -> int:
        """Send the picture ``jpeg`` with :attr:`looking`, or nothing if it is empty; returns its number, 0 for none."""
        entry, self.looking = self.looking, None
        if entry is None:
            return 0
        entry.picture = jpeg
        return entry.number

    def add_note(self, note: Utterance) -> None:
        """Add a note: a complete earlier utterance, with its old number."""
        assert note.kind is Kind.NOTE, note.kind
        self._entries.append(note)
        self._count()

    def take_number(self) -> int:
        """Return the next number, and use it up."""
        self._numbers += 1
        return self._numbers

    # what the connection is given

    def next(self, chunk_s: float = CHUNK_S, degradation: Degradation = WHOLE) -> tuple[bytes, Utterance] | None:
        """Return the next message to send and its utterance; None if nothing can be sent now.

        Live audio waits until there are ``chunk_s`` of it or the utterance is over. ``degradation`` is for a line that
        is too narrow; the ledger still keeps what it leaves out.
        """
        least = round(chunk_s / CHUNK_S) * CHUNK_BYTES
        for entry in self._entries:
            if entry.stage is Stage.SENT:
                continue
            message = self._next_of(entry, least, degradation)
            if message is not None:
                return message, entry
            if self._local_detection:
                return None  # its next audio is still to come, and nothing may overtake it
        return None

    def rewind(self) -> list[Utterance]:
        """Prepare everything unacknowledged for a new connection.

        Returns what leaves the ledger instead: notes, and utterances that failed on MAX_ATTEMPTS connections.
        """
        leaving = [
            entry
            for entry in self.over
            if entry.kind is Kind.NOTE or (entry.attempts >= MAX_ATTEMPTS and entry.kind is not Kind.STREAM)
        ]
        self._entries = deque(entry for entry in self._entries if not entry.withdrawn and entry not in leaving)
        for entry in self._entries:
            entry.rewind()
        self._count()
        return leaving

    def put_back(self, entry: Utterance) -> None:
        """Put back an utterance that :meth:`rewind` removed, to be sent again from its start."""
        entry.rewind()
        entry.attempts = 0
        begun = sum(each.stage is not Stage.WAITING for each in self._entries)
        self._entries.insert(begun, entry)  # before everything that waits, but not before what is half sent
        self._count()

    # what becomes of it

    def acknowledge(self, number: int) -> list[Utterance]:
        """Forget utterance ``number``, which the service has answered, and those sent before it; return them."""
        done = [entry for entry in self._entries if entry.number <= number and entry.stage is Stage.SENT]
        self._entries = deque(entry for entry in self._entries if entry not in done)
        return done

    def forget(self, number: int) -> None:
        """Forget utterance ``number`` alone: its answer is being stored."""
        self._entries = deque(entry for entry in self._entries if entry.number != number)
        self._count()

    def cut(self) -> list[Utterance]:
        """Note that answers to the utterances that are over are not wanted; they are still sent, as context.

        Notes stay as they are, since their answers are not played now. Returns the utterances of which part of the
        answer had been played: the rest will not be asked for.
        """
        given = [entry for entry in self.over if entry.wants is Wants.REST]
        for entry in self.over:
            if entry.kind is not Kind.NOTE:
                entry.wants = Wants.NOTHING
        for entry in given:
            self.withdraw(entry)
        return given

    def withdraw(self, entry: Utterance) -> None:
        """Stop sending ``entry``. If it is half sent, its end still goes out, because the service waits for it."""
        assert entry is not self.recording, "what is still being said cannot be withdrawn"
        if entry.withdrawn or entry not in self._entries:
            return
        if entry.stage is Stage.SENDING and self._local_detection:
            entry.withdraw()
        else:
            self._entries.remove(entry)
        self._count()

    def continue_answer(self, number: int, said: str, remark: str) -> bool:
        """Ask, by ``remark``, for the rest of the answer to ``number``, which broke off after ``said``.

        False if the utterance is not kept, or no answer to it is wanted.
        """
        kept = (entry for entry in self.over if entry.number == number and entry.wants is not Wants.NOTHING)
        entry = next(kept, None) if self._local_detection else None
        if entry is not None:
            entry.answer_text, entry.remark, entry.wants = said, remark, Wants.REST
        return entry is not None

    # parts of the above

    def _add(self, kind: Kind) -> Utterance:
        entry = Utterance(self.take_number(), kind)
        self._entries.append(entry)
        return entry

    def _count(self) -> None:
        """Recount the backlog; called only once per utterance or connection."""
        self.backlog_bytes = sum(entry.unsent_bytes for entry in self._entries)

    def _next_of(self, entry: Utterance, least: int, degradation: Degradation) -> bytes | None:
        if entry is self.looking:
            return None
        if entry.stage is Stage.WAITING:
            self._begin(entry)
            if self._local_detection:
                return protocol.ACTIVITY_START
        if entry.stage is Stage.SENDING:
            if entry.led < entry.lead_size:
                return self._lead(entry)
            self._leave_out(entry, degradation)
            waiting = entry.unsent_bytes
            if waiting >= least or (waiting and entry is not self.recording):
                return self._audio(entry, waiting, least, degradation)
            if entry is self.recording:
                return None
        return self._finish(entry)

    def _begin(self, entry: Utterance) -> None:
        entry.begin()
        if entry.wants is Wants.REST and entry.number <= self.known:
            entry.sent = len(entry.pcm)  # the session has the audio, and only needs to be told to go on
            self._count()
        if self._local_detection:
            entry.preface, self.preface = self.preface, ""

    def _lead(self, entry: Utterance) -> bytes:
        message = entry.next_of_lead()
        if not self._local_detection and entry.text and entry.led == entry.lead_size:
            entry.finish()  # no marker follows
        return message

    def _finish(self, entry: Utterance) -> bytes:
        entry.finish()
        if entry.stage is Stage.ENDED or entry.kind is Kind.STREAM:
            self._entries.remove(entry)  # nothing will acknowledge it
        return protocol.ACTIVITY_END if self._local_detection else protocol.AUDIO_STREAM_END

    def _leave_out(self, entry: Utterance, degradation: Degradation) -> None:
        """Skip audio that the line has no room for."""
        if degradation.skip_s and entry is self.recording and entry.attempts == 1:  # live, not sent again
            skipped = min(entry.unsent_bytes, round(degradation.skip_s / CHUNK_S) * CHUNK_BYTES)
            self._move_on(entry, skipped)
            self.skipped_s += MICROPHONE_FORMAT.seconds_in(skipped)
        while degradation.trim and self._in_long_pause(entry):
            self._move_on(entry, CHUNK_BYTES)
            self.trimmed_s += CHUNK_S

    def _in_long_pause(self, entry: Utterance) -> bool:
        piece = entry.sent // CHUNK_BYTES
        return entry.pause >= PAUSE_PIECES and piece < len(entry.quiet) and bool(entry.quiet[piece])

    def _move_on(self, entry: Utterance, size: int) -> None:
        entry.sent += size
        self.backlog_bytes -= size

    def _audio(self, entry: Utterance, waiting: int, least: int, degradation: Degradation) -> bytes:
        size = min(waiting, least if waiting < 2 * least else CATCH_UP_BYTES)
        if degradation.trim:
            size = min(size, CHUNK_BYTES * PAUSE_PIECES)  # a pause must be noticed within it
        start, end = entry.sent, entry.sent + size
        self._move_on(entry, size)
        spoken = entry.quiet[start // CHUNK_BYTES : end // CHUNK_BYTES]
        entry.pause = len(spoken) - 1 - spoken.rfind(0) + (entry.pause if 0 not in spoken else 0)
        if degradation.rate == HALF_RATE:
            message = protocol.audio(halve(entry.pcm, start, end), HALF_RATE)
        else:
            message = protocol.audio(memoryview(entry.pcm)[start:end])
        if entry.kind is Kind.STREAM:  # the service never acknowledges a stream, so it is not kept
            del entry.pcm[: entry.sent]
            del entry.quiet[: entry.sent // CHUNK_BYTES]
            entry.sent = 0
        return message
