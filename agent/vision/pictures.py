"""Pictures from the camera: frames while the technician speaks, one for a typed question, stills when asked for.

One task, for the agent's life.

The camera is CLOSED, OPEN or FILMING. Stills are taken one at a time; another may be asked for meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from enum import Enum, auto
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
"""While a frame is due and the uplink has no room for it, how often to ask again."""
GLANCE_S = 2.0
"""How long a typed question may wait for its picture; after that, it goes without one."""


class Lens(Enum):
    """What the camera is doing."""

    CLOSED = auto()
    OPEN = auto()
    FILMING = auto()


class Pictures:
    """Films at the configured rate and gives each JPEG to ``deliver``; does nothing in a box without a camera."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once by the one place that wires the agent
        self,
        settings: Settings,
        camera: Camera | None,
        counters: Counters,
        *,
        frame_budget: Callable[[], tuple[int, str]],
        deliver: Callable[[bytes], None],
        keep: Callable[[str, bytes], None],
        on_fault: Callable[[DeviceError], None],
    ) -> None:
        """Give frames to ``deliver(jpeg)`` and stills to ``keep(name, jpeg)``.

        ``frame_budget()`` returns how many bytes a frame may have now, and why none may be taken if that is 0.
        """
        self._camera = camera
        self._counters = counters
        self._frame_budget = frame_budget
        self._deliver = deliver
        self._keep = keep
        self._on_fault = on_fault
        self._loop = asyncio.get_running_loop()
        self._period_s = 1 / settings.video.fps if settings.video.fps else inf
        self._due = 0.0  # when the present frame's time began
        self._max_bytes = settings.video.max_frame_kb * 1000
        self._wake = asyncio.Event()
        self._lens = Lens.CLOSED
        self._still_asked = False  # a still was asked for and not begun
        self._glance: Callable[[bytes], None] | None = None  # who waits for one frame

    def open(self) -> None:
        """Switch the camera on."""
        if self._camera is not None:
            self._lens = Lens.OPEN if self._lens is Lens.CLOSED else self._lens
            self._camera.start(self._on_fault)

    def close(self) -> None:
        """Switch the camera off, and forget what was asked for and not begun."""
        self._lens, self._still_asked = Lens.CLOSED, False
        then, self._glance = self._glance, None
        if then is not None:
            then(b"")
        if self._camera is not None:
            self._camera.stop()

    def stream_frames(self, *, on: bool) -> None:
        """Start taking frames, the first at once, or stop; does nothing while the camera is closed."""
        if self._lens is Lens.CLOSED:
            return
        self._lens = Lens.FILMING if on and self._period_s < inf else Lens.OPEN
        self._due = self._loop.time()
        self._wake.set()

    def glance(self, then: Callable[[bytes], None]) -> bool:
        """Take one frame now and call ``then`` with it, or with no bytes if it cannot be taken in time.

        Returns False, and calls nothing, while the camera is closed, and with ``video.fps = 0``.
        """
        if self._lens is Lens.CLOSED or self._period_s == inf:
            return False
        self._glance = then
        self._wake.set()
        return True

    def take_still(self) -> None:
        """Ask for one full-resolution picture; the model gets a small copy. Does nothing while the camera is closed."""
        if self._lens is Lens.CLOSED:
            return
        self._still_asked = True
        self._wake.set()

    async def run(self) -> None:
        """Take pictures until cancelled."""
        camera = self._camera
        if camera is None:
            await asyncio.Event().wait()
            return
        while True:
            self._wake.clear()
            try:
                if self._glance is not None:
                    then, self._glance = self._glance, None
                    await self._take_glance(camera, then)
                if self._still_asked:
                    self._still_asked = False
                    await self._take_still(camera)
                if self._lens is Lens.FILMING:
                    await self._take_frame(camera)
            except DeviceError as error:
                if self._lens is not Lens.CLOSED:  # a picture cut short by closing the camera is no fault
                    self._lens = Lens.OPEN
                    self._on_fault(error)
            await self._until_next()

    async def _take_frame(self, camera: Camera) -> None:
        """Take one frame once the uplink has room for it; drop it if its time ends or a still is asked for first."""
        ends = self._due + self._period_s
        refusal = "late"  # a still took so long that no time is left for the frame
        while self._lens is Lens.FILMING and not self._still_asked and self._loop.time() < ends:
            size, refusal = self._frame_budget()
            if size:
                jpeg = await camera.frame(min(size, self._max_bytes))
                if self._lens is Lens.FILMING:  # else the utterance ended meanwhile, and the frame with it
                    self._deliver(jpeg)
                return
            await asyncio.sleep(LOOK_AGAIN_S)
        if self._lens is Lens.FILMING:
            self._counters.frames_dropped[refusal] += 1

    async def _take_glance(self, camera: Camera, then: Callable[[bytes], None]) -> None:
        jpeg = b""
        try:
            async with asyncio.timeout(GLANCE_S):
                jpeg = await camera.frame(self._bytes_at_once())
        except TimeoutError:
            self._counters.frames_dropped["late"] += 1
        finally:
            then(jpeg)  # the question waits for this, whatever happens

    def _bytes_at_once(self) -> int:
        """Return how large a picture that is not to wait may be: at least what the worst line carries."""
        return min(self._max_bytes, max(self._frame_budget()[0], LEAST_FRAME))

    async def _until_next(self) -> None:
        """Wait until the next frame is due or something changes."""
        now = self._loop.time()
        filming = self._lens is Lens.FILMING
        self._due = max(self._due + self._period_s, now) if filming else now
        try:
            async with asyncio.timeout_at(self._due if filming else None):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _take_still(self, camera: Camera) -> None:
        self._keep_still(await camera.still())
        self._deliver(await camera.frame(self._bytes_at_once()))

    def _keep_still(self, jpeg: bytes) -> None:
        now = time.time()
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{int(1000 * now) % 1000:03}.jpg"
        self._counters.stills += 1
        self._keep(name, jpeg)
        log.info("still: %s, %d kB", name, len(jpeg) // 1000)
