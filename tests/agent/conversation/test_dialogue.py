"""What the service says, fed in event by event, and what becomes of it."""

from __future__ import annotations

import logging
import math
from array import array
from typing import TYPE_CHECKING

import pytest

from agent.conversation.answer_audio import DEFERRED_S, loudest
from agent.metrics import MOST_TEXT
from agent.turn.events import AnswerBegan, AnswerEnded, AnswerGenerated, AnswerInterrupted, AnswerMissing, Drained
from agent.uplink.utterance import Wants
from agent.wire.events import (
    AudioOut,
    GenerationComplete,
    GoAway,
    Interrupted,
    TurnComplete,
    UnplayableAudio,
    Usage,
)
from hardware.ports import SPEAKER_FORMAT
from tests.support.dialogue_rig import Rig, audio, heard, said

if TYPE_CHECKING:
    from agent.wire.events import ServerEvent

DONE = TurnComplete(idle=True, reason="")
GOING_ON = TurnComplete(idle=False, reason="")


def test_a_whole_turn_is_played_reported_acknowledged_and_recorded_once() -> None:
    rig = Rig()
    number = rig.ask(ended_at=1.0, now=1.1)
    assert rig.dialogue.pending
    assert rig.feed(heard(" What"), heard(" now?")) == []
    assert rig.feed(audio(1.0), now=1.5) == [AnswerBegan()]
    assert rig.feed(said(" This"), said(" now."), audio(0.5), now=1.6) == []
    assert len(rig.speaker.written) == 1.5 * 48_000
    assert len(rig.ledger.over) == 1
    assert rig.feed(GenerationComplete()) == [AnswerGenerated()]
    assert len(rig.ledger.over) == 0
    assert rig.feed(Usage(100, 20, 3, 0), DONE) == [AnswerEnded()]
    assert not rig.dialogue.pending
    assert rig.records == []  # the speaker still plays
    rig.speaker.played_s = 0.25
    rig.dialogue.watch_playback(2.0)
    assert rig.play_out() == [Drained()]
    (record,) = rig.records
    assert record.utterance == number
    assert (record.speech_ended_at, record.first_byte_at) == (1.0, 1.5)
    assert record.first_sample_at == 1.75
    assert record.ttfab_s == 0.75
    assert record.question_text == " What now?"
    assert record.played_text == record.answer.text == "This now."
    assert (record.played_s, record.answer.audio_s, record.tokens) == (1.5, 1.5, 123)
    assert not record.interrupted
    assert rig.counters.turns == 1
    rig.play_out()
    rig.feed(DONE)
    assert len(rig.records) == 1


SILENCE = AudioOut(bytes(48_000), 24_000)
REJECTED = TurnComplete(idle=True, reason="RESPONSE_REJECTED")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((heard(" What now?"), DONE), ""),
        ((REJECTED,), "RESPONSE_REJECTED"),
        ((heard(" What now?"), GenerationComplete(), REJECTED), "RESPONSE_REJECTED"),
    ],
    ids=["understood", "refused", "both"],
)
def test_a_question_that_is_answered_with_nothing_is_missed_and_stays_owed(
    answer: tuple[ServerEvent, ...], reason: str
) -> None:
    rig = Rig()
    number = rig.ask()
    assert rig.feed(*answer) == [AnswerMissing(reason)]
    assert [entry.number for entry in rig.ledger.over] == [number]
    assert not rig.dialogue.pending
    assert (rig.records, rig.counters.missed) == ([], 1)
    rig.break_line()
    rig.deliver()
    rig.feed(heard(" What now?"), audio(1.0), said(" This."), GenerationComplete(), DONE)
    rig.play_out()
    (record,) = rig.records
    assert (record.utterance, record.question_text, record.played_text) == (number, " What now?", "This.")


