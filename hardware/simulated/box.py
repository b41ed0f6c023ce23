"""Devices without hardware: a whole box in a pretended room, and stand-ins for the parts a real box may lack.

The box behaves physically (a chunk takes 20 ms, an answer takes as long as it sounds) in real time on an ordinary
event loop and at once on :class:`hardware.simulated.clock.VirtualTimeLoop`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardware.ports import DeviceError, DeviceHealth, Devices, Rhythm, reason
from hardware.simulated.microphones import PacedMicrophone, RoomMicrophone, SilentMicrophone, WavMicrophone
from hardware.simulated.room import Room
from hardware.simulated.speakers import PacedSpeaker, RoomSpeaker, SilentSpeaker, Sound, WavSpeaker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hardware.sound.playback import PlaybackBuffer

__all__ = [
    "FolderCamera",
    "LogLight",
    "NoButton",
    "NoLight",
    "PacedMicrophone",
    "PacedSpeaker",
    "RecordingLight",
    "Room",
    "RoomMicrophone",
    "RoomSpeaker",
    "ScriptedButton",
    "SilentMicrophone",
    "SilentSpeaker",
    "SimulatedBox",
    "Sound",
    "WavMicrophone",
    "WavSpeaker",
]

TAP_S = 0.12
"""How long a tap keeps the button down: gloved thumbs take 80 to 200 ms."""
BETWEEN_TAPS_S = 0.12
"""Pause inside a double tap."""
SMALLER = ("small", "tiny")
"""Subfolders with the same pictures in fewer bytes."""
HISTORY = 1000
"""Changes of the light that are remembered."""
PICTURE_BYTES = 5_000_000
"""No picture that a box would send or keep is larger."""
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PADDING = b"\0 \t\r\n"
PADDING_BYTES = 16
"""Some cameras pad their files by this much."""

_log = logging.getLogger(__name__)
_light_log = logging.getLogger("hardware.light")


class ScriptedButton:
    """A button that a script presses. Edges before ``start`` or after ``aclose`` reach nobody."""

    def __init__(self) -> None:
        """Begin released."""
        self.down = False
        self._on_edge: Callable[[bool], None] | None = None

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report edges from now on. Never faults."""
        del on_fault
        self._on_edge = on_edge

    def health(self) -> DeviceHealth:
        """Return zeros: a script's edges are not lost."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Report nothing any more. Idempotent."""
        self._on_edge = None

    def press(self) -> None:
        """Push down; no effect while down."""
        self._move(down=True)

    def release(self) -> None:
        """Let go; no effect while up."""
        self._move(down=False)

    async def tap(self) -> None:
        """Press and release, too briefly for a hold."""
        await self.hold(TAP_S)

    async def hold(self, seconds: float) -> None:
        """Keep pressed for ``seconds``; released even if cancelled."""
        self.press()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.release()

    async def taps(self, count: int) -> None:
        """Tap ``count`` times in quick succession."""
        for number in range(count):
            if number:
                await asyncio.sleep(BETWEEN_TAPS_S)
            await self.tap()

    async def double_tap(self) -> None:
        """Tap twice."""
        await self.taps(2)

    async def triple_tap(self) -> None:
        """Tap three times."""
        await self.taps(3)

    def _move(self, *, down: bool) -> None:
        if down != self.down:
            self.down = down
            if self._on_edge is not None:
                self._on_edge(down)


class NoButton:
    """The button of a box without one."""

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Never report anything."""

    def health(self) -> DeviceHealth:
        """Return zeros."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Nothing to release."""


