"""``field-agent run``: the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from agent import config
from agent.auth import api_key
from agent.config import DEFAULT_PATH
from agent.errors import STUCK_EXIT_CODE
from agent.terminal import config_option, fail, start_log
from hardware import hanging
from hardware.ports import DeviceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine

    from agent.config import Settings

T = TypeVar("T")

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGQUIT is left alone: it kills what does not end."""

log = logging.getLogger(__name__)


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub, DEFAULT_PATH)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP, or until a driver hangs. Raises ConfigError, DeviceError."""
    settings = config.load(arguments.config or DEFAULT_PATH)
    start_log(settings.log.level)
    if settings.gpio.button == "none":
        settings = config.override(settings, {"turn": {"always_listening": True}}, where="a box without a button")
    api_key.api_key(settings)  # fail now, in words, rather than at the first connection
    to_the_end(serve(settings))
    return 0


def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns, or end the process if a driver hangs then: an orderly exit would wait for it.

    Raises what ``work`` raises; but of a fatal DeviceError the process ends, with ``STUCK_EXIT_CODE``.
    """
    try:
        result = asyncio.run(work)
    except DeviceError as error:
        if error.fatal:
            end(fail(error, STUCK_EXIT_CODE))
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


async def serve(settings: Settings) -> None:
    """Run the agent on the configured devices until a signal comes."""
    task = asyncio.ensure_future(_serve(settings))
    end_once(asyncio.get_running_loop(), task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    log.info("stopped")


async def _serve(settings: Settings) -> None:
    from agent.app import Agent  # noqa: PLC0415 - after the configuration is known to be good
    from agent.service import first_boot  # noqa: PLC0415 - the same
    from hardware import open_devices  # noqa: PLC0415 - the same

    await first_boot.prepare(settings)
    devices = open_devices(settings.devices, asyncio.get_running_loop())
    try:
        agent = Agent(settings, devices, lambda: api_key.api_key(settings))
        log.info("ready: model %s at %s", settings.session.model, settings.service.url)
        await agent.run(keep_trying=True, listen=settings.turn.always_listening)
    finally:
        await devices.aclose()


def end_once(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Call ``end`` at the first of the signals that end us, and ignore all that follow, to the end of the process."""
    # What is ignored already stays so: nohup asks that of SIGHUP.
    asked = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]

    def ended() -> None:
        for number in asked:
            loop.remove_signal_handler(number)  # else the loop, when it closes, would let the signal kill us again
            signal.signal(number, signal.SIG_IGN)
        end()

    for number in asked:
        loop.add_signal_handler(number, ended)