def test_an_answer_that_nobody_can_hear_is_missed_and_not_played_on() -> None:
    rig = Rig()
    number = rig.ask()
    assert rig.feed(heard(" What now?"), SILENCE, said(" This."), GenerationComplete()) == [AnswerBegan()]
    assert rig.feed(DONE) == [AnswerMissing()]
    assert rig.delivery.progressed[-1] == "", "else its rest would be asked for"
    assert not rig.speaker.written
    assert [entry.number for entry in rig.ledger.over] == [number]


@pytest.mark.parametrize(
    "answer",
    [(DONE,), (TurnComplete(idle=True, reason="NEED_MORE_INPUT"),), (heard(" What?"), said(" This."), DONE)],
    ids=["not understood", "more input wanted", "text"],
)
def test_nothing_is_missed_where_nothing_was_understood_and_where_the_answer_is_text(
    answer: tuple[ServerEvent, ...],
) -> None:
    rig = Rig()
    rig.ask()
    assert not [move for move in rig.feed(*answer) if isinstance(move, AnswerMissing)]
    assert not rig.ledger.over


def test_nothing_is_missed_of_an_answer_that_nobody_wants_or_that_was_kept_for_later() -> None:
    rig = Rig()
    rig.ask(wanted=False)
    assert rig.feed(heard(" What now?"), DONE) == []
    rig.ask_note()
    assert rig.feed(heard(" What now?"), DONE) == []
    assert not rig.ledger.over


def test_an_inaudible_answer_to_a_note_is_not_kept_to_be_played() -> None:
    rig = Rig()
    number = rig.ask_note()
    rig.feed(SILENCE, said(" This."), GenerationComplete())
    assert (rig.delivery.kept, rig.delivery.acknowledged) == ([], [number])
    rig.feed(DONE)
    rig.ask_note(9)
    rig.feed(audio(0.5), GenerationComplete(), DONE)
    assert [(note, pcm) for note, pcm, _ in rig.delivery.kept] == [(9, audio(0.5).pcm)]


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
    assert [record.answer.audio_s for record in rig.records] == [0.5]


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
    reason = TurnComplete(idle=True, reason="NEED_MORE_INPUT")
    assert rig.feed(reason) == [AnswerEnded()]
    (record,) = rig.records
    assert (record.reason, record.answer.text, record.ttfab_s) == ("NEED_MORE_INPUT", "", None)
    assert len(rig.ledger.over) == 0


def test_a_turn_that_goes_on_thinking_is_one_turn() -> None:
    rig = Rig()
    rig.ask()
    assert rig.feed(audio(0.1), GenerationComplete(), GOING_ON) == [AnswerBegan(), AnswerGenerated()]
    assert rig.feed(audio(0.2), GenerationComplete(), DONE) == [AnswerGenerated(), AnswerEnded()]
    rig.play_out()
    assert [record.answer.audio_s for record in rig.records] == pytest.approx([0.3])


def test_words_alone_begin_an_answer() -> None:
    rig = Rig()
    rig.ask()
    assert rig.feed(GoAway(10.0)) == []
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
    assert (record.played_s, record.answer.audio_s) == (1.0, 4.0)
    assert record.answer.text == "One two three four five six."
    assert record.played_text == "One two"
    assert record.first_sample_at == 2.0
    assert len(rig.ledger.over) == 0


def test_audio_that_comes_after_the_cut_is_refused_and_counted() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0))
    rig.dialogue.cut(3.0)
    assert rig.feed(audio(0.5), audio(0.25), said(" late")) == []
    assert not rig.speaker.written
    assert rig.counters.refused_s == pytest.approx(0.75)
    rig.feed(DONE)
    assert rig.records[0].answer.text == ""


def tone(rate: int, seconds: float) -> AudioOut:
    wave = (round(8000 * math.sin(math.tau * 440 * n / rate)) for n in range(round(rate * seconds)))
    return AudioOut(array("h", wave).tobytes(), rate)


