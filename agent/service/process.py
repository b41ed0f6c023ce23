"""How a run ends as a process: signals, whichever task ends first, cards that stay away, drivers that hang."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from agent.errors import ExitCode
from agent.terminal import fail
from hardware import hanging
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

    from hardware.ports import Devices

T = TypeVar("T")

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals that end us. SIGQUIT is left alone, to kill a process that does not end."""

LOOK_S = 0.1
"""How often sound cards are looked at."""
_last: list[Callable[[], object]] = []

PATIENCE_S = 2.0
"""How long an orderly end may take after Ctrl-C at a terminal: closing a card whose driver hangs takes several times
as long."""


def to_the_end(work: Coroutine[Any, Any, T], run: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run) -> T:
    """Run ``work`` and return its result; end the process if a driver hangs, since an orderly exit would wait for it.

    Ctrl-C cancels ``work``, a second one ends the process at once. Raises what ``work`` raises, except that a fatal
    DeviceError ends the process with ``ExitCode.STUCK``; raises KeyboardInterrupt after Ctrl-C.
    """
    interrupts = _Interrupts()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else it is ignored, or somebody else's
        signal.signal(signal.SIGINT, interrupts)
    try:
        result = run(interrupts.heeded(work))
    except DeviceError as error:
        if error.fatal:
            end(fail(error, ExitCode.STUCK))
        raise
    except asyncio.CancelledError:
        if interrupts.asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is interrupts:
            signal.signal(signal.SIGINT, before)
    if hanging():
        end(0)
    return result


class _Interrupts:
    """Ctrl-C while work is done: the first cancels it, the second ends the process. None is raised where it strikes.

    asyncio's own handling raises KeyboardInterrupt before the work has begun and from the second one on, which leaves
    tracebacks of whatever was half done.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.asked = False
        self._cancel: Callable[[], object] = lambda: None

    def __call__(self, *_: object) -> None:
        """Handle the signal."""
        if self.asked:
            impatient()
        self.asked = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is over anyway
            self._cancel()

    async def heeded(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work``. Raises CancelledError if it is interrupted, or was before it began."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.asked:
            work.close()
            raise asyncio.CancelledError
        return await work


def impatient(*_: object) -> None:
    """Answer the second Ctrl-C."""
    end(ExitCode.INTERRUPTED)


def before_exit(action: Callable[[], object]) -> None:
    """Have :func:`end` call ``action``, for a terminal's sake; functions of ``atexit`` may wait for a driver."""
    _last.append(action)


def end(code: int) -> None:
    """End the process at once with exit ``code``, after all of :func:`before_exit`; the kernel closes the rest."""
    for action in _last:
        with contextlib.suppress(Exception):
            action()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def soon_over() -> Iterator[None]:
    """Have Ctrl-C in the ``with`` block end the process within ``PATIENCE_S``, whatever is still to be closed then."""
    try:
        yield
    except asyncio.CancelledError:  # what asyncio.run makes of Ctrl-C
        timer = threading.Timer(PATIENCE_S, end, [ExitCode.INTERRUPTED])
        timer.daemon = True
        timer.start()
        raise


def end_once(
    loop: asyncio.AbstractEventLoop, ended_by: Callable[[], object], again: signal.Handlers | Handler = signal.SIG_IGN
) -> None:
    """Call ``ended_by`` at the first of ``ENDS``; from then on, to the end of the process, ``again`` handles them."""
    # A signal that is ignored already stays ignored: nohup relies on that for SIGHUP.
    asked = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]

    def ended() -> None:
        if not asked:
            return  # the second of two signals that the loop handled together
        for number in asked:
            loop.remove_signal_handler(number)  # else the loop restores the default when it closes: death by signal
            signal.signal(number, again)
        asked.clear()
        ended_by()

    for number in asked:
        loop.add_signal_handler(number, ended)


async def card_away(devices: Devices, patience_s: float = 0.0, *, at_first_s: float = math.inf) -> None:
    """Raise the DeviceError of a sound card that is away for longer than ``patience_s``, even if nobody uses it yet.

    Looks for it in the first ``at_first_s`` seconds alone, and never returns.
    """
    away_s = watched_s = 0.0
    while watched_s < at_first_s:
        await asyncio.sleep(LOOK_S)
        watched_s += LOOK_S
        parts = (devices.microphone, devices.speaker)
        fault = next((fault for part in parts if (fault := getattr(part, "fault", None)) is not None), None)
        away_s = away_s + LOOK_S if fault is not None else 0.0
        if fault is not None and away_s > patience_s:
            raise fault
    await asyncio.Event().wait()


async def until_first(main: Coroutine[Any, Any, None], ends: list[Coroutine[Any, Any, Any]]) -> None:
    """Run ``main`` until it ends or fails, or one of ``ends`` does; then cancel the rest. Raises what failed."""
    tasks = [asyncio.ensure_future(job) for job in (main, *ends)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
