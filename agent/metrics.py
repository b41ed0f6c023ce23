"""PURE: the record of a turn, the text of its answer, and the agent's counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

MOST_TEXT = 32_768
"""Characters of a question or an answer that are kept: ten minutes of speech have 9000."""


class Transcript:
    """The text of one answer, aligned with the audio that came with it.

    The service guarantees no order between text and audio. A piece of text is therefore taken to be spoken in the audio
    that comes between this piece and the next. That is right to about a word.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._pieces: list[tuple[float, str]] = []  # seconds of audio received before the piece, piece
        self._room = MOST_TEXT
        self.audio_s = 0.0
        """Seconds of audio received."""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece for _, piece in self._pieces).strip()

    def add_audio(self, seconds: float) -> None:
        """Note that ``seconds`` more of audio were received."""
        self.audio_s += seconds

    def add_text(self, piece: str) -> None:
        """Append the next piece of text, as far as there is room; leading spaces count."""
        if kept := piece[: self._room]:
            self._pieces.append((self.audio_s, kept))
            self._room -= len(kept)

    def played(self, played_s: float) -> str:
        """Return the text spoken in the first ``played_s`` seconds of the answer, cut between words."""
        if played_s >= self.audio_s:
            return self.text
        spoken = []
        ends = [*(start for start, _ in self._pieces[1:]), self.audio_s]
        for (start, piece), end in zip(self._pieces, ends, strict=False):  # there may be no pieces yet
            if end <= played_s:
                spoken.append(piece)
            elif start < played_s:
                spoken.append(_first_words(piece, (played_s - start) / (end - start)))
        return "".join(spoken).strip()


def _first_words(piece: str, share: float) -> str:
    """Return about ``share`` (0..1) of ``piece``, ending between words."""
    cut = round(len(piece) * share)
    if cut >= len(piece):
        return piece
    return piece[:cut].rpartition(" ")[0]


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """One utterance and its answer as they stand at one moment, for display and reports."""

    serial: int  # identifies the turn, even if nobody asked
    utterance: int | None  # none if the service spoke of its own accord, or detects speech itself
    question_text: str  # the service's transcript of the utterance
    typed: str  # the utterance itself, if it was typed
    answer_text: str  # all that the service sent
    played_text: str  # the part of the answer's text that was played
    answer_s: float  # seconds of audio that came
    played_s: float  # seconds of it that were played
    interrupted: bool  # by the technician
    reason: str  # why the service ended the turn, where it says so
    ttfab_s: float | None  # seconds from the end of speech to the first sample at the sound card
    tokens: int  # billed
    frames: int  # camera frames sent while it was asked
    frames_dropped: int  # and not sent
    played_out: bool  # nothing more will be played of it
    over: bool  # nothing more will come or be played


@dataclass(slots=True)
class TurnRecord:
    """One utterance and its answer while they happen. Times are in loop time, in seconds."""

    utterance: int | None = None  # None: the service spoke of its own accord, or detects speech itself
    speech_ended_at: float | None = None
    first_byte_at: float | None = None  # first answer audio received
    first_sample_at: float | None = None  # first answer sample handed to the sound card
    question_text: str = ""  # the service's transcript of the utterance
    typed: str = ""  # the utterance itself, if it was typed
    answer: Transcript = field(default_factory=Transcript)
    played_s: float = 0.0
    interrupted: bool = False
    tokens: int = 0
    service_done: bool = False  # nothing more of it will come
    speaker_done: bool = False  # nothing more of it will be played
    settled: bool = False  # handed on to the turn log
    reason: str = ""  # why the service ended the turn, if it says so
    frames: int = 0  # sent while the question was asked
    frames_dropped: int = 0
    loudest: int = 0  # sample of the answer, about
    unplayable: bool = False  # some of its sound could not be played
    far_ahead: bool = False  # more of it was waiting to be played than should be
    serial: int = field(default_factory=count(1).__next__)

    @property
    def ttfab_s(self) -> float | None:
        """Time to first audio: seconds from the end of speech to the first answer sample at the sound card."""
        if self.first_sample_at is None or self.speech_ended_at is None:
            return None
        return self.first_sample_at - self.speech_ended_at

    @property
    def played_text(self) -> str:
        """The part of the answer's text that was played."""
        return self.answer.played(self.played_s) if self.interrupted else self.answer.text

    def summary(self) -> TurnSummary:
        """Return the turn as it stands now."""
        return TurnSummary(
            serial=self.serial,
            utterance=self.utterance,
            question_text=self.question_text.strip(),
            typed=self.typed,
            answer_text=self.answer.text,
            played_text=self.played_text,
            answer_s=self.answer.audio_s,
            played_s=self.played_s,
            interrupted=self.interrupted,
            reason=self.reason,
            ttfab_s=self.ttfab_s,
            tokens=self.tokens,
            frames=self.frames,
            frames_dropped=self.frames_dropped,
            played_out=self.speaker_done,
            over=self.settled,
        )

    def columns(self) -> dict[str, Any]:
        """Return the columns that the journal keeps, named as in :class:`agent.store.rows.TurnRow`."""
        return {
            "question": self.question_text.strip(),
            "answer": self.answer.text,
            "played": self.played_text,
            "answer_s": round(self.answer.audio_s, 3),
            "played_s": round(self.played_s, 3),
            "interrupted": self.interrupted,
            "reason": self.reason,
            "ttfab_s": self.ttfab_s,
            "tokens": self.tokens,
            "frames": self.frames,
            "frames_dropped": self.frames_dropped,
        }

    def line(self) -> str:
        """Return the turn as one log line, without a word of question or answer."""
        ttfab = "no audio" if self.ttfab_s is None else f"ttfab {self.ttfab_s:.2f} s"
        end = "interrupted" if self.interrupted else self.reason or "complete"
        return (
            f"turn {self.utterance or 'unasked'}: {ttfab}, answer {self.answer.audio_s:.1f} s, "
            f"played {self.played_s:.1f} s, {self.tokens} tokens, {end}"
        )


@dataclass(slots=True)
class Counters:
    """Counts what happened since the start."""

    turns: int = 0
    frames_sent: int = 0
    frame_bytes: int = 0
    frames_dropped: Counter[str] = field(default_factory=Counter)  # by reason
    stills: int = 0
    unreadable: int = 0
    missed: int = 0  # answers of which nothing could be heard
    unplayable: int = 0  # pieces of sound that no speaker of ours can play
    refused_s: float = 0.0  # answer audio that came after its answer was cut
    unanswered: int = 0  # utterances that failed on several connections, kept as notes
    notes: int = 0  # utterances saved as notes because they could not be sent or were not answered
    tool_calls: int = 0
    _asked: tuple[int, int] = (0, 0)  # frames sent and dropped when the last question was complete

    def sent(self, frame_bytes: int) -> None:
        """Count a message that was sent: a frame of ``frame_bytes``, or 0 for anything else."""
        if frame_bytes:
            self.frames_sent += 1
            self.frame_bytes += frame_bytes

    def frames_of_question(self) -> tuple[int, int]:
        """Return the frames sent and dropped since the last call: those of the question just completed."""
        before, self._asked = self._asked, (self.frames_sent, self.frames_dropped.total())
        return self._asked[0] - before[0], self._asked[1] - before[1]