@pytest.mark.parametrize("rate", [16_000, 48_000, 44_100])
def test_an_answer_at_another_rate_is_converted_and_played(rate: int) -> None:
    rig = Rig()
    number = rig.ask()
    assert rig.feed(heard(" What?"), tone(rate, 0.5), tone(rate, 0.5)) == [AnswerBegan()]
    assert rig.feed(GenerationComplete(), DONE) == [AnswerGenerated(), AnswerEnded()]
    assert SPEAKER_FORMAT.seconds_in(len(rig.speaker.written)) == pytest.approx(1.0, abs=0.002)
    assert loudest(bytes(rig.speaker.written)) == pytest.approx(8000, rel=0.05)
    rig.play_out()
    (record,) = rig.records
    assert (record.utterance, record.answer.audio_s) == (number, pytest.approx(1.0, abs=0.002))


UNPLAYABLE: list[ServerEvent] = [UnplayableAudio("another encoding"), audio(1.0, rate=1_000), audio(1.0, rate=23_999)]


@pytest.mark.parametrize("sound", UNPLAYABLE)
@pytest.mark.parametrize("words", [(), (said(" This."),)], ids=["silent", "with words"])
def test_an_answer_that_cannot_be_played_is_missed_and_its_question_stays_owed(
    sound: ServerEvent, words: tuple[ServerEvent, ...], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    number = rig.ask()
    moves = rig.feed(sound, *words, sound, GenerationComplete(), DONE)
    assert moves == [AnswerBegan(), AnswerMissing()]
    assert [entry.number for entry in rig.ledger.over] == [number]
    assert (rig.counters.missed, rig.counters.unplayable) == (1, 2)
    assert not rig.speaker.written
    warned = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert warned[0].startswith("answer: sound that cannot be played: ")


def test_sound_that_comes_far_faster_than_it_plays_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.ask()
    for _ in range(13):
        rig.feed(audio(10.0))
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "100 s of sound wait" in caplog.text


def test_an_answer_to_a_note_is_kept_for_two_minutes_and_the_rest_is_counted() -> None:
    rig = Rig()
    rig.ask_note()
    for _ in range(13):
        rig.feed(audio(10.0))
    rig.feed(GenerationComplete())
    ((_, pcm, _),) = rig.delivery.kept
    assert SPEAKER_FORMAT.seconds_in(len(pcm)) == DEFERRED_S
    assert rig.counters.refused_s == pytest.approx(10.0)


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_question_without_end_is_kept_as_far_as_anybody_could_have_said_it(earlier: int) -> None:
    rig = Rig()
    rig.ask()
    if earlier:
        rig.feed(audio(1.0), DONE)
    for _ in range(3):
        rig.feed(heard("x" * (MOST_TEXT - 1)))
    rig.feed(audio(1.0), DONE)
    rig.play_out()
    assert rig.records[0].question_text == "x" * MOST_TEXT


def test_speech_without_end_that_the_service_detects_is_kept_as_far_as_well() -> None:
    rig = Rig(local_detection=False)
    for _ in range(3):
        rig.feed(heard("x" * (MOST_TEXT - 1)))
    rig.feed(audio(1.0), DONE)
    rig.play_out()
    assert rig.records[0].question_text == "x" * MOST_TEXT


def test_an_answer_of_which_a_part_can_be_played_is_one() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), UNPLAYABLE[0], GenerationComplete())
    assert not rig.ledger.over
    assert rig.feed(DONE) == [AnswerEnded()]


@pytest.mark.parametrize("sound", UNPLAYABLE)
def test_a_note_whose_answer_cannot_be_played_is_not_answered(sound: ServerEvent) -> None:
    rig = Rig()
    rig.ask_note()
    rig.feed(audio(0.5), sound, audio(0.5), said(" This."), GenerationComplete(), DONE)
    assert (rig.delivery.kept, rig.delivery.acknowledged) == ([], [])


