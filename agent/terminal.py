"""What every command needs for a terminal: text that fits it, one-line errors, streams, option types."""

from __future__ import annotations

import argparse
import atexit
import io
import logging
import math
import os
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ExitCode
from agent.outside.text import one_line, words
from hardware.files import expanded

if TYPE_CHECKING:
    from typing import TextIO

MARKUP = {ord(char): f"&{name};" for char, name in zip("&<>\"'", ("amp", "lt", "gt", "quot", "#x27"), strict=True)}


# text from elsewhere


def markup(text: str) -> str:
    """Return ``text`` as :func:`words` and escaped for HTML, also for use within quotes."""
    return words(text).translate(MARKUP)


def shortened(text: str, columns: int) -> str:
    """Return ``text`` in at most ``columns`` columns of a terminal, ending between words if that costs little."""
    if _columns(text) <= columns:
        return text
    short = text[: 2 * columns]  # no character but a combining mark takes none
    while _columns(short) >= columns:
        short = short[:-1]
    whole = short.rpartition(" ")[0]
    return f"{whole if len(whole) > len(short) * 3 // 4 else short}…"


def _columns(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


# standard output and standard error


def fail(error: Exception | str, code: int) -> int:
    """Print an error as one line on stderr; return ``code``."""
    with suppress(OSError):
        print(f"field-agent: {one_line(error)}", file=sys.stderr)  # noqa: T201 - the command line speaks to its user
    return code


def start_log(level: str) -> None:
    """Log to stderr; under systemd the journal adds the time."""
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)


def fix_streams() -> None:
    """Make printing never fail: closed streams discard it, and characters that the encoding lacks become ``?``.

    What goes to standard error gets a descriptor of its own, since PortAudio mutes number 2 while it lists the cards:
    without one, an error or a line of the log that is written meanwhile is lost.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the program
            atexit.register(nowhere.close)
            setattr(sys, name, nowhere)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        own, encoding = os.dup(sys.stderr.fileno()), sys.stderr.encoding
        sys.stderr = open(own, "w", 1, encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115 - as above
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def written(code: int) -> int:
    """Flush standard output; return ``code``, or the exit code for what prevents it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        return ExitCode.CLOSED_PIPE
    except OSError as error:
        silence(sys.stdout)
        return fail(f"standard output: {error.strerror}", ExitCode.UNUSABLE)
    except ValueError:  # it is closed
        pass
    return code


def silence(stream: TextIO) -> None:
    """Discard everything that is printed to ``stream`` from now on, and what its buffer holds."""
    with suppress(OSError, ValueError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


# options


def config_option(sub: argparse.ArgumentParser, otherwise: object) -> None:
    """Add --config; ``otherwise`` names the default."""
    sub.add_argument("--config", type=Path, metavar="FILE", help=f"configuration (TOML; default: {otherwise})")


def own_path(text: str) -> Path:
    """Return ``text`` as a path, ``~`` and ``~user`` replaced; an option's type. Raises ArgumentTypeError."""
    try:
        return expanded(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None


def positive(text: str) -> float:
    """Return ``text`` as a finite number above 0; an option's type. Raises ArgumentTypeError."""
    number = _finite(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def not_negative(text: str) -> float:
    """Return ``text`` as a finite number of at least 0; an option's type. Raises ArgumentTypeError."""
    number = _finite(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def _finite(text: str) -> float:
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number):
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number")
