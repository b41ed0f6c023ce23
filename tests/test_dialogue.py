"""What the service says, fed in event by event, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from agent.dialogue import Dialogue
from agent.metrics import Counters
from agent.moves import AnswerBegan, AnswerEnded, AnswerGenerated, AnswerInterrupted, Drained
from agent.utterances import Ledger
from agent.wire_events import (
    AudioOut,
    GenerationComplete,
    GoAway,
    InputTranscript,
    Interrupted,
    ModelText,
    OutputTranscript,
    TurnComplete,
    Usage,
)
from hardware.ports import SPEAKER_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.metrics import TurnRecord
    from agent.moves import Event
    from agent.wire_events import ServerEvent
    from hardware.ports import DeviceError

DONE = TurnComplete(idle=True, reason="", waiting_for_input=False)
GOING_ON = TurnComplete(idle=False, reason="", waiting_for_input=False)


def audio(seconds: float, rate: int = 24_000) -> AudioOut:
    return AudioOut(bytes(round(seconds * rate) * 2), rate)


def said(text: str) -> OutputTranscript:
    return OutputTranscript(text, finished=False)


def heard(text: str) -> InputTranscript:
    return InputTranscript(text, finished=False)


@dataclass
class FakeSpeaker:
    """Plays as much as a test says."""

    written: bytearray = field(default_factory=bytearray)
    played_s: float = 0.0
    flushes: int = 0

    @property
    def buffered_s(self) -> float:
        return SPEAKER_FORMAT.seconds_in(len(self.written)) - self.played_s

    @property
    def audible(self) -> bool:
        return self.buffered_s > 0

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        pass

    @property
    def epoch(self) -> int:
        return self.flushes

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        if epoch != self.flushes:
            return False
        self.written += pcm
        return True

    def finish(self) -> None:
        pass

    def flush(self) -> float:
        played, self.played_s = self.played_s, 0.0
        self.written.clear()
        self.flushes += 1
        return played

    def repeat(self) -> float:
        return 0.0

    def chime(self, pcm: bytes) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Rig:
    def __init__(self, *, marked: bool = True) -> None:
        self.speaker, self.ledger, self.counters = FakeSpeaker(), Ledger(marked=marked), Counters()
        self.records: list[TurnRecord] = []
        self.dialogue = Dialogue(self.speaker, self.ledger, self.counters, self.records.append)

    def ask(self, ended_at: float = 1.0, now: float = 1.1, *, wanted: bool = True) -> int:
        number = self.ledger.open(bytes(640))
        self.ledger.end(ended_at)
        while (step := self.ledger.next()) is not None:
            last = step[1]
        last.wanted = wanted
        self.dialogue.asked(last, now)
        return number

    def feed(self, *events: ServerEvent, now: float = 2.0) -> list[Event]:
        return [move for event in events for move in self.dialogue.feed(event, now)]

    def play_out(self, now: float = 9.0) -> list[Event]:
        self.speaker.played_s = SPEAKER_FORMAT.seconds_in(len(self.speaker.written))
        events = self.dialogue.drained(now)
        self.speaker.flush()
        return events


def test_a_whole_turn_is_played_reported_acknowledged_and_recorded_once() -> None:
    rig = Rig()
    number = rig.ask(ended_at=1.0, now=1.1)
    assert rig.dialogue.pending
    assert rig.feed(heard(" What"), heard(" now?")) == []
    assert rig.feed(audio(1.0), now=1.5) == [AnswerBegan()]
    assert rig.feed(said(" This"), said(" now."), audio(0.5), now=1.6) == []
    assert len(rig.speaker.written) == 1.5 * 48_000
    assert rig.ledger.waiting == 1
    assert rig.feed(GenerationComplete()) == [AnswerGenerated()]
    assert rig.ledger.waiting == 0
    assert rig.feed(Usage(100, 20, 3, 0), DONE) == [AnswerEnded()]
    assert not rig.dialogue.pending
    assert rig.records == []  # the speaker still plays
    rig.speaker.played_s = 0.25
    rig.dialogue.watch_playback(2.0)
    assert rig.play_out() == [Drained()]
    (record,) = rig.records
    assert record.utterance == number
    assert (record.speech_ended_at, record.delivered_at, record.first_byte_at) == (1.0, 1.1, 1.5)
    assert record.first_sample_at == 1.75
    assert record.ttfab_s == 0.75
    assert record.heard == " What now?"
    assert record.spoken == record.said.text == "This now."
    assert (record.played_s, record.said.audio_s, record.tokens) == (1.5, 1.5, 123)
    assert not record.interrupted
    assert rig.counters.turns == 1
    rig.play_out()
    rig.feed(DONE)
    assert len(rig.records) == 1


def test_what_the_speaker_refuses_is_counted_and_was_not_said() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(0.5))
    rig.speaker.flush()  # somebody else silenced it, and what was on its way comes too late
    rig.feed(audio(0.25))
    assert rig.counters.refused_s == pytest.approx(0.25)
    assert not rig.speaker.written
    rig.feed(GenerationComplete(), DONE)
    rig.play_out()
    assert [record.said.audio_s for record in rig.records] == [0.5]


def test_a_record_waits_for_the_service_when_the_speaker_is_done_first() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(0.5), GenerationComplete())
    rig.play_out()
    assert rig.records == []
    rig.feed(DONE)
    assert [record.played_s for record in rig.records] == [0.5]


def test_an_empty_answer_is_recorded_with_the_reason() -> None:
    rig = Rig()
    rig.ask()
    reason = TurnComplete(idle=True, reason="NEED_MORE_INPUT", waiting_for_input=True)
    assert rig.feed(reason) == [AnswerEnded()]
    (record,) = rig.records
    assert (record.reason, record.said.text, record.ttfab_s) == ("NEED_MORE_INPUT", "", None)
    assert rig.ledger.waiting == 0


def test_a_turn_that_goes_on_thinking_is_one_turn() -> None:
    rig = Rig()
    rig.ask()
    assert rig.feed(audio(0.1), GenerationComplete(), GOING_ON) == [AnswerBegan(), AnswerGenerated()]
    assert rig.feed(audio(0.2), GenerationComplete(), DONE) == [AnswerGenerated(), AnswerEnded()]
    rig.play_out()
    assert [record.said.audio_s for record in rig.records] == pytest.approx([0.3])


def test_words_alone_begin_an_answer_and_model_text_does_not() -> None:
    rig = Rig()
    rig.ask()
    assert rig.feed(ModelText("thinking", thought=True), GoAway(10.0)) == []
    assert rig.feed(said(" Yes.")) == [AnswerBegan()]
    assert rig.feed(audio(0.1)) == []


def test_a_cut_silences_and_keeps_only_what_was_played() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(said(" One two three four"), audio(2.0), said(" five six."), audio(2.0))
    rig.speaker.played_s = 1.0
    rig.dialogue.cut(3.0)
    assert rig.speaker.flushes == 1
    assert not rig.dialogue.pending
    assert rig.feed(Interrupted(), DONE) == []
    (record,) = rig.records
    assert record.interrupted
    assert (record.played_s, record.said.audio_s) == (1.0, 4.0)
    assert record.said.text == "One two three four five six."
    assert record.spoken == "One two"
    assert record.first_sample_at == 2.0
    assert rig.ledger.waiting == 0


def test_audio_that_comes_after_the_cut_is_refused_and_counted() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0))
    rig.dialogue.cut(3.0)
    assert rig.feed(audio(0.5), audio(0.25), said(" late")) == []
    assert not rig.speaker.written
    assert rig.counters.refused_s == pytest.approx(0.75)
    rig.feed(DONE)
    assert rig.records[0].said.text == ""


def test_audio_at_another_rate_is_refused_and_counted() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0, rate=16_000))
    assert not rig.speaker.written
    assert rig.counters.refused_s == pytest.approx(1.0)


def test_the_answer_after_a_cut_one_is_played_and_its_own() -> None:
    rig = Rig()
    first = rig.ask()
    rig.feed(audio(1.0), said(" Old."))
    rig.dialogue.cut(3.0)
    second = rig.ask(ended_at=4.0, now=4.1)
    assert rig.feed(audio(0.5), now=4.2) == []  # still of the first
    assert rig.feed(heard(" New?"), Interrupted(), DONE, now=4.3) == []
    assert rig.feed(audio(0.2), said(" New."), GenerationComplete(), DONE, now=4.5) == [
        AnswerBegan(),
        AnswerGenerated(),
        AnswerEnded(),
    ]
    rig.play_out()
    assert [(r.utterance, r.heard, r.said.text) for r in rig.records] == [
        (first, "", "Old."),
        (second, " New?", "New."),
    ]
    assert rig.counters.refused_s == pytest.approx(0.5)


def test_what_nobody_wants_any_more_is_not_played_but_recorded() -> None:
    rig = Rig()
    rig.ask(wanted=False)
    assert rig.feed(audio(1.0), GenerationComplete(), DONE) == []
    assert not rig.speaker.written
    assert len(rig.records) == 1


def test_an_answer_that_begins_while_the_last_one_plays_counts_the_last_one_as_played() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete(), DONE)
    rig.ask()
    rig.feed(audio(0.5))
    assert [(record.played_s, record.interrupted) for record in rig.records] == [(1.0, False)]


def test_the_service_stopping_by_itself_is_told() -> None:
    rig = Rig()
    rig.ask()
    assert rig.feed(Interrupted()) == []  # before the answer began: about nothing
    rig.feed(audio(1.0))
    assert rig.feed(Interrupted()) == [AnswerInterrupted()]
    rig.speaker.played_s = 0.5
    rig.dialogue.cut(3.0)
    rig.feed(DONE)
    assert [(record.played_s, record.interrupted) for record in rig.records] == [(0.5, True)]


def test_a_stop_after_the_turn_is_told_too() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete(), DONE)
    assert rig.feed(Interrupted()) == [AnswerInterrupted()]


def test_a_transcript_that_comes_after_the_turn_still_belongs_to_it() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete(), DONE, heard(" What is this?"))
    rig.play_out()
    assert rig.records[0].heard == " What is this?"


def test_tokens_that_are_counted_after_the_turn_still_belong_to_it() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete(), DONE, Usage(1, 2, 3, 4))
    rig.play_out()
    assert rig.records[0].tokens == 10


def test_tokens_of_no_turn_are_nobodys() -> None:
    rig = Rig()
    assert rig.feed(Usage(1, 2, 3, 4), GenerationComplete(), DONE) == []
    assert rig.records == []


def test_speech_that_the_service_detects_is_heard_before_its_answer() -> None:
    rig = Rig(marked=False)
    for question, answer in ((" First?", " One."), (" Second?", " Two.")):
        rig.feed(heard(question))
        assert rig.feed(audio(0.5), said(answer)) == [AnswerBegan()]
        assert rig.feed(GenerationComplete(), DONE) == [AnswerGenerated(), AnswerEnded()]
        rig.play_out()
    assert [(r.utterance, r.heard, r.said.text) for r in rig.records] == [
        (None, " First?", "One."),
        (None, " Second?", "Two."),
    ]


def test_a_lost_connection_ends_the_answer_that_had_begun_and_gives_it_for_good() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" Half"))
    assert rig.dialogue.connection_lost() == [AnswerGenerated()]
    assert rig.ledger.waiting == 0
    assert rig.records == []
    rig.play_out()
    assert [(record.said.text, record.played_s) for record in rig.records] == [("Half", 1.0)]


def test_a_lost_connection_leaves_the_question_that_was_not_answered() -> None:
    rig = Rig()
    rig.ask()
    assert rig.dialogue.connection_lost() == []
    assert rig.ledger.waiting == 1
    assert rig.records == []
    assert not rig.dialogue.pending


def test_a_connection_lost_after_all_was_said_tells_nothing_new() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete())
    assert rig.dialogue.connection_lost() == []
    rig.play_out()
    assert len(rig.records) == 1


def test_cutting_and_draining_with_nothing_at_all_are_harmless() -> None:
    rig = Rig()
    rig.dialogue.watch_playback(1.0)
    rig.dialogue.cut(1.0)
    assert rig.dialogue.drained(1.0) == [Drained()]
    assert rig.dialogue.connection_lost() == []
    assert rig.records == []
    assert rig.dialogue.latest is None
