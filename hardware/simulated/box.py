"""A whole box without hardware, in a simulated room.

It behaves physically: a chunk takes 20 ms, an answer takes as long as it plays. It runs in real time on an ordinary
event loop, and in virtual time on :class:`hardware.simulated.clock.VirtualTimeLoop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardware.ports import Devices
from hardware.simulated.camera import FolderCamera
from hardware.simulated.microphones import RoomMicrophone
from hardware.simulated.panel import RecordingLight, ScriptedButton
from hardware.simulated.room import Room
from hardware.simulated.speakers import RoomSpeaker

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from hardware.sound.playback import PlaybackBuffer


@dataclass(frozen=True, slots=True)
class SimulatedBox:
    """A box in a room, with its parts for a script to use. ``SimulatedBox.build`` connects them."""

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
        """Build a box in a new room. ``pictures``: a JPEG or a folder of them; None for a box without a camera."""
        room = Room(loop, echo_gain=echo_gain)
        camera = None if pictures is None else FolderCamera(loop, pictures)
        light = RecordingLight(loop, room.shows)
        return cls(room, RoomMicrophone(room), RoomSpeaker(room, buffer), camera, ScriptedButton(), light)

    @property
    def devices(self) -> Devices:
        """The devices to give to the agent."""
        return Devices(self.microphone, self.speaker, self.camera, self.button, self.light)
