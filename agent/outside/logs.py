"""The last line of defence: whatever this process logs or prints when it crashes is made fit to be read first.

Log records are made by a factory of ours, so it does not matter which library logs, nor through which handler.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from agent.outside.text import one_line, words

if TYPE_CHECKING:
    from types import TracebackType

INDENT = "    "
"""Before each line of a record but its first: none of them can pass for a record."""


class CleanRecord(logging.LogRecord):
    """A log record whose message is one line; what follows it is indented. It holds nothing that was not cleaned."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - logging's own
        """Render message and exception at once, else each handler would do so by itself."""
        super().__init__(*arguments, **options)
        self.msg, self.args = one_line(self._message()), None
        if self.exc_info and self.exc_info[0] is not None:
            self.exc_text = _indented(traceback_text(*self.exc_info))
        self.exc_info = None
        if self.stack_info:
            self.stack_info = _indented(words(self.stack_info))

    def _message(self) -> str:
        """Return the message, or what is left of it if its arguments do not fit."""
        try:
            return self.getMessage()
        except Exception as error:  # noqa: BLE001 - logging would print message and arguments as they are
            return f"{self.msg} (not formatted: {type(error).__name__})"


def guard() -> None:
    """Clean every log record and crash report of this process from now on."""
    logging.setLogRecordFactory(CleanRecord)
    sys.excepthook = _crashed
    sys.unraisablehook = lambda hook: _crashed(hook.exc_type, hook.exc_value, hook.exc_traceback)
    threading.excepthook = _thread_crashed


def traceback_text(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> str:
    """Return the traceback of ``error``; its lines but the first are indented, also those of what it quotes."""
    import traceback  # noqa: PLC0415 - seldom needed, one hopes

    first, _, rest = words("".join(traceback.format_exception(kind, error, trace))).rstrip("\n").partition("\n")
    return f"{first}\n{_indented(rest)}" if rest else first


def _crashed(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    with suppress(OSError, ValueError):
        print(traceback_text(kind, error, trace), file=sys.stderr)  # noqa: T201 - the interpreter's hook does so, too


def _thread_crashed(hook: threading.ExceptHookArgs) -> None:
    if not issubclass(hook.exc_type, SystemExit):  # as threading itself
        _crashed(hook.exc_type, hook.exc_value, hook.exc_traceback)


def _indented(text: str) -> str:
    return "\n".join(f"{INDENT}{line}" for line in text.splitlines())