def test_what_cannot_be_played_of_a_cut_answer_is_not_wanted_either() -> None:
    rig = Rig()
    rig.ask(wanted=False)
    assert rig.feed(UNPLAYABLE[0], DONE) == []
    assert rig.counters.missed == 0


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
    assert [(r.utterance, r.question_text, r.answer.text) for r in rig.records] == [
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
    assert rig.records[0].question_text == " What is this?"


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
    rig = Rig(local_detection=False)
    for question, answer in ((" First?", " One."), (" Second?", " Two.")):
        rig.feed(heard(question))
        assert rig.feed(audio(0.5), said(answer)) == [AnswerBegan()]
        assert rig.feed(GenerationComplete(), DONE) == [AnswerGenerated(), AnswerEnded()]
        rig.play_out()
    assert [(r.utterance, r.question_text, r.answer.text) for r in rig.records] == [
        (None, " First?", "One."),
        (None, " Second?", "Two."),
    ]


def test_what_has_come_of_an_answer_is_written_down_as_it_comes() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(said(" One"), said(" two."))
    assert rig.delivery.progressed == ["One", "One two."]


# a line that breaks during an answer


def test_an_answer_that_broke_off_plays_on_and_its_rest_is_asked_for() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" Half"))
    assert rig.break_line() == []  # the turn machine waits for the rest
    assert rig.speaker.flushes == 0
    assert rig.records == []
    (entry,) = rig.ledger.over
    assert (entry.remark, entry.wants) == ("go on after Half", Wants.REST)


def test_an_answer_and_its_rest_are_one_turn() -> None:
    rig = Rig()
    number = rig.ask(ended_at=1.0, now=1.1)
    rig.feed(audio(1.0), said(" Half"), now=1.5)
    rig.break_line()
    rig.deliver(now=9.0)
    assert rig.feed(audio(0.5), said("and"), said(" half."), now=9.5) == [AnswerBegan()]
    assert rig.feed(GenerationComplete(), DONE) == [AnswerGenerated(), AnswerEnded()]
    assert len(rig.speaker.written) == 1.5 * 48_000
    rig.play_out()
    (record,) = rig.records
    assert (record.utterance, record.first_byte_at) == (number, 1.5)
    assert (record.answer.text, record.answer.audio_s, record.played_s) == ("Half and half.", 1.5, 1.5)
    assert not record.reason
    assert rig.delivery.acknowledged == [number, number]
    assert rig.ledger.idle


def test_an_answer_whose_rest_comes_after_a_silence_was_played_all_the_same() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" Half"))
    rig.break_line()
    rig.play_out()
    assert rig.records == []
    rig.deliver()
    rig.feed(audio(0.5), GenerationComplete(), DONE)
    rig.play_out()
    assert [(record.answer.audio_s, record.played_s) for record in rig.records] == [(1.5, 1.5)]


def test_an_answer_may_break_off_again_and_again() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" One"))
    rig.break_line()
    rig.deliver()
    rig.feed(audio(1.0), said("two"))
    rig.break_line()
    rig.deliver()
    assert rig.ledger.over[0].remark == "go on after One two"
    rig.feed(audio(1.0), said("three."), GenerationComplete(), DONE)
    rig.play_out()
    assert [(record.answer.text, record.played_s) for record in rig.records] == [("One two three.", 3.0)]


def test_a_rest_of_which_nothing_came_is_asked_for_again() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" One"))
    rig.break_line()
    rig.deliver()
    assert rig.break_line() == []
    assert rig.records == []
    rig.deliver()
    rig.feed(audio(1.0), said("two."), GenerationComplete(), DONE)
    rig.play_out()
    assert [(record.answer.text, record.played_s) for record in rig.records] == [("One two.", 2.0)]


def test_cutting_an_answer_that_broke_off_asks_nothing_more() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" Half"))
    rig.break_line()
    rig.speaker.played_s = 0.5
    rig.dialogue.cut(3.0)
    assert rig.ledger.idle
    assert [(record.played_s, record.interrupted) for record in rig.records] == [(0.5, True)]


