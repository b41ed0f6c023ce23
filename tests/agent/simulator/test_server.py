from __future__ import annotations

import asyncio
import json
import wave
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulator import Simulator, SimulatorSettings, Style, parse, serve, sound
from agent.simulator.voice import ASSETS
from tests.support.simulator_client import QUICK, audio_seconds, client_of, has, session, small_assets, texts, tone

if TYPE_CHECKING:
    from pathlib import Path

SLOW = Style(think_s=0.01, pace=1.5)


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return small_assets(tmp_path / "assets")


def test_a_manual_turn_in_the_canonical_order(assets: Path) -> None:
    async def run() -> None:
        async with session(assets) as (simulator, client):
            await client.set_up()
            messages, handle = await client.turn(tone(0.3))
        assert messages[0] == {"sessionResumptionUpdate": {"resumable": False}}
        assert texts(messages, "inputTranscription") == "What is this?"
        assert texts(messages) == "It is the first thing."
        assert audio_seconds(messages) == pytest.approx(0.6)
        assert has(messages[-2], "serverContent", "generationComplete")
        assert messages[-1]["usageMetadata"]["responseTokenCount"] == 15
        assert handle
        (heard,) = simulator.report()["utterances"]
        assert (heard["seconds"], heard["frames"], heard["outcome"]) == (0.3, 0, "complete")
        assert heard["level_dbfs"] == pytest.approx(-13.5, abs=0.2)
        assert simulator.utterances[0].pcm == tone(0.3)

    asyncio.run(run())


def test_turns_follow_the_script_and_then_the_other_answer(assets: Path) -> None:
    async def run() -> list[str]:
        async with session(assets) as (_, client):
            await client.set_up()
            return [texts((await client.turn(tone(0.3, hertz=300 + 50 * i)))[0]) for i in range(3)]

    assert asyncio.run(run()) == ["It is the first thing.", "It is the second thing.", "Something else."]


def test_report_mode_says_what_it_heard(assets: Path) -> None:
    async def run() -> str:
        async with session(assets, answers="report") as (_, client):
            await client.set_up()
            return texts((await client.turn(tone(0.3)))[0])

    assert asyncio.run(run()) == "I heard 0.3 seconds at -13 decibels and saw 0 pictures."


def test_speech_over_the_answer_interrupts_it(assets: Path) -> None:
    async def run() -> None:
        async with session(assets, style=SLOW) as (simulator, client):
            await client.set_up()
            await client.speak(tone(0.3))
            await client.until("serverContent", "modelTurn")
            await client.realtime(activityStart={})
            messages = await client.until("serverContent", "turnComplete")
            kinds = [next(iter(m["serverContent"])) for m in messages if "serverContent" in m]
            assert kinds[-3:] == ["modelTurn", "interrupted", "turnComplete"]
            assert "generationComplete" not in kinds
            await client.recv()
            await client.audio(tone(0.3, hertz=700))
            await client.realtime(activityEnd={})
            assert texts(await client.until("serverContent", "turnComplete")) == "It is the second thing."
        first, second = simulator.report()["answers"]
        assert (first["outcome"], second["outcome"]) == ("interrupted", "complete")
        assert 0 < first["seconds"] < 0.6

    asyncio.run(run())


def test_no_interruption_answers_one_after_the_other(assets: Path) -> None:
    config = {"automaticActivityDetection": {"disabled": True}, "activityHandling": "NO_INTERRUPTION"}

    async def run() -> list[str]:
        async with session(assets) as (_, client):
            await client.set_up(realtimeInputConfig=config)
            await client.speak(tone(0.3))
            await client.speak(tone(0.3, hertz=700))
            return [texts(await client.until("serverContent", "turnComplete")) for _ in range(2)]

    assert asyncio.run(run()) == ["It is the first thing.", "It is the second thing."]


