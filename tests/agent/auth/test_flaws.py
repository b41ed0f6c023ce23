"""Each mistake that people make with a key is named by kind and place, and the key is not in the message."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.auth.flaws import QUOTES, flaw_of

KEY = "AIzaSyD-ExampleOfAKey_0123456789abcdefg"


def test_a_key_has_no_flaw() -> None:
    assert flaw_of(KEY) == ""
    assert flaw_of("AQ.Ab8-x~y+z/==") == ""


@pytest.mark.parametrize(
    ("key", "flaw"),
    [
        (f"\u201c{KEY}\u201d", "a curly quote at the beginning: paste it again without the quotes"),
        (f"{KEY}\u201d", "a curly quote at the end: paste it again without the quotes"),
        (f'"{KEY}"', "a quote at the beginning: paste it again without the quotes"),
        ("AIza\u2013Sy", "a long dash as character 5 of 7: paste it again from where it was issued"),
        ("\ufeffAIza", "an invisible character at the beginning"),
        ("AI\u200bza", "an invisible character as character 3 of 5"),
        ("AI\ud800za", "an invisible character as character 3 of 5"),
        ("AI\x1bza", "a control character as character 3 of 5"),
        ("AI za", "a space as character 3 of 5"),
        ("AI\u00a0za", "a space as character 3 of 5"),
        ("AI\r\nza", "a line break as character 3 of 6"),
        ("\u0410Iza", "a character of another alphabet at the beginning"),
    ],
)
def test_a_flaw_is_told_by_kind_and_place(key: str, flaw: str) -> None:
    assert flaw_of(key).startswith(flaw)


ASCII = string.ascii_letters + string.digits + "-_."


@given(st.text(ASCII, min_size=20), st.characters(exclude_characters=ASCII), st.text(ASCII))
def test_a_key_is_never_quoted(before: str, char: str, after: str) -> None:
    flaw = flaw_of(f"{before}{char}{after}")
    assert before not in flaw
    assert bool(flaw) == (not (char.isascii() and char.isprintable()) or char in QUOTES or char == " ")
    assert flaw.isascii()
