"""The whole box on a real sound path: PortAudio, a sound server, a room between speaker and microphone.

A test says things into the room, presses the button, breaks the line or the card, and listens at the speaker.
"""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from agent import config, notices
from agent.app import Agent
from agent.simulator import Simulator
from agent.simulator.voice import ASSETS
from agent.turn.phase import Phase
from hardware import open_devices
from hardware.simulated.panel import RecordingLight, ScriptedButton
from tests.hil import identify
from tests.hil.room import Room
from tests.support.sound_server import MICROPHONE, SPEAKER
from tests.support.stage import question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from agent.notices import Notice
    from agent.voice.earcons import Earcon
    from agent.voice.phrase import Phrase
    from hardware.ports import Rhythm
    from tests.hil.room import Samples
    from tests.support.sound_server import SoundServer

T = TypeVar("T")
TRIES = 3
SETTLE_S = 1.5
"""For the cards to open and the connection to come up."""


@dataclass
class Rig:
    """The box, and what a person does with it and hears of it."""

    server: SoundServer
    room: Room
    simulator: Simulator
    agent: Agent
    button: ScriptedButton
    light: RecordingLight
    told: list[Notice] = field(default_factory=list)

    async def say(self, name: str, level_db: float = 0.0) -> None:
        """Ask one of the shipped questions."""
        await asyncio.sleep(self.room.say(question(name), level_db))

    async def wake(self) -> None:
        await self.button.tap()
        await asyncio.sleep(0.5)

    async def until(self, holds: Callable[[], bool], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.01)

    async def until_phase(self, phase: Phase, within_s: float = 30.0) -> None:
        await self.until(lambda: self.agent.turn.phase is phase, within_s)

    async def until_light(self, rhythm: Rhythm, within_s: float = 30.0) -> None:
        await self.until(lambda: self.light.rhythm is rhythm, within_s)

    async def rest(self, within_s: float = 60.0) -> None:
        await self.until(lambda: not self.agent.turn.phase.busy, within_s)

    async def ask(self, name: str) -> None:
        if self.agent.turn.phase is Phase.ASLEEP:
            await self.wake()
        await self.say(name)
        await self.until_phase(Phase.ANSWERING)
        await self.rest()

    def all(self, kind: type[T]) -> list[T]:
        return [notice for notice in self.told if isinstance(notice, kind)]

    # what is heard at the speaker

    def heard(self, sound: Samples, since: float = 0.0) -> int:
        """How often a sound came out of the speaker."""
        return len(identify.find(sound, self.room.played(since)))

    def said(self, phrase: Phrase, since: float = 0.0) -> int:
        return self.heard(identify.words(phrase), since)

    def sounded(self, earcon: Earcon, since: float = 0.0) -> int:
        return self.heard(identify.earcon(earcon), since)

    def share_of_answer(self, name: str, since: float = 0.0) -> float:
        """How much of the answer to a question came out of the speaker."""
        return identify.share_played(identify.answer(name), self.room.played(since))

    async def hiccup(self, seconds: float) -> None:
        """Stop the microphone for a while, as on a bad cable; what is said meanwhile is lost."""
        for suspended in ("1", "0"):
            done = await asyncio.to_thread(self.server.run, "pactl", "suspend-source", MICROPHONE, suspended)
            assert done.returncode == 0, done.stderr
            await asyncio.sleep(seconds if suspended == "1" else 0)


@asynccontextmanager
async def rig(
    server: SoundServer, state: Path, *, offline: bool = False, echo_db: float = -12.0, **sections: Any
) -> AsyncIterator[Rig]:
    """Set up room, box and simulator; ``sections`` override settings."""
    loop = asyncio.get_running_loop()
    async with Simulator() as simulator:
        tables: dict[str, Any] = {
            "service": {"url": "ws://127.0.0.1:1" if offline else simulator.url},
            "audio": {"microphone": MICROPHONE, "speaker": SPEAKER},
            "camera": {"source": str(ASSETS / "frames")},
            "paths": {"state": str(state)},
            "gpio": {"button": "none", "light": "none"},
        }
        settings = config.override(config.Settings(), tables | sections, where="rig")
        button, light = ScriptedButton(), RecordingLight(loop)
        with Room(server, echo_db=echo_db) as room:
            devices = replace(open_devices(settings.devices, loop), button=button, indicator=light)
            told: list[Notice] = []
            agent = Agent(settings, devices, lambda: "key", told.append)
            task = asyncio.create_task(agent.run(keep_trying=True))
            try:
                await asyncio.sleep(SETTLE_S)
                yield Rig(server, room, simulator, agent, button, light, told)
                assert not task.done(), task
            except Exception as error:
                lost = sum(each.health().glitches for each in (devices.microphone, devices.speaker))
                if lost or room.missed:
                    raise StarvedError(f"{lost} glitches of the cards, {room.missed} of the room") from error
                raise
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await devices.aclose()


class StarvedError(Exception):
    """The test failed, and the machine was too busy for the sound path meanwhile: sound was lost on the way."""


def in_real_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that is a coroutine; again if the machine starved it, for a fault of the box fails every time."""

    @functools.wraps(test)
    def run(*, tmp_path: Path, **kwargs: Any) -> None:
        for attempt in range(1, TRIES + 1):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            try:
                asyncio.run(test(tmp_path=folder, **kwargs))
            except StarvedError:
                if attempt == TRIES:
                    raise
            else:
                return

    return run


def notes_kept(rig: Rig) -> int:
    return len(rig.all(notices.NoteKept))
