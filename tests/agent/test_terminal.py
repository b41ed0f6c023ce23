"""Text from elsewhere commands nobody's screen."""

import pytest

from agent.cli import fail
from agent.terminal import printable


def test_what_a_terminal_obeys_is_left_out_and_what_people_read_stays() -> None:
    assert printable("a\x1b[31m\tb\n\x00\x9b2Jü\x7f") == "a[31m\tb\n2Jü"


def test_an_error_that_quotes_the_service_commands_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("closed: \x1b]0;owned\x07", 69) == 69
    assert capsys.readouterr().err == "field-agent: closed: ]0;owned\n"
