"""The inventory never raises: what it cannot look up it says how to install."""

from __future__ import annotations

import fcntl
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hardware import inventory
from hardware.inventory import CameraModule, Found, GpioChip, SoundCard
from hardware.ports import DeviceError
from hardware.sound import cards
from hardware.sound.cards import Card

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_sound_cards_are_listed_with_the_setting_that_means_them(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {
        "input": [Card(1, "USB: Audio (hw:1,0)", 1, 48000)],
        "output": [Card(0, "default", 2, 44100), Card(1, "USB: Audio (hw:1,0)", 2, 48000)],
    }
    monkeypatch.setattr(cards, "cards", present.__getitem__)
    monkeypatch.setattr(inventory, "alsa_cards", lambda: {"Device": 1})
    monkeypatch.setattr(inventory, "usb_port", lambda number: f"usb-1-1.{number}")
    monkeypatch.setattr(cards, "accepts", lambda card, _, rate: card.index == 0 or rate == 48000)
    assert inventory.sound_cards() == Found(
        (
            SoundCard("USB: Audio (hw:1,0)", "Device", "usb-1-1.1", 1, 2, 48000, (48000,), (48000,)),
            SoundCard("default", "default", "", 0, 2, 44100, (), inventory.RATES),
        )
    )
    present["input"] = present["output"] = []
    assert "plugged in" in inventory.sound_cards().note


def test_without_a_sound_library_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> list[Card]:
        raise DeviceError("sound", "sounddevice is not installed", "pip install '.[audio]'")

    monkeypatch.setattr(cards, "cards", missing)
    assert inventory.sound_cards() == Found((), "sound: sounddevice is not installed (pip install '.[audio]')")


def test_cameras_without_picamera2_are_video_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    (tmp_path / "video0").mkdir()
    (tmp_path / "video0" / "name").write_text("UVC Camera\n")
    monkeypatch.setattr(inventory, "VIDEO", tmp_path)
    found = inventory.cameras()
    assert found.items == (CameraModule("UVC Camera", "/dev/video0"),)
    assert "apt install" in found.note


def test_cameras_of_picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [{"Model": "imx219", "Id": "/base/soc/i2c0mux/i2c@1/imx219@10", "Num": 0}]

    class FakePicamera2:
        @staticmethod
        def global_camera_info() -> list[dict[str, Any]]:
            return infos

    module = ModuleType("picamera2")
    vars(module)["Picamera2"] = FakePicamera2
    monkeypatch.setitem(sys.modules, "picamera2", module)
    assert inventory.cameras() == Found((CameraModule("imx219", "/base/soc/i2c0mux/i2c@1/imx219@10"),))
    infos.clear()
    assert "ribbon cable" in inventory.cameras().note


def test_gpio_chips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "DEV", tmp_path)
    assert "not a Pi" in inventory.gpio_chips().note
    chip = tmp_path / "gpiochip0"
    chip.write_bytes(b"")
    assert "join the group gpio" in inventory.gpio_chips().note, "a file is no chip"
    answer = inventory.CHIPINFO.pack(b"gpiochip0", b"pinctrl-bcm2711", 58)
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: answer)
    assert inventory.gpio_chips() == Found((GpioChip(str(chip), "pinctrl-bcm2711", 58),))


def test_this_machine_can_be_asked() -> None:
    for look in (inventory.sound_cards, inventory.cameras, inventory.gpio_chips):
        found = look()
        assert found.items or found.note
