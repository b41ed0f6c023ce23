"""The command line: ``field-agent run | talk | demo | simulate | devices | tune | check-config | log``.

Exit codes: 0 done; so also is Ctrl-C or SIGTERM to run, talk and simulate, which know no other end · 1 tune: usable,
with limits · 2 wrong usage · 66 the log has no such conversation or recording · 69 the service cannot be reached or
gave no answer · 70 a bug · 74 a device or a file cannot be used · 75 a device's driver hangs, start again · 77 the
service refused key or model · 78 the configuration is wrong · 130 Ctrl-C before the end · 141 nobody reads the output
any more.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import importlib
import io
import logging
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import DEVICE_EXIT_CODE, STUCK_EXIT_CODE, AgentError
from agent.terminal import printable
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

COMMANDS = {
    "run": "be the daemon: real devices, the real service, until stopped",
    "talk": "the same agent on a laptop: the keyboard is the button",
    "demo": "a scripted conversation against the bundled simulator; no key, no hardware",
    "simulate": "serve the simulator alone",
    "devices": "list sound cards, cameras and GPIO chips",
    "tune": "play, record, and say what to change about microphone and loudspeaker; under 30 s",
    "check-config": "check the configuration and print what is in effect",
    "log": "conversations and notes: list, show, play, export",
}
BUG = 70
CANNOT_WRITE = 74
INTERRUPTED = 130
CLOSED_PIPE = 141
"""What a shell makes of SIGPIPE."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that are not bugs end in one line on stderr and their exit code."""
    fix_streams()
    try:
        return written(outcome(sys.argv[1:] if arguments is None else arguments))
    except SystemExit:  # argparse has printed help or a mistake
        written(0)
        raise


def outcome(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code, whatever happens but SystemExit."""
    try:
        options = parser(arguments).parse_args(arguments)
        return int(command(options.command).run(options))
    except AgentError as error:
        return fail(error, error.exit_code)
    except DeviceError as error:
        return fail(error, STUCK_EXIT_CODE if error.fatal else DEVICE_EXIT_CODE)
    except BrokenPipeError:
        silence(sys.stdout)
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - here is where a bug is reported
        if isinstance(error, OSError) and error.errno in FULL:
            silence(sys.stdout)
            return fail(f"{error.filename or 'cannot write'}: {error.strerror}", CANNOT_WRITE)
        return bug()
    except BaseException as error:
        if type(error).__name__ == "CancelledError":  # of asyncio, which is not imported for its sake
            return INTERRUPTED
        raise


def bug() -> int:
    """Show what nobody foresaw."""
    import traceback  # noqa: PLC0415 - seldom needed, one hopes

    with suppress(OSError):
        traceback.print_exc()
    return fail("this is a bug, please report it with the lines above", BUG)


def command(name: str):  # type: ignore[no-untyped-def] # noqa: ANN201 - a module with options(parser) and run(options)
    """Import the module of one command, and nothing that only the others need."""
    return importlib.import_module(f"agent.commands.{name.replace('-', '_')}")


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows the options of the command in ``arguments``."""
    from importlib.metadata import version  # noqa: PLC0415 - slow, and Ctrl-C is not caught before main

    top = argparse.ArgumentParser(prog="field-agent", description=__doc__.split("\n\n")[1])
    top.add_argument("--version", action="version", version=f"field-agent {version('field-agent')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text, description=help_text)
        if name in arguments:
            command(name).options(sub)
    return top


def config_option(sub: argparse.ArgumentParser, otherwise: object) -> None:
    """Add --config; ``otherwise`` is what counts without."""
    sub.add_argument("--config", type=Path, metavar="FILE", help=f"configuration (TOML; default: {otherwise})")


def positive(text: str) -> float:
    """Read a finite number above 0; an option's type."""
    number = _finite(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return number


def not_negative(text: str) -> float:
    """Read a finite number from 0; an option's type."""
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


def start_log(level: str) -> None:
    """Log to stderr; under systemd the journal adds the time."""
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)


def fail(error: Exception | str, code: int) -> int:
    """Print an error as one line."""
    with suppress(OSError):
        print(f"field-agent: {printable(str(error))}", file=sys.stderr)  # noqa: T201 - the command line speaks to its user
    return code


# standard output and standard error


def fix_streams() -> None:
    """See that whatever is printed can be: to closed streams as to nowhere, what the encoding lacks as ``?``."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the program
            atexit.register(nowhere.close)
            setattr(sys, name, nowhere)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def written(code: int) -> int:
    """Write what is still in the buffer; returns ``code``, or what keeps it from being written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        return CLOSED_PIPE
    except OSError as error:
        silence(sys.stdout)
        return fail(f"standard output: {error.strerror}", CANNOT_WRITE)
    except ValueError:  # it is closed
        pass
    return code


def silence(stream: TextIO) -> None:
    """Let everything that is still printed to ``stream``, and what its buffer holds, go nowhere."""
    with suppress(OSError, ValueError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
