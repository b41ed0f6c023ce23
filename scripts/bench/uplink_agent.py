"""The whole agent with bench devices: ``uplink_agent.py ours URL SPEECH SECONDS``. Standard input: ``start MONOTONIC``.

Everything is done through the ports, so that this measures whatever the agent does. The button is held throughout.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uplink_source import CHUNK_BYTES, FPS, FRAME_BYTES, frame

from agent.app import Agent
from agent.config import Settings
from agent.notices import LinkStateChanged, as_json
from hardware.ports import CHUNK_S, DeviceHealth, Devices, MicChunk
from hardware.simulated.clock import Metronome
from hardware.simulated.panel import NoLight, ScriptedButton
from hardware.simulated.speakers import SilentSpeaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.notices import Notice
    from hardware.ports import DeviceError


class BenchMicrophone:
    """Plays the speech, 20 ms at a time, from its first start on; silence never comes."""

    def __init__(self, speech: bytes) -> None:
        """Stand still until ``start``."""
        self._speech = speech
        self._at = 0
        self._metronome = Metronome(asyncio.get_running_loop(), CHUNK_S, self._deliver)

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin; tells when."""
        del on_fault
        self._on_chunk = on_chunk
        print(json.dumps({"t0": time.monotonic() - self._at / CHUNK_BYTES * CHUNK_S}), flush=True)
        self._metronome.start()

    def stop(self) -> None:
        """Deliver no more."""
        self._metronome.stop()

    def speech(self, *, on: bool, over_answer: bool = False) -> None:
        """No-op: there is no echo."""

    def false_alarm(self) -> None:
        """No-op."""

    def overheard(self) -> None:
        """No-op."""

    def health(self) -> DeviceHealth:
        """Return zeros."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Stop."""
        self.stop()

    def _deliver(self) -> None:
        chunk = self._speech[self._at : self._at + CHUNK_BYTES]
        self._at += CHUNK_BYTES
        if len(chunk) == CHUNK_BYTES:
            self._on_chunk(MicChunk.plain(chunk, trusted=True))


class BenchCamera:
    """Has a frame at once, as large as it may be, up to 30 kB."""

    def __init__(self) -> None:
        """Nothing taken yet."""
        self.taken = 0

    def start(self, on_fault: Callable[[DeviceError], None]) -> None:
        """Need nothing."""

    def stop(self) -> None:
        """Need nothing."""

    async def frame(self, max_bytes: int) -> bytes:
        """Return the next."""
        self.taken += 1
        return frame(self.taken, min(FRAME_BYTES, max_bytes))

    async def still(self) -> bytes:
        """Return the next."""
        return await self.frame(FRAME_BYTES)

    async def aclose(self) -> None:
        """Need nothing."""


def settings(url: str) -> Settings:
    """Return push-to-talk at two frames a second, with a service that never answers."""
    plain = Settings()
    return replace(
        plain,
        service=replace(plain.service, url=url),
        turn=replace(plain.turn, mode="push-to-talk", response_timeout_s=120.0, send_timeout_s=600.0),
        video=replace(plain.video, fps=FPS, max_frame_kb=FRAME_BYTES // 1000),
        paths=replace(plain.paths, state=tempfile.mkdtemp(prefix="field-agent-bench-")),
    )


def counters(agent: Agent) -> dict[str, Any]:
    """Return whatever the agent counts."""
    now = agent.snapshot()
    counted = {**asdict(agent.counters), "connections": now.link.connections}
    counted |= {"trimmed_s": now.totals.trimmed_s, "skipped_s": now.totals.skipped_s}
    return {name: value if isinstance(value, int | float) else str(value) for name, value in counted.items()}


async def main() -> None:
    """Connect, wait for the start, hold the button as long as the speech lasts."""
    url, speech, seconds = sys.argv[2], Path(sys.argv[3]).read_bytes(), float(sys.argv[4])  # noqa: ASYNC240 - before anything runs
    loop = asyncio.get_running_loop()
    button, camera = ScriptedButton(), BenchCamera()
    devices = Devices(BenchMicrophone(speech), SilentSpeaker(loop), camera, button, NoLight())

    def observe(notice: Notice) -> None:
        if isinstance(notice, LinkStateChanged):
            print(json.dumps({"mark": "link", "t": time.monotonic(), **as_json(notice)}), flush=True)

    agent = Agent(settings(url), devices, lambda: "bench", observe)
    running = loop.create_task(agent.run(keep_trying=True))
    begin = float((await loop.run_in_executor(None, sys.stdin.readline)).split()[1])
    await asyncio.sleep(begin - time.monotonic())
    holding = loop.create_task(button.hold(seconds))
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps({"counters": counters(agent), "taken": camera.taken}, default=str), flush=True)
    for task in (holding, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await devices.aclose()


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("UPLINK_LOG", "WARNING"), stream=sys.stderr)
    asyncio.run(main())
