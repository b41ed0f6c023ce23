from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent.simulator import Fault, Scenario, Simulator, SimulatorSettings, Style, parse, shipped
from agent.simulator.faults import FaultBook
from tests.support.simulator_client import Client, audio_seconds, client_of, has, session, small_assets, texts, tone

if TYPE_CHECKING:
    from pathlib import Path

SLOW = Style(think_s=0.01, pace=2.0, playback=False)


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return small_assets(tmp_path / "assets")


def fault(kind: str, **keys: object) -> Scenario:
    return parse(f'[[fault]]\nkind = "{kind}"\n' + "".join(f"{key} = {json.dumps(v)}\n" for key, v in keys.items()))


def turn_of(assets: Path, scenario: Scenario) -> list[dict[str, Any]]:
    """Run one turn under a scenario and give what came."""

    async def run() -> list[dict[str, Any]]:
        async with session(assets, scenario) as (_, client):
            await client.set_up()
            await client.speak(tone(0.3))
            return await client.until("serverContent", "turnComplete")

    return asyncio.run(run())


def test_a_fault_happens_as_often_as_it_says_and_where_it_says() -> None:
    book = FaultBook([Fault("reset", turn=1, when="speech", connections=frozenset({2}), times=2)])
    taken = [len(book.moment("speech", turn, connection)) for connection in (1, 2, 2, 2) for turn in (1, 2)]
    assert taken == [0, 0, 1, 0, 1, 0, 0, 0]


def test_go_away_announces_the_end_and_then_aborts(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, fault("go_away", at_s=0.02, time_left_s=0.1)) as (simulator, client):
            await client.set_up()
            assert await client.recv() == {"goAway": {"timeLeft": "0.100s"}}
            assert await client.closed() == (1008, "The operation was aborted.")
            assert simulator.report()["faults"][0]["fault"] == "go_away"

    asyncio.run(run())


@pytest.mark.parametrize("when", ["speech", "activity_end", "first_audio", "mid_answer", "turn_complete"])
def test_a_close_at_every_moment_of_a_turn(assets: Path, when: str) -> None:
    async def run() -> tuple[Client, Simulator]:
        scenario = fault("close", turn=1, when=when, code=1011, reason="Internal error encountered.")
        async with session(assets, scenario, SLOW) as (simulator, client):
            await client.set_up()
            await client.speak(tone(0.3))
            assert await client.closed() == (1011, "Internal error encountered.")
        return client, simulator

    client, simulator = asyncio.run(run())
    assert any(has(m, "serverContent", "modelTurn") for m in client.received) == (
        when not in {"speech", "activity_end"}
    )
    assert any(has(m, "serverContent", "turnComplete") for m in client.received) == (when == "turn_complete")
    handles = [m for m in client.received if has(m, "sessionResumptionUpdate", "newHandle")]
    assert len(handles) == 1
    outcomes = {"speech": {"cut", "asked", "lost"}, "turn_complete": {"complete"}}
    assert simulator.utterances[0].outcome in outcomes.get(when, {"lost"})


def test_a_reset_is_no_close_frame_and_the_utterance_counts_as_lost(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, shipped("reset_before_handle"), SLOW) as (simulator, client):
            handle = await client.set_up()
            await client.speak(tone(0.3))
            assert (await client.closed())[0] == 1006
            async with client_of(simulator) as again:
                await again.set_up(handle)
                messages, _ = await again.turn(tone(0.3))
                assert texts(messages) == "It is the first thing."
        report = simulator.report()
        assert report["utterances"][1]["repeat_of"] == 1
        assert report["connections"][0]["closed_by"] == "line"

    asyncio.run(run())


def test_a_hung_line_stays_open_and_silent_and_the_simulator_still_ends(assets: Path) -> None:
    async def run() -> None:
        async with Simulator(SimulatorSettings(assets=assets, setup_s=0.0), fault("hang", at_s=0.05)) as simulator:
            socket_ = await connect(
                simulator.url, additional_headers={"x-goog-api-key": "k"}, compression=None, ping_interval=None
            )
            client = Client(socket_)
            await client.set_up()
            await asyncio.sleep(0.1)
            await client.realtime(activityStart={})
            pong = await socket_.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pong, 0.1)
        assert simulator.report()["utterances"] == []
        with pytest.raises(ConnectionClosed):
            await socket_.recv()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_slow_reader_is_felt_in_the_send_buffer(assets: Path) -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        async with session(assets, fault("slow_read", bytes_per_s=200_000)) as (_, client):
            client.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            await client.set_up()
            await client.realtime(activityStart={})
            started = loop.time()
            await client.audio(tone(3.0))
            await client.realtime(activityEnd={})
            await client.until("serverContent", "turnComplete")
            return loop.time() - started

    assert 0.4 < asyncio.run(run()) < 2.5


