"""Turns what the service sends into sound, text and events, and one :class:`TurnRecord` per turn.

Audio goes straight to the speaker. A record is finished when both the service and the speaker are done with it, because
the technician may stop an answer that the service has long finished sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.conversation.answer_audio import INAUDIBLE, AnswerAudio, loudest
from agent.conversation.answers import Answer, Answers, Arrival, Use
from agent.conversation.playing import Playing
from agent.metrics import MOST_TEXT
from agent.turn import events
from agent.uplink.utterance import Kind, Wants
from agent.wire.events import (
    AudioOut,
    GenerationComplete,
    InputTranscript,
    Interrupted,
    OutputTranscript,
    TurnComplete,
    UnplayableAudio,
    Usage,
)
from hardware.ports import SPEAKER_FORMAT, AudioFormat

if TYPE_CHECKING:
    from agent.conversation.delivery import Delivery
    from agent.conversation.turn_log import TurnLog
    from agent.metrics import Counters, TurnRecord
    from agent.uplink.utterance import Utterance
    from agent.wire.events import ServerEvent
    from hardware.ports import Speaker


NEEDS_MORE = "NEED_MORE_INPUT"
"""The turnCompleteReason of a service that waits for the question to go on."""


class Dialogue:
    """The answering half of the conversation."""

    def __init__(self, speaker: Speaker, delivery: Delivery, turn_log: TurnLog, counters: Counters) -> None:
        """Play on ``speaker``; tell ``delivery`` which utterances are answered, and ``turn_log`` with what."""
        self._speaker = speaker
        self._delivery = delivery
        self._turn_log = turn_log
        self._counters = counters
        self._answers = Answers(self._lost)
        self._playing = Playing(speaker, self._settle)
        self._last: TurnRecord | None = None
        self._broken: TurnRecord | None = None  # an answer that broke off, and whose rest has been asked for
        self._seam = ""  # goes between the words of an answer that broke off and those of its rest
        self._question_again = False  # the question was sent again, so its transcript comes again, too
        self._audio_out = AnswerAudio(speaker, counters)
        self._unclaimed = ""  # transcript of an utterance that the service detected and has not answered yet
        self.answered = 0
        """The last utterance to which an answer has come, at least in part."""

    @property
    def pending(self) -> bool:
        """Whether a wanted answer is still owed."""
        return self._answers.pending

    @property
    def incomplete(self) -> bool:
        """Whether a part of a wanted answer is still to come; the end of its turn does not count."""
        return self._answers.incomplete

    @property
    def playing(self) -> bool:
        """Whether an answer is on the speaker."""
        return self._playing.record is not None

    @property
    def latest(self) -> TurnRecord | None:
        """The turn that is being answered, else the one answered last."""
        current = self._answers.current
        return current.record if current is not None else self._last

    def asked(self, utterance: Utterance, now: float, frames: int = 0, frames_dropped: int = 0) -> None:
        """Expect the answer to ``utterance``, which was handed over completely.

        ``frames`` were sent while it was asked, and ``frames_dropped`` were not.
        """
        broken = self._broken
        is_note = utterance.kind is Kind.NOTE and not utterance.withdrawn
        goes_on = broken is not None and broken.utterance == utterance.number and not is_note
        rest = broken if goes_on else None
        number = None if utterance.withdrawn else utterance.number  # the answer to half a question acknowledges nothing
        refused = Use.UNWANTED if utterance.wants is Wants.NOTHING else Use.ALOUD
        answer = self._answers.expect(number, now, Use.DEFERRED if is_note else refused, rest)
        answer.record.typed = utterance.text
        answer.record.frames += frames
        answer.record.frames_dropped += frames_dropped
        self._seam, self._question_again = (" ", True) if rest is not None else ("", False)
        if is_note and utterance.answer_text:
            answer.record.answer.add_text(utterance.answer_text + " ")
        if rest is None:
            answer.record.speech_ended_at = utterance.ended_at

    def feed(self, event: ServerEvent, now: float) -> list[events.Event]:
        """Handle one server event; return the events for the turn machine."""
        match event:
            case AudioOut() if event.pcm:
                return self._audio(event, now)
            case UnplayableAudio():
                return self._unplayable(event.problem, now)
            case OutputTranscript() if event.text:
                return self._words(event.text, now)
            case InputTranscript():
                self._question(event.text)
            case Interrupted():
                # While the rest of an answer has not been asked for yet, this is about something else.
                awaited = self._broken is not None and self._answers.current is None
                return [] if awaited else self._answers.interrupted()
            case GenerationComplete() if not self._missing(""):  # else the end of the turn tells
                return self._acknowledge(self.latest, self._answers.generation_complete())
            case Usage():
                if self.latest is not None:
                    self.latest.tokens = event.total
            case TurnComplete():
                return self._turn_complete(event)
        return []

    def cut(self, now: float) -> None:
        """Silence the answer that plays and refuse its rest, and every other answer asked for so far."""
        self.watch_playback(now)
        played_s = self._speaker.flush()
        self._answers.cut()
        self._delivery.cut()
        self.give_up_rest()
        self._delivery.answers.played(played_s)
        self._playing.over(played_s, interrupted=True)

    def drop_deferred(self) -> None:
        """Discard the answer being collected for a note: a new question comes first."""
        self._answers.drop_deferred()
        self._audio_out.deferred.clear()

    def drained(self, now: float) -> list[events.Event]:
        """Handle the speaker's report that the answer has been played."""
        self.watch_playback(now)
        self._delivery.answers.played()
        if self._playing.record is not None:
            self._answers.played_out(self._playing.record)
        self._playing.over(self._speaker.played_s)
        return [events.Drained()]

    def repeat(self) -> tuple[float, list[events.Event]]:
        """Play the last answer again; return its seconds (0: there is none) and the events for the turn machine."""
        seconds = self._speaker.repeat()
        return seconds, [events.AnswerBegan(), events.AnswerGenerated()] if seconds else []

    def connection_lost(self) -> list[events.Event]:
        """Play on what was received, and ask for the rest if the question is still kept; return events."""
        answer = self._answers.current
        news: list[events.Event] = []
        self._audio_out.deferred.clear()
        if answer is not None and answer.aloud and answer.arrival is Arrival.BEGUN:
            number = answer.utterance
            if number is not None and self._delivery.continue_answer(number, answer.record.answer.text):
                self._broken = answer.record
            else:
                news = [events.AnswerGenerated()]  # no more of it will come
        self._answers.connection_lost()
        return news

    def watch_playback(self, now: float) -> None:
        """Note when the present answer's first sample was handed to the sound card. Cheap; called every chunk."""
        self._playing.watch(now)

    def give_up_rest(self) -> None:
        """Stop expecting the rest of an answer that broke off: its turn is over with what was received."""
        record, self._broken = self._broken, None
        if record is not None:
            record.reason = "connection lost"
            self._service_done(record)

    # words and sound

    def _question(self, text: str) -> None:
        """Keep the technician's words. If the service detects speech, they come before their answer is expected."""
        newest = self._answers.newest
        if newest is not None and newest.record.typed:
            return  # its words are known; a transcript now is of a preface or remark, which nobody said
        if newest is not None:
            before = "" if self._question_again else newest.record.question_text
            newest.record.question_text = (before + text)[:MOST_TEXT]
            self._question_again = False
        elif self._last is not None and self._last.utterance is not None:
            self._last.question_text = (self._last.question_text + text)[:MOST_TEXT]
        else:
            self._unclaimed = (self._unclaimed + text)[:MOST_TEXT]

    def _words(self, text: str, now: float) -> list[events.Event]:
        answer, news = self._content(now)
        if answer is not None:
            answer.record.answer.add_text(self._seam + text)
            self._seam = ""
            self._turn_log.progress(answer.record)
        return news

    def _audio(self, event: AudioOut, now: float) -> list[events.Event]:
        if refusal := self._audio_out.refusal(event):
            return self._unplayable(refusal, now)
        answer, news = self._content(now)
        if answer is None:
            self._counters.refused_s += AudioFormat(event.rate).seconds_in(len(event.pcm))
            return news
        pcm = self._audio_out.converted(event, answer.record)
        seconds = SPEAKER_FORMAT.seconds_in(len(pcm))
        answer.record.loudest = max(answer.record.loudest, loudest(pcm))
        if answer.use is Use.DEFERRED:
            self._audio_out.defer(pcm, answer.record)
            return news
        if answer.record.first_byte_at is None:
            answer.record.first_byte_at = now
        if self._playing.write(answer.record, pcm):
            answer.record.answer.add_audio(seconds)
            self._audio_out.watch_backlog(answer.record)
        else:
            self._counters.refused_s += seconds
        return news

    def _unplayable(self, problem: str, now: float) -> list[events.Event]:
        """Count a piece of sound that cannot be played; if nothing else comes, the question was not answered."""
        self._audio_out.unplayable(problem)
        answer, news = self._content(now)
        if answer is not None:
            answer.record.unplayable = True
            if answer.use is Use.DEFERRED:
                answer.refuse()  # the note is asked again later
                self._audio_out.deferred.clear()
        return news

    def _content(self, now: float) -> tuple[Answer | None, list[events.Event]]:
        answer, news = self._answers.content(now)
        if answer is not None and answer.utterance is not None:
            self.answered = max(self.answered, answer.utterance)
        if answer is not None and news and answer.record.utterance is None:
            answer.record.question_text, self._unclaimed = self._unclaimed, ""
        return answer, news

    # the ends of a turn

    def _acknowledge(
        self, record: TurnRecord | None, news: tuple[int | None, list[events.Event]]
    ) -> list[events.Event]:
        utterance, told = news
        if utterance is not None and record is not None:
            if self._audio_out.deferred and record.loudest >= INAUDIBLE:
                self._delivery.keep_answer(utterance, bytes(self._audio_out.deferred), record)
            self._audio_out.deferred.clear()
            self._turn_log.remember(record)
            self._delivery.acknowledge(utterance, record)
        return told

    def _missing(self, reason: str) -> bool:
        """Whether the present answer is nothing that can be heard, though the service knows what was asked.

        ``reason``: why it ended the turn, if it says so. A service that is told nothing is right to say nothing.
        """
        answer = self._answers.current
        if answer is None or answer.utterance is None or not answer.aloud:
            return False
        record = answer.record
        understood = record.typed or record.question_text.strip() or record.unplayable or reason not in ("", NEEDS_MORE)
        sound_came = record.answer.audio_s or record.unplayable
        inaudible = record.loudest < INAUDIBLE if sound_came else not record.answer.text
        return bool(understood) and inaudible

    def _turn_complete(self, event: TurnComplete) -> list[events.Event]:
        if event.idle and self._missing(event.reason):
            return self._give_up_missing(event.reason)
        record = self.latest
        news = self._acknowledge(record, self._answers.turn_complete(event))
        if record is not None and event.idle:
            record.reason = event.reason
            self._service_done(record)
        following = self._answers.newest
        if following is not None and following.aloud:  # the technician waits for that; this end came late
            return [events.AnswerGenerated() if isinstance(each, events.AnswerEnded) else each for each in news]
        return news

    def _give_up_missing(self, reason: str) -> list[events.Event]:
        """Drop an answer that cannot be heard; its question stays unacknowledged."""
        answer = self._answers.drop()
        self._playing.withdraw(answer.record)
        self._counters.missed += 1
        self._turn_log.unheard(answer.record)
        return [events.AnswerMissing(reason)]

    def _lost(self, answer: Answer) -> None:
        if answer.record is self._broken and not answer.generated:
            return  # its rest has been asked for
        if answer.begun:  # else its question is sent again, or was merged into the next question
            answer.record.reason = "" if answer.generated else "connection lost"
            self._service_done(answer.record)

    def _service_done(self, record: TurnRecord) -> None:
        if record is self._broken:
            self._broken = None
        self._last = record
        record.service_done = True
        if record is not self._playing.record:
            record.speaker_done = True
        self._settle(record)

    def _settle(self, record: TurnRecord) -> None:
        """Hand ``record`` on to the turn log, once neither the service nor the speaker will add to it."""
        if record.service_done and record.speaker_done and not record.settled:
            record.settled = True
            self._counters.turns += 1
            self._turn_log.settle(record)
