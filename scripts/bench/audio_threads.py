"""Where to run the chain: in the callback's thread, in one of its own, or on the loop."""

from __future__ import annotations

import asyncio
import base64
import queue
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from audio_score import percentile

from agent.hearing.vad import webrtc_detector
from hardware.sound.front_end import FrontEnd

if TYPE_CHECKING:
    from hardware.ports import MicChunk

PLACES = ("callback", "thread", "loop")
BLOCK_S = 0.010
FRAME_CHUNKS = 25
FRAME = bytes(30_000)


class Lateness(NamedTuple):
    """Milliseconds. ``callback`` is how long it took, ``chunk`` from its begin until the agent had worked on it."""

    place: str
    slower: int
    loop_p50: float
    loop_p99: float
    callback_p99: float
    callback_most: float
    chunk_p50: float
    chunk_p99: float


class Trial:
    """A callback every 10 ms, the chain in one place, and what the agent does with a chunk on its loop."""

    def __init__(self, place: str, slower: int, loop: asyncio.AbstractEventLoop) -> None:
        """Do everything ``slower`` times over, to imitate a processor that is slower by that factor."""
        self._place = place
        self._loop = loop
        self._ends = [FrontEnd(48_000, 48_000) for _ in range(slower)]
        self._detect = webrtc_detector(3)
        self._blocks: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        rng = np.random.default_rng(0)
        self._near, self._far = (rng.normal(0, level, 480).astype(np.int16) for level in (500, 3000))
        self._chunks = 0
        self.stopped = threading.Event()
        self.durations: list[float] = []
        self.ages: list[float] = []

    def callbacks(self) -> None:
        """Act as the sound driver's thread."""
        due = time.perf_counter()
        while not self.stopped.is_set():
            due += BLOCK_S
            time.sleep(max(0.0, due - time.perf_counter()))
            begun = time.perf_counter()
            if self._place == "callback":
                self._clean(begun)
            elif self._place == "thread":
                self._blocks.put(begun)
            else:
                self._loop.call_soon_threadsafe(self._clean, begun)
            self.durations.append(time.perf_counter() - begun)
        self._blocks.put(None)

    def worker(self) -> None:
        """Act as the chain's own thread."""
        while (begun := self._blocks.get()) is not None:
            self._clean(begun)

    def _clean(self, begun: float) -> None:
        chunks = [end.process(self._near, self._far) for end in self._ends]
        if chunks[0] is None:
            return
        if self._place == "loop":
            self._agent(chunks[0], begun)
        else:
            self._loop.call_soon_threadsafe(self._agent, chunks[0], begun)

    def _agent(self, heard: MicChunk, begun: float) -> None:
        """Listen, encode; twice a second a picture as well."""
        self._chunks += 1
        for _ in self._ends:
            self._detect(heard.for_endpointer)
            b"".join((b'{"audio":"', base64.b64encode(heard.for_model), b'"}'))
            if self._chunks % FRAME_CHUNKS == 0:
                base64.b64encode(FRAME)
        self.ages.append(time.perf_counter() - begun)


async def lateness(place: str, slower: int, seconds: float) -> Lateness:
    """Measure one place."""
    loop = asyncio.get_running_loop()
    trial = Trial(place, slower, loop)
    threads = [threading.Thread(target=work) for work in (trial.callbacks, trial.worker)]
    for thread in threads:
        thread.start()
    late: list[float] = []
    end = loop.time() + seconds
    while loop.time() < end:
        due = loop.time() + BLOCK_S / 2
        await asyncio.sleep(BLOCK_S / 2)
        late.append(loop.time() - due)
    trial.stopped.set()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    spent, ages = trial.durations, trial.ages
    figures = [
        (late, 50),
        (late, 99),
        (spent, 99),
        (spent, 100),
        (ages, 50),
        (ages, 99),
    ]
    return Lateness(place, slower, *(1000 * percentile(values, share) for values, share in figures))


def all_places(seconds: float, slower: tuple[int, ...]) -> list[Lateness]:
    """Measure all, each on a fresh loop."""
    return [asyncio.run(lateness(place, factor, seconds)) for factor in slower for place in PLACES]
