"""What a fresh session is told of the conversation: newest in full, older in short, never beyond the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.history import (
    CHARACTERS_PER_TOKEN,
    OVERHEAD_TOKENS,
    QUESTION_WORDS,
    SILENT,
    VERBATIM_SHARE,
    History,
    Lines,
    PastTurn,
    as_one_text,
    missed_text,
    tokens,
)

LONG_QUESTION = " ".join(f"word{number}" for number in range(20))
LONG_ANSWER = "The first sentence. " + "And so it goes on. " * 20


def history(*turns: PastTurn, budget: int = 4000) -> History:
    told = History(budget)
    for turn in turns:
        told.add(turn)
    return told


def test_nothing_was_said_at_first() -> None:
    assert history().seed() == []


def test_what_was_said_is_told_in_order_and_by_turns() -> None:
    told = history(PastTurn("What is this?", "A pump."), PastTurn("And that?", "A valve."))
    assert told.seed() == [
        ("user", "What is this?"),
        ("model", "A pump."),
        ("user", "And that?"),
        ("model", "A valve."),
    ]


def test_what_nobody_wrote_down_is_told_as_silence() -> None:
    assert PastTurn("", "").lines() == [("user", SILENT), ("model", SILENT)]
    assert PastTurn("", "").condensed() == [("user", SILENT), ("model", SILENT)]


def test_tools_are_told_as_words_because_calls_would_close_the_session() -> None:
    turn = PastTurn("How warm is it?", "21 degrees.", ("thermometer returned 21", "clock returned noon"))
    asked, _ = turn.lines()
    assert asked == ("user", "How warm is it?\n[thermometer returned 21]\n[clock returned noon]")
    assert turn.condensed()[0] == ("user", "How warm is it?")


def test_in_short_a_turn_is_the_beginning_of_the_question_and_the_first_sentence_of_the_answer() -> None:
    asked, answered = PastTurn(LONG_QUESTION, LONG_ANSWER).condensed()
    assert asked == ("user", " ".join(LONG_QUESTION.split()[:QUESTION_WORDS]) + " ...")
    assert answered == ("model", "The first sentence.")


@pytest.mark.parametrize(
    ("answer", "short"),
    [
        ("Yes! Of course.", "Yes!"),
        ("At 4.5 bar. Then stop.", "At 4.5 bar."),
        ("Is it?\nIt is.", "Is it?"),
        ("Line one\nline two. Rest.", "Line one\nline two."),
        ("no sentence at all", "no sentence at all"),
    ],
)
def test_a_sentence_ends_where_a_reader_says_that_it_does(answer: str, short: str) -> None:
    assert PastTurn("Hm?", answer).condensed()[1] == ("model", short)


def test_a_question_of_just_so_many_words_is_not_shortened() -> None:
    words = " ".join(["word"] * QUESTION_WORDS)
    assert PastTurn(words, "Yes.").condensed()[0] == ("user", words)


def test_the_newest_are_told_word_for_word_and_older_ones_in_short() -> None:
    turn = PastTurn(LONG_QUESTION, LONG_ANSWER)
    cost, short = tokens(turn.lines()), tokens(turn.condensed())
    budget = round(2 * cost / VERBATIM_SHARE) + 1
    told = history(*[turn] * 3, budget=budget).seed()
    assert told == turn.condensed() + turn.lines() * 2
    assert short < cost


def test_once_one_is_told_in_short_none_before_it_is_told_in_full() -> None:
    small = PastTurn("Hm?", "One sentence. And another one.")
    large = PastTurn(LONG_QUESTION, LONG_ANSWER * 3)
    budget = round(tokens(large.lines()))  # too large for the share that is told in full, where the small one fits
    told = history(small, large, small, budget=budget).seed()
    assert told == [*small.condensed(), *large.condensed(), *small.lines()]


def test_what_does_not_fit_even_in_short_is_left_out_oldest_first_and_counted() -> None:
    turns = [PastTurn(f"Question {number}?", LONG_ANSWER) for number in range(30)]
    told = history(*turns, budget=200).seed()
    assert told[-2] == ("user", "Question 29?")
    fitting = len(told) // 2
    assert 0 < fitting < 30
    assert told[0] == ("user", f"[{30 - fitting} earlier turns are left out]\nQuestion {30 - fitting}?")


def test_a_budget_of_nothing_tells_nothing() -> None:
    assert history(PastTurn("What?", "That."), budget=0).seed() == []


def test_what_is_cleared_is_neither_told_nor_counted() -> None:
    told = history(*[PastTurn("What?", LONG_ANSWER)] * 30, budget=200)
    told.clear()
    assert told.seed() == []
    told.add(PastTurn("What?", "That."))
    assert told.seed() == [("user", "What?"), ("model", "That.")]


def test_tokens_are_estimated_for_each_message() -> None:
    assert tokens([]) == 0
    assert tokens([("user", "abcdef"), ("model", "")]) == 2 * OVERHEAD_TOKENS + 6 / CHARACTERS_PER_TOKEN


def test_as_one_text_everything_is_the_users_own_words() -> None:
    assert as_one_text([]) == []
    assert as_one_text([("user", "What?"), ("model", "That.")]) == [
        ("user", "(What was said in this conversation so far)\nTechnician: What?\nYou: That."),
    ]


def test_what_was_said_after_a_certain_turn_is_told_in_full() -> None:
    told = history(PastTurn("One?", "1."), budget=100)
    position = told.position
    assert told.since(position) == []
    told.add(PastTurn("Two?", "2."))
    assert told.since(position) == [("user", "Two?"), ("model", "2.")]
    for _ in range(30):
        told.add(PastTurn("Three?", "3."))
    since = told.since(position)  # as much of it as is remembered
    assert 0 < len(since) < 60
    assert set(since) == {("user", "Three?"), ("model", "3.")}


def test_more_of_a_turn_that_is_there_takes_its_place() -> None:
    told = history(
        PastTurn("One?", "1.", number=3), PastTurn("Two?", "2.", number=5), PastTurn("One?", "1, cut", number=3)
    )
    assert told.seed() == [("user", "One?"), ("model", "1, cut"), ("user", "Two?"), ("model", "2.")]
    assert told.position == 2
    told.add(PastTurn("", "Unasked."))
    told.add(PastTurn("", "Unasked again."))
    assert told.position == 4


def test_what_a_session_missed_is_told_as_answered() -> None:
    assert missed_text([]) == ""
    told = missed_text([("user", "Two?"), ("model", "2.")])
    assert told.endswith("\nTechnician: Two?\nYou: 2.")
    assert "has been answered" in told


@given(st.lists(st.builds(PastTurn, st.text(max_size=300), st.text(max_size=600)), max_size=20), st.integers(0, 400))
def test_whatever_was_said_a_seed_is_its_newest_end_and_within_the_budget(turns: list[PastTurn], budget: int) -> None:
    told = history(*turns, budget=budget).seed()
    fitting = len(told) // 2
    left_out = len(turns) - fitting
    kept = turns[left_out:]
    if told and left_out:
        head, _, told[0] = *told[0][1].partition("\n")[:2], ("user", told[0][1].partition("\n")[2])
        assert head == f"[{left_out} earlier turns are left out]"
    pairs: list[Lines] = [told[place : place + 2] for place in range(0, len(told), 2)]
    forms = [(turn.lines(), turn.condensed()) for turn in kept]
    assert all(pair in form for pair, form in zip(pairs, forms, strict=True))
    assert tokens(told) <= budget
    if left_out:  # and no more would have fitted
        assert tokens(told) + tokens(turns[left_out - 1].condensed()) > budget
