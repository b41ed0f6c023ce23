"""Button and light on gpiozero's mock pins."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import TYPE_CHECKING, Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from hardware.panel import gpio
from hardware.panel.gpio import GpioButton, GpioLight
from hardware.panel.rhythm import DIM
from hardware.ports import DeviceError, DeviceHealth, Rhythm

if TYPE_CHECKING:
    from collections.abc import Iterator

BUTTON = 17
LIGHT = 27


@pytest.fixture
def factory() -> Iterator[Any]:
    made = MockFactory(pin_class=MockPWMPin)
    yield made
    made.reset()


def no_fault(error: DeviceError) -> None:
    raise error


async def until(holds: Any) -> None:
    async with asyncio.timeout(2):
        while not holds():
            await asyncio.sleep(0.005)


def test_presses_and_releases_arrive_once(factory: Any) -> None:
    async def run() -> None:
        edges: list[bool] = []
        button = GpioButton(asyncio.get_running_loop(), BUTTON, 0.02, factory)
        button.start(edges.append, no_fault)
        pin = factory.pin(BUTTON)
        for count in (1, 2, 3):
            pin.drive_low()
            await until(lambda n=count: len(edges) == 2 * n - 1)
            pin.drive_high()
            await until(lambda n=count: len(edges) == 2 * n)
        assert edges == [True, False] * 3
        assert button.health().missed_edges == 0
        await button.aclose()

    asyncio.run(run())


def test_a_pin_whose_edges_are_lost_is_found_by_polling(factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio, "POLL_S", 0.01)

    async def run() -> None:
        edges: list[bool] = []
        button = GpioButton(asyncio.get_running_loop(), BUTTON, 0.0, factory)
        button.start(edges.append, no_fault)
        button._device.when_activated = button._device.when_deactivated = None
        factory.pin(BUTTON).drive_low()
        await until(lambda: edges == [True])
        factory.pin(BUTTON).drive_high()
        await until(lambda: edges == [True, False])
        assert button.health().missed_edges == 2
        await button.aclose()

    asyncio.run(run())


def test_edges_that_a_stalled_loop_was_too_late_for_are_counted(factory: Any) -> None:
    async def run() -> None:
        edges: list[bool] = []
        button = GpioButton(asyncio.get_running_loop(), BUTTON, 0.0, factory)
        button.start(edges.append, no_fault)
        pin = factory.pin(BUTTON)
        for _ in range(gpio.INLET_EDGES):  # each is two edges, and the loop sees none of them meanwhile
            pin.drive_low()
            pin.drive_high()
        assert button.health() == DeviceHealth(dropped=gpio.INLET_EDGES)
        await button.aclose()

    asyncio.run(run())


def test_a_button_held_at_start_is_noticed(factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio, "POLL_S", 0.01)

    async def run() -> None:
        edges: list[bool] = []
        button = GpioButton(asyncio.get_running_loop(), BUTTON, 0.0, factory)
        factory.pin(BUTTON).drive_low()
        button.start(edges.append, no_fault)
        await until(lambda: edges == [True])
        await button.aclose()
        factory.pin(BUTTON).drive_high()
        await asyncio.sleep(0.05)
        assert edges == [True]

    asyncio.run(run())


def test_the_light_shows_rhythms(factory: Any) -> None:
    async def run() -> None:
        light = GpioLight(asyncio.get_running_loop(), LIGHT, factory)
        pin = factory.pin(LIGHT)
        light.show(Rhythm.LISTENING)
        assert pin.state == pytest.approx(DIM)
        light.show(Rhythm.HEARING, 0.0)
        assert pin.state == pytest.approx(0.5)
        light.show(Rhythm.HEARING, 1.0)
        assert pin.state == pytest.approx(1.0)
        light.show(Rhythm.READY)
        assert pin.state == 1
        await until(lambda: pin.state == 0)
        light.show(Rhythm.ANSWERING)
        seen = set()
        for _ in range(40):
            light.show(Rhythm.ANSWERING)
            seen.add(round(pin.state, 2))
            await asyncio.sleep(0.02)
        assert seen == {DIM, 0.7, 1.0}, "repeating does not restart it"
        await light.aclose()

    asyncio.run(run())


def test_a_steady_light_wakes_nobody(factory: Any) -> None:
    async def run() -> None:
        light = GpioLight(asyncio.get_running_loop(), LIGHT, factory)
        light.show(Rhythm.READY)
        assert light._timer is not None
        light.show(Rhythm.LISTENING)
        assert light._timer is None
        await light.aclose()

    asyncio.run(run())
    assert math.isfinite(gpio.POLL_S)


def test_a_pin_in_use_is_named(factory: Any) -> None:
    async def run() -> None:
        light = GpioLight(asyncio.get_running_loop(), LIGHT, factory)
        with pytest.raises(DeviceError, match="GPIO27 cannot be used"):
            GpioButton(asyncio.get_running_loop(), LIGHT, 0.0, factory)
        await light.aclose()

    asyncio.run(run())


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delenv("LG_WD", raising=False)
    gpio.lgpio_factory.cache_clear()
    with pytest.raises(DeviceError, match="apt install python3-lgpio"):
        gpio.lgpio_factory()


def test_a_box_without_gpiozero_names_it_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for name, make in (
            ("button", lambda: GpioButton(loop, BUTTON, 0.0)),
            ("light", lambda: GpioLight(loop, LIGHT)),
        ):
            with pytest.raises(DeviceError, match="gpiozero") as caught:
                make()
            assert caught.value.device == name
            assert "apt install python3-lgpio" in caught.value.fix
            assert "pip install '.[pi]'" in caught.value.fix

    asyncio.run(run())
