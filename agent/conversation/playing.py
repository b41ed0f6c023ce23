"""Which answer is on the speaker, and what of each was played; tested in tests/agent/conversation/test_dialogue.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.metrics import TurnRecord
    from hardware.ports import Speaker


class Playing:
    """The answer on the speaker, if there is one. Its record learns when it began and how many seconds were played."""

    def __init__(self, speaker: Speaker, done: Callable[[TurnRecord], None]) -> None:
        """Play on ``speaker``; ``done`` is called with the record of an answer of which no more will be played."""
        self._speaker = speaker
        self._done = done
        self._epoch = 0  # the speaker's, when the answer began to play
        self._played_before_s = 0.0  # seconds of it that were played before, if this is the rest after a break
        self.record: TurnRecord | None = None
        """The answer that is on the speaker."""

    def write(self, record: TurnRecord, pcm: bytes) -> bool:
        """Play a piece of the answer of ``record``; return False if the speaker refuses it, since it was flushed.

        An earlier answer plays on, and counts as played.
        """
        if record is not self.record:
            if self.record is not None:
                self.over(self.record.answer.audio_s)
            record.speaker_done = False
            self.record, self._epoch, self._played_before_s = record, self._speaker.epoch, record.played_s
        return self._speaker.write(pcm, self._epoch)

    def watch(self, now: float) -> None:
        """Note when the answer's first sample was handed to the sound card. Cheap; called every chunk."""
        record = self.record
        if record is not None and record.first_sample_at is None and self._speaker.played_s > 0:
            record.first_sample_at = now - self._speaker.played_s

    def over(self, played_s: float, *, interrupted: bool = False) -> None:
        """Take note that the speaker is done with the answer, of which it played ``played_s``."""
        record, self.record = self.record, None
        if record is not None:
            record.played_s, record.interrupted = self._played_before_s + played_s, interrupted
            record.speaker_done = True
            self._done(record)

    def withdraw(self, record: TurnRecord) -> None:
        """Silence the answer of ``record`` if it is on the speaker, as if it had never been there."""
        if self.record is record:
            self.record = None
            self._speaker.flush()
