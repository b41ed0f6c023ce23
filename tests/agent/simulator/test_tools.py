from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulator import Scenario, parse
from tests.support.simulator_client import Client, session, small_assets, texts, tone

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return small_assets(tmp_path / "assets")


def call(*, blocking: bool, **extra: object) -> Scenario:
    more = "".join(f"{key} = {value}\n" for key, value in extra.items())
    return parse(f'[[call]]\nturn = 1\nname = "f"\nblocking = {str(blocking).lower()}\n{more}')


def respond(call_id: str, **extra: object) -> dict[str, Any]:
    return {"toolResponse": {"functionResponses": [{"id": call_id, "response": {"output": "done"}, **extra}]}}


async def first_call(client: Client) -> str:
    await client.speak(tone(0.3))
    message = (await client.until("toolCall"))[-1]
    return str(message["toolCall"]["functionCalls"][0]["id"])


def test_a_blocking_call_holds_the_answer_until_its_response(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, call(blocking=True)) as (simulator, client):
            await client.set_up()
            call_id = await first_call(client)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.socket.recv(), 0.05)
            await client.send(respond(call_id))
            assert texts(await client.until("serverContent", "turnComplete")) == "It is the first thing."
            await client.send(respond(call_id))
            assert "already answered" in str(await client.closed())
        assert simulator.report()["tool_responses"][0]["response"] == {"output": "done"}

    asyncio.run(run())


def test_speech_cancels_a_blocking_call(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, call(blocking=True)) as (simulator, client):
            await client.set_up()
            call_id = await first_call(client)
            await client.realtime(activityStart={})
            messages = await client.until("serverContent", "turnComplete")
            assert messages[0] == {"toolCallCancellation": {"ids": [call_id]}}
            await client.send(respond(call_id))
            await client.realtime(activityEnd={})
            await client.until("serverContent", "turnComplete")
        assert simulator.report()["warnings"]["count"] == {"cancelled_call": 1}

    asyncio.run(run())


def test_the_server_may_take_a_call_back_and_go_on(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, call(blocking=True, cancel_after_s=0.05)) as (_, client):
            await client.set_up()
            call_id = await first_call(client)
            messages = await client.until("serverContent", "turnComplete")
            assert messages[0] == {"toolCallCancellation": {"ids": [call_id]}}
            assert texts(messages) == "It is the first thing."

    asyncio.run(run())


def test_a_non_blocking_result_is_told_in_a_turn_of_its_own(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, call(blocking=False)) as (_, client):
            await client.set_up()
            call_id = await first_call(client)
            assert texts(await client.until("serverContent", "turnComplete")) == "It is the first thing."
            await client.send(respond(call_id, willContinue=True, scheduling="SILENT"))
            await client.send(respond(call_id, scheduling="WHEN_IDLE"))
            assert texts(await client.until("serverContent", "turnComplete")) == "The answer is done."

    asyncio.run(run())


def test_input_during_a_blocking_call_may_close_the_connection(assets: Path) -> None:
    scenario = parse('input_during_call = "close"\n[[call]]\nturn = 1\nname = "f"\nblocking = true')

    async def run() -> tuple[int | None, str | None]:
        async with session(assets, scenario) as (_, client):
            await client.set_up()
            await first_call(client)
            await client.audio(tone(0.1))
            return await client.closed()

    assert asyncio.run(run()) == (1008, "Operation is not implemented, or supported, or enabled.")


def test_extended_thinking_tells_when_it_is_idle_and_takes_no_scheduling(assets: Path) -> None:
    extra: dict[str, Any] = {
        "model": "models/gemini-3.8-live-extended-thinking",
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}},
    }

    async def run() -> None:
        async with session(assets, call(blocking=False)) as (_, client):
            await client.set_up(**extra)
            call_id = await first_call(client)
            (*_, last) = await client.until("serverContent", "turnComplete")
            assert last["serverContent"]["interactionStatus"] == "IN_PROGRESS"
            await client.send(respond(call_id, scheduling="SILENT"))
            assert await client.closed() == (1007, "Function response scheduling is not supported for this model.")

    asyncio.run(run())
