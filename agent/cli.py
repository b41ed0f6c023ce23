"""The command line: ``field-agent run | talk | demo | simulate | devices | tune | check-config | log``.

Exit codes are in :class:`agent.errors.ExitCode`; errors become them here.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.auth import environment
from agent.errors import AgentError, ConfigError, ExitCode
from agent.outside import logs
from agent.outside.text import one_line
from agent.terminal import fail, fix_streams, silence, written
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

COMMANDS = {
    "run": "run the daemon: real devices, the real service, until stopped",
    "talk": "run the same agent on a laptop: the keyboard is the button",
    "demo": "hold a scripted conversation with the bundled simulator; no key, no hardware",
    "simulate": "run the simulator of the service alone",
    "devices": "list sound cards, cameras and GPIO chips",
    "tune": "play, record, and say what to change about microphone and loudspeaker; under 30 s",
    "check-config": "check the configuration and print what is in effect",
    "log": "list, show, play and export conversations and notes",
}
EXIT_CODES = f"Exit codes: {' · '.join(f'{code.value} {code.meaning}' for code in ExitCode)}."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None, begin: Callable[[], None] = lambda: None) -> int:
    """Run one command and return its exit code; an error that is not a bug prints one line on stderr.

    ``begin`` is called when everything is imported and understood, before the command does anything.
    """
    fix_streams()
    logs.guard()
    environment.take()
    try:
        return written(outcome(sys.argv[1:] if arguments is None else arguments, begin))
    except SystemExit:  # argparse has printed help or a mistake
        written(0)
        raise


def outcome(arguments: Sequence[str], begin: Callable[[], None]) -> int:
    """Run one command and return its exit code, whatever happens. Raises only SystemExit."""
    try:
        options = parser(arguments).parse_args(arguments)
        chosen = command(options.command)
        begin()
        return int(chosen.run(options))
    except ConfigError as error:
        for problem in error.problems:
            fail(problem, error.exit_code)
        return error.exit_code
    except AgentError as error:
        return fail(error, error.exit_code)
    except DeviceError as error:
        return fail(error, ExitCode.STUCK if error.fatal else ExitCode.UNUSABLE)
    except BrokenPipeError:
        silence(sys.stdout)
        return ExitCode.CLOSED_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - here is where a bug is reported
        if isinstance(error, OSError) and (error.filename or error.errno in FULL):
            silence(sys.stdout)
            return fail(f"{error.filename or 'cannot write'}: {error.strerror}", ExitCode.UNUSABLE)
        return bug()
    except BaseException as error:
        if type(error).__name__ == "CancelledError":  # of asyncio, which is not imported for its sake
            return ExitCode.INTERRUPTED
        raise


def bug() -> int:
    """Print the traceback of an unexpected exception; returns ``BUG``."""
    with suppress(OSError):
        sys.stderr.write(f"{logs.traceback_text(*sys.exc_info())}\n")
    return fail("this is a bug, please report it with the lines above", ExitCode.BUG)


def command(name: str):  # type: ignore[no-untyped-def] # noqa: ANN201 - a module with options(parser) and run(options)
    """Import and return the module of one command, and nothing that only the other commands need."""
    return importlib.import_module(f"agent.commands.{name.replace('-', '_')}")


class Parser(argparse.ArgumentParser):
    """A parser whose errors quote what was typed in one line, without secrets."""

    def error(self, message: str) -> NoReturn:
        """Print usage and ``message``, and exit."""
        super().error(one_line(message))


class Version(argparse.Action):
    """``--version``, which looks the version up only when it is asked for: that takes as long as a small command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it, and exit."""
        from importlib.metadata import version  # noqa: PLC0415 - see above

        sys.stdout.write(f"field-agent {version('field-agent')}\n")
        parser.exit()


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, with the options of the command in ``arguments``."""
    top = Parser(prog="field-agent", description=EXIT_CODES)
    top.add_argument("--version", action=Version, nargs=0, help="show program's version number and exit")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text, description=help_text)
        if name in arguments:
            command(name).options(sub)
    return top
