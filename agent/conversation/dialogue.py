"""What the service says, turned into sound, words and events; one :class:`TurnRecord` per turn comes out.

Audio goes straight to the speaker. A record is finished when both the service and the speaker are done with it, because
the technician may stop an answer that the service has long finished sending.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from agent.conversation.answers import Answer, Answers, Arrival, Use
from agent.turn import events
from agent.uplink.utterance import Kind, Wants
from agent.wire.events import (
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
    from agent.conversation.delivery import Delivery
    from agent.metrics import Counters, TurnRecord
    from agent.uplink.utterance import Utterance
    from agent.wire.events import ServerEvent
    from hardware.ports import Speaker


class Dialogue:
    """The answering half of the conversation."""

    def __init__(self, speaker: Speaker, delivery: Delivery, counters: Counters) -> None:
        """Play on ``speaker``; tell ``delivery`` what is answered and how."""
        self._speaker = speaker
        self._delivery = delivery
        self._counters = counters
        self._answers = Answers(self._lost)
        self._playing: TurnRecord | None = None
        self._epoch = 0  # the speaker's, when that began to play
        self._last: TurnRecord | None = None
        self._broken: TurnRecord | None = None  # its rest has been asked for
        self._seam = ""  # between an answer that broke off and the first words of its rest
        self._question_again = False  # the question was put again: its transcript comes again, too
        self._deferred = bytearray()  # audio of the answer that is kept instead of played
        self._played_before_s = 0.0
        self._reading: list[tuple[int, float]] = []  # notes whose answers are being played, each from which second on
        self._unclaimed = ""  # transcript of an utterance that the service detected and has not answered yet
        self.answered = 0
        """The last utterance of which an answer has come, at least in part."""

    @property
    def pending(self) -> bool:
        """Whether a wanted answer is still owed."""
        return self._answers.pending

    @property
    def incomplete(self) -> bool:
        """Whether something of a wanted answer is still to come; its end may come late, or never."""
        return self._answers.incomplete

    @property
    def latest(self) -> TurnRecord | None:
        """The turn that is being answered, or was last."""
        current = self._answers.current
        return current.record if current is not None else self._last

    def asked(self, utterance: Utterance, now: float, frames: int = 0, frames_dropped: int = 0) -> None:
        """Note that the whole of ``utterance`` has been handed to the service, with so many ``frames``."""
        broken = self._broken
        is_note = utterance.kind is Kind.NOTE and not utterance.withdrawn
        goes_on = broken is not None and broken.utterance == utterance.number and not is_note
        rest = broken if goes_on else None
        number = None if utterance.withdrawn else utterance.number  # the answer to a half acknowledges nothing
        refused = Use.UNWANTED if utterance.wants is Wants.NOTHING else Use.ALOUD
        answer = self._answers.expect(number, now, Use.DEFERRED if is_note else refused, rest)
        answer.record.typed = utterance.text
        answer.record.frames += frames
        answer.record.frames_dropped += frames_dropped
        self._seam, self._question_again = (" ", True) if rest is not None else ("", False)
        if is_note and utterance.answer_text:
            answer.record.answer.add_text(utterance.answer_text + " ")
        if rest is None:
            answer.record.speech_ended_at, answer.record.delivered_at = utterance.ended_at, now

    def feed(self, event: ServerEvent, now: float) -> list[events.Event]:
        """Take one thing the service said; return what the turn machine must know."""
        match event:
            case AudioOut() if event.pcm:
                return self._audio(event, now)
            case OutputTranscript() if event.text:
                answer, news = self._content(now)
                if answer is not None:
                    answer.record.answer.add_text(self._seam + event.text)
                    self._seam = ""
                    self._delivery.progress(answer.record)
                return news
            case InputTranscript():
                self._question(event.text)
            case Interrupted():
                # While the rest of an answer is still to be asked for, this is about something else.
                awaited = self._broken is not None and self._answers.current is None
                return [] if awaited else self._answers.interrupted()
            case GenerationComplete():
                return self._acknowledge(self.latest, self._answers.generation_complete())
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
        self._delivery.cut()
        self.give_up_rest()
        self._read_out(played_s)
        self._speaker_done(played_s, interrupted=True)

    def drop_deferred(self) -> None:
        """Let go of an answer that was to be kept: something else is asked now."""
        self._answers.drop_deferred()
        self._deferred.clear()

    def drained(self, now: float) -> list[events.Event]:
        """Take the speaker's word that the answer has been played."""
        self.watch_playback(now)
        self._read_out(inf)
        self._speaker_done(self._speaker.played_s)
        return [events.Drained()]

    def read(self, answers: list[tuple[int, bytes]]) -> None:
        """Play answers to notes (number, 24 kHz mono s16le) that were kept until now."""
        begins = 0.0
        for number, pcm in answers:
            self._reading.append((number, begins))
            self._speaker.write(pcm, self._speaker.epoch)
            begins += SPEAKER_FORMAT.seconds_in(len(pcm))
        self._speaker.finish()

    def repeat(self) -> tuple[float, list[events.Event]]:
        """Play the last answer again: its seconds, 0 if there is none, and what the turn machine must know."""
        seconds = self._speaker.repeat()
        return seconds, [events.AnswerBegan(), events.AnswerGenerated()] if seconds else []

    def connection_lost(self) -> list[events.Event]:
        """Play on what has come, and have the rest asked for, if the question is still at hand."""
        answer = self._answers.current
        news: list[events.Event] = []
        self._deferred.clear()
        if answer is not None and answer.aloud and answer.arrival is Arrival.BEGUN:
            number = answer.utterance
            if number is not None and self._delivery.continue_answer(number, answer.record.answer.text):
                self._broken = answer.record
            else:
                news = [events.AnswerGenerated()]  # what has come is all of it
        self._answers.connection_lost()
        return news

    def watch_playback(self, now: float) -> None:
        """Note when the present answer's first sample was handed to the sound card. Cheap; called every chunk."""
        record = self._playing
        if record is not None and record.first_sample_at is None and self._speaker.played_s > 0:
            record.first_sample_at = now - self._speaker.played_s

    def _question(self, text: str) -> None:
        """Note the technician's words. Where only the service knows of the utterance, they come before its answer."""
        newest = self._answers.newest
        if newest is not None and newest.record.typed:
            return  # its words are known, and what the model was told beside them is nobody's
        if newest is not None:
            newest.record.question_text = text if self._question_again else newest.record.question_text + text
            self._question_again = False
        elif self._last is not None and self._last.utterance is not None:
            self._last.question_text += text
        else:
            self._unclaimed += text

    def _audio(self, event: AudioOut, now: float) -> list[events.Event]:
        seconds = AudioFormat(event.rate).seconds_in(len(event.pcm))
        answer, news = self._content(now)
        if answer is None or event.rate != SPEAKER_FORMAT.rate:
            self._counters.refused_s += seconds
            return news
        if answer.use is Use.DEFERRED:
            answer.record.answer.add_audio(seconds)
            self._deferred += event.pcm
            return news
        if answer.record.first_byte_at is None:
            answer.record.first_byte_at = now
        if self._playing is not answer.record:
            self._begin_playing(answer)
        if self._speaker.write(event.pcm, self._epoch):
            answer.record.answer.add_audio(seconds)
        else:
            self._counters.refused_s += seconds
        return news

    def _content(self, now: float) -> tuple[Answer | None, list[events.Event]]:
        answer, news = self._answers.content(now)
        if answer is not None and answer.utterance is not None:
            self.answered = max(self.answered, answer.utterance)
        if answer is not None and news and answer.utterance is None:
            answer.record.question_text, self._unclaimed = self._unclaimed, ""
        return answer, news

    def _begin_playing(self, answer: Answer) -> None:
        """Let this answer have the speaker; one that still plays there goes on, and counts as played."""
        if self._playing is not None:
            self._speaker_done(self._playing.answer.audio_s)
        self._playing = answer.record
        self._played_before_s = answer.record.played_s  # of an answer whose rest comes after a silence
        answer.record.speaker_done = False
        self._epoch = self._speaker.epoch

    def _speaker_done(self, played_s: float, *, interrupted: bool = False) -> None:
        record, self._playing = self._playing, None
        if record is not None:
            record.played_s, record.interrupted = self._played_before_s + played_s, interrupted
            record.speaker_done = True
            self._settle(record)

    def _acknowledge(
        self, record: TurnRecord | None, news: tuple[int | None, list[events.Event]]
    ) -> list[events.Event]:
        utterance, told = news
        if utterance is not None and record is not None:
            if self._deferred:
                self._delivery.keep_answer(utterance, bytes(self._deferred), record)
                self._deferred.clear()
            self._delivery.acknowledge(utterance, record)
        return told

    def _turn_complete(self, event: TurnComplete) -> list[events.Event]:
        record = self.latest
        news = self._acknowledge(record, self._answers.turn_complete(event))
        if record is not None and event.idle:
            record.reason = event.reason
            self._service_done(record)
        return news

    def _lost(self, answer: Answer) -> None:
        if answer.record is self._broken and not answer.generated:
            return  # its rest is asked for
        if answer.begun:  # one that never began is asked for again, or was merged into the next
            answer.record.reason = "" if answer.generated else "connection lost"
            self._service_done(answer.record)

    def give_up_rest(self) -> None:
        """Expect no rest of an answer that broke off: what has come is all of it, for now."""
        record, self._broken = self._broken, None
        if record is not None:
            record.reason = "connection lost"
            self._service_done(record)

    def _read_out(self, played_s: float) -> None:
        """Note which answers to notes were played, at least as far as somebody wanted to hear them."""
        reading, self._reading = self._reading, []
        heard = [number for number, begins in reading if begins < played_s]
        if heard:
            self._delivery.played(heard)
        if len(heard) < len(reading):
            self._delivery.report_notes(force=True)

    def _service_done(self, record: TurnRecord) -> None:
        if record is self._broken:
            self._broken = None
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
            self._delivery.settle(record)
