"""``field-agent talk``: runs the agent on a laptop, or on a test bench without a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import config
from agent.auth import api_key
from agent.errors import ConfigError, LinkError
from agent.screen.lines import Lines
from agent.screen.observers import SCREEN, Observers, Outcome, event_file
from agent.service.process import before_exit, card_away, end_once, impatient, to_the_end, until_first
from agent.terminal import config_option, fail, not_negative, positive, start_log
from hardware.files import expanded, same
from hardware.panel.keyboard import KeyboardButton
from hardware.settings import SoundKind

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from agent.app import Agent
    from agent.config import Settings
    from agent.metrics import TurnSummary
    from agent.notices import Notice
    from agent.status import Snapshot
    from hardware.ports import Devices, Microphone

NEVER_S = {"idle_s": 3600.0, "follow_up_s": 600.0}
"""With --listen the box stays awake: on a bench nobody presses the button to wake it again."""
LAST_ANSWER_S = 2.0
"""How long after the end of a WAV its last question may still be found to have ended."""
LAST_RECORD_S = 3.0
"""How long the service has at the end to begin an answer that it owes, or to close the last turn."""
CARDS_OPEN_S = 2.0
"""A card that is not there or busy is known within this time. It is told then, and not at the first press."""
KEYS = "Enter taps, Space (where the terminal can) or Tab holds; type a line to ask in writing; Ctrl-C ends."
EPILOG = f"""In a terminal: {KEYS} Lines from a pipe are asked one after another; the program ends after the last
answer. The API key is read from GEMINI_API_KEY, or from the file that [service] key_file in the configuration names; a
ws:// address needs none. Exit code 0: a normal end, also by Ctrl-C or SIGTERM; 69: a question was asked and none
answered."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    sub.epilog = EPILOG
    config_option(sub, "the built-in defaults")
    sub.add_argument(
        "--mic",
        metavar="default|NAME|silence|FILE.wav",
        help="microphone (a WAV plays in real time; silence: none, the default with --text)",
    )
    sub.add_argument("--speaker", metavar="default|NAME|none|OUT.wav", help="speaker")
    sub.add_argument("--camera", metavar="none|FILE|FOLDER", default="none", help="a JPEG or a folder of them")
    sub.add_argument("--fps", type=not_negative, help="camera frames per second while an utterance is open")
    sub.add_argument("--text", action="store_true", help="print the answer's text and play nothing")
    sub.add_argument("--url", help="another server, wss:// or ws://")
    sub.add_argument(
        "--allow-unencrypted", action="store_true", default=None, help="allow ws:// to another machine, without the key"
    )
    sub.add_argument("--model", help="another model")
    sub.add_argument("--voice", help="another voice")
    sub.add_argument("--system-instruction", metavar="TEXT", help="another prompt")
    sub.add_argument("--initial-message", metavar="TEXT", help="ask this first, before anything else")
    sub.add_argument("--listen", action="store_true", help="start awake and stay awake: no press needed")
    sub.add_argument("--for", dest="seconds", type=positive, metavar="SECONDS", help="end after this time")
    sub.add_argument("--events", type=Path, metavar="FILE", help="write one JSON line per event")
    sub.add_argument("--log-level", default="ERROR", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


def run(arguments: argparse.Namespace) -> int:
    """Talk until asked to stop. Raises ConfigError, LinkError, DeviceError."""
    start_log(arguments.log_level)
    settings = overridden(config.load(arguments.config), arguments)
    api_key.api_key(settings)
    return to_the_end(talk(settings, arguments))


def overridden(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """Return the settings, overridden by this run's options. Raises ConfigError."""
    if arguments.text and arguments.speaker not in (None, "none"):
        raise ConfigError(
            f"--text plays nothing, so --speaker {arguments.speaker} is of no use (leave out one of them)"
        )
    microphone = arguments.mic or ("silence" if arguments.text else None)
    given: dict[str, dict[str, Any]] = {
        "service": {"url": arguments.url, "allow_unencrypted": arguments.allow_unencrypted},
        "session": {
            "model": arguments.model,
            "voice": arguments.voice,
            "system_instruction": arguments.system_instruction,
            "initial_message": None if arguments.initial_message is None else "",  # it is asked in place of this
        },
        "audio": {"microphone": microphone, "speaker": "none" if arguments.text else arguments.speaker},
        "camera": {"source": arguments.camera},
        "video": {"fps": arguments.fps},
        "turn": dict(NEVER_S) if arguments.listen else {},
        "gpio": {"button": "none", "light": "none"},
    }
    chosen = {
        section: {key: value for key, value in table.items() if value is not None} for section, table in given.items()
    }
    settings = config.override(settings, chosen, where="command line")
    audio = settings.audio
    hears, speaks = (expanded(name) for name in (audio.microphone, audio.speaker))
    if audio.microphone_kind is audio.speaker_kind is SoundKind.FILE and same(hears, speaks):
        raise ConfigError(f"--mic and --speaker are the same file, {hears} (name another --speaker)")
    return settings


async def talk(settings: Settings, arguments: argparse.Namespace) -> int:
    """Run the agent with keyboard and screen to the end; return the exit code."""
    from hardware import open_devices  # noqa: PLC0415 - after the options are known to be good

    loop = asyncio.get_running_loop()
    observers, outcome, quit_asked = Observers(), Outcome(), asyncio.Event()
    with contextlib.ExitStack() as stack:
        observers.add("tally", outcome.observe)
        if arguments.events:
            observers.add(f"--events {arguments.events}", stack.enter_context(event_file(arguments.events)))
        devices = open_devices(settings.devices, loop)
        end_once(loop, quit_asked.set, again=impatient)
        try:
            await _converse(settings, arguments, devices, observers, quit_asked)
        finally:
            await devices.aclose()
            code = observers.report()
    complaint = "" if quit_asked.is_set() or code else outcome.complaint()
    return fail(complaint, LinkError.exit_code) if complaint else code


async def _converse(
    settings: Settings, arguments: argparse.Namespace, devices: Devices, observers: Observers, quit_asked: asyncio.Event
) -> None:
    """Run the agent until one of its ends: quit, a closed output, end of the WAV, end of the lines, time."""
    from agent.app import Agent  # noqa: PLC0415 - after the options are known to be good

    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    if arguments.initial_message:
        lines.put_nowait(arguments.initial_message)
    terminal = sys.stdin is not None and sys.stdin.isatty()
    keyboard: KeyboardButton | None = None
    if sys.stdin is None:
        lines.put_nowait(None)
    else:
        # The agent is built from its devices, so the agent that typing calls exists only after them.
        write = (lambda line: agent.ask(line)) if terminal else lines.put_nowait  # noqa: PLW0108 - not yet bound
        keyboard = KeyboardButton(loop, write, asked_twice(quit_asked), on_end=lambda: lines.put_nowait(None))
        before_exit(keyboard.restore)
        devices = replace(devices, button=keyboard)
    agent: Agent = Agent(settings, devices, lambda: api_key.api_key(settings), observers)
    observers.add(SCREEN, screen(agent, keyboard if terminal else None, aloud=not arguments.text).observe)
    patience = _Patience(agent)
    observers.add("the ends", patience.observe)
    ends = [quit_asked.wait(), observers.left.wait(), _end_of_wav(devices.microphone, patience)]
    ends.append(card_away(devices, at_first_s=CARDS_OPEN_S))
    last = not (terminal or arguments.listen or arguments.seconds is not None)
    ends.append(_ask(agent, patience, lines, last=last))
    if arguments.seconds is not None:
        ends.append(asyncio.sleep(arguments.seconds))
    try:
        await until_first(agent.run(keep_trying=False, listen=arguments.listen), ends)
    finally:
        if keyboard is not None:
            await keyboard.aclose()


def asked_twice(quit_asked: asyncio.Event) -> Callable[[], None]:
    """Return what Ctrl-C as a key does: in a raw terminal it is no signal."""

    def asked() -> None:
        if quit_asked.is_set():
            impatient()
        quit_asked.set()

    return asked


def screen(agent: Agent, keyboard: KeyboardButton | None, *, aloud: bool) -> Lines:
    """Return the screen; with a keyboard at a terminal, it prints around the line being typed."""

    def latest() -> TurnSummary | None:
        return agent.snapshot().turn

    clock = asyncio.get_running_loop().time
    if keyboard is None or not sys.stdout.isatty():
        return Lines(clock, latest=latest, aloud=aloud)
    sys.stdout.write(f"{KEYS}\n")
    return Lines(clock, latest=latest, aloud=aloud, typed=lambda: keyboard.line)


class _Patience:
    """Waits until the agent has come so far; it looks again whenever something has happened."""

    def __init__(self, agent: Agent) -> None:
        """Wait for ``agent``, which must be given :meth:`observe`."""
        self._agent = agent
        self._happened = asyncio.Event()

    def observe(self, _: Notice) -> None:
        """Handle a notice of the agent."""
        self._happened.set()

    async def until(self, reached: Callable[[Snapshot], bool]) -> None:
        """Return when ``reached`` is true of how things stand."""
        while not reached(self._agent.snapshot()):
            self._happened.clear()
            await self._happened.wait()

    async def until_over(self) -> None:
        """Return when the box is at rest and nothing more of the last turn is to be expected."""
        over = False
        while not over:
            await self.until(_at_rest)
            try:
                async with asyncio.timeout(LAST_RECORD_S):
                    await self.until(lambda now: now.phase.busy or _complete(now))
            except TimeoutError:
                over = True
            else:
                over = _at_rest(self._agent.snapshot())


def _connected(now: Snapshot) -> bool:
    return now.link.connections > 0


def _at_rest(now: Snapshot) -> bool:
    return not now.phase.busy


def _complete(now: Snapshot) -> bool:
    return not now.answer_owed and (now.turn is None or now.turn.over)


async def _ask(agent: Agent, patience: _Patience, lines: asyncio.Queue[str | None], *, last: bool) -> None:
    """Ask line after line, each when the line before is answered; return after the last if ``last``, else never."""
    await patience.until(_connected)  # if that fails, the agent ends
    while (line := await lines.get()) is not None:
        await patience.until(_at_rest)
        agent.ask(line)
    if not last:
        await asyncio.Event().wait()
    await patience.until_over()


async def _end_of_wav(microphone: Microphone, patience: _Patience) -> None:
    """Wait for the end of a WAV microphone and of the last answer; with any other microphone, wait for ever."""
    ended = getattr(microphone, "ended", None) or asyncio.Event()
    await ended.wait()
    await asyncio.sleep(LAST_ANSWER_S)
    await patience.until_over()
