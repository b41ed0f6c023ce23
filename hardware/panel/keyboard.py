"""A laptop's keyboard as the button, and as a place to type questions.

- In a terminal that speaks the kitty keyboard protocol: Space, on an empty line, is the button, press and release.
- In any terminal: Enter on an empty line is a tap; Tab presses the button and the next Tab releases it, because an
  ordinary terminal does not tell when a key goes up.
- Text and Enter go to ``on_text``; Ctrl-C and Ctrl-D to ``on_quit``.

Without a terminal (a pipe, a file), each line is text, and ``on_end`` is called at the end.
"""

from __future__ import annotations

import atexit
import codecs
import logging
import os
import sys
import termios
from typing import TYPE_CHECKING

from hardware.panel.keys import (
    BACKSPACE,
    ENTER,
    ENTER_PROTOCOL,
    LEAVE_PROTOCOL,
    QUERY,
    SPACE,
    TAB,
    Key,
    KeyReader,
    Stroke,
)
from hardware.ports import DeviceHealth

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hardware.ports import DeviceError

log = logging.getLogger(__name__)

TAP_S = 0.1
"""How long Enter presses the button: a tap, not a hold."""
READ_BYTES = 4096
LONGEST = 100_000
"""Characters of a line; whoever sends more does not send questions: ``/dev/zero`` is one line without an end."""
_LFLAG = 3
_CC = 6


class KeyboardButton:
    """A button on the keyboard. Restores the terminal at ``aclose``, and at exit if that is never called."""

    def __init__(  # noqa: PLR0913 - callbacks, and where to read and write
        self,
        loop: asyncio.AbstractEventLoop,
        on_text: Callable[[str], None],
        on_quit: Callable[[], None],
        *,
        on_end: Callable[[], None] = lambda: None,
        fd_in: int | None = None,
        fd_out: int | None = None,
    ) -> None:
        """Use standard input and output unless told otherwise. The typed line is echoed to ``fd_out``.

        ``on_end`` is called at the end of a pipe or file, after its last line.
        """
        self._loop = loop
        self._on_text = on_text
        self._on_quit = on_quit
        self._on_end = on_end
        self._in = sys.stdin.fileno() if fd_in is None else fd_in
        self._out = sys.stdout.fileno() if fd_out is None else fd_out
        self._on_edge: Callable[[bool], None] | None = None
        self._keys = KeyReader()
        self._lines = codecs.getincrementaldecoder("utf-8")("replace")
        self._down = False
        self._speaking = False  # whether the protocol is switched on
        self._saved: list[object] | None = None
        self._release: asyncio.TimerHandle | None = None
        self.line = ""
        """The text typed so far."""

    @property
    def holds(self) -> bool:
        """Whether the terminal reports key releases, so that Space is a real button."""
        return self._speaking

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Take over the terminal. Never faults."""
        del on_fault
        self._on_edge = on_edge
        if os.isatty(self._in):
            self._make_raw()
            atexit.register(self.restore)
            self._write(QUERY)
            self._loop.add_reader(self._in, self._read_keys)
            return
        try:
            self._loop.add_reader(self._in, self._read_lines)
        except PermissionError:  # epoll refuses plain files, which are always ready
            self._loop.call_soon(self._read_on)

    def health(self) -> DeviceHealth:
        """Return zeros: the terminal buffers what is typed."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Restore the terminal. Idempotent."""
        if self._on_edge is not None:
            self._on_edge = None
            self._loop.remove_reader(self._in)
        if self._release is not None:
            self._release.cancel()
        self.restore()
        atexit.unregister(self.restore)

    def _make_raw(self) -> None:
        """Read keys one by one, without echo, Ctrl-C as a key; leave output as it is, so that printing still works."""
        mode = termios.tcgetattr(self._in)
        self._saved = list(mode)
        mode[_LFLAG] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        mode[_CC] = [*mode[_CC]]
        mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
        termios.tcsetattr(self._in, termios.TCSADRAIN, mode)

    def restore(self) -> None:
        """Give the terminal back as it was. Idempotent."""
        if self._saved is not None:
            if self._speaking:
                self._write(LEAVE_PROTOCOL)
            termios.tcsetattr(self._in, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]  # as tcgetattr gave it
            self._saved = None

    def _write(self, text: str) -> None:
        os.write(self._out, text.encode())

    def _read(self) -> bytes:
        try:
            return os.read(self._in, READ_BYTES)
        except OSError:  # the terminal is gone
            return b""

    def _read_on(self) -> None:
        """Read a plain file or a device piece by piece; it may have no end."""
        if self._on_edge is not None and self._read_lines():
            self._loop.call_soon(self._read_on)

    def _read_lines(self) -> bool:
        """Read text from a pipe; returns False at its end, which a line longer than ``LONGEST`` is as well."""
        data = self._read()
        *whole, self.line = (self.line + self._lines.decode(data, final=not data)).split("\n")
        over = not data or len(self.line) > LONGEST
        if data and over:
            log.warning("input: a line of more than %d characters: it and what follows are not read", LONGEST)
            self.line = ""
        if over:
            self._loop.remove_reader(self._in)
            whole, self.line = [*whole, self.line], ""
        for line in filter(None, map(str.strip, whole)):
            self._on_text(line)
        if over:
            self._on_end()
        return not over

    def _read_keys(self) -> None:
        data = self._read()
        if not data:
            self._loop.remove_reader(self._in)
            self._on_quit()
        for key in self._keys.feed(data):
            self._handle(key)
        if self._keys.protocol and not self._speaking:
            self._speaking = True
            self._write(ENTER_PROTOCOL)

    def _handle(self, key: Key) -> None:
        if key.stroke is Stroke.RELEASE:
            if key.code == SPACE and self._speaking:
                self._move(down=False)
        elif key.control:
            if key.code in (ord("c"), ord("d")):
                self._on_quit()
        elif key.code == SPACE and not self.line:
            if self._speaking and key.stroke is Stroke.PRESS:
                self._move(down=True)
        elif key.code == TAB:
            if key.stroke is Stroke.PRESS:
                self._move(down=not self._down)
        else:
            self._edit(key)

    def _edit(self, key: Key) -> None:
        if key.code == ENTER:
            line, self.line = self.line.strip(), ""
            if line:
                self._write("\n")
                self._on_text(line)
            elif key.stroke is Stroke.PRESS:
                self._tap()
        elif key.code == BACKSPACE:
            if self.line:
                self.line = self.line[:-1]
                self._write("\b \b")
        elif key.text.isprintable():
            self.line += key.text
            self._write(key.text)

    def _tap(self) -> None:
        self._move(down=True)
        if self._release is not None:
            self._release.cancel()
        self._release = self._loop.call_later(TAP_S, lambda: self._move(down=False))

    def _move(self, *, down: bool) -> None:
        if down != self._down:
            self._down = down
            if self._on_edge is not None:
                self._on_edge(down)
