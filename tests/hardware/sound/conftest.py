"""A kernel with three sound cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardware.sound import alsa

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cards"
    path.write_text(
        " 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi\n                      vc4-hdmi\n"
        " 1 [Device         ]: USB-Audio - USB Audio Device\n                      Generic USB Audio Device\n"
        " 2 [Device_1       ]: USB-Audio - USB Audio Device\n                      Generic USB Audio Device\n"
    )
    monkeypatch.setattr(alsa, "ALSA_CARDS", path)
    devices = tmp_path / "devices"
    for number, place in enumerate(("platform/vc4hdmi", "usb1/1-1/1-1.2/1-1.2:1.0", "usb1/1-1/1-1.3/1-1.3:1.0")):
        (devices / place).mkdir(parents=True)
        (tmp_path / "sys" / f"card{number}").mkdir(parents=True)
        (tmp_path / "sys" / f"card{number}" / "device").symlink_to(devices / place)
    monkeypatch.setattr(alsa, "SYS_SOUND", tmp_path / "sys")
    return path
