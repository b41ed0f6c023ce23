from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.metrics import MOST_TEXT, Counters, Transcript, TurnRecord
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


def test_words_without_end_are_kept_as_far_as_anybody_could_have_said_them() -> None:
    transcript = Transcript()
    for _ in range(3):
        transcript.add_text("x" * (MOST_TEXT - 1))
        transcript.add_audio(1.0)
    assert transcript.text == "x" * MOST_TEXT
    assert transcript.played(1.0) == "x" * (MOST_TEXT - 1)


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
    assert all(not getattr(counters, name) for name in Counters.__slots__ if name != "_asked")
    assert counters.frames_of_question() == (0, 0)


def test_frames_are_those_of_the_question_that_was_just_completed() -> None:
    counters = Counters()
    counters.sent(1000)
    counters.sent(0)  # no frame
    counters.frames_dropped["rate"] += 3
    assert (counters.frames_sent, counters.frame_bytes) == (1, 1000)
    assert counters.frames_of_question() == (1, 3)
    counters.sent(500)
    assert counters.frames_of_question() == (1, 0)


def test_a_summary_does_not_follow_its_record() -> None:
    turn = record()
    before = turn.summary()
    turn.tokens = 43
    assert (before.tokens, turn.summary().tokens) == (42, 43)
    assert (before.answer_text, before.answer_s, before.over) == ("Four bar, in the green.", 2.5, False)
    assert before.serial != TurnRecord(7).serial


# the words of an answer

pieces = st.lists(
    st.one_of(st.floats(0.01, 5), st.text(alphabet="ab ,.", min_size=1, max_size=12)),
    max_size=20,
)


def collected(*parts: float | str) -> Transcript:
    said = Transcript()
    for part in parts:
        if isinstance(part, str):
            said.add_text(part)
        else:
            said.add_audio(part)
    return said


def test_text_is_all_pieces_with_their_leading_spaces_but_not_the_first_one() -> None:
    said = collected(" That", 1.0, " is a", 1.0, " teapot.")
    assert said.text == "That is a teapot."
    assert said.audio_s == 2.0


def test_an_answer_played_to_its_end_was_heard_whole() -> None:
    said = collected(1.0, "That is a", 1.0, " teapot.")
    assert said.played(2.0) == "That is a teapot."
    assert said.played(9.0) == "That is a teapot."


def test_of_an_answer_stopped_between_two_pieces_the_first_was_heard() -> None:
    assert collected("That is a", 1.0, " teapot.", 1.0).played(1.0) == "That is a"


def test_a_piece_stopped_in_its_middle_is_cut_between_words() -> None:
    said = collected("Open the screw half a turn", 2.0)
    assert said.played(1.0) == "Open the"
    assert said.played(1.999) == "Open the screw half a turn"  # rounded, all of it
    assert said.played(0.0) == ""


def test_words_of_sound_that_was_not_played_were_not_heard() -> None:
    assert collected("first", 1.0, " second", 1.0, " third", 1.0).played(0.5) == ""
    assert collected("first", 1.0, " second", 1.0, " late, after all the sound").played(1.5) == "first"


def test_of_sound_without_words_nothing_can_be_quoted() -> None:
    assert collected(2.0).played(1.0) == ""
    assert collected(2.0).played(2.0) == ""


@given(pieces, st.floats(0, 30), st.floats(0, 30))
def test_what_was_heard_is_the_beginning_of_the_text_and_never_shrinks(
    parts: list[float | str], one: float, other: float
) -> None:
    said = collected(*parts)
    sooner, later = sorted((one, other))
    assert said.text.startswith(said.played(sooner))
    assert said.played(later).startswith(said.played(sooner))