def test_cutting_the_rest_ends_the_turn_once() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" Half"))
    rig.break_line()
    rig.deliver()
    rig.feed(audio(1.0), said("and half."))
    rig.dialogue.cut(3.0)
    rig.feed(audio(1.0), DONE)
    assert len(rig.records) == 1
    assert rig.counters.refused_s == pytest.approx(1.0)


def test_a_rest_that_is_given_up_leaves_what_has_come() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), said(" Half"))
    rig.break_line()
    rig.dialogue.give_up_rest()
    rig.play_out()
    assert [(record.answer.text, record.reason) for record in rig.records] == [("Half", "connection lost")]
    rig.dialogue.give_up_rest()
    assert len(rig.records) == 1


def test_what_the_service_said_of_its_own_accord_is_not_asked_for_again() -> None:
    rig = Rig()
    rig.feed(audio(1.0), said(" By the way"))
    assert rig.break_line() == [AnswerGenerated()]
    rig.play_out()
    assert [record.answer.text for record in rig.records] == ["By the way"]


def test_an_answer_to_what_is_not_kept_any_more_is_all_that_has_come() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0))
    rig.ledger.withdraw(rig.ledger.over[0])
    assert rig.break_line() == [AnswerGenerated()]


def test_a_lost_connection_leaves_the_question_that_was_not_answered() -> None:
    rig = Rig()
    rig.ask()
    assert rig.dialogue.connection_lost() == []
    assert len(rig.ledger.over) == 1
    assert rig.records == []
    assert not rig.dialogue.pending


def test_a_connection_lost_after_all_was_said_tells_nothing_new() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete())
    assert rig.dialogue.connection_lost() == []
    rig.play_out()
    assert len(rig.records) == 1


def test_a_question_answered_in_part_has_been_heard_by_the_service() -> None:
    rig = Rig()
    assert rig.dialogue.answered == 0
    number = rig.ask()
    assert rig.dialogue.answered == 0
    rig.feed(audio(0.1))
    assert rig.dialogue.answered == number
    rig.feed(audio(0.1), DONE, audio(0.1))  # unasked
    assert rig.dialogue.answered == number


# answers to notes


def test_the_answer_to_a_note_is_kept_and_not_played() -> None:
    rig = Rig()
    number = rig.ask_note()
    assert rig.dialogue.pending
    answer: list[ServerEvent] = [audio(0.5), said(" At two"), audio(0.25), said(" you asked.")]
    assert rig.feed(heard("What?"), *answer, GenerationComplete(), DONE) == []
    assert not rig.speaker.written
    ((kept, pcm, words),) = rig.delivery.kept
    assert (kept, len(pcm), words) == (number, 0.75 * 48_000, "At two you asked.")
    assert rig.delivery.acknowledged == [number, number]
    assert [record.question_text for record in rig.records] == ["What?"]


def test_the_answer_to_a_note_is_kept_also_where_only_the_turns_end_is_told() -> None:
    rig = Rig()
    number = rig.ask_note()
    rig.feed(audio(0.5), said(" At two."), DONE)
    assert rig.delivery.kept == [(number, audio(0.5).pcm, "At two.")]


def test_an_answer_is_acknowledged_with_its_record_also_where_only_the_turns_end_is_told() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(said(" Yes."), DONE)
    assert [record.answer.text for record in rig.delivery.remembered if record is not None] == ["Yes."]


def test_an_answer_is_acknowledged_with_its_record() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(said(" Yes."), GenerationComplete())
    assert [record.answer.text for record in rig.delivery.remembered if record is not None] == ["Yes."]


def test_an_empty_answer_to_a_note_settles_it() -> None:
    rig = Rig()
    number = rig.ask_note()
    rig.feed(DONE)
    assert rig.delivery.kept == []
    assert rig.delivery.acknowledged == [number]


def test_an_answer_to_a_note_is_dropped_for_what_is_asked_now_and_not_acknowledged() -> None:
    rig = Rig()
    rig.ask_note()
    rig.feed(audio(0.5))
    rig.dialogue.drop_deferred()
    assert rig.feed(audio(0.5), GenerationComplete(), DONE) == []
    assert rig.delivery.acknowledged == []
    rig.ask()
    rig.feed(audio(0.5), GenerationComplete(), DONE)
    assert rig.delivery.kept == []


