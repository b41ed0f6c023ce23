"""Devices, real and simulated. ``open_devices`` is the only place that chooses between them.

A driver is imported only when it is chosen, and a simulated device is never the fallback for a missing one. Covered by
tests/hardware/test_devices.py.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hardware.files import expanded, same
from hardware.ports import DeviceError, Devices, without_library
from hardware.settings import SoundKind

if TYPE_CHECKING:
    import asyncio

    from hardware.ports import Button, Camera, Indicator, Microphone, Speaker
    from hardware.settings import AudioSettings, CameraSettings, DeviceSettings, GpioSettings
    from hardware.sound.playback import PlaybackBuffer

__all__ = ["hanging", "open_devices"]


def open_devices(settings: DeviceSettings, loop: asyncio.AbstractEventLoop) -> Devices:
    """Open the devices that ``settings`` name. Raises DeviceError for a device that cannot work at all.

    A sound card that is unplugged at the moment is no error here: its microphone or speaker reports it when started.
    """
    camera = _camera(settings.camera, loop)
    button, light = _button(settings.gpio, loop), _light(settings.gpio, loop)
    microphone, speaker = _sound(settings.audio, loop)
    return Devices(microphone, speaker, camera, button, light)


def hanging() -> bool:
    """Return whether a driver holds a thread that never returns: then only ``os._exit`` ends the process."""
    return any(thread.name == "sound-call" for thread in threading.enumerate())


def _sound(settings: AudioSettings, loop: asyncio.AbstractEventLoop) -> tuple[Microphone, Speaker]:
    """Return both sides. If any is on a card, a single object opens both, for they may be on the same card."""
    hears = settings.microphone_kind is SoundKind.CARD
    speaks = settings.speaker_kind is SoundKind.CARD
    if not (hears or speaks):
        return _files(settings, loop)
    from hardware.sound.cards import driver  # noqa: PLC0415 - imported only when chosen

    driver()
    try:
        from hardware.sound.card_sound import CardSound  # noqa: PLC0415 - imported only when chosen
    except ImportError as error:  # numpy
        raise without_library(error) from error
    from hardware.sound.dsp_thread import DspThread  # noqa: PLC0415 - as above
    from hardware.sound.microphone import CardMicrophone  # noqa: PLC0415 - as above
    from hardware.sound.speaker import CardSpeaker  # noqa: PLC0415 - as above

    dsp = DspThread()
    sound = CardSound(settings, dsp, _buffer(settings))
    microphone = CardMicrophone(loop, sound, dsp) if hears else None
    speaker = CardSpeaker(loop, sound) if speaks else None
    both = microphone or _simulated_microphone(settings, loop), speaker or _simulated_speaker(settings, loop)
    sound.open(microphone, speaker)  # last: what is above may raise
    return both


def _files(settings: AudioSettings, loop: asyncio.AbstractEventLoop) -> tuple[Microphone, Speaker]:
    """Return both sides without a card. Raises DeviceError if one would play over what the other hears."""
    hears, speaks = (expanded(name) for name in (settings.microphone, settings.speaker))
    if settings.microphone_kind is settings.speaker_kind is SoundKind.FILE and same(hears, speaks):
        raise DeviceError(f"speaker {speaks}", "is the microphone's own file", "name another file for the speaker")
    return _simulated_microphone(settings, loop), _simulated_speaker(settings, loop)


def _simulated_microphone(settings: AudioSettings, loop: asyncio.AbstractEventLoop) -> Microphone:
    from hardware.simulated.microphones import SilentMicrophone, WavMicrophone  # noqa: PLC0415 - only when chosen

    if settings.microphone_kind is SoundKind.NONE:
        return SilentMicrophone(loop)
    return WavMicrophone(loop, expanded(settings.microphone))


def _simulated_speaker(settings: AudioSettings, loop: asyncio.AbstractEventLoop) -> Speaker:
    from hardware.simulated.speakers import SilentSpeaker, WavSpeaker  # noqa: PLC0415 - imported only when chosen

    if settings.speaker_kind is SoundKind.NONE:
        return SilentSpeaker(loop, _buffer(settings))
    return WavSpeaker(loop, expanded(settings.speaker), _buffer(settings))


def _buffer(settings: AudioSettings) -> PlaybackBuffer:
    from hardware.sound.playback import PlaybackBuffer  # noqa: PLC0415 - `field-agent --help` needs no buffer

    return PlaybackBuffer(settings.prebuffer_ms / 1000, settings.max_prebuffer_ms / 1000)


def _camera(settings: CameraSettings, loop: asyncio.AbstractEventLoop) -> Camera | None:
    if settings.source == "none":
        return None
    if settings.source == "picamera2":
        from hardware.camera.picamera import PiCamera  # noqa: PLC0415 - imported only when chosen

        return PiCamera(loop, settings)
    from hardware.simulated.camera import FolderCamera  # noqa: PLC0415 - imported only when chosen

    return FolderCamera(loop, expanded(settings.source), settings.folder_fps)


def _button(settings: GpioSettings, loop: asyncio.AbstractEventLoop) -> Button:
    if settings.button == "none":
        from hardware.simulated.panel import NoButton  # noqa: PLC0415 - imported only when chosen

        return NoButton()
    from hardware.panel.gpio import GpioButton  # noqa: PLC0415 - imported only when chosen

    return GpioButton(loop, settings.button_pin, settings.debounce_ms / 1000)


def _light(settings: GpioSettings, loop: asyncio.AbstractEventLoop) -> Indicator:
    if settings.light == "gpio":
        from hardware.panel.gpio import GpioLight  # noqa: PLC0415 - imported only when chosen

        return GpioLight(loop, settings.light_pin)
    from hardware.simulated.panel import LogLight, NoLight  # noqa: PLC0415 - imported only when chosen

    return LogLight() if settings.light == "log" else NoLight()
