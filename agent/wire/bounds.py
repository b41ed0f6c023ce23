"""PURE: what a server message may hold at most. Beyond that it is refused or cut, so that nobody behind has to ask.

The service sends messages of a few levels and some dozen members, handles and names of some dozen characters, and words
by the handful. What is refused raises ValueError.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import chain
from typing import Any, NoReturn

MOST_BRACKETS, MOST_COMMAS = 2000, 20_000
"""Counted before a message is parsed: a list of a million lists takes 60 MB and a quarter of a second."""
LARGEST = 2**63 - 1
"""What SQLite can hold; a larger number becomes this one."""
MOST_DIGITS = 19
MOST_TOKENS = 2**31 - 1
"""Of one turn. The largest context window has 2**20."""
LONGEST_TEXT = 32_768
"""Characters of an answer or a question: ten minutes of speech have 9000."""
LONGEST_NAME = 4096
"""Characters of a handle, a name or an id, which are of no use if they are cut."""
DEEPEST = 32
"""Levels of a function call's arguments. They are written down, and read again by code that calls itself per level."""
MOST_PARTS, MOST_CALLS, MOST_IDS = 256, 16, 256
"""In one message."""
LONGEST_S = 86_400.0
"""No connection lives longer."""


def parse(data: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the value of a JSON text. Raises ValueError, RecursionError."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if raw.count(b"{") + raw.count(b"[") > MOST_BRACKETS or raw.count(b",") > MOST_COMMAS:
        raise TooLargeError
    return _DECODER.decode(raw.decode())


class TooLargeError(ValueError):
    """The message has more members than any that means something."""


def text(value: object) -> str:
    """Return words, or as many of them as anybody could say."""
    return str(value)[:LONGEST_TEXT]


def name(value: object) -> str:
    """Return a name, an id or a handle. Raises ValueError if it is too long to be one."""
    told = str(value)
    if len(told) > LONGEST_NAME:
        raise ValueError("too long")
    return told


def tokens(value: Any) -> int:  # noqa: ANN401 - a number or, as int64 in protobuf's JSON, its digits
    """Return a number of tokens. Raises ValueError, TypeError or OverflowError if it is none, or absurd."""
    count = int(value)
    if not 0 <= count <= MOST_TOKENS:
        raise ValueError("out of range")
    return count


def few(values: Any, most: int) -> Any:  # noqa: ANN401 - whatever has a length
    """Return ``values``. Raises ValueError if there are more than ``most``."""
    if len(values) > most:
        raise ValueError("too many")
    return values


def arguments(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON that nobody has looked at
    """Return the arguments of a function call. Raises ValueError if they are too deep or too long."""
    args = dict(value or {})
    level: list[Any] = [args]
    size = 0
    for _ in range(DEEPEST):
        size += sum(len(each) for each in level if isinstance(each, str))
        inner = (chain(each, each.values()) if isinstance(each, dict) else each for each in level if _holds(each))
        level = list(chain.from_iterable(inner))
    few(level, 0)
    if size > LONGEST_TEXT:
        raise ValueError("too long")
    return args


def _holds(value: object) -> bool:
    return isinstance(value, dict | list)


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        return LARGEST if digits[0] != "-" else -LARGEST
    return max(-LARGEST, min(int(digits), LARGEST))


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    value = float(digits)
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_finite, parse_constant=_refused)
"""NaN and Infinity are refused: they are no JSON."""
