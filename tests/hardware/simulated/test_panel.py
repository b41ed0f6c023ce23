"""Scripted button and lights without pins."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hardware.ports import DeviceHealth, Rhythm
from hardware.simulated.clock import FIRST_MOMENT_S, run_virtual
from hardware.simulated.panel import LogLight, NoButton, NoLight, ScriptedButton
from tests.support.simulated_box import no_fault


def test_a_script_presses_the_button() -> None:
    async def run() -> list[tuple[float, bool]]:
        loop = asyncio.get_running_loop()
        edges: list[tuple[float, bool]] = []
        button = ScriptedButton()
        button.press()
        button.release()
        button.start(lambda down: edges.append((round(loop.time() - FIRST_MOMENT_S, 2), down)), no_fault)
        await button.tap()
        await button.hold(1)
        await button.double_tap()
        await button.triple_tap()
        button.press()
        button.press()
        button.release()
        button.release()
        await button.aclose()
        await button.tap()
        return edges

    edges = run_virtual(run())
    assert [down for _, down in edges] == [True, False] * 8
    assert edges[:6] == [(0.0, True), (0.12, False), (0.12, True), (1.12, False), (1.12, True), (1.24, False)]
    assert edges[6] == (1.36, True)


def test_a_cancelled_hold_lets_go() -> None:
    async def run() -> None:
        button = ScriptedButton()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await button.hold(60)
        assert not button.down

    run_virtual(run())


def test_the_log_light_logs_changes_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hardware.light")
    light = LogLight()
    for rhythm in (Rhythm.READY, Rhythm.READY, Rhythm.FAULT):
        light.show(rhythm)
    assert caplog.messages == ["light: asleep, ready", "light: fault"]


def test_missing_parts_do_nothing() -> None:
    async def run() -> None:
        button, light = NoButton(), NoLight()
        button.start(lambda _: None, no_fault)
        assert button.health() == DeviceHealth()
        light.show(Rhythm.FAULT)
        await button.aclose()
        await light.aclose()

    run_virtual(run())
