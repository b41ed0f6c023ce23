"""The agent in a process with taps: ``inside.py chunks|presses URL WAV OUT.json``, on a simulated box in real time."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taps import Wire

from agent import config, simulator
from agent.app import Agent
from agent.commands.talk import NEVER_S
from agent.turn.phase import Phase
from hardware.ports import CHUNK_S, Devices
from hardware.simulated.box import SimulatedBox
from hardware.simulated.microphones import PacedMicrophone
from hardware.sound.playback import PlaybackBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import DeviceError, MicChunk
    from hardware.simulated.room import Room

FRAMES = Path(simulator.__file__).parent / "assets" / "frames"
ROUNDS = 8
HELD_S, HEARD_S, PAUSE_S = 0.7, 0.4, 0.6
NEW_ANSWER_S = 1.0
"""A piece of answer that comes this long after the last piece is the first of another answer."""


class TappedMicrophone(PacedMicrophone):
    """Hears a room, and takes the time around each chunk that the agent sends on."""

    def __init__(self, room: Room, wire: Wire) -> None:
        """Put the taps in."""
        super().__init__(room.loop, self._listen)
        self._room, self._wire, self._due = room, wire, 0.0
        self.late: list[tuple[float, float]] = []

    def _listen(self, end: float) -> bytes:
        self._due = end
        return self._room.hear(end)

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Deliver to ``on_chunk`` with the taps around it."""

        def tapped(chunk: MicChunk) -> None:
            woke, before = time.monotonic(), self._wire.audio_sent
            on_chunk(chunk)
            if self._wire.audio_sent == before + 1:  # neither silence nor a pre-roll
                self.late.append((self._wire.sent_at - self._due, self._wire.sent_at - woke))

        super().start(tapped, on_fault)


class Bench:
    """One agent and all the taps."""

    def __init__(self, url: str) -> None:
        """Build box and agent."""
        loop = asyncio.get_running_loop()
        self.wire = Wire()
        self.pieces: list[tuple[float, bool]] = []
        self.flushes: list[float] = []
        self.box = SimulatedBox.build(loop, pictures=FRAMES)
        self.microphone = TappedMicrophone(self.box.room, self.wire)
        self._tap_buffer()
        given: dict[str, dict[str, Any]] = {"service": {"url": url}, "turn": dict(NEVER_S)}
        given["paths"] = {"state": tempfile.mkdtemp(prefix="field-agent-bench-")}
        box = self.box
        devices = Devices(self.microphone, box.speaker, box.camera, box.button, box.light)
        self.agent = Agent(config.override(config.Settings(), given, where="bench"), devices, lambda: "bench")

    def _tap_buffer(self) -> None:
        """Record when answer audio is in the speaker's buffer, and when it is discarded."""
        write, flush, last = PlaybackBuffer.write, PlaybackBuffer.flush, 0.0

        def tapped_write(buffer: PlaybackBuffer, pcm: bytes, epoch: int | None = None) -> bool:
            nonlocal last
            taken = write(buffer, pcm, epoch)
            now = time.monotonic()
            self.pieces.append((now - self.wire.got_at, now - last > NEW_ANSWER_S))
            last = now
            return taken

        def tapped_flush(buffer: PlaybackBuffer) -> float:
            played = flush(buffer)
            self.flushes.append(time.monotonic())
            return played

        PlaybackBuffer.write = tapped_write  # type: ignore[method-assign]
        PlaybackBuffer.flush = tapped_flush  # type: ignore[method-assign]

    async def phase(self, *wanted: Phase) -> None:
        """Wait for a phase of the conversation."""
        async with asyncio.timeout(20):
            while self.agent.turn.phase not in wanted:  # noqa: ASYNC110 - the agent has no event for it
                await asyncio.sleep(CHUNK_S)

    async def chunks(self, wav: Path) -> dict[str, Any]:
        """Hold the conversation of the WAV."""
        task = asyncio.ensure_future(self.agent.run(keep_trying=False, listen=True))
        with wave.open(str(wav), "rb") as file:
            seconds = self.box.room.say(file.readframes(file.getnframes()))
        await asyncio.wait([task], timeout=seconds + 2.0)
        await self.phase(Phase.LISTENING)
        task.cancel()
        await asyncio.wait([task])
        return {"chunks": self.microphone.late, "answers": self.pieces}

    async def presses(self) -> dict[str, Any]:
        """Press and hold, out of sleep and over an answer, again and again."""
        task = asyncio.ensure_future(self.agent.run(keep_trying=False))
        await asyncio.sleep(1.0)
        found: dict[str, list[float]] = {"light": [], "hold": [], "flush": []}
        for _ in range(ROUNDS):
            await self._hold(found)  # asleep
            await self._hold(found)  # over the answer
            await self._press(found)  # and over its answer, this time only to stop it
            self.box.button.release()
            await asyncio.sleep(PAUSE_S)
            await self.box.button.tap()  # to sleep
            await self.phase(Phase.ASLEEP)
        task.cancel()
        await asyncio.wait([task])
        return found

    async def _press(self, found: dict[str, list[float]]) -> float:
        """Press, and note what happened before ``press`` returned: everything, there is no await in between."""
        answering, shown = self.agent.turn.phase is Phase.ANSWERING, len(self.box.light.history)
        pressed = time.monotonic()
        self.box.button.press()
        if len(self.box.light.history) > shown:
            found["light"].append(self.box.light.history[shown][0] - pressed)
        if answering:
            found["flush"].append(self.flushes[-1] - pressed)
        return pressed

    async def _hold(self, found: dict[str, list[float]]) -> None:
        """Hold for a moment and wait until the answer is heard."""
        pressed, starts = await self._press(found), len(self.wire.starts)
        await asyncio.sleep(HELD_S)
        found["hold"].append(self.wire.starts[starts] - pressed)
        self.box.button.release()
        await self.phase(Phase.ANSWERING)
        await asyncio.sleep(HEARD_S)


async def measure(kind: str, url: str, wav: Path) -> dict[str, Any]:
    """Run one kind of measurement."""
    bench = Bench(url)
    return await (bench.chunks(wav) if kind == "chunks" else bench.presses())


def main() -> None:
    """Measure and write down."""
    kind, url, wav, out = sys.argv[1:]
    Path(out).write_text(json.dumps(asyncio.run(measure(kind, url, Path(wav)))))


if __name__ == "__main__":
    main()
