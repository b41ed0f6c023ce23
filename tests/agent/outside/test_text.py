"""Characters first, then secrets, then length: in no other order are they all found."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outside import text
from agent.outside.redactor import MARK
from agent.outside.text import LINE, WORDS, cleaned, learn, learn_address, one_line, words

KEY = "AIzaSyD-ExampleOfAKey_0123456789abcdefg"
ANY = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    ANY | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(ANY, inner)
)


@pytest.fixture(autouse=True)
def _known() -> None:
    learn(KEY)


@pytest.mark.parametrize("between", ["\u200b", "\u202e", "\n", "\r\n  ", "\x1b", "\x00", "\ud800", "\ufe0f", "\u2028"])
def test_a_key_is_found_with_something_invisible_in_it(between: str) -> None:
    split = f"{KEY[:5]}{between}{KEY[5:]}"
    assert one_line(f"<{split}>") == words(f"<{split}>") == f"<{MARK}>"


@pytest.mark.parametrize("place", range(LINE - 60, LINE + 60, 3))
def test_the_end_of_a_long_text_is_no_half_of_a_key(place: int) -> None:
    told = one_line(f"{'x' * place}{KEY} {'y ' * 5000}")
    assert len(told) <= LINE
    assert told.endswith("…")
    assert KEY[:4] not in told


def test_a_text_full_of_keys_shows_none_at_its_end() -> None:
    assert "AIza" not in one_line(f"{KEY} " * 1000)


def test_a_text_as_long_as_may_be_is_whole() -> None:
    assert one_line("x" * LINE) == "x" * LINE
    assert words("x" * WORDS) == "x" * WORDS
    assert one_line("x" * (LINE + 1)) == "x" * (LINE - 1) + "…"


def test_what_is_no_text_is_made_one() -> None:
    assert one_line(OSError(f"invalid header {KEY}")) == f"invalid header {MARK}"
    assert words(7) == "7"


def test_the_password_of_an_address_is_learnt_as_written_and_decoded() -> None:
    learn_address("http://user:p%40ssword@proxy:3128")
    assert one_line("p%40ssword p@ssword") == f"{MARK} {MARK}"
    learn_address("nobody:without-scheme@proxy")
    assert one_line("without-scheme") == MARK
    learn_address("http://proxy:3128")
    assert one_line("3128") == "3128"


def test_a_value_is_cleaned_wherever_it_holds_text() -> None:
    told = cleaned({f"k{KEY}": [KEY, {"a": "\u202eb"}, 1, None, True]})
    assert told == {f"k{MARK}": [MARK, {"a": "b"}, 1, None, True]}
    assert cleaned((KEY,)) == [MARK]


def test_a_value_nested_too_deep_ends() -> None:
    deep: Any = KEY
    for _ in range(5000):
        deep = [deep]
    assert str(cleaned(deep)).count("[") == text.DEPTH


@given(ANY)
def test_one_line_is_one_line_without_commands_and_changes_nothing_twice(evil: str) -> None:
    told = one_line(evil)
    assert one_line(told) == told
    assert len(told.splitlines()) <= 1
    assert not [char for char in told if unicodedata.category(char) in ("Cc", "Cf", "Cs")]


@given(ANY)
def test_words_keep_lines_and_nothing_else_of_the_sort_and_change_nothing_twice(evil: str) -> None:
    told = words(evil)
    assert words(told) == told
    assert {char for char in told if unicodedata.category(char) in ("Cc", "Cf", "Cs")} <= {"\n", "\t"}


@given(ANY, ANY, st.integers(1, len(KEY) - 1), st.sampled_from(["", "\u200b", "\n", "\x00\u202e", "\u2066"]))
def test_no_text_shows_a_key(before: str, after: str, place: int, between: str) -> None:
    evil = f"{before}{KEY[:place]}{between}{KEY[place:]}{after}"
    for told in (one_line(evil), words(evil)):
        assert KEY not in "".join(told.split())


@given(JSON)
def test_every_value_of_json_can_be_cleaned(value: Any) -> None:
    assert cleaned(cleaned(value)) == cleaned(value)
