"""open_devices chooses, imports only what it chose, and never falls back to a simulation."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import wave
from typing import TYPE_CHECKING

import pytest

from hardware import open_devices
from hardware.ports import DeviceError, DeviceHealth, Devices
from hardware.settings import AudioSettings, CameraSettings, DeviceSettings, GpioSettings
from hardware.simulated.camera import FolderCamera
from hardware.simulated.microphones import SilentMicrophone, WavMicrophone
from hardware.simulated.panel import LogLight, NoButton, NoLight
from hardware.simulated.speakers import SilentSpeaker, WavSpeaker
from hardware.sound.buffered_speaker import BufferedSpeaker
from hardware.sound.card_sound import CardSound
from hardware.sound.microphone import CardMicrophone
from hardware.sound.speaker import CardSpeaker

if TYPE_CHECKING:
    from pathlib import Path

NO_PINS = GpioSettings(button="none", light="none")
NO_SOUND = AudioSettings(microphone="silence", speaker="none")
NO_CAMERA = CameraSettings(source="none")


def opened(settings: DeviceSettings) -> Devices:
    async def run() -> Devices:
        devices = open_devices(settings, asyncio.get_running_loop())
        await devices.aclose()
        return devices

    return asyncio.run(run())


def test_a_box_without_anything() -> None:
    devices = opened(DeviceSettings(NO_SOUND, NO_CAMERA, NO_PINS))
    assert [type(part) for part in (devices.microphone, devices.speaker, devices.button, devices.indicator)] == [
        SilentMicrophone,
        SilentSpeaker,
        NoButton,
        NoLight,
    ]
    assert devices.camera is None
    assert devices.health() == {"microphone": DeviceHealth(), "speaker": DeviceHealth(), "button": DeviceHealth()}


def test_a_box_of_files(tmp_path: Path) -> None:
    wav, out, picture = tmp_path / "in.wav", tmp_path / "out.wav", tmp_path / "a.jpg"
    with wave.open(str(wav), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(320))
    picture.write_bytes(b"\xff\xd8\xff jpeg \xff\xd9")
    audio = AudioSettings(microphone=str(wav), speaker=str(out), prebuffer_ms=50, max_prebuffer_ms=70)
    gpio = GpioSettings(button="none", light="log")
    devices = opened(DeviceSettings(audio, CameraSettings(source=str(tmp_path)), gpio))
    assert devices.speaker.write(bytes(2), devices.speaker.epoch - 1) is False
    assert devices.health()["speaker"] == DeviceHealth(refused_s=1 / 24_000)
    assert isinstance(devices.microphone, WavMicrophone)
    assert isinstance(devices.speaker, WavSpeaker)
    assert devices.speaker.buffer.prebuffer_s == 0.05
    assert isinstance(devices.camera, FolderCamera)
    assert isinstance(devices.indicator, LogLight)
    assert not out.exists(), "nothing has sounded yet"


@pytest.mark.parametrize(
    ("settings", "device"),
    [
        (DeviceSettings(NO_SOUND, CameraSettings(), NO_PINS), "camera"),
        (DeviceSettings(NO_SOUND, NO_CAMERA, GpioSettings(light="none")), "gpio"),
        (DeviceSettings(NO_SOUND, NO_CAMERA, GpioSettings(button="none")), "gpio"),
        (DeviceSettings(AudioSettings(microphone="missing.wav"), NO_CAMERA, NO_PINS), "microphone"),
        (DeviceSettings(NO_SOUND, CameraSettings(source="missing.jpg"), NO_PINS), "camera"),
    ],
    ids=["picamera2", "button", "light", "wav", "picture"],
)
def test_what_is_missing_is_an_error_and_not_simulated(
    settings: DeviceSettings, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("picamera2", "lgpio"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DeviceError) as caught:
        opened(settings)
    assert caught.value.device.startswith(device)
    assert caught.value.fix


def test_no_driver_is_imported_unasked() -> None:
    script = """
import asyncio, sys
from hardware import open_devices
from hardware.settings import *
async def run():
    settings = DeviceSettings(
        AudioSettings(microphone="silence", speaker="none"),
        CameraSettings(source="none"),
        GpioSettings(button="none", light="none"),
    )
    await open_devices(settings, asyncio.get_running_loop()).aclose()
asyncio.run(run())
print(sorted(sys.modules.keys() & {"numpy", "sounddevice", "gpiozero", "lgpio", "picamera2", "simplejpeg"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_sound_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from hardware.sound import cards

    monkeypatch.setitem(sys.modules, "sounddevice", None)
    cards.driver.cache_clear()
    with pytest.raises(DeviceError, match=r"pip install '\.\[audio\]'"):
        opened(DeviceSettings(AudioSettings(speaker="none"), NO_CAMERA, NO_PINS))
    cards.driver.cache_clear()


@pytest.mark.parametrize(("microphone", "speaker"), [("default", "none"), ("silence", "default"), ("Clip", "Clip")])
def test_only_the_sides_that_are_cards_are_opened(
    microphone: str, speaker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listeners: list[tuple[object, object]] = []
    monkeypatch.setattr("hardware.sound.cards.driver", lambda: None)
    monkeypatch.setattr("hardware.sound.card_sound.driver", lambda: None)
    monkeypatch.setattr(CardSound, "open", lambda _, *sides: listeners.append(sides))
    devices = opened(DeviceSettings(AudioSettings(microphone, speaker, prebuffer_ms=50), NO_CAMERA, NO_PINS))
    cards = CardMicrophone, CardSpeaker
    wanted = microphone != "silence", speaker != "none"
    for part, card, side, want in zip((devices.microphone, devices.speaker), cards, listeners[0], wanted, strict=True):
        assert isinstance(part, card) is want
        assert side is (part if want else None)
    assert isinstance(devices.speaker, BufferedSpeaker)
    assert devices.speaker.buffer.prebuffer_s == 0.05
