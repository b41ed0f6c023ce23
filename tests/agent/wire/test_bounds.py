import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import bounds
from agent.wire.bounds import DEEPEST, LARGEST, LONGEST_NAME, LONGEST_TEXT, MOST_BRACKETS, MOST_COMMAS, MOST_TOKENS
from agent.wire.events import Unreadable
from agent.wire.protocol import decode

LEAVES = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | st.text(max_size=9), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)
)


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@given(VALUES)
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    told = json.dumps(value)
    assert bounds.parse(told) == bounds.parse(told.encode()) == value


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        ("9223372036854775807", LARGEST),
        ("9223372036854775808", LARGEST),
        ("-9223372036854775808", -LARGEST),
        ("9" * 5000, LARGEST),
        ("-" + "9" * 5000, -LARGEST),
        ("-9999999999999999999", -LARGEST),
        ("1e999", sys.float_info.max),
        ("-1e999", -sys.float_info.max),
        ("1.5", 1.5),
    ],
)
def test_a_number_that_nothing_holds_becomes_the_largest(digits: str, value: float) -> None:
    assert bounds.parse(digits) == value


@pytest.mark.parametrize(
    "message",
    [
        "[" * (MOST_BRACKETS + 1),
        "[" * 100_000,
        "[" + "{}," * MOST_BRACKETS + "0]",
        "[" + "0," * (MOST_COMMAS + 1) + "0]",
    ],
)
def test_a_message_of_more_members_than_mean_anything_is_not_even_parsed(message: str) -> None:
    assert decode(message) == [Unreadable("too many members", len(message))]


def test_many_members_are_read() -> None:
    assert bounds.parse("[" + "0," * (MOST_COMMAS - 1) + "0]") == [0] * MOST_COMMAS
    assert len(bounds.parse("[" + "[]," * (MOST_BRACKETS - 2) + "[]]")) == MOST_BRACKETS - 1


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(constant: str) -> None:
    with pytest.raises(ValueError, match=constant):
        bounds.parse(constant)


def test_words_are_cut_and_names_refused() -> None:
    assert bounds.text("x" * (LONGEST_TEXT + 1)) == "x" * LONGEST_TEXT
    assert bounds.name("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    with pytest.raises(ValueError, match="too long"):
        bounds.name("x" * (LONGEST_NAME + 1))


def test_a_number_of_tokens_is_one() -> None:
    assert bounds.tokens(str(MOST_TOKENS)) == MOST_TOKENS
    for absurd in (MOST_TOKENS + 1, -1, "x", float("inf"), None):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            bounds.tokens(absurd)


def test_arguments_are_as_deep_as_can_be_written_down_and_no_deeper() -> None:
    deep = {"x": nested(DEEPEST - 2)}
    assert bounds.arguments(deep) == deep
    with pytest.raises(ValueError, match="too many"):
        bounds.arguments({"x": nested(DEEPEST - 1)})
    assert bounds.arguments(None) == {}


@pytest.mark.parametrize("args", [{"x": "y" * LONGEST_TEXT}, {"y" * LONGEST_TEXT: "x"}, {"x": ["y" * LONGEST_TEXT]}])
def test_arguments_that_are_too_long_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="too long"):
        bounds.arguments(args)
