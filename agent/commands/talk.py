"""``field-agent talk``: the agent on a laptop, or on a bench without a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from agent import config, secrets
from agent.cli import config_option, start_log
from agent.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.app import Agent
    from agent.config import Settings
    from hardware.ports import Devices

NEVER_S = {"idle_s": 3600.0, "follow_up_s": 600.0}
"""With --listen the box stays awake: a bench has no thumb to wake it again."""
LAST_ANSWER_S = 2.0
"""After the end of a WAV, an answer that has not been asked for by then will not be."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub)
    sub.add_argument("--mic", metavar="default|NAME|FILE.wav", help="microphone (a WAV runs in real time)")
    sub.add_argument("--speaker", metavar="default|NAME|none|OUT.wav", help="speaker")
    sub.add_argument("--camera", metavar="none|FILE|FOLDER", default="none", help="a JPEG or a folder of them")
    sub.add_argument("--fps", type=float, help="camera frames per second while somebody speaks")
    sub.add_argument("--text", action="store_true", help="show the answer's words and play nothing")
    sub.add_argument("--url", help="another server, wss:// or ws://")
    sub.add_argument("--model", help="another model")
    sub.add_argument("--voice", help="another voice")
    sub.add_argument("--system-instruction", metavar="TEXT", help="another prompt")
    sub.add_argument("--initial-message", metavar="TEXT", help="say this first")
    sub.add_argument("--listen", action="store_true", help="start awake and stay awake: no press needed")
    sub.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", help="end after so long")
    sub.add_argument("--events", type=Path, metavar="FILE", help="write one JSON line per event")
    sub.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


def run(arguments: argparse.Namespace) -> int:
    """Talk until asked to stop. Raises ConfigError, LinkError, DeviceError."""
    start_log(arguments.log_level)
    settings = overridden(config.load(arguments.config), arguments)
    secrets.api_key(settings)
    asyncio.run(talk(settings, arguments))
    return 0


def overridden(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """Return the settings with this run's options put over them. Raises ConfigError."""
    given: dict[str, dict[str, Any]] = {
        "service": {"url": arguments.url},
        "session": {
            "model": arguments.model,
            "voice": arguments.voice,
            "system_instruction": arguments.system_instruction,
            "initial_message": arguments.initial_message,
        },
        "audio": {"microphone": arguments.mic, "speaker": "none" if arguments.text else arguments.speaker},
        "camera": {"source": arguments.camera},
        "video": {"fps": arguments.fps},
        "turn": dict(NEVER_S) if arguments.listen else {},
        "gpio": {"button": "none", "light": "none"},
    }
    chosen = {
        section: {key: value for key, value in table.items() if value is not None} for section, table in given.items()
    }
    return config.override(settings, chosen, where="command line")


async def talk(settings: Settings, arguments: argparse.Namespace) -> None:
    """Run the agent with keyboard and screen until the end of the WAV, of the time, or of the person's patience."""
    from agent.app import Agent  # noqa: PLC0415 - after the options are known to be good
    from hardware import open_devices  # noqa: PLC0415 - the same

    with contextlib.ExitStack() as stack:
        log = stack.enter_context(event_file(arguments.events)) if arguments.events else None
        devices = open_devices(settings.devices, asyncio.get_running_loop())
        try:
            keyboard, devices = _with_keyboard(devices)
            agent = Agent(settings, devices, lambda: secrets.api_key(settings), _observer(log))
            if keyboard is not None:
                keyboard.on_text = agent.type
            ends = [asyncio.ensure_future(end) for end in _ends(agent, keyboard, arguments)]
            await until_first(agent.run(patient=False, listen=arguments.listen), ends)
        finally:
            await devices.aclose()


async def until_first(main: Any, ends: list[asyncio.Future[Any]]) -> None:  # noqa: ANN401 - any awaitable
    """Run ``main`` until it fails or one of ``ends`` is done; then cancel whatever is left."""
    task = asyncio.ensure_future(main)
    try:
        done, _ = await asyncio.wait([task, *ends], return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()
    finally:
        for future in (task, *ends):
            future.cancel()
        await asyncio.gather(task, *ends, return_exceptions=True)