def test_automatic_detection_finds_the_edges_and_barge_in(assets: Path) -> None:
    detection = {"automaticActivityDetection": {"silenceDurationMs": 200}}

    async def run() -> None:
        async with session(assets, style=SLOW) as (simulator, client):
            await client.set_up(realtimeInputConfig=detection)
            await client.audio(bytes(6400) + tone(0.4) + bytes(12800))
            await client.until("serverContent", "modelTurn")
            await client.audio(tone(0.4, hertz=700))
            assert await client.until("serverContent", "interrupted")
            await client.until("serverContent", "turnComplete")
            await client.realtime(audioStreamEnd=True)
            assert texts(await client.until("serverContent", "turnComplete")) == "It is the second thing."
        first, second = simulator.report()["utterances"]
        assert first["seconds"] == pytest.approx(0.7, abs=0.25)
        assert second["outcome"] == "complete"

    asyncio.run(run())


def test_typed_text_and_client_content_start_turns(assets: Path) -> None:
    async def run() -> None:
        async with session(assets) as (_, client):
            await client.set_up()
            await client.realtime(text="and that?")
            assert texts(await client.until("serverContent", "turnComplete")) == "It is the second thing."
            turns = [{"role": "user", "parts": [{"text": "hello"}]}]
            await client.send({"clientContent": {"turns": turns, "turnComplete": True}})
            assert texts(await client.until("serverContent", "turnComplete")) == "Something else."

    asyncio.run(run())


def test_text_in_a_window_is_answered_by_its_words_and_transcribed_as_typed(assets: Path) -> None:
    async def run() -> None:
        async with session(assets) as (_, client):
            await client.set_up()
            for text, says in (("and THAT", "It is the second thing."), ("hello there", "Something else.")):
                await client.realtime(activityStart={})
                await client.realtime(text=text)
                await client.realtime(activityEnd={})
                messages = await client.until("serverContent", "turnComplete")
                assert (texts(messages, "inputTranscription"), texts(messages)) == (text, says)
                await client.recv()

    asyncio.run(run())


def test_a_question_put_after_a_reset_is_transcribed_as_what_was_said() -> None:
    def question(name: str) -> bytes:
        return sound.read_wav(ASSETS / "questions" / f"{name}.wav")[0]

    async def run() -> None:
        async with session(ASSETS, parse('[[fault]]\nkind = "reset"\nturn = 1\nwhen = "mid_answer"')) as (s, first):
            handle = await first.set_up()
            await first.speak(question("gauge"))
            await first.closed()
            async with client_of(s) as second:
                await second.set_up(handle)
                messages, _ = await second.turn(question("interjection"))
                assert texts(messages, "inputTranscription") == "Stop, is the pump off?"
                assert texts(messages).startswith("No.")

    asyncio.run(run())


def test_seeded_history_is_not_answered_and_moves_the_script_on(assets: Path) -> None:
    turns = [
        {"role": "user", "parts": [{"text": "What is this?"}]},
        {"role": "model", "parts": [{"text": "A teapot."}]},
        {"role": "user", "parts": [{"text": "[a note was saved]"}]},
    ]

    async def run() -> str:
        async with session(assets) as (_, client):
            await client.set_up(historyConfig={"initialHistoryInClientContent": True})
            await client.send({"clientContent": {"turns": turns, "turnComplete": True}})
            return texts((await client.turn(tone(0.3)))[0])

    assert asyncio.run(run()) == "It is the second thing."


