"""Every shipped scenario, played to its end in virtual time with the shipped voice."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent.simulator import Simulator, SimulatorSettings, names, shipped
from hardware.simulated.clock import run_virtual
from tests.support.simulator_client import client_of, tone

HARMLESS = {
    "bundled", "empty_messages", "empty_turn", "flood", "huge_frame", "late_pong", "near_silent", "repeated_keys",
    "slow_answer", "slow_read", "stall", "think", "tool_call_cancelled", "tool_call_non_blocking", "unknown_members",
    "unknown_message", "wrong_types",
}  # fmt: skip


async def play(name: str) -> tuple[Exception | None, Simulator]:
    """Say three things to a scenario; give what stopped the client, if anything did."""
    trouble: Exception | None = None
    async with Simulator(SimulatorSettings(), shipped(name)) as simulator:
        try:
            async with asyncio.timeout(60), client_of(simulator) as client:
                await client.set_up()
                for hertz in (300, 400, 500):
                    await client.speak(tone(0.5, hertz=hertz))
                    async with asyncio.timeout(20):
                        while '"turnComplete": true' not in str(await client.socket.recv(decode=True)):
                            pass
                    await asyncio.sleep(3)
        except (ConnectionClosed, InvalidStatus, TimeoutError, ValueError, KeyError) as error:
            trouble = error
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return trouble, simulator


@pytest.mark.parametrize("name", names())
def test_a_scenario_ends_cleanly_and_does_what_it_says(name: str) -> None:
    trouble, simulator = run_virtual(play(name))
    report = simulator.report()
    expected = {fault.kind for fault in shipped(name).faults if fault.kind != "refuse_handle"}
    assert expected <= {fault["fault"] for fault in report["faults"]}
    if name in HARMLESS:
        assert trouble is None
        assert [answer["turn"] for answer in report["answers"] if answer["turn"]] == [1, 2, 3]