class FolderCamera:
    """Shows a JPEG file, or the JPEGs of a folder in the order of their names, round and round from ``start`` on.

    Files are returned as they are, and a still is the same picture as a frame. What a camera would encode smaller may
    lie ready in the subfolders ``small`` and ``tiny`` under the same names; else ``max_bytes`` is not kept.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, fps: float = 1.0) -> None:
        """``fps``: pictures of a folder per second. Raises DeviceError if there is no usable picture."""
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
        """Switch on; the pictures run on from the first start, like the world."""
        del on_fault
        if self._origin is None:
            self._origin = self._loop.time()
        self.open = True

    def stop(self) -> None:
        """Switch off. Idempotent."""
        self.open = False

    async def frame(self, max_bytes: int) -> bytes:
        """Return the present picture, in the largest version there is of at most ``max_bytes``.

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
        """List what can be shown, with a warning in the log for each file that cannot."""
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
            _log.warning("%s: %s %s and is skipped", self._name, file.name, flaws[file])
        return usable

    def _present(self, folder: str = "") -> bytes:
        """Read the picture of the moment; of one without a version in ``folder``, nothing."""
        if not self.open or self._origin is None:
            raise DeviceError(self._name, "is switched off", "start it before asking for a picture")
        number = int((self._loop.time() - self._origin) * self._fps) % len(self._files)
        file = self._files[number]
        shown = file.parent / folder / file.name
        if folder and flaw(shown):
            return b""
        try:
            return shown.read_bytes()
        except OSError as error:
            raise DeviceError(self._name, f"cannot read {file.name}: {reason(error)}", "restore it") from error


def is_jpeg(path: Path) -> bool:
    """Whether ``path`` is named like a JPEG."""
    return path.suffix.lower() in {".jpg", ".jpeg"}


def flaw(path: Path) -> str:
    """Say what keeps a file from being shown as a JPEG, by its size, its first and its last bytes; empty if nothing."""
    if not path.is_file():
        return "is no file"
    try:
        with path.open("rb") as file:
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
        return "is no JPEG"
    return "" if end.endswith(JPEG_END) else "is cut short"


class RecordingLight:
    """Remembers the rhythms it was asked to show, in ``history`` as (loop time, rhythm)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Callable[[Rhythm], None] | None = None) -> None:
        """``observer`` is told of each change."""
        self._loop = loop
        self._observer = observer
        self.level = 0.0
        """The latest level."""
        self.history: deque[tuple[float, Rhythm]] = deque(maxlen=HISTORY)

    @property
    def rhythm(self) -> Rhythm | None:
        """What it shows now."""
        return self.history[-1][1] if self.history else None

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Remember ``rhythm`` if it is another one."""
        self.level = level
        if rhythm is not self.rhythm:
            self.history.append((self._loop.time(), rhythm))
            if self._observer is not None:
                self._observer(rhythm)

    async def aclose(self) -> None:
        """Nothing to release."""


class LogLight:
    """Writes each change of rhythm to the log (logger ``hardware.light``, INFO)."""

    def __init__(self) -> None:
        """Begin dark."""
        self._rhythm: Rhythm | None = None

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Log ``rhythm`` if it is another one."""
        del level
        if rhythm is not self._rhythm:
            self._rhythm = rhythm
            _light_log.info("light: %s", rhythm.value)

    async def aclose(self) -> None:
        """Nothing to release."""


class NoLight:
    """The light of a box without one."""

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Show nothing."""

    async def aclose(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True, slots=True)
class SimulatedBox:
    """A box in a room, with every part at hand for a script. ``SimulatedBox.build`` connects them."""

    room: Room
    microphone: RoomMicrophone
    speaker: RoomSpeaker
    camera: FolderCamera | None
    button: ScriptedButton
    light: RecordingLight

    @classmethod
    def build(
        cls,
        loop: asyncio.AbstractEventLoop,
        *,
        pictures: Path | None = None,
        echo_gain: float = 0.0,
        buffer: PlaybackBuffer | None = None,
    ) -> SimulatedBox:
        """Put a box into a new room. ``pictures``: a JPEG or a folder of them; None for a box without a camera."""
        room = Room(loop, echo_gain=echo_gain)
        camera = None if pictures is None else FolderCamera(loop, pictures)
        light = RecordingLight(loop, room.shows)
        return cls(room, RoomMicrophone(room), RoomSpeaker(room, buffer), camera, ScriptedButton(), light)

    @property
    def devices(self) -> Devices:
        """What the agent is given."""
        return Devices(self.microphone, self.speaker, self.camera, self.button, self.light)
