"""What the service says, turned into sound, words and events; one :class:`TurnRecord` per turn comes out.

Audio goes straight to the speaker. A record is finished when both the service and the speaker are done with it, because
the technician may stop an answer that the service has long finished sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.answers import Answer, Answers
from agent.moves import Drained
from agent.wire_events import (
    AudioOut,
    GenerationComplete,
    InputTranscript,
    Interrupted,
    OutputTranscript,
    TurnComplete,
    Usage,
)
from hardware.ports import SPEAKER_FORMAT, AudioFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.metrics import Counters, TurnRecord
    from agent.moves import Event
    from agent.utterances import Ledger, Utterance
    from agent.wire_events import ServerEvent
    from hardware.ports import Speaker


class Dialogue:
    """The answering half of the conversation."""

    def __init__(
        self, speaker: Speaker, ledger: Ledger, counters: Counters, on_record: Callable[[TurnRecord], None]
    ) -> None:
        """Play on ``speaker``, acknowledge in ``ledger``, hand finished records to ``on_record``."""
        self._speaker = speaker
        self._ledger = ledger
        self._counters = counters
        self._on_record = on_record
        self._answers = Answers(self._lost)
        self._playing: TurnRecord | None = None
        self._epoch = 0  # the speaker's, when that began to play
        self._last: TurnRecord | None = None
        self._unclaimed = ""  # transcript of an utterance that the service detected and has not answered yet

    @property
    def pending(self) -> bool:
        """Whether a wanted answer is still owed."""
        return self._answers.pending

    @property
    def latest(self) -> TurnRecord | None:
        """The turn that is being answered, or was last."""
        current = self._answers.current
        return current.record if current is not None else self._last

    def asked(self, utterance: Utterance, now: float) -> None:
        """Note that the whole of ``utterance`` has been handed to the service."""
        answer = self._answers.expect(utterance.number, now, wanted=utterance.wanted)
        answer.record.speech_ended_at, answer.record.delivered_at = utterance.ended_at, now

    def feed(self, event: ServerEvent, now: float) -> list[Event]:
        """Take one thing the service said; return what the turn machine must know."""
        match event:
            case AudioOut():
                return self._audio(event, now)
            case OutputTranscript():
                answer, events = self._content(now)
                if answer is not None:
                    answer.record.said.add_text(event.text)
                return events
            case InputTranscript():
                self._heard(event.text)
            case Interrupted():
                return self._answers.interrupted()
            case GenerationComplete():
                return self._acknowledge(self._answers.generation_complete())
            case Usage():
                if self.latest is not None:
                    self.latest.tokens = event.total
            case TurnComplete():
                return self._turn_complete(event)
        return []

    def cut(self, now: float) -> None:
        """Silence what plays, and refuse what is still to come of it."""
        self.watch_playback(now)
        played_s = self._speaker.flush()
        self._answers.cut()
        self._ledger.cut()
        self._speaker_done(played_s, interrupted=True)

    def drained(self, now: float) -> list[Event]:
        """Take the speaker's word that the answer has been played."""
        self.watch_playback(now)
        self._speaker_done(self._speaker.played_s)
        return [Drained()]

    def connection_lost(self) -> list[Event]:
        """Settle for what has come; an answer that had begun counts as given, so that it is not given twice."""
        answer = self._answers.current
        if answer is not None and answer.began and answer.utterance is not None:
            self._ledger.acknowledge(answer.utterance)
        return self._answers.connection_lost()

    def watch_playback(self, now: float) -> None:
        """Note when the present answer's first sample was handed to the sound card. Cheap; called every chunk."""
        record = self._playing
        if record is not None and record.first_sample_at is None and self._speaker.played_s > 0:
            record.first_sample_at = now - self._speaker.played_s

    def _heard(self, text: str) -> None:
        """Note the technician's words. Where only the service knows of the utterance, they come before its answer."""
        newest = self._answers.newest
        if newest is not None:
            newest.record.heard += text
        elif self._last is not None and self._last.utterance is not None:
            self._last.heard += text
        else:
            self._unclaimed += text

    def _audio(self, event: AudioOut, now: float) -> list[Event]:
        seconds = AudioFormat(event.rate).seconds_in(len(event.pcm))
        answer, events = self._content(now)
        if answer is None or event.rate != SPEAKER_FORMAT.rate:
            self._counters.refused_s += seconds
            return events
        if answer.record.first_byte_at is None:
            answer.record.first_byte_at = now
            self._begin_playing(answer)
        if self._speaker.write(event.pcm, self._epoch):
            answer.record.said.add_audio(seconds)
        else:
            self._counters.refused_s += seconds
        return events

    def _content(self, now: float) -> tuple[Answer | None, list[Event]]:
        answer, events = self._answers.content(now)
        if answer is not None and events and answer.utterance is None:
            answer.record.heard, self._unclaimed = self._unclaimed, ""
        return answer, events

    def _begin_playing(self, answer: Answer) -> None:
        """Let this answer have the speaker; one that still plays there goes on, and counts as played."""
        if self._playing is not None:
            self._speaker_done(self._playing.said.audio_s)
        self._playing = answer.record
        self._epoch = self._speaker.epoch

    def _speaker_done(self, played_s: float, *, interrupted: bool = False) -> None:
        record, self._playing = self._playing, None
        if record is not None:
            record.played_s, record.interrupted, record.speaker_done = played_s, interrupted, True
            self._settle(record)

    def _acknowledge(self, news: tuple[int | None, list[Event]]) -> list[Event]:
        utterance, events = news
        if utterance is not None:
            self._ledger.acknowledge(utterance)
        return events

    def _turn_complete(self, event: TurnComplete) -> list[Event]:
        record = self.latest
        events = self._acknowledge(self._answers.turn_complete(event))
        if record is not None and event.idle:
            record.reason = event.reason
            self._service_done(record)
        return events

    def _lost(self, answer: Answer) -> None:
        if answer.began:  # one that never began is asked for again, or was merged into the next
            answer.record.reason = "" if answer.generated else "connection lost"
            self._service_done(answer.record)

    def _service_done(self, record: TurnRecord) -> None:
        self._last = record
        record.service_done = True
        if record is not self._playing:
            record.speaker_done = True
        self._settle(record)

    def _settle(self, record: TurnRecord) -> None:
        """Hand a record on when neither side will add to it."""
        if record.service_done and record.speaker_done and not record.settled:
            record.settled = True
            self._counters.turns += 1
            self._on_record(record)
