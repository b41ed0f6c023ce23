from dataclasses import fields

import pytest

from agent.metrics import Counters, TurnRecord
from agent.store.rows import TurnRow


def record(*, interrupted: bool = False) -> TurnRecord:
    turn = TurnRecord(7, speech_ended_at=100.0, first_sample_at=101.234, played_s=1.0, tokens=42)
    turn.interrupted = interrupted
    turn.answer.add_text("Four bar,")
    turn.answer.add_audio(1.0)
    turn.answer.add_text(" in the green.")
    turn.answer.add_audio(1.5)
    return turn


def test_ttfab_runs_from_the_end_of_speech_to_the_first_sample() -> None:
    assert record().ttfab_s == pytest.approx(1.234)


def test_there_is_no_ttfab_without_both_ends() -> None:
    assert TurnRecord(1, speech_ended_at=100.0).ttfab_s is None
    assert TurnRecord(None, first_sample_at=100.0).ttfab_s is None


def test_ttfab_at_time_zero_is_still_one() -> None:
    assert TurnRecord(1, speech_ended_at=0.0, first_sample_at=0.0).ttfab_s == 0.0


def test_only_an_interrupted_answer_is_recorded_in_part() -> None:
    assert record().played_text == "Four bar, in the green."
    assert record(interrupted=True).played_text == "Four bar,"


def test_the_log_line_holds_figures_and_not_a_word_of_what_was_said() -> None:
    turn = record()
    turn.question_text = "What does the gauge show?"
    assert turn.line() == "turn 7: ttfab 1.23 s, answer 2.5 s, played 1.0 s, 42 tokens, complete"


def test_the_log_line_says_how_it_ended() -> None:
    assert record(interrupted=True).line().endswith("42 tokens, interrupted")
    assert TurnRecord(reason="RESPONSE_REJECTED").line() == (
        "turn unasked: no audio, answer 0.0 s, played 0.0 s, 0 tokens, RESPONSE_REJECTED"
    )


def test_the_journal_keeps_what_was_heard_said_and_played() -> None:
    turn = record(interrupted=True)
    turn.question_text, turn.reason, turn.frames, turn.frames_dropped = " What? ", "why", 3, 1
    turn.played_s = 1.00049
    assert turn.columns() == {
        "question": "What?",
        "answer": "Four bar, in the green.",
        "played": "Four bar,",
        "answer_s": 2.5,
        "played_s": 1.0,
        "interrupted": True,
        "reason": "why",
        "ttfab_s": pytest.approx(1.234),
        "tokens": 42,
        "frames": 3,
        "frames_dropped": 1,
    }


def test_what_the_journal_keeps_are_columns_that_it_has() -> None:
    assert record().columns().keys() <= {field.name for field in fields(TurnRow)}


def test_every_record_has_a_transcript_of_its_own() -> None:
    one, other = TurnRecord(), TurnRecord()
    one.answer.add_text("hello")
    assert other.answer.text == ""


def test_counters_start_at_nothing() -> None:
    counters = Counters()
    assert all(not getattr(counters, name) for name in Counters.__slots__)
