"""PURE: which characters of a text from outside may stay.

Left out is what a terminal obeys or nobody sees: control characters, marks that change the direction of writing, those
of no width, halves of a surrogate pair. A visible character stays as it is, in any language.
"""

from __future__ import annotations

import re

_UNSEEN = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # C0, DEL and C1, without the whitespace among them
    r"\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\ud800-\udfff"
    r"\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's categories Cc, Cf and Cs, and its Default_Ignorable_Code_Point (variation selectors, fillers, tags)."""
_INVISIBLE = re.compile(f"[{_UNSEEN}]+")
_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Everything that some program takes for the end of a line."""


def in_lines(text: str) -> str:
    """Return ``text`` without invisible characters; line breaks of every kind become line feeds, tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", _BREAKS.sub("\n", text))


def in_one_line(text: str) -> str:
    """Return ``text`` without invisible characters, in one line: each run of whitespace becomes one space."""
    return " ".join(in_lines(text).split())
