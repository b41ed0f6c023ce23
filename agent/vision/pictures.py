"""The camera's half of the agent: frames while somebody speaks, stills when asked for. One task, for life."""

from __future__ import annotations

import asyncio
import logging
import time
from math import inf
from typing import TYPE_CHECKING

from agent.uplink.bandwidth import LEAST_FRAME
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.metrics import Counters
    from hardware.ports import Camera

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.020
"""How often a shut gate is tried while a frame is due."""


class Pictures:
    """Films at the asked rate and hands JPEGs to ``deliver``; does nothing in a box without a camera."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once by the one place that wires the agent
        self,
        settings: Settings,
        camera: Camera | None,
        counters: Counters,
        *,
        frame_budget: Callable[[], tuple[int, str]],
        deliver: Callable[[bytes], None],
        keep: Callable[[str, bytes], None],
        drop: Callable[[str], None],
        on_fault: Callable[[DeviceError], None],
    ) -> None:
        """Stills are given to ``keep(name, jpeg)``, and to ``drop(name)`` if they were taken by mistake.

        ``frame_budget()`` says how many bytes a frame may have now, and why none may be taken if that is 0.
        """
        self._camera = camera
        self._counters = counters
        self._frame_budget = frame_budget
        self._deliver = deliver
        self._keep = keep
        self._drop = drop
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._period_s = 1 / settings.video.fps if settings.video.fps else inf
        self._due = 0.0  # when the present frame's time began
        self._max_bytes = settings.video.max_frame_kb * 1000
        self._wake = asyncio.Event()
        self._filming = False
        self._still_wanted = False
        self._still_discarded = False  # while it was being taken
        self._open = False
        self._last_still = ""  # name

    def open(self) -> None:
        """Switch the camera on."""
        if self._camera is not None:
            self._open = True
            self._camera.start(self._on_fault)

    def close(self) -> None:
        """Switch it off."""
        self._filming = self._still_wanted = self._open = False
        if self._camera is not None:
            self._camera.stop()

    def stream_frames(self, *, on: bool) -> None:
        """Take frames, the first at once, or stop."""
        self._filming = on and self._period_s < inf
        self._due = self._loop.time()
        self._wake.set()

    def take_still(self) -> None:
        """Take one picture in full resolution; the model gets it small."""
        self._still_wanted = True
        self._last_still = ""  # whoever discards means this one from now on
        self._wake.set()

    def discard_still(self) -> None:
        """Forget the still just asked for, or just taken."""
        if self._still_wanted:  # not begun, so that one being taken is an older one
            self._still_wanted = False
            return
        self._still_discarded = True
        if self._last_still:
            self._drop(self._last_still)
            self._last_still = ""

    async def run(self) -> None:
        """Take pictures for life."""
        camera = self._camera
        if camera is None:
            await asyncio.Event().wait()
            return
        while True:
            self._wake.clear()
            try:
                if self._still_wanted:
                    self._still_wanted = False
                    await self._take_still(camera)
                if self._filming:
                    await self._take_frame(camera)
            except DeviceError as error:
                self._filming = False
                if self._open:  # a picture that hanging up cut short is no fault
                    self._on_fault(error)
            await self._until_next()

    async def _take_frame(self, camera: Camera) -> None:
        """Take one when the uplink has room for it, within its time and before a still is asked; else drop it."""
        ends = self._due + self._period_s
        refusal = "late"  # a still took so long that there is no time left
        while self._filming and not self._still_wanted and self._loop.time() < ends:
            size, refusal = self._frame_budget()
            if size:
                jpeg = await camera.frame(min(size, self._max_bytes))
                if self._filming:  # else the utterance ended meanwhile, and the frame with it
                    self._deliver(jpeg)
                return
            await asyncio.sleep(LOOK_AGAIN_S)
        if self._filming:
            self._counters.frames_dropped[refusal] += 1

    async def _until_next(self) -> None:
        """Wait for the next frame's time, or for something else to do."""
        now = self._loop.time()
        self._due = max(self._due + self._period_s, now) if self._filming else now
        try:
            async with asyncio.timeout_at(self._due if self._filming else None):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _take_still(self, camera: Camera) -> None:
        self._last_still, self._still_discarded = "", False
        jpeg = await camera.still()
        if not self._still_discarded:
            self._counters.stills += 1
            now = time.time()
            self._last_still = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{int(1000 * now) % 1000:03}.jpg"
            self._keep(self._last_still, jpeg)
            log.info("still: %s, %d kB", self._last_still, len(jpeg) // 1000)
        self._deliver(await camera.frame(min(self._max_bytes, max(self._frame_budget()[0], LEAST_FRAME))))
