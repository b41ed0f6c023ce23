"""The Pi's camera through picamera2: one configuration with a main stream for stills and a small one for frames.

The small stream comes as YUV420 straight from the image processor, so a frame costs the CPU no resizing, only the JPEG
encoding. Every call into picamera2 is made in a single thread: the library blocks, and is not made for several threads.
"""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from hardware.ports import DeviceError, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.settings import CameraSettings

T = TypeVar("T")

BUFFERS = 2
"""The fewest buffers that stream: a Zero 2 W has little contiguous memory."""
CAPTURE_LIMIT_S = 3.0
"""How long a picture may take: the camera delivers 30 frames a second, 2 in the dark."""
LEAST_QUALITY = 20
"""Below this a nameplate cannot be read."""
SHRINK = 0.75
"""Factor for the quality when a frame is too large."""
GROW = 4
"""Quality regained with each frame that used less than ``ROOMY`` of its budget."""
ROOMY = 0.7
STILL_QUALITY = 90
"""picamera2's own default; stills go into the job record."""


class PiCamera:
    """A camera module. ``start`` returns at once; the first picture waits until the camera has warmed up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: CameraSettings) -> None:
        """Import picamera2 and simplejpeg; open nothing yet. Raises DeviceError if they are not installed."""
        try:
            import simplejpeg  # noqa: PLC0415 - only a box with a camera has it
            from picamera2 import Picamera2  # noqa: PLC0415 - as above
        except ImportError as error:
            fix = "apt install --no-install-recommends python3-picamera2, and a venv with --system-site-packages"
            raise DeviceError("camera", f"its library is missing: {error}", fix) from error
        self._make = Picamera2
        self._encode = simplejpeg.encode_jpeg_yuv_planes
        self._loop = loop
        self._settings = settings
        self._quality = settings.quality
        self._camera: Any = None
        self._wanted = False
        self._thread = ThreadPoolExecutor(1, "camera")

    def start(self, on_fault: Callable[[DeviceError], None]) -> None:
        """Switch the camera on in the background."""
        self._wanted = True

        def report(future: asyncio.Future[None]) -> None:
            error = None if future.cancelled() else future.exception()
            if isinstance(error, DeviceError) and self._wanted:
                on_fault(error)

        self._loop.run_in_executor(self._thread, self._switch_on).add_done_callback(report)

    def stop(self) -> None:
        """Switch the camera off in the background; it stays configured for the next start."""
        if self._wanted:
            self._wanted = False
            self._thread.submit(self._switch_off)

    async def frame(self, max_bytes: int) -> bytes:
        """Return a small JPEG, its quality lowered until it fits ``max_bytes`` or ``LEAST_QUALITY`` is reached."""
        return await self._in_thread(lambda: self._shrunk(self._planes(), max_bytes))

    async def still(self) -> bytes:
        """Return a JPEG of the main stream, exposed after this call."""
        return await self._in_thread(self._photograph)

    async def aclose(self) -> None:
        """Release the camera."""
        self.stop()
        self._thread.submit(self._release)
        await asyncio.to_thread(self._thread.shutdown)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        if not self._wanted:
            raise DeviceError("camera", "is switched off", "start it before asking for a picture")
        try:
            async with asyncio.timeout(2 * CAPTURE_LIMIT_S):  # twice: the camera may still be starting
                return await self._loop.run_in_executor(self._thread, lambda: self._translated(call))
        except TimeoutError as error:
            raise DeviceError(
                "camera", "does not answer", "check its ribbon cable, then restart the service"
            ) from error

    def _translated(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (RuntimeError, OSError, IndexError, ValueError, AttributeError) as error:
            # picamera2 has no error classes of its own; it raises IndexError if there is no camera
            fix = "check its ribbon cable and that nothing else uses it: field-agent devices"
            raise DeviceError("camera", f"failed: {reason(error)}", fix) from error

    def _switch_on(self) -> None:
        self._translated(self._started)

    def _started(self) -> None:
        if self._camera is None:
            camera = self._make()
            settings = self._settings
            camera.options["quality"] = STILL_QUALITY
            camera.configure(
                camera.create_video_configuration(
                    main={"size": (settings.still_width, settings.still_height), "format": "RGB888"},
                    lores={"size": (settings.width, settings.height), "format": "YUV420"},
                    buffer_count=BUFFERS,
                )
            )
            self._camera = camera
        self._camera.start()

    def _switch_off(self) -> None:
        if self._camera is not None:
            self._camera.stop()

    def _release(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _photograph(self) -> bytes:
        request = self._camera.capture_request(wait=CAPTURE_LIMIT_S, flush=True)
        try:
            jpeg = io.BytesIO()
            request.save("main", jpeg, format="jpeg")
            return jpeg.getvalue()
        finally:
            request.release()

    def _planes(self) -> tuple[Any, Any, Any]:
        """Return Y, U and V of the present small frame, without the padding at the end of each row."""
        request = self._camera.capture_request(wait=CAPTURE_LIMIT_S)
        try:
            packed = request.make_array("lores")  # (height * 3/2, stride): Y, then U and V with two rows to a row
        finally:
            request.release()
        width, height = self._camera.camera_configuration()["lores"]["size"]
        stride = packed.shape[1]
        colour = packed[height:].reshape(height, stride // 2)
        half = height // 2
        planes = packed[:height, :width], colour[:half, : width // 2], colour[half:, : width // 2]
        return planes[0].copy(), planes[1].copy(), planes[2].copy()  # the encoder needs contiguous arrays

    def _shrunk(self, planes: tuple[Any, Any, Any], max_bytes: int) -> bytes:
        """Return the frame as a JPEG, starting from the quality that fitted last time."""
        while True:
            jpeg: bytes = self._encode(*planes, self._quality)
            if len(jpeg) <= max_bytes:
                if len(jpeg) < ROOMY * max_bytes:
                    self._quality = min(self._quality + GROW, self._settings.quality)
                return jpeg
            if self._quality <= LEAST_QUALITY:
                return jpeg
            self._quality = max(int(self._quality * SHRINK), LEAST_QUALITY)
