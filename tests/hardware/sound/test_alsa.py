"""Ids, ports and numbers of cards, as the kernel tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardware.sound import alsa

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("kernel")
def test_identities_are_read_from_the_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert alsa.alsa_cards() == {"vc4hdmi": 0, "Device": 1, "Device_1": 2}
    assert [alsa.usb_port(number) for number in range(4)] == ["", "usb-1-1.2", "usb-1-1.3", ""]
    assert [alsa.card_number(name) for name in ("Device", "usb-1-1.3", "usb-9", "")] == [1, 2, None, None]
    monkeypatch.setattr(alsa, "ALSA_CARDS", tmp_path / "none")
    assert alsa.alsa_cards() == {}


def test_a_number_is_read_from_the_name_that_portaudio_gives() -> None:
    assert alsa.number_in("USB Audio Device: - (hw:1,0)") == 1
    assert alsa.number_in("USB Audio Device: - (hw:12)") == 12
    assert alsa.number_in("default") is None
