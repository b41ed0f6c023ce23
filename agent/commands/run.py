"""``field-agent run``: the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from agent import config, secrets
from agent.cli import config_option, fail, start_log
from agent.config import DEFAULT_PATH
from agent.errors import STUCK_EXIT_CODE
from hardware import hanging
from hardware.ports import DeviceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine

    from agent.config import Settings

T = TypeVar("T")

log = logging.getLogger(__name__)


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub, DEFAULT_PATH)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, or until a driver hangs. Raises ConfigError, DeviceError."""
    settings = config.load(arguments.config or DEFAULT_PATH)
    start_log(settings.log.level)
    if settings.gpio.button == "none":
        settings = config.override(settings, {"turn": {"always_listening": True}}, where="a box without a button")
    secrets.api_key(settings)  # fail now, in words, rather than at the first connection
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
    from agent.app import Agent  # noqa: PLC0415 - after the configuration is known to be good
    from hardware import open_devices  # noqa: PLC0415 - the same

    loop = asyncio.get_running_loop()
    devices = open_devices(settings.devices, loop)
    try:
        agent = Agent(settings, devices, lambda: secrets.api_key(settings))
        task = asyncio.ensure_future(agent.run(patient=True, listen=settings.turn.always_listening))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        log.info("ready: model %s at %s", settings.session.model, settings.service.url)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        log.info("stopped")
    finally:
        await devices.aclose()
