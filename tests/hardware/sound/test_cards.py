"""Which card is meant, and what PortAudio's refusals mean."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from hardware.ports import DeviceError
from hardware.sound import cards
from hardware.sound.cards import Card, Unsupported

PRESENT = [
    Card(0, "Device: other (hw:0,0)", 1, 48000),
    Card(1, "USB Audio Device: - (hw:1,0)", 1, 44100),
    Card(2, "USB Audio Device: - (hw:2,0)", 2, 48000),
    Card(3, "default", 32, 44100),
]


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    monkeypatch.setattr(cards, "cards", lambda _: PRESENT)
    driver = FakeDriver()
    monkeypatch.setattr(cards, "driver", lambda: driver)
    return driver


class FakeDriver:
    class PortAudioError(Exception):
        pass

    class default:  # noqa: N801 - the library's name
        device = (3, 1)


@pytest.mark.usefixtures("kernel", "present")
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("Device", 1),
        ("Device_1", 2),
        ("usb-1-1.2", 1),
        ("usb-1-1.3", 2),
        ("usb audio", 1),
        ("DEFAULT", 3),
        ("default", 3),
        ("Device: other (hw:0,0)", 0),
    ],
)
def test_a_card_is_meant_by_id_port_or_name_wherever_it_sits(wanted: str, index: int) -> None:
    assert cards.find(wanted, "input").index == index


@pytest.mark.usefixtures("kernel", "present")
def test_an_unknown_card_is_named_with_what_there_is() -> None:
    with pytest.raises(DeviceError, match=r"^speaker 'usb-1-1.4': not found.*'Device: other \(hw:0,0\)', 'USB Audio"):
        cards.find("usb-1-1.4", "output")


@pytest.mark.usefixtures("kernel")
def test_a_default_that_vanished_is_the_first_that_is_left(
    monkeypatch: pytest.MonkeyPatch, present: FakeDriver
) -> None:
    monkeypatch.setattr(present.default, "device", (-1, -1))
    assert cards.find("default", "output").index == 0


def test_two_directions_are_one_card_by_its_number_alone() -> None:
    first, second = PRESENT[1], PRESENT[2]
    assert first.shares(Card(9, "USB Audio Device: Mic (hw:1,1)", 1, 44100))
    assert not first.shares(second)
    assert not PRESENT[3].shares(first)
    assert not PRESENT[3].shares(PRESENT[3]), "behind a sound server there may be two clocks, and duplex may spin"


@pytest.mark.usefixtures("present")
@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (-9997, Unsupported, "Invalid sample rate"),
        (-9985, DeviceError, "is busy, or was just unplugged.*fuser"),
        (-9999, DeviceError, "Unanticipated host error"),
    ],
)
def test_refusals_of_the_driver_are_told_apart(code: int, kind: type[DeviceError], words: str) -> None:
    texts = {-9997: "Invalid sample rate", -9985: "Device unavailable", -9999: "Unanticipated host error"}

    def refuse() -> None:
        raise FakeDriver.PortAudioError(texts[code], code)

    with pytest.raises(DeviceError, match=words) as caught:
        cards.translated("sound card 'x'", refuse)
    assert type(caught.value) is kind
    assert not caught.value.fatal


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match=r"pip install '\.\[audio\]'"):
        cards.driver.__wrapped__()


class Starting(FakeDriver):
    """A PortAudio that refuses to be ended while it is not initialized, and to start while it is broken."""

    def __init__(self) -> None:
        self.up, self.broken = True, False

    def _terminate(self) -> None:
        if not self.up:
            raise self.PortAudioError("PortAudio not initialized", -10000)
        self.up = False

    def _initialize(self) -> None:
        if self.broken:
            raise self.PortAudioError("Unanticipated host error", -9999)
        self.up = True

    def query_devices(self) -> list[dict[str, Any]]:
        if not self.up:
            raise self.PortAudioError("PortAudio not initialized", -10000)
        return []


@pytest.mark.usefixtures("kernel")
def test_a_rescan_that_failed_halfway_does_not_make_all_later_ones_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Starting()
    monkeypatch.setattr(cards, "driver", lambda: driver)
    monkeypatch.setattr(cards, "_known", {})
    driver.broken = True
    for _ in range(2):
        with pytest.raises(DeviceError, match="Unanticipated host error"):
            cards.rescan()
    with pytest.raises(DeviceError, match="not initialized"):
        cards.cards("input")
    driver.broken = False
    cards.rescan()
    assert driver.up
    assert cards.cards("input") == []
    assert not cards.stale()


@pytest.mark.usefixtures("kernel")
def test_a_default_that_cannot_be_asked_for_is_an_outage(monkeypatch: pytest.MonkeyPatch, present: FakeDriver) -> None:
    class Refusing:
        @property
        def device(self) -> tuple[int, int]:
            raise FakeDriver.PortAudioError("PortAudio not initialized", -10000)

    monkeypatch.setattr(present, "default", Refusing())
    with pytest.raises(DeviceError, match="not initialized"):
        cards.find("default", "input")
