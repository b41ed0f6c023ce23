"""Text from elsewhere commands nobody's screen. Streams are tested by test_cli.py, in a process of their own."""

import argparse
from html import escape, unescape

import pytest

from agent.outside.text import learn, words
from agent.terminal import fail, markup, not_negative, positive, shortened


def test_an_error_that_quotes_the_service_commands_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("closed: \x1b]0;owned\x07", 69) == 69
    assert capsys.readouterr().err == "field-agent: closed: ]0;owned\n"


def test_an_error_that_quotes_a_secret_does_not_show_it_and_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    learn("opensesame")
    fail(OSError("invalid\nopensesame"), 69)
    assert capsys.readouterr().err == "field-agent: invalid [redacted]\n"


@pytest.mark.parametrize(
    ("text", "columns", "short"),
    [
        ("as it is", 8, "as it is"),
        ("cut between words", 14, "cut between…"),
        ("Donaudampfschiff", 8, "Donauda…"),
        ("一二三四", 8, "一二三四"),
        ("一二三四", 7, "一二三…"),
    ],
)
def test_a_text_that_is_too_long_is_shortened(text: str, columns: int, short: str) -> None:
    assert shortened(text, columns) == short


EVIL = "".join(map(chr, range(0x100))) + "\u202e\u2028 <b title='x'>\"&"


def test_html_shows_a_text_and_nothing_else() -> None:
    assert markup(EVIL) == escape(words(EVIL))
    assert unescape(markup(EVIL)) == words(EVIL)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "x", ""])
def test_a_number_is_finite(text: str) -> None:
    for kind in (positive, not_negative):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a number"):
            kind(text)


def test_a_number_is_in_its_range() -> None:
    assert (positive("0.5"), not_negative("0"), not_negative("2")) == (0.5, 0.0, 2.0)
    with pytest.raises(argparse.ArgumentTypeError, match="0 is not more than 0"):
        positive("0")
    with pytest.raises(argparse.ArgumentTypeError, match="-1 is less than 0"):
        not_negative("-1")
