"""Google's own SDK holds conversations with the simulator over TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from google import genai
from google.genai import errors, types

from agent.simulator import Scenario, Simulator, SimulatorSettings, Style, parse
from tests.support.simulator_client import MANUAL, client_of, small_assets, tone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODEL = "gemini-3.8-live"
STYLE = Style(think_s=0.01, pace=3.0, playback=False)
PCM = types.Blob(data=tone(0.3), mime_type="audio/pcm;rate=16000")


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return small_assets(tmp_path / "assets")


@asynccontextmanager
async def sdk(
    assets: Path, scenario: Scenario | None = None, key: str = "key", style: Style = STYLE
) -> AsyncIterator[tuple[genai.Client, Simulator]]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    settings = SimulatorSettings(assets=assets, api_key="key", style=style, setup_s=0.005)
    async with Simulator(settings, scenario, tls=server) as simulator:
        options = types.HttpOptions(
            base_url=simulator.base_url.replace("wss", "https"),
            api_version="v1beta",
            async_client_args={"ssl": trusting},
        )
        client = genai.Client(api_key=key, http_options=options)
        yield client, simulator
        await client.aio.aclose()
        client.close()


def config(*, manual: bool = True, **extra: Any) -> types.LiveConnectConfig:
    detection = types.AutomaticActivityDetection(disabled=manual, silence_duration_ms=200)
    return types.LiveConnectConfig(
        response_modalities=[types.Modality.AUDIO],
        realtime_input_config=types.RealtimeInputConfig(automatic_activity_detection=detection),
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
        context_window_compression=types.ContextWindowCompressionConfig(sliding_window=types.SlidingWindow()),
        **{"session_resumption": types.SessionResumptionConfig(), **extra},
    )


async def answer(session: Any) -> list[types.LiveServerMessage]:
    """Receive one whole turn, the way the SDK delimits it."""
    return [message async for message in session.receive()]


def said(messages: list[types.LiveServerMessage]) -> str:
    contents = [m.server_content for m in messages if m.server_content]
    return "".join(c.output_transcription.text or "" for c in contents if c.output_transcription)


def sound(messages: list[types.LiveServerMessage]) -> bytes:
    return b"".join(m.data for m in messages if m.data)


async def say(session: Any) -> None:
    await session.send_realtime_input(activity_start=types.ActivityStart())
    await session.send_realtime_input(audio=PCM)
    await session.send_realtime_input(video=types.Blob(data=b"\xff\xd8\xff\xd9", mime_type="image/jpeg"))
    await session.send_realtime_input(activity_end=types.ActivityEnd())


def test_a_manual_turn(assets: Path) -> None:
    async def run() -> None:
        async with sdk(assets) as (client, simulator), client.aio.live.connect(model=MODEL, config=config()) as session:
            await say(session)
            messages = await answer(session)
            assert said(messages) == "It is the first thing."
            assert len(sound(messages)) == pytest.approx(0.6 * 48000)
            assert messages[-1].usage_metadata is not None
        (heard,) = simulator.utterances
        assert (bytes(heard.pcm), heard.frames) == (PCM.data, 1)

    asyncio.run(run())


def test_an_automatic_turn_and_typed_text(assets: Path) -> None:
    async def run() -> None:
        automatic = config(manual=False)
        async with sdk(assets) as (client, _), client.aio.live.connect(model=MODEL, config=automatic) as session:
            speech = types.Blob(data=tone(0.4) + bytes(16000), mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=speech)
            assert said(await answer(session)) == "It is the first thing."
            await session.send_realtime_input(audio_stream_end=True)
            await session.send_realtime_input(text="And that?")
            assert said(await answer(session)) == "It is the second thing."
            turns = types.Content(role="user", parts=[types.Part(text="hello")])
            await session.send_client_content(turns=turns, turn_complete=True)
            assert said(await answer(session)) == "Something else."

    asyncio.run(run())


@pytest.mark.parametrize("blocking", [True, False])
def test_a_function_call_and_its_response(assets: Path, blocking: bool) -> None:  # noqa: FBT001 - a parameter of the table
    behavior = types.Behavior.BLOCKING if blocking else types.Behavior.NON_BLOCKING
    schema = types.Schema(type=types.Type.OBJECT, properties={"level": types.Schema(type=types.Type.INTEGER)})
    function = types.FunctionDeclaration(name="set_volume", behavior=behavior, parameters=schema)
    scenario = parse('[[call]]\nturn = 1\nname = "set_volume"\nargs = { level = 5 }')

    async def run() -> None:
        async with sdk(assets, scenario) as (client, simulator):
            tools = config(tools=[types.Tool(function_declarations=[function])])
            async with client.aio.live.connect(model=MODEL, config=tools) as session:
                await say(session)
                messages = []
                async for message in session.receive():
                    messages.append(message)
                    for call in (message.tool_call.function_calls or []) if message.tool_call else []:
                        assert call.args == {"level": 5}
                        done = types.FunctionResponse(id=call.id, name=call.name, response={"output": "ok"})
                        await session.send_tool_response(function_responses=[done])
                assert said(messages) == "It is the first thing."
                if not blocking:
                    assert said(await answer(session)) == "The answer is ok."
        assert simulator.report()["tool_responses"][0]["response"] == {"output": "ok"}

    asyncio.run(run())


def test_resuming_with_a_handle(assets: Path) -> None:
    async def run() -> None:
        async with sdk(assets) as (client, simulator):
            async with client.aio.live.connect(model=MODEL, config=config()) as session:
                await say(session)
                await answer(session)
                update = await anext(session.receive())
                assert update.session_resumption_update is not None
                handle = update.session_resumption_update.new_handle
            resumption = types.SessionResumptionConfig(handle=handle)
            async with client.aio.live.connect(model=MODEL, config=config(session_resumption=resumption)) as session:
                await session.send_realtime_input(activity_start=types.ActivityStart())
                other = types.Blob(data=tone(0.3, hertz=700), mime_type="audio/pcm;rate=16000")
                await session.send_realtime_input(audio=other)
                await session.send_realtime_input(activity_end=types.ActivityEnd())
                assert said(await answer(session)) == "It is the second thing."
        assert simulator.report()["resumptions"][0]["accepted"] is True

    asyncio.run(run())


def test_a_wrong_key_and_an_unknown_model_are_the_sdks_errors(assets: Path) -> None:
    async def run() -> None:
        async with sdk(assets, key="wrong") as (client, _):
            with pytest.raises(errors.APIError, match="API key not valid"):
                await client.aio.live.connect(model=MODEL, config=config()).__aenter__()
        async with sdk(assets) as (client, _):
            with pytest.raises(errors.APIError, match="is not found for API version v1beta"):
                await client.aio.live.connect(model="gemini-9", config=config()).__aenter__()

    asyncio.run(run())


VARIED = """
[answer]
heard_in_deltas = true
[[turn]]
number = 3
empty = true
reason = "NEED_MORE_INPUT"
[[turn]]
number = 4
bundled = true
[[call]]
turn = 1
name = "f"
args = { a = [1, { b = "c" }] }
blocking = true
[[fault]]
kind = "go_away"
turn = 4
when = "first_audio"
time_left_s = 9.5
[[fault]]
kind = "send"
turn = 1
when = "mid_answer"
text = '{"serverContent": {}}'
"""


def test_every_message_of_a_varied_run_is_one_the_sdk_knows(assets: Path) -> None:
    async def run() -> list[dict[str, Any]]:
        settings = SimulatorSettings(assets=assets, style=STYLE, setup_s=0.0)
        async with Simulator(settings, parse(VARIED)) as simulator, client_of(simulator) as client:
            await client.set_up(realtimeInputConfig=MANUAL)
            await client.speak(tone(0.3))
            await client.until("toolCall")
            await client.realtime(activityStart={})
            await client.until("serverContent", "turnComplete")
            await client.audio(tone(0.3, hertz=600))
            await client.realtime(activityEnd={})
            await client.until("serverContent", "turnComplete")
            for hertz in (700, 800):
                await client.speak(tone(0.3, hertz=hertz))
                await client.until("serverContent", "turnComplete")
        return client.received

    received = asyncio.run(run())
    kinds = {name for message in received for name in message}
    assert kinds >= {"setupComplete", "serverContent", "toolCall", "toolCallCancellation", "goAway", "usageMetadata"}
    for message in received:
        types.LiveServerMessage.model_validate_json(json.dumps(message))
