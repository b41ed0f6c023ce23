"""A simulated camera: a folder of JPEGs, shown in turn, in real or virtual time."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from hardware.files import open_regular, read_whole
from hardware.ports import DeviceError, reason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

SMALLER = ("small", "tiny")
"""Subfolders that may hold the same pictures in fewer bytes."""
PICTURE_BYTES = 5_000_000
"""Larger than any picture that a box would send or keep."""
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PADDING = b"\0 \t\r\n"
PADDING_BYTES = 16
"""Some cameras pad their files by this much."""

log = logging.getLogger(__name__)


class FolderCamera:
    """Shows a JPEG file, or the JPEGs of a folder in the order of their names, over and over from ``start`` on.

    Files are returned as they are, and a still is the same picture as a frame. Smaller versions may be in the
    subfolders ``small`` and ``tiny`` under the same names; without them, ``max_bytes`` is not respected.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, fps: float = 1.0) -> None:
        """Show ``fps`` pictures of a folder per second. Raises DeviceError if there is no usable picture."""
        self._loop = loop
        self._name = f"camera {path}"
        self._files = self._usable(path)
        self._fps = fps
        self._origin: float | None = None
        self.open = False
        """Whether it is switched on."""
        self.frames = 0
        """How many frames were taken."""
        self.stills = 0
        """How many stills were taken."""

    def start(self, on_fault: Callable[[DeviceError], None]) -> None:
        """Switch on; the pictures run on from the first start, even while switched off."""
        del on_fault
        if self._origin is None:
            self._origin = self._loop.time()
        self.open = True

    def stop(self) -> None:
        """Switch off. Idempotent."""
        self.open = False

    async def frame(self, max_bytes: int) -> bytes:
        """Return the present picture, in the largest version of at most ``max_bytes`` if there is one.

        Raises DeviceError while switched off.
        """
        self.frames += 1
        picture = self._present()
        for folder in SMALLER:
            if len(picture) <= max_bytes:
                break
            smaller = self._present(folder)
            picture = smaller or picture
        return picture

    async def still(self) -> bytes:
        """Return the present file. Raises DeviceError while switched off."""
        self.stills += 1
        return self._present()

    async def aclose(self) -> None:
        """Switch off. Idempotent."""
        self.stop()

    def _usable(self, path: Path) -> list[Path]:
        """Return the files that can be shown; log a warning for each file that cannot. Raises DeviceError."""
        try:
            files = sorted(f for f in path.iterdir() if is_jpeg(f)) if path.is_dir() else [path]
        except OSError as error:
            raise DeviceError(self._name, f"cannot be read: {reason(error)}", "make the folder readable") from error
        if not any(file.is_file() for file in files):
            raise DeviceError(self._name, "no JPEG there", "name a .jpg file or a folder that holds some")
        flaws = {file: flaw(file) for file in files}
        usable = [file for file in files if not flaws[file]]
        if not usable:
            why = ", ".join(f"{file.name} {flaws[file]}" for file in files[:3])
            raise DeviceError(self._name, f"no usable JPEG: {why}", "name a .jpg file or a folder that holds some")
        for file in (file for file in files if flaws[file]):
            log.warning("%s: %s %s and is skipped", self._name, file.name, flaws[file])
        return usable

    def _present(self, folder: str = "") -> bytes:
        """Return the present picture, or its version in ``folder``, empty if there is none. Raises DeviceError."""
        if not self.open or self._origin is None:
            raise DeviceError(self._name, "is switched off", "start it before asking for a picture")
        number = int((self._loop.time() - self._origin) * self._fps) % len(self._files)
        file = self._files[number]
        shown = file.parent / folder / file.name
        if folder and flaw(shown):
            return b""
        try:
            return read_whole(shown, PICTURE_BYTES)
        except OSError as error:
            raise DeviceError(self._name, f"cannot read {file.name}: {reason(error)}", "restore it") from error


def is_jpeg(path: Path) -> bool:
    """Return whether ``path`` has the name of a JPEG."""
    return path.suffix.lower() in {".jpg", ".jpeg"}


def flaw(path: Path) -> str:
    """Return why a file cannot be shown as a JPEG, by its size, first and last bytes; empty if it can."""
    if not path.is_file():
        return "is not a file"
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            start = file.read(len(JPEG_START))
            file.seek(max(0, size - PADDING_BYTES - len(JPEG_END)))
            end = file.read(PADDING_BYTES + len(JPEG_END)).rstrip(PADDING)
    except OSError as error:
        return f"cannot be read: {reason(error)}"
    if not size:
        return "is empty"
    if size > PICTURE_BYTES:
        return f"is larger than {PICTURE_BYTES / 1e6:.0f} MB"
    if start != JPEG_START:
        return "is not a JPEG"
    return "" if end.endswith(JPEG_END) else "is cut short"
