"""``field-agent run``: the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

from agent import config, secrets
from agent.cli import config_option, start_log
from agent.config import DEFAULT_PATH

if TYPE_CHECKING:
    import argparse

    from agent.config import Settings

log = logging.getLogger(__name__)


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub, DEFAULT_PATH)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Raises ConfigError, DeviceError."""
    settings = config.load(arguments.config or DEFAULT_PATH)
    start_log(settings.log.level)
    if settings.gpio.button == "none":
        settings = config.override(settings, {"turn": {"always_listening": True}}, where="a box without a button")
    secrets.api_key(settings)  # fail now, in words, rather than at the first connection
    asyncio.run(serve(settings))
    return 0


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