def test_a_note_whose_answer_broke_off_with_the_line_is_put_again_from_the_beginning() -> None:
    rig = Rig()
    rig.ask_note()
    rig.feed(audio(0.5))
    assert rig.break_line() == []
    rig.ask_note()
    rig.feed(audio(0.25), GenerationComplete(), DONE)
    assert [len(pcm) for _, pcm, _ in rig.delivery.kept] == [12_000]


def test_a_note_that_was_answered_in_part_aloud_goes_on_in_the_words_of_its_answer() -> None:
    rig = Rig()
    rig.ask_note(answer_text="One two")
    rig.feed(said(" three."), audio(0.25), GenerationComplete(), DONE)
    ((_, _, words),) = rig.delivery.kept
    assert words.split() == ["One", "two", "three."]


def test_the_answer_to_a_note_that_was_played_out_was_heard() -> None:
    rig = Rig()
    rig.answer_note(3)
    assert rig.speaker.finishes == 1
    assert rig.play_out() == [Drained()]
    assert rig.delivery.heard == [3]
    rig.play_out()
    assert rig.delivery.heard == [3]
    assert rig.records == []


def test_the_answer_to_a_note_that_was_cut_early_still_waits() -> None:
    rig = Rig()
    rig.answer_note(3)
    rig.speaker.played_s = 0.1
    rig.dialogue.cut(1.0)
    assert rig.delivery.heard == []
    assert not rig.speaker.written


def test_an_answer_is_incomplete_until_all_of_it_has_come_though_its_end_may_come_late() -> None:
    rig = Rig()
    assert not rig.dialogue.incomplete
    rig.ask()
    rig.feed(audio(1.0))
    assert rig.dialogue.incomplete
    rig.feed(GenerationComplete())
    assert not rig.dialogue.incomplete
    assert rig.dialogue.pending


def test_empty_pieces_are_no_answer() -> None:
    rig = Rig()
    rig.ask()
    assert rig.feed(audio(0.0), said("")) == []
    assert rig.dialogue.answered == 0


def test_the_transcript_of_a_question_that_was_put_again_comes_again_and_is_not_kept_twice() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(heard(" What"), heard(" now?"), audio(1.0))
    rig.break_line()
    rig.deliver()
    rig.feed(heard(" What"), heard(" now?"), audio(1.0), GenerationComplete(), DONE)
    rig.play_out()
    assert [record.question_text for record in rig.records] == [" What now?"]


def test_cutting_and_draining_with_nothing_at_all_are_harmless() -> None:
    rig = Rig()
    rig.dialogue.watch_playback(1.0)
    rig.dialogue.cut(1.0)
    assert rig.dialogue.drained(1.0) == [Drained()]
    assert rig.dialogue.connection_lost() == []
    assert rig.records == []
    assert rig.dialogue.latest is None


def test_an_interruption_while_the_rest_is_still_to_be_asked_for_is_about_something_else() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(0.5), said("Once upon"))
    rig.break_line()
    assert rig.feed(Interrupted(), DONE) == []
    rig.deliver()
    rig.feed(audio(0.5), said("a time."), GenerationComplete(), DONE)
    rig.play_out()
    (record,) = rig.records
    assert (record.answer.text, record.interrupted) == ("Once upon a time.", False)


def test_a_typed_question_has_its_own_words_and_not_what_the_service_makes_of_the_remark() -> None:
    rig = Rig()
    rig.ledger.add_text("How hot?", 1.0)
    rig.deliver()
    rig.feed(heard("(The connection broke ...) How hot?"), audio(0.5), GenerationComplete(), DONE)
    rig.play_out()
    (record,) = rig.records
    assert (record.typed, record.question_text) == ("How hot?", "")
