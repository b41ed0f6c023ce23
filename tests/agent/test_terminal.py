"""Text from elsewhere commands nobody's screen. Streams are tested by test_cli.py, in a process of their own."""

import argparse
import json
import subprocess
import sys
import unicodedata
from html import escape, unescape

import pytest

from agent.terminal import fail, json_text, markup, not_negative, one_line, positive, printable, shortened


def test_what_a_terminal_obeys_is_left_out_and_what_people_read_stays() -> None:
    assert printable("a\x1b[31m\tb\n\x00\x9b2Jü\x7f") == "a[31m\tb\n2Jü"


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


def test_one_line_keeps_letters_of_all_languages() -> None:
    assert one_line("  Größe\u00a0à ça 温度 ") == "Größe à ça 温度"


EVIL = "".join(map(chr, range(0x100))) + "\u202e\u2028 <b title='x'>\"&"


def test_one_line_leaves_nothing_that_a_terminal_obeys() -> None:
    assert not [char for char in one_line(EVIL) if unicodedata.category(char)[0] in "CZ" and char != " "]


def test_html_shows_a_text_and_nothing_else() -> None:
    assert markup(EVIL) == escape(printable(EVIL))
    assert unescape(markup(EVIL)) == printable(EVIL)


def test_json_says_the_same_without_a_control_character() -> None:
    encoded = json_text(json.dumps({"it": EVIL}, ensure_ascii=False, indent=1))
    assert json.loads(encoded) == {"it": EVIL}
    assert not [char for char in encoded if unicodedata.category(char) == "Cc" and char != "\n"]


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
