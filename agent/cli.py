"""The command line: ``field-agent run | talk | demo | simulate | devices | check-config``.

Exit codes: 0 done · 2 wrong usage · 69 the service cannot be reached · 70 a bug · 74 a device cannot be used ·
77 the service refused key or model · 78 the configuration is wrong · 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import DEVICE_EXIT_CODE, AgentError
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": "be the daemon: real devices, the real service, until stopped",
    "talk": "the same agent on a laptop: the keyboard is the button",
    "demo": "a scripted conversation against the bundled simulator; no key, no hardware",
    "simulate": "serve the simulator alone",
    "devices": "list sound cards, cameras and GPIO chips",
    "check-config": "check the configuration and print what is in effect",
}
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that are not bugs end in one line on stderr and their exit code."""
    options = parser(arguments if arguments is not None else sys.argv[1:]).parse_args(arguments)
    try:
        return int(command(options.command).run(options))
    except AgentError as error:
        return fail(error, error.exit_code)
    except DeviceError as error:
        return fail(error, DEVICE_EXIT_CODE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def command(name: str):  # type: ignore[no-untyped-def] # noqa: ANN201 - a module with options(parser) and run(options)
    """Import the module of one command, and nothing that only the others need."""
    return importlib.import_module(f"agent.commands.{name.replace('-', '_')}")


def parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows the options of the command in ``arguments``."""
    top = argparse.ArgumentParser(prog="field-agent", description=__doc__.split("\n\n")[1])
    top.add_argument("--version", action="version", version=f"field-agent {version('field-agent')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in COMMANDS.items():
        sub = commands.add_parser(name, help=help_text, description=help_text)
        if name in arguments:
            command(name).options(sub)
    return top


def config_option(sub: argparse.ArgumentParser) -> None:
    """Add --config."""
    sub.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML)")


def start_log(level: str) -> None:
    """Log to stderr; under systemd the journal adds the time."""
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)


def fail(error: Exception, code: int) -> int:
    """Print an error as one line."""
    print(f"field-agent: {error}", file=sys.stderr)  # noqa: T201 - the command line speaks to its user
    return code


if __name__ == "__main__":
    sys.exit(main())
