"""PURE: what is wrong with a text that should be an API key, said without quoting it."""

from __future__ import annotations

import unicodedata

QUOTES = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\u00ab\u00bb\u2032\u2033\uff02\uff07"
"""What word processors, chats and shells put around a word."""


def flaw_of(key: str) -> str:
    """Return what is wrong with ``key`` and what to do about it, '' if it can be sent: visible ASCII without quotes."""
    for place, char in enumerate(key):
        if kind := _kind(char):
            fix = "without the quotes" if char in QUOTES else "from where it was issued"
            return f"{kind} {_where(place, len(key))}: paste it again {fix}"
    return ""


def _where(place: int, length: int) -> str:
    if place == 0:
        return "at the beginning"
    return "at the end" if place == length - 1 else f"as character {place + 1} of {length}"


def _kind(char: str) -> str:
    """Return what ``char`` is, '' if a key may hold it."""
    if char in QUOTES:
        return "a quote" if char.isascii() else "a curly quote"
    if char in "\r\n\v\f\x85\u2028\u2029":
        return "a line break"
    if char.isspace():
        return "a space"
    match unicodedata.category(char):
        case "Cc":
            return "a control character"
        case "Cf" | "Cs" | "Co" | "Cn":
            return "an invisible character"
        case "Pd" if not char.isascii():
            return "a long dash"
    return "" if char.isascii() else "a character of another alphabet"
