"""Parses what a terminal sends: plain bytes, and the kitty keyboard protocol with its key releases.

Pure: bytes in, keys out. See https://sw.kovidgoyal.net/kitty/keyboard-protocol/ for the format.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum

ENTER = 13
TAB = 9
BACKSPACE = 127
SPACE = 32

QUERY = "\x1b[?u\x1b[c"
"""Asks for the protocol's flags, then for the device attributes; every terminal answers only the latter."""
ENTER_PROTOCOL = "\x1b[>27u"
"""Push flags: 1 no ambiguous escapes, 2 report releases, 8 report plain keys too, 16 send the text of a key."""
LEAVE_PROTOCOL = "\x1b[<u"

_SEQUENCE = re.compile("\x1b\\[([0-9;:?<>=]*)([@-~])|\x1bO.|\x1b[^\\[O]")
_UNFINISHED = re.compile("\x1b(\\[[0-9;:?<>=]*|O)?$")
_CONTROL_BIT = 4


class Stroke(Enum):
    """What happened to a key."""

    PRESS = 1
    REPEAT = 2
    RELEASE = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A key event: Unicode code of the unshifted key, and the text it produces (empty on release)."""

    code: int
    text: str = ""
    control: bool = False
    stroke: Stroke = Stroke.PRESS


class KeyReader:
    """Turns what a terminal sends into keys, wherever one read ends and the next begins."""

    def __init__(self) -> None:
        """Begin as with an ordinary terminal."""
        self.protocol = False
        """Whether the terminal has answered that it speaks the kitty protocol."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    def feed(self, data: bytes) -> list[Key]:
        """Return the keys that ``data`` completes; keys that mean nothing here (arrows, F-keys) are left out."""
        text = self._pending + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._pending = text[end:]
        keys: list[Key] = []
        position = 0
        while position < end:
            if match := _SEQUENCE.match(text, position, end):
                position = match.end()
                if match[2] == "u":
                    keys += self._kitty(match[1])
            else:
                keys.append(_plain(text[position]))
                position += 1
        return keys

    def _kitty(self, body: str) -> list[Key]:
        """Parse ``code[:...];modifiers[:stroke];text``, or ``?flags``, the answer to the query."""
        if body.startswith("?"):
            self.protocol = True
            return []
        code, modifiers, text, *_ = [*body.split(";"), "", "", ""]
        bits, stroke, *_ = [*modifiers.split(":"), "", ""]
        try:
            return [
                Key(
                    int(code.split(":")[0]),
                    "".join(chr(int(point)) for point in text.split(":") if point),
                    bool((int(bits or 1) - 1) & _CONTROL_BIT),
                    Stroke(int(stroke or 1)),
                )
            ]
        except (ValueError, OverflowError):  # not of this protocol: noise from another program
            return []


def _plain(character: str) -> Key:
    code = ord(character)
    if character == "\n":
        return Key(ENTER)
    if code in (ENTER, TAB, BACKSPACE):
        return Key(code)
    if code == ord("\b"):
        return Key(BACKSPACE)
    if code < SPACE:
        return Key(code + ord("a") - 1, control=True)
    return Key(code, character)
