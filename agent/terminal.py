"""Text from elsewhere on its way to somebody's screen: nothing in it commands a terminal or spoils a page."""

from __future__ import annotations

KEPT = "\n\t"
CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in KEPT}
"""C0, DEL and C1: what a terminal obeys, and what HTML forbids."""


def printable(text: str) -> str:
    """Return ``text`` without control characters other than line break and tab."""
    return text.translate(CONTROLS)
