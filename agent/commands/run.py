"""``field-agent run``: runs the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, TypeVar

from agent import config
from agent.auth import api_key
from agent.config import DEFAULT_PATH
from agent.service.process import end_once, to_the_end
from agent.terminal import config_option, start_log

if TYPE_CHECKING:
    import argparse

    from agent.config import Settings

T = TypeVar("T")


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
    api_key.api_key(settings)  # fail now, with a clear message, rather than at the first connection
    to_the_end(serve(settings))
    return 0


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
        await agent.run(keep_trying=True, listen=settings.turn.always_listening, greet=True)
    finally:
        await devices.aclose()
