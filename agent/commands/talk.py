"""``field-agent talk``: the agent on a laptop, or on a bench without a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import config, secrets
from agent.cli import config_option, start_log
from agent.commands.view import Lines
from agent.errors import ConfigError
from agent.metrics import TurnRecord
from agent.moves import Phase
from hardware.keyboard import KeyboardButton

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine, Iterator

    from agent.app import Agent
    from agent.config import Settings
    from hardware.ports import Microphone

Observer = Callable[[str, dict[str, Any]], None]

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
    sub.add_argument("--log-level", default="ERROR", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


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

    loop = asyncio.get_running_loop()
    quit_asked = asyncio.Event()
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = [Lines(loop.time).observe]
        if arguments.events:
            observers.append(stack.enter_context(event_file(arguments.events)))
        devices = open_devices(settings.devices, loop)
        try:
            if sys.stdin is not None:
                # The agent is built from its devices, so what typing calls is known only after them.
                devices = replace(devices, button=KeyboardButton(loop, lambda line: agent.type(line), quit_asked.set))  # noqa: PLW0108 - not yet bound
            agent: Agent = Agent(settings, devices, lambda: secrets.api_key(settings), tell(observers))
            ends = [quit_asked.wait(), _end_of_wav(devices.microphone, agent)]
            if arguments.seconds is not None:
                ends.append(asyncio.sleep(arguments.seconds))
            await until_first(agent.run(patient=False, listen=arguments.listen), ends)
        finally:
            await devices.aclose()


async def _end_of_wav(microphone: Microphone, agent: Agent) -> None:
    """Wait for the end of a WAV microphone and for the last answer after it; for ever with any other microphone."""
    ended = getattr(microphone, "ended", None) or asyncio.Event()
    await ended.wait()
    await asyncio.sleep(LAST_ANSWER_S)
    busy = (Phase.HEARING, Phase.TALKING, Phase.THINKING, Phase.ANSWERING, Phase.SPEAKING)
    while agent.turn.phase in busy:  # noqa: ASYNC110 - once per program, and every phase has its own deadline
        await asyncio.sleep(0.1)


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


def tell(observers: list[Observer]) -> Observer:
    """Return one observer that tells several."""

    def observe(name: str, fields: dict[str, Any]) -> None:
        for observer in observers:
            observer(name, fields)

    return observe


@contextlib.contextmanager
def event_file(path: Path) -> Iterator[Observer]:
    """Give an observer that writes one ``{"t": monotonic seconds, "event": name, ...}`` a line. Raises ConfigError."""
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise ConfigError(f"--events {path}: {error.strerror}") from None
    with file:

        def observe(name: str, fields: dict[str, Any]) -> None:
            json.dump({"t": round(time.monotonic(), 6), "event": name, **fields}, file, default=plain)
            file.write("\n")

        yield observe


def plain(value: object) -> object:
    """Return what JSON can hold of an event's field."""
    if isinstance(value, TurnRecord):
        skipped = ("said", "settled", "service_done", "speaker_done")
        kept = {name: getattr(value, name) for name in value.__slots__ if name not in skipped}
        return kept | {"answer": value.said.text, "spoken": value.spoken, "ttfab_s": value.ttfab_s}
    return value.name if isinstance(value, Enum) else str(value)
