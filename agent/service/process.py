"""How a run begins and ends as a process: signals, the first of several ends, drivers that hang."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from agent.errors import ExitCode
from agent.terminal import fail
from hardware import hanging
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGQUIT is left alone: it kills what does not end."""


def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns, or end the process if a driver hangs then: an orderly exit would wait for it.

    Raises what ``work`` raises; but of a fatal DeviceError the process ends, with ``ExitCode.STUCK``.
    """
    try:
        result = asyncio.run(work)
    except DeviceError as error:
        if error.fatal:
            end(fail(error, ExitCode.STUCK))
        raise
    if hanging():
        end(0)
    return result


def end(code: int) -> None:
    """End the process here and now; what is closed already is all that is closed."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def end_once(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Call ``end`` at the first of the signals that end us, and ignore all that follow, to the end of the process."""
    # What is ignored already stays so: nohup asks that of SIGHUP.
    asked = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]

    def ended() -> None:
        if not asked:
            return  # the second of two that the loop took up together
        for number in asked:
            loop.remove_signal_handler(number)  # else the loop, when it closes, would let the signal kill us again
            signal.signal(number, signal.SIG_IGN)
        asked.clear()
        end()

    for number in asked:
        loop.add_signal_handler(number, ended)


async def until_first(main: Coroutine[Any, Any, None], ends: list[Coroutine[Any, Any, Any]]) -> None:
    """Run ``main`` until it fails or one of ``ends`` is done; then cancel whatever is left."""
    tasks = [asyncio.ensure_future(job) for job in (main, *ends)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
