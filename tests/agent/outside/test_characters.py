"""Nothing that a terminal obeys or nobody sees is left, whatever Unicode calls it; what people read stays."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outside.characters import in_lines, in_one_line

TEXT = st.text(st.characters(exclude_categories=()))
"""Of any code point, halves of surrogate pairs included."""
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_no_control_no_change_of_direction_and_nothing_without_width_is_left() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert {char for char in in_lines(every) if unicodedata.category(char) in UNSEEN} == {"\n", "\t"}
    assert {char for char in in_one_line(every) if unicodedata.category(char) in UNSEEN} == set()


def test_fillers_and_variation_selectors_go_too_though_unicode_calls_them_letters_and_marks() -> None:
    assert in_one_line("a\u034fb\u115fc\u3164d\uffa0e\ufe0ff\u180bg\U000e0101h") == "abcdefgh"


@pytest.mark.parametrize(
    "line_break", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_whatever_ends_a_line_somewhere_is_a_line_feed_or_a_space(line_break: str) -> None:
    assert in_lines(f"one{line_break}two") == "one\ntwo"
    assert in_one_line(f"one{line_break}two") == "one two"


def test_letters_of_all_languages_and_leading_spaces_stay() -> None:
    text = "  Größe\u00a0à ça 温度 حرارة เครื่อง 🌡\tend "
    assert in_lines(text) == text
    assert in_one_line(text) == "Größe à ça 温度 حرارة เครื่อง 🌡 end"


@given(TEXT)
def test_a_second_time_changes_nothing(text: str) -> None:
    assert in_lines(in_lines(text)) == in_lines(text)
    assert in_one_line(in_one_line(text)) == in_one_line(text) == in_one_line(in_lines(text))


@given(st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u115f\u1160\u3164\uffa0")))
def test_what_can_be_seen_is_left_alone(text: str) -> None:
    assert in_lines(text) == in_one_line(text) == text


@given(TEXT)
def test_what_is_left_can_be_written_anywhere(text: str) -> None:
    in_lines(text).encode("utf-8")
    assert len(in_one_line(text).splitlines()) <= 1