def test_resuming_restores_the_history_of_the_handle_and_closes_the_old_socket(assets: Path) -> None:
    async def run() -> None:
        async with session(assets) as (simulator, first):
            early = await first.set_up()
            _, handle = await first.turn(tone(0.3))
            async with client_of(simulator) as second:
                await second.set_up(handle)
                assert (await first.closed())[0] == 1008
                messages, _ = await second.turn(tone(0.3, hertz=700))
                assert texts(messages) == "It is the second thing."
            async with client_of(simulator) as third:
                await third.set_up(early)
                messages, _ = await third.turn(tone(0.3))
                assert texts(messages) == "It is the first thing."
        report = simulator.report()
        assert [r["accepted"] for r in report["resumptions"]] == [True, True]
        assert [u["repeat_of"] for u in report["utterances"]] == [None, None, 1]
        assert [c["closed_by"] for c in report["connections"]] == ["server", "client", "client"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("model", "validity_s", "suffix"),
    [
        ("models/gemini-3.8-live", -1.0, ""),
        ("models/gemini-3.8-live", 60.0, "x"),
        ("models/gemini-3.1-flash-live-preview", 60.0, ""),
    ],
)
def test_an_expired_unknown_or_foreign_handle_is_not_found(
    assets: Path, model: str, validity_s: float, suffix: str
) -> None:
    async def run() -> tuple[int | None, str | None]:
        async with session(assets, handle_validity_s=validity_s) as (simulator, first):
            handle = await first.set_up() + suffix
            await first.socket.close()
            async with client_of(simulator) as second:
                await second.send({"setup": {"model": model, "sessionResumption": {"handle": handle}}})
                return await second.closed()

    assert asyncio.run(run()) == (1008, "BidiGenerateContent session not found")


def test_audio_outside_windows_and_fast_frames_are_counted(assets: Path) -> None:
    picture = {"mimeType": "image/jpeg", "data": "/9j/2Q=="}

    async def run() -> dict[str, Any]:
        async with session(assets) as (simulator, client):
            await client.set_up()
            await client.audio(tone(0.2))
            await client.realtime(activityStart={})
            await client.realtime(video=picture)
            await client.realtime(video={**picture, "data": "AAAA"})
            await client.audio(tone(0.2))
            await client.realtime(activityEnd={})
            await client.until("serverContent", "turnComplete")
            with (assets / "all.wav").open("wb") as file:
                simulator.save_audio(file)
        return simulator.report()

    report = asyncio.run(run())
    assert report["audio"]["discarded_s"] == pytest.approx(0.2)
    assert report["audio"]["mean_s"] == pytest.approx(0.1)
    assert report["frames"]["count"] == 2
    assert report["warnings"]["count"] == {"broken_jpeg": 1, "frame_rate": 1}
    assert report["utterances"][0]["seconds"] == pytest.approx(0.2)
    with wave.open(str(assets / "all.wav")) as file:
        assert file.getnframes() == 6400
    assert json.loads(json.dumps(report)) == report


def test_an_empty_window_gets_an_empty_turn_that_waits_for_input(assets: Path) -> None:
    async def run() -> dict[str, Any]:
        async with session(assets) as (_, client):
            await client.set_up()
            await client.speak(b"")
            return (await client.until("serverContent", "turnComplete"))[-1]

    content = asyncio.run(run())["serverContent"]
    assert content == {"turnComplete": True, "turnCompleteReason": "NEED_MORE_INPUT", "waitingForInput": True}


def test_missing_assets_close_with_an_error_that_names_the_file(tmp_path: Path) -> None:
    async def run() -> tuple[int | None, str | None]:
        async with session(tmp_path) as (_, client):
            await client.set_up()
            await client.speak(tone(0.3))
            return await client.closed()

    code, reason = asyncio.run(run())
    assert code == 1011
    assert "Internal error" in str(reason)


def test_text_frames_on_request_and_events_for_the_observer(assets: Path) -> None:
    seen: list[str] = []

    async def run() -> str | bytes:
        settings = SimulatorSettings(assets=assets, text_frames=True, style=QUICK, setup_s=0.0)
        simulator = Simulator(settings, observer=lambda kind, _: seen.append(kind))
        async with simulator, client_of(simulator) as client:
            await client.send({"setup": {"model": "models/gemini-3.8-live"}})
            return await client.socket.recv()

    assert isinstance(asyncio.run(run()), str)
    assert seen == ["open", "setup", "closed"]


def test_serve_runs_until_told_to_stop(assets: Path) -> None:
    async def run() -> dict[str, Any]:
        stop = asyncio.Event()
        task = asyncio.create_task(serve(SimulatorSettings(assets=assets), stop=stop))
        await asyncio.sleep(0.01)
        stop.set()
        return await task

    assert asyncio.run(run())["connections"] == []
