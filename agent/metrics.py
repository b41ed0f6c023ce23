"""PURE: the record of a turn and the counters of the agent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agent.transcript import Transcript


@dataclass(slots=True)
class TurnRecord:
    """One utterance and its answer. Times are on the loop's clock, in seconds."""

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
    service_done: bool = False  # nothing more will come of it
    speaker_done: bool = False  # nothing more will be played of it
    settled: bool = False  # handed on
    reason: str = ""  # why the service ended the turn, where it says so
    frames: int = 0  # sent while it was asked
    frames_dropped: int = 0

    @property
    def ttfab_s(self) -> float | None:
        """Time to first audio byte: end of speech to first answer sample at the sound card."""
        if self.first_sample_at is None or self.speech_ended_at is None:
            return None
        return self.first_sample_at - self.speech_ended_at

    @property
    def played_text(self) -> str:
        """The part of the answer's text that was played."""
        return self.answer.played(self.played_s) if self.interrupted else self.answer.text

    def columns(self) -> dict[str, Any]:
        """Return what the journal keeps of it; the names are those of :class:`agent.store.rows.TurnRow`."""
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
        """Return the turn as one log line, without a word of what was said."""
        ttfab = "no audio" if self.ttfab_s is None else f"ttfab {self.ttfab_s:.2f} s"
        end = "interrupted" if self.interrupted else self.reason or "complete"
        return (
            f"turn {self.utterance or 'unasked'}: {ttfab}, answer {self.answer.audio_s:.1f} s, "
            f"played {self.played_s:.1f} s, {self.tokens} tokens, {end}"
        )


@dataclass(slots=True)
class Counters:
    """What happened so far."""

    turns: int = 0
    frames_sent: int = 0
    frame_bytes: int = 0
    frames_dropped: Counter[str] = field(default_factory=Counter)  # by reason
    stills: int = 0
    unreadable: int = 0
    refused_s: float = 0.0  # answer audio that came after its answer was cut
    unanswered: int = 0  # utterances that the service would not answer, kept as notes
    notes: int = 0  # saved, not sent
    tool_calls: int = 0
