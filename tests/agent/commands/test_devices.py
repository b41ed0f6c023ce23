"""What ``devices`` prints, whatever is plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import cli
from agent.outside.text import learn
from hardware import inventory
from hardware.inventory import CameraModule, Found, GpioChip, SoundCard

if TYPE_CHECKING:
    import pytest

    from hardware.inventory import T


def give(monkeypatch: pytest.MonkeyPatch, name: str, *items: T, note: str = "") -> None:
    monkeypatch.setattr(inventory, name, lambda: Found(items, note))


def test_what_is_there_is_listed_with_the_name_to_put_into_the_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = SoundCard("USB Audio", "Headset", "usb-1-1.3", 1, 2, 48_000, (16_000, 48_000), ())
    give(monkeypatch, "sound_cards", both, SoundCard("HDMI", "vc4hdmi", "", 0, 8, 44_100, (), (44_100,)))
    give(monkeypatch, "cameras", CameraModule("imx708", "/base/soc/i2c"))
    give(monkeypatch, "gpio_chips", GpioChip("/dev/gpiochip0", "pinctrl-bcm2711", 58))
    assert cli.main(["devices"]) == 0
    sound, hdmi, camera, chip = (line for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert sound == (
        "  USB Audio (setting: 'Headset' or 'usb-1-1.3' for whatever is plugged in there; default 48000 Hz; "
        "in 1 ch 16/48 kHz; out 2 ch busy)"
    )
    assert hdmi == "  HDMI (setting: 'vc4hdmi'; default 44100 Hz; out 8 ch 44.1 kHz)"
    assert camera == "  imx708 at /base/soc/i2c"
    assert "/dev/gpiochip0" in chip
    assert "pinctrl-bcm2711" in chip


def test_what_is_missing_is_a_note_and_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sound_cards", "cameras", "gpio_chips"):
        give(monkeypatch, name, note=f"no library for {name}")
    assert cli.main(["devices"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sound cards:",
        "  none",
        "  note: no library for sound_cards",
        "cameras:",
        "  none",
        "  note: no library for cameras",
        "GPIO chips:",
        "  none",
        "  note: no library for gpio_chips",
    ]


def test_this_very_machine_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["devices"]) == 0
    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if not line.startswith(" ")] == [
        "sound cards:",
        "cameras:",
        "GPIO chips:",
    ]
    assert "Traceback" not in printed.err


def test_the_name_of_a_device_commands_nothing_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn("opensesame")
    give(monkeypatch, "sound_cards", note="no library\x1b[2J: opensesame")
    give(monkeypatch, "cameras", CameraModule("imx\x1b]0;owned\x07\n  forged \u202e", "opensesame"))
    give(monkeypatch, "gpio_chips")
    assert cli.main(["devices"]) == 0
    printed = capsys.readouterr().out
    assert "  note: no library[2J: [redacted]\n" in printed
    assert "\n  imx]0;owned forged at [redacted]\n" in printed
