"""Ring 2: the whole agent on simulated devices, against the simulator, over a real WebSocket, in virtual time."""

from __future__ import annotations

import asyncio
import tempfile
import time
import wave
from array import array
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent import config, notices, simulator
from agent.app import Agent
from agent.simulator import Scenario, Simulator, SimulatorSettings, shipped
from agent.turn.phase import Phase
from agent.voice.recordings import Recordings
from hardware.ports import SPEAKER_FORMAT
from hardware.simulated.box import SimulatedBox
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine

    from agent.link.state import LinkState
    from agent.metrics import TurnSummary
    from agent.notices import Notice
    from agent.voice.earcons import Earcon
    from agent.voice.phrase import Phrase
    from hardware.ports import Rhythm
    from tests.support.moody_disk import MoodyDisk

T = TypeVar("T")
ASSETS = Path(simulator.__file__).parent / "assets"
PIECE = SPEAKER_FORMAT.bytes_in(0.05)
LIMIT_S = 900.0
"""Virtual seconds that no scene needs."""


def play(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run in virtual time; a task that outlives ``coroutine`` fails."""

    async def watched() -> T:
        broken: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
        async with asyncio.timeout(LIMIT_S):
            result = await coroutine
        assert not broken, f"failed in a callback: {broken}"
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"
        return result

    return run_virtual(watched())


def sounded(s: Stage, sound: bytes) -> int:
    """How often a sound's loudest piece was played as it is, with nothing else over it."""
    pieces = [sound[at : at + PIECE] for at in range(0, len(sound) - PIECE, PIECE)]
    return s.box.speaker.pcm.count(max(pieces, key=lambda piece: sum(map(abs, array("h", piece)))))


def said(s: Stage, phrase: Phrase) -> int:
    """How often the box said a phrase."""
    return sounded(s, Recordings("en").say(phrase))


def question(name: str) -> bytes:
    """One of the shipped questions, 16 kHz s16le."""
    with wave.open(str(ASSETS / "questions" / f"{name}.wav"), "rb") as wav:
        return wav.readframes(wav.getnframes())


@dataclass
class Stage:
    """One agent, one simulator, and what happened between them."""

    simulator: Simulator
    box: SimulatedBox
    agent: Agent
    task: asyncio.Task[None]
    told: list[tuple[float, Notice]] = field(default_factory=list)
    disk: MoodyDisk | None = None
    """Where the disk has moods, the disk."""

    @property
    def turns(self) -> list[TurnSummary]:
        return [notice.turn for notice in self.all(notices.TurnEnded)]

    @property
    def heard(self) -> list[str]:
        return [turn.question_text for turn in self.turns]

    @property
    def earcons(self) -> list[Earcon]:
        return [notice.earcon for notice in self.all(notices.EarconPlayed)]

    def all(self, kind: type[T]) -> list[T]:
        """All notices of a kind."""
        return [notice for _, notice in self.told if isinstance(notice, kind)]

    def times(self, kind: type[Notice]) -> list[float]:
        return [at for at, notice in self.told if isinstance(notice, kind)]

    async def until(self, phase: Phase, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while self.agent.turn.phase is not phase:
                await asyncio.sleep(0.01)

    async def until_link(self, state: LinkState, within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while self.agent.turn.link is not state:
                await asyncio.sleep(0.01)

    async def until_light(self, rhythm: Rhythm, within_s: float = 300.0) -> None:
        async with asyncio.timeout(within_s):
            while self.box.light.rhythm is not rhythm:
                await asyncio.sleep(0.01)

    async def until_told(self, kind: type[Notice], within_s: float = 60.0) -> None:
        """Wait until it is told once more."""
        before = len(self.times(kind))
        async with asyncio.timeout(within_s):
            while len(self.times(kind)) == before:
                await asyncio.sleep(0.01)

    async def wake(self) -> None:
        await self.box.button.tap()
        await asyncio.sleep(0.5)

    async def say(self, name: str) -> None:
        await asyncio.sleep(self.box.room.say(question(name)))

    async def ask(self, name: str) -> None:
        """Wake if need be, ask, and wait until the answer is over."""
        if self.agent.turn.phase is Phase.ASLEEP:
            await self.wake()
        await self.say(name)
        await self.until(Phase.THINKING)
        await self.rest()

    async def rest(self, within_s: float = 120.0) -> None:
        """Wait until the box listens or sleeps."""
        async with asyncio.timeout(within_s):
            while self.agent.turn.phase not in (Phase.LISTENING, Phase.ASLEEP):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def stage(  # noqa: PLR0913 - each sets one thing of the scene, all optional
    scenario: Scenario | str | None = None,
    *,
    keep_trying: bool = True,
    simulator_settings: SimulatorSettings | None = None,
    echo_gain: float = 0.0,
    tls: ssl.SSLContext | None = None,
    wall: Callable[[], float] | None = None,
    **sections: dict[str, Any],
) -> AsyncIterator[Stage]:
    """Set up box, agent and simulator; ``sections`` override settings."""
    loop = asyncio.get_running_loop()
    chosen = shipped(scenario) if isinstance(scenario, str) else scenario
    began = time.time() - loop.time()
    with tempfile.TemporaryDirectory() as state:
        async with Simulator(simulator_settings, chosen, tls=tls) as simulator:
            sections = {"paths": {"state": state}} | sections
            # In virtual time the kernel's acknowledgements, which come in real time, mean nothing.
            tables = {"service": {"url": simulator.url}, "link": {"kernel": False}} | sections
            settings = config.override(config.Settings(), tables, where="test")
            box = SimulatedBox.build(loop, pictures=ASSETS / "frames", echo_gain=echo_gain)
            told: list[tuple[float, Notice]] = []

            def observe(notice: Notice) -> None:
                told.append((loop.time(), notice))

            agent = Agent(settings, box.devices, lambda: "key", observe, wall or (lambda: began + loop.time()))
            task = asyncio.create_task(agent.run(keep_trying=keep_trying))
            try:
                yield Stage(simulator, box, agent, task, told)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await box.devices.aclose()
                await agent.store.aclose()  # a task that was cancelled before it began closed nothing
