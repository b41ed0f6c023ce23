"""The program from its first moment to its last: a signal ends it with one exit code and no traceback.

Python answers Ctrl-C with a traceback from whatever it is doing, importing and exiting included, and SIGTERM and SIGHUP
with death by signal. Here, as long as nothing has begun, each of them ends the process at once; while a command runs,
all of them are Ctrl-C, which the command ends in order for; and when the exit code is known, nothing changes it.
"""

from __future__ import annotations

import os
import signal
import sys

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
"""``agent.errors.ExitCode.INTERRUPTED``, which is not imported yet when it is needed first."""


def program() -> int:
    """Run the command line; return its exit code."""
    # What is ignored already stays ignored: nohup relies on that for SIGHUP.
    asked = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in asked:
        signal.signal(number, at_once)
    try:
        from agent.cli import main  # noqa: PLC0415 - a signal that comes meanwhile has its answer now

        return main(begin=lambda: in_order(asked))
    except KeyboardInterrupt:  # while something else was being reported
        return INTERRUPTED
    finally:
        for number in asked:
            signal.signal(number, signal.SIG_IGN)  # handlers in Python are gone before Python is


def at_once(*_: object) -> None:
    """End the process: nothing has begun."""
    os._exit(INTERRUPTED)


def in_order(asked: list[signal.Signals]) -> None:
    """From now on, each of the signals ``asked`` is Ctrl-C, which asyncio and the commands know how to end for."""
    for number in asked:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else as_ctrl_c)


def as_ctrl_c(*_: object) -> None:
    """Do what Ctrl-C would do at this moment. Raises KeyboardInterrupt if that would be ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(program())