def test_pongs_may_come_late(assets: Path) -> None:
    async def run() -> float:
        async with session(assets, fault("late_pong", delay_s=0.2)) as (_, client):
            await client.set_up()
            return await (await client.socket.ping())

    assert asyncio.run(run()) >= 0.2


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_handshakes_are_refused_as_often_as_it_says(assets: Path, status: int) -> None:
    async def run() -> None:
        async with Simulator(SimulatorSettings(assets=assets), fault("handshake", status=status, times=2)) as simulator:
            for _ in range(2):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(simulator.url, compression=None)
                assert caught.value.response.status_code == status
            async with client_of(simulator) as client:
                await client.set_up()

    asyncio.run(run())


def test_a_handle_is_refused_once(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, fault("refuse_handle")) as (simulator, client):
            handle = await client.set_up()
            async with client_of(simulator) as second:
                await second.send(
                    {"setup": {"model": "models/gemini-3.8-live", "sessionResumption": {"handle": handle}}}
                )
                assert await second.closed() == (1008, "BidiGenerateContent session not found")
            async with client_of(simulator) as third:
                await third.set_up(handle)

    asyncio.run(run())


def test_setup_complete_may_never_come(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, shipped("no_setup_complete")) as (_, client):
            await client.send({"setup": {"model": "models/gemini-3.8-live"}})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.socket.recv(), 0.1)

    asyncio.run(run())


@pytest.mark.parametrize(
    "name", ["wrong_types", "unknown_message", "unknown_members", "repeated_keys", "empty_messages"]
)
def test_odd_messages_come_in_the_middle_of_an_answer_that_goes_on(assets: Path, name: str) -> None:
    async def run() -> list[dict[str, Any]]:
        async with session(assets, scenario) as (_, client):
            await client.set_up()
            await client.speak(tone(0.3))
            return await client.until("serverContent", "generationComplete")

    scenario = shipped(name)
    sent = scenario.faults[0].options
    messages = asyncio.run(run())
    assert messages.count(json.loads(sent["text"])) == sent["count"]
    assert texts([m for m in messages if m != json.loads(sent["text"])]) == "It is the first thing."


def test_a_message_may_be_no_json(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, shipped("malformed")) as (_, client):
            await client.set_up()
            await client.speak(tone(0.3))
            with pytest.raises(json.JSONDecodeError):
                await client.until("serverContent", "turnComplete")

    asyncio.run(run())


def test_a_frame_may_be_huge(assets: Path) -> None:
    messages = turn_of(assets, fault("huge_frame", turn=1, when="mid_answer", bytes=3_000_000))
    assert max(len(m["serverContent"].get("padding", "")) for m in messages if "serverContent" in m) == 3_000_000


def test_an_empty_turn_has_a_reason_and_nothing_else(assets: Path) -> None:
    messages = turn_of(assets, shipped("empty_turn"))
    assert audio_seconds(messages) == 0
    assert messages[-1]["serverContent"] == {"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}


def test_a_near_silent_answer_is_as_long_as_a_loud_one(assets: Path) -> None:
    messages = turn_of(assets, shipped("near_silent"))
    assert audio_seconds(messages) == pytest.approx(0.6)


def test_bundled_messages_have_several_members(assets: Path) -> None:
    messages = turn_of(assets, shipped("bundled"))
    assert any({"modelTurn", "outputTranscription"} <= m.get("serverContent", {}).keys() for m in messages)
    assert {"serverContent", "usageMetadata", "sessionResumptionUpdate"} == messages[-1].keys()
    assert messages[-1]["serverContent"].keys() == {"turnComplete", "generationComplete"}


def test_turn_complete_may_be_missing_and_the_next_turn_is_answered(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, shipped("no_turn_complete")) as (_, client):
            await client.set_up()
            await client.speak(tone(0.3))
            await client.until("serverContent", "generationComplete")
            messages, _ = await client.turn(tone(0.3, hertz=700))
            assert texts(messages) == "It is the second thing."

    asyncio.run(run())


def test_an_answer_may_stall(assets: Path) -> None:
    async def run() -> float:
        async with session(assets, parse("[answer]\nstall_after_s = 0.2\nstall_s = 0.3")) as (_, client):
            await client.set_up()
            started = asyncio.get_running_loop().time()
            await client.turn(tone(0.3))
            return asyncio.get_running_loop().time() - started

    assert 0.3 < asyncio.run(run()) < 0.9


def test_deltas_of_what_was_heard_join_to_the_question(assets: Path) -> None:
    messages = turn_of(assets, parse("[answer]\nheard_in_deltas = true"))
    deltas = [m for m in messages if has(m, "serverContent", "inputTranscription")]
    assert len(deltas) == 3
    assert texts(deltas, "inputTranscription") == "What is this?"
