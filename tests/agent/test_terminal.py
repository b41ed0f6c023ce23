"""Text from elsewhere commands nobody's screen. Streams are tested by test_cli.py, in a process of their own."""

import argparse
import subprocess
import sys
from html import escape, unescape

import pytest

from agent.outside.text import learn, words
from agent.terminal import fail, markup, not_negative, positive, shortened


def test_an_error_that_quotes_the_service_commands_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("closed: \x1b]0;owned\x07", 69) == 69
    assert capsys.readouterr().err == "field-agent: closed: ]0;owned\n"


MUTED = """
import os
from agent.terminal import fail, fix_streams
fix_streams()
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
raise SystemExit(fail("no such card", 74))
"""


def test_an_error_is_seen_while_a_driver_has_muted_the_process() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", MUTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (74, "field-agent: no such card\n")


def test_standard_error_may_be_closed() -> None:
    program = "from agent.terminal import fail, fix_streams; fix_streams(); raise SystemExit(fail('x', 74))"
    shell = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program]
    assert subprocess.run(shell, check=False).returncode == 74


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


def test_a_text_of_any_length_is_shortened_at_once() -> None:
    assert shortened("x" * 10_000_000, 20) == "x" * 19 + "…"
