"""The sound of answers: at the speaker's rate, or kept for later; what is lost of it is counted and told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.conversation.rate_converter import RateConverter, playable
from hardware.ports import SPEAKER_FORMAT, AudioFormat

if TYPE_CHECKING:
    from agent.metrics import Counters, TurnRecord
    from agent.wire.events import AudioOut
    from hardware.ports import Speaker

log = logging.getLogger(__name__)

INAUDIBLE = 58
"""-55 dBFS: an answer without a louder sample is silence; the service has been seen to send such answers."""
LOUDNESS_STRIDE = 8
"""Every eighth sample is enough to tell speech from silence."""
DEFERRED_S = 120.0
"""An answer that is kept for later is kept this far, as much as the playback buffer holds of one that is not."""
AHEAD_S = 100.0
"""Sound that waits to be played. The service is ahead by 20 s at most; beyond two minutes the oldest is dropped."""
LONGEST_PIECE_S = 1.0
"""Of sound at another rate: to convert this much takes up to 50 ms here, and the loop waits. Pieces have 240 ms."""


class AnswerAudio:
    """Prepares the sound of one answer after the other; what is at the speaker's rate already passes as it is."""

    def __init__(self, speaker: Speaker, counters: Counters) -> None:
        """Count what is lost in ``counters``; ``speaker`` tells how much waits there."""
        self._speaker = speaker
        self._counters = counters
        self._converter: tuple[TurnRecord, RateConverter] | None = None  # of the answer that last came at another rate
        self.deferred = bytearray()
        """The sound of the answer that is kept instead of played."""

    def refusal(self, event: AudioOut) -> str:
        """Return why a piece of sound cannot be played; an empty string if it can."""
        if event.rate == SPEAKER_FORMAT.rate:
            return ""
        if not playable(event.rate):
            return f"{event.rate} Hz"
        if AudioFormat(event.rate).seconds_in(len(event.pcm)) > LONGEST_PIECE_S:
            return f"too much in one piece at {event.rate} Hz"
        return "too far ahead" if self._speaker.buffered_s > AHEAD_S else ""

    def converted(self, event: AudioOut, record: TurnRecord) -> bytes:
        """Return a piece of the answer of ``record`` at the speaker's rate; there must be no :meth:`refusal` of it."""
        if event.rate == SPEAKER_FORMAT.rate:
            return event.pcm
        if self._converter is None or self._converter[0] is not record or self._converter[1].rate != event.rate:
            log.debug("answer: sound at %d Hz is converted", event.rate)
            self._converter = record, RateConverter(event.rate)
        return self._converter[1].convert(event.pcm)

    def defer(self, pcm: bytes, record: TurnRecord) -> None:
        """Keep a piece of an answer, at the speaker's rate, for later."""
        kept = pcm[: max(0, SPEAKER_FORMAT.bytes_in(DEFERRED_S) - len(self.deferred))]
        self.deferred += kept
        record.answer.add_audio(SPEAKER_FORMAT.seconds_in(len(kept)))
        self._counters.refused_s += SPEAKER_FORMAT.seconds_in(len(pcm) - len(kept))

    def watch_backlog(self, record: TurnRecord) -> None:
        """Tell, once in an answer, that far more waits to be played than the service should be ahead."""
        if not record.far_ahead and self._speaker.buffered_s > AHEAD_S:
            record.far_ahead = True
            log.warning("answer: %.0f s of sound wait to be played; soon the oldest is dropped", AHEAD_S)

    def unplayable(self, problem: str) -> None:
        """Count and tell a piece of sound that cannot be played."""
        self._counters.unplayable += 1
        level = logging.DEBUG if self._counters.unplayable > 1 else logging.WARNING
        log.log(level, "answer: sound that cannot be played: %s", problem)


def loudest(pcm: bytes) -> int:
    """Return about the largest magnitude in ``pcm`` (s16le), 0 to 32768."""
    samples = memoryview(pcm).cast("h")[::LOUDNESS_STRIDE]
    return max(max(samples), -min(samples)) if samples else 0  # noqa: PLW3301 - flattened, it would be twice as slow
