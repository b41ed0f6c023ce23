"""The canonical transcript, judged by the protos and by the simulator; and the judge itself, judged."""

from __future__ import annotations

import asyncio
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from agent.simulator import Simulator, SimulatorSettings, Style, parse, wire
from tests.support.judge import strict_client_message
from tests.support.simulator_client import client_of, small_assets

LINES = [
    json.loads(line) for line in (Path(__file__).parents[2] / "data" / "transcript.jsonl").read_text().splitlines()
]
CLIENT = [json.dumps(line["msg"]) for line in LINES if line["dir"] == "C"]


@pytest.mark.parametrize("text", CLIENT)
def test_the_transcripts_client_messages_pass_both_judges(text: str) -> None:
    strict_client_message(text)
    assert wire.decode(text).kind in json.loads(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"setup": {}, "toolResponse": {}}', "exactly one"),
        ("{}", "exactly one"),
        ("[]", "not an object"),
        ("{", "not JSON"),
        ('{"setup": {"colour": 1}}', "colour"),
        ('{"setup": {"realtimeInputConfig": {"turnCoverage": "turn_includes_all_input"}}}', "turnCoverage"),
        ('{"setup": {"generationConfig": {"responseModalities": ["Audio"]}}}', "responseModalities"),
        ('{"realtimeInput": {"activityStart": true}}', "activityStart"),
        ('{"realtimeInput": {"audioStreamEnd": "true"}}', "audioStreamEnd"),
        ('{"setup": {"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 1.5}}}}', "silence"),
        ('{"clientContent": {"turns": {"role": "user"}}}', "turns"),
        ('{"setup": {"systemInstruction": "be kind"}}', "systemInstruction"),
        ('{"realtimeInput": {"audio": {"data": "AAAAA"}}}', "data"),
    ],
)
def test_both_judges_catch_it_and_name_it(text: str, word: str) -> None:
    with pytest.raises(AssertionError, match=word):
        strict_client_message(text)
    with pytest.raises(wire.WireError):
        wire.decode(text)


@pytest.mark.parametrize("field", ["historyConfig", "proactivity", "labels"])
def test_the_judge_lets_pass_what_is_newer_than_the_protos(field: str) -> None:
    strict_client_message(json.dumps({"setup": {"model": "m", field: {}}}))


def scenes() -> dict[str, list[dict[str, Any]]]:
    return {name: [line["msg"] for line in lines if line["dir"] == "C"] for name, lines in groupby(LINES, _scene)}


def _scene(line: dict[str, Any]) -> str:
    return str(line["scene"])


@pytest.mark.parametrize("name", ["2-manual-turn", "3-barge-in", "8-fallback-seed", "9-auto-vad"])
def test_the_simulator_takes_the_transcripts_scenes(tmp_path: Path, name: str) -> None:
    messages = scenes()[name]
    if "setup" not in messages[0]:
        messages = scenes()["1-setup"] + messages

    async def run() -> dict[str, Any]:
        settings = SimulatorSettings(assets=small_assets(tmp_path / "a"), setup_s=0.0, style=Style(think_s=0.0, pace=9))
        async with Simulator(settings) as simulator, client_of(simulator) as client:
            await client.send(messages[0])
            await client.recv()
            for message in messages[1:]:
                await client.send(message)
            await asyncio.sleep(0.1)
        return simulator.report()

    assert asyncio.run(run())["connections"][0]["close_code"] == 1000


def test_the_simulator_takes_the_transcripts_tool_responses(tmp_path: Path) -> None:
    scenario = parse('[[call]]\nturn = 1\nname = "look_up"\nblocking = false')

    async def run() -> dict[str, Any]:
        settings = SimulatorSettings(assets=small_assets(tmp_path / "a"), setup_s=0.0, style=Style(think_s=0.0, pace=9))
        async with Simulator(settings, scenario) as simulator, client_of(simulator) as client:
            await client.send(scenes()["1-setup"][0])
            await client.speak(bytes(640))
            call = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
            for message in scenes()["5-tool-non-blocking"]:
                message["toolResponse"]["functionResponses"][0]["id"] = call["id"]
                await client.send(message)
            await asyncio.sleep(0.1)
        return simulator.report()

    report = asyncio.run(run())
    assert len(report["tool_responses"]) == 2
    assert report["connections"][0]["close_code"] == 1000
