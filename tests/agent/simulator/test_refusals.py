from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect

from agent.simulator import Simulator, SimulatorSettings
from tests.support.simulator_client import client_of, session, small_assets

if TYPE_CHECKING:
    from pathlib import Path

SERVICE = "ws/google.ai.generativelanguage.{}.GenerativeService.BidiGenerateContent"
SETUP: dict[str, Any] = {"model": "models/gemini-3.8-live"}
AUTOMATIC = {"setup": SETUP}
MANUAL = {"setup": {**SETUP, "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}}
START: dict[str, Any] = {"realtimeInput": {"activityStart": {}}}
END: dict[str, Any] = {"realtimeInput": {"activityEnd": {}}}


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return small_assets(tmp_path / "assets")


def audio(kind: str, data: str = "AAAA") -> dict[str, Any]:
    return {"realtimeInput": {"audio": {"mimeType": kind, "data": data}}}


def turn(role: str, **part: object) -> dict[str, Any]:
    return {"clientContent": {"turns": [{"role": role, "parts": [part]}]}}


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([START], 1007, "setup must be the first message"),
        ([{"setup": {"model": "models/x"}}], 1008, "models/x is not found for API version v1beta"),
        ([{"setup": {}}], 1007, "model"),
        ([AUTOMATIC, AUTOMATIC], 1007, "setup must be the first message"),
        ([AUTOMATIC, START], 1007, "Explicit activity control is not supported"),
        ([AUTOMATIC, END], 1007, "Explicit activity control is not supported"),
        ([MANUAL, {"realtimeInput": {"audioStreamEnd": True}}], 1007, "audio_stream_end"),
        ([MANUAL, END], 1007, "has not started"),
        ([MANUAL, START, START], 1007, "has already started"),
        ([MANUAL, {"realtimeInput": {}}], 1007, "invalid argument"),
        ([MANUAL, {"realtimeInput": {"text": "a", "activityStart": {}}}], 1007, "invalid argument"),
        ([MANUAL, {"realtimeInput": {"mediaChunks": []}}], 1007, "media_chunks is deprecated"),
        ([MANUAL, audio("audio/wav")], 1007, "MIME type"),
        ([MANUAL, {"realtimeInput": {"audio": {"data": "AAAA"}}}], 1007, "MIME type"),
        ([MANUAL, audio("audio/pcm;rate=16000")], 1007, "16-bit samples"),
        ([MANUAL, {"realtimeInput": {"video": {"mimeType": "image/gif", "data": "AAAA"}}}], 1007, "MIME type"),
        ([MANUAL, turn("system", text="x")], 1007, "valid role"),
        ([MANUAL, turn("user", functionCall={"name": "f"})], 1007, "function calls"),
        ([MANUAL, {"toolResponse": {}}], 1007, "invalid argument"),
        ([MANUAL, {"toolResponse": {"functionResponses": [{"response": {}}]}}], 1007, "No function call has the id"),
        ([MANUAL, {"nonsense": {}}], 1007, 'Unknown name "nonsense"'),
    ],
)
def test_what_the_service_refuses_closes_the_connection(
    assets: Path, messages: list[dict[str, Any]], code: int, words: str
) -> None:
    async def run() -> tuple[int | None, str | None]:
        async with session(assets) as (_, client):
            await client.send(messages[0])
            if len(messages) > 1:
                await client.recv()
            for message in messages[1:]:
                await client.send(message)
            return await client.closed()

    closed = asyncio.run(run())
    assert closed[0] == code
    assert words in str(closed[1])


def test_nothing_may_come_before_setup_complete(assets: Path) -> None:
    async def run() -> tuple[int | None, str | None]:
        async with session(assets) as (_, client):
            await client.send(MANUAL)
            await client.send(START)
            return await client.closed()

    code, reason = asyncio.run(run())
    assert code == 1007
    assert "before setupComplete" in str(reason)


@pytest.mark.parametrize(
    ("key", "query", "ok"), [("k", "", True), ("", "?key=k", True), ("x", "", False), ("", "", False)]
)
@pytest.mark.parametrize("slashes", ["/", "//"])
def test_the_key_comes_as_header_or_query_and_a_wrong_one_closes_after_setup(
    assets: Path,
    key: str,
    query: str,
    ok: bool,  # noqa: FBT001 - a column of the table
    slashes: str,
) -> None:
    async def run() -> None:
        settings = SimulatorSettings(assets=assets, api_key="k", setup_s=0.0)
        async with Simulator(settings) as simulator:
            url = simulator.base_url + slashes + SERVICE.format("v1alpha") + query
            async with client_of(simulator, url, key) as client:
                await client.send(AUTOMATIC)
                if ok:
                    assert await client.recv() == {"setupComplete": {}}
                else:
                    assert await client.closed() == (1007, "API key not valid. Please pass a valid API key.")

    asyncio.run(run())


def test_another_path_is_not_found(assets: Path) -> None:
    async def run() -> None:
        async with Simulator(SimulatorSettings(assets=assets)) as simulator:
            with pytest.raises(Exception, match="HTTP 404"):
                await connect(simulator.base_url + "/ws/elsewhere", compression=None)

    asyncio.run(run())
