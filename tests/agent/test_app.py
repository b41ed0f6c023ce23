"""Ring 2: one box, what a technician does with it, and what the service and the speaker saw of it."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent import config, notices, status
from agent.app import Agent
from agent.errors import Refused, Unreachable
from agent.faults import Fault
from agent.link.state import LinkState
from agent.simulator import Scenario, SimulatorSettings, Style, parse
from agent.simulator.voice import ASSETS
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from agent.voice.recordings import Recordings
from agent.wire.events import Interrupted
from hardware.ports import DeviceError, Rhythm
from hardware.simulated.box import SimulatedBox
from tests.support.stage import play, question, stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.stage import Stage

SILENCED_S = 0.0401
"""From an event to silence: the period that is sounding already, and the one that holds the fade."""


def test_the_light_is_lit_whenever_microphone_or_camera_are_open() -> None:
    async def scene() -> None:
        async with stage() as s:
            dark = 0
            conversation = asyncio.create_task(a_day(s))
            while not conversation.done():
                if s.box.microphone.open or (s.box.camera is not None and s.box.camera.open):
                    dark += s.box.light.rhythm is Rhythm.READY
                await asyncio.sleep(0.001)
            await conversation
            assert dark == 0
            assert s.box.light.rhythm is Rhythm.READY

    async def a_day(s: Stage) -> None:
        await asyncio.sleep(0.5)
        await s.ask("gauge")
        await s.box.button.triple_tap()
        await s.box.button.hold(2)
        await s.until(Phase.ASLEEP)

    play(scene())


def test_recording_starts_at_the_press_even_before_there_is_a_connection() -> None:
    async def scene() -> None:
        async with stage(simulator_settings=SimulatorSettings(setup_s=5.0)) as s:
            await asyncio.sleep(0.1)
            s.box.button.press()
            await s.say("gauge")
            s.box.button.release()
            assert s.agent.turn.link is LinkState.CONNECTING
            await s.until(Phase.ANSWERING)
            assert question("gauge") in bytes(s.simulator.utterances[0].pcm)

    play(scene())


def test_push_to_talk_sends_one_start_the_audio_and_one_end() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            s.box.button.press()
            await s.say("valve")
            s.box.button.release()
            await s.until(Phase.ANSWERING)
            received = s.simulator.report()["messages"]["received"]
            assert received["realtimeInput.activityStart"] == received["realtimeInput.activityEnd"] == 1
            assert question("valve") in bytes(s.simulator.utterances[0].pcm)

    play(scene())


def test_speaking_over_an_answer_silences_it_at_once_and_is_heard_whole() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("valve")
            await s.box.room.hears_answer(after_s=3.0)
            await s.say("interjection")
            (cut,) = s.times(notices.AnswerSilenced)
            assert silent_after(s, cut)
            await s.until(Phase.ANSWERING)
            assert question("interjection") in bytes(s.simulator.utterances[1].pcm)
            first = s.turns[0]
            assert first.interrupted
            assert 3.0 < first.played_s < 4.0
            assert first.answer_text.startswith(first.played_text)
            assert 10 < len(first.played_text) < len(first.answer_text)

    play(scene())


def test_pressing_silences_an_answer_at_once() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("report")
            await s.box.room.hears_answer(after_s=2.0)
            pressed = asyncio.get_running_loop().time()
            s.box.button.press()
            await asyncio.sleep(0.1)
            s.box.button.release()
            assert silent_after(s, pressed)
            await asyncio.sleep(5)
            assert len(s.box.speaker.sounds) == 2  # the waking earcon and the answer: nothing late was played
            assert s.agent.turn.phase is Phase.LISTENING

    play(scene())


def silent_after(s: Stage, moment: float) -> bool:
    """Whether the sound that played at ``moment`` ended within one period."""
    playing = [sound for sound in s.box.speaker.sounds if sound.at <= moment]
    return playing[-1].at + playing[-1].seconds <= moment + SILENCED_S


def test_the_box_does_not_interrupt_itself_where_the_microphone_hears_the_speaker() -> None:
    async def scene() -> None:
        async with stage(echo_gain=0.5) as s:
            await asyncio.sleep(0.5)
            await s.ask("valve")
            assert not s.turns[0].interrupted
            assert len(s.simulator.utterances) == 1

    play(scene())


def test_barge_in_by_voice_can_be_forbidden_and_asked_for() -> None:
    async def interrupted(echo_gain: float, barge_in: str) -> bool:
        async with stage(echo_gain=echo_gain, turn={"barge_in": barge_in}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("valve")
            await s.box.room.hears_answer(after_s=0.5)
            await s.say("interjection")
            return bool(s.times(notices.AnswerSilenced))

    assert not play(interrupted(0.0, "button"))
    assert play(interrupted(0.0, "auto"))
    assert not play(interrupted(0.3, "auto"))
    assert play(interrupted(0.002, "voice"))  # an echo, but too faint to be taken for speech


def test_frames_go_out_while_an_utterance_is_open_and_change() -> None:
    async def scene() -> None:
        async with stage(video={"fps": 2.0}) as s:
            await asyncio.sleep(0.5)
            await s.ask("valve")
            frames = s.simulator.report()["frames"]
            assert frames["count"] == frames["in_window"] == 8  # 3.8 s at 2 a second, the first at once
            assert s.agent.counters.frames_sent == 8

    play(scene())


def test_a_double_tap_keeps_a_still_and_shows_it_to_the_model(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.box.button.double_tap()
            await asyncio.sleep(1)
            (still,) = (tmp_path / "stills").iterdir()
            assert s.earcons.count(Earcon.STILL) == 1
            assert still.read_bytes() in {frame.read_bytes() for frame in (ASSETS / "frames").glob("*.jpg")}
            assert s.simulator.report()["frames"]["count"] == 1
            await s.box.button.triple_tap()
            await asyncio.sleep(1)
            assert list((tmp_path / "stills").iterdir()) == [still]

    play(scene())


def test_a_still_is_shown_to_the_model_though_no_frames_are_wanted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}, video={"fps": 0.0}) as s:
            await asyncio.sleep(0.5)
            await s.box.button.double_tap()
            await asyncio.sleep(1)
            assert len(list((tmp_path / "stills").iterdir())) == 1
            assert s.simulator.report()["frames"]["count"] == 1
            assert not s.task.done()

    play(scene())


def test_typed_text_is_answered() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            s.agent.ask("What does the gauge show?")
            await s.until(Phase.ANSWERING)
            assert s.simulator.utterances[0].texts == ["What does the gauge show?"]

    play(scene())


def test_a_typed_question_comes_with_one_picture() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            for question in ("What does the gauge show?", "And now?"):
                s.agent.ask(question)
                await s.until(Phase.ANSWERING)
                await s.rest()
            assert [(each.texts, each.frames) for each in s.simulator.utterances] == [
                (["What does the gauge show?"], 1),
                (["And now?"], 1),
            ]
            assert s.simulator.report()["frames"]["in_window"] == 2
            assert [turn.frames for turn in s.turns] == [1, 1]

    play(scene())


def test_a_question_typed_without_a_network_keeps_its_picture(tmp_path: Path) -> None:
    async def scene(first: bool) -> None:  # noqa: FBT001 - of two
        async with stage("handshake_503" if first else None, paths={"state": str(tmp_path)}) as s:
            if first:
                await s.until_link(LinkState.OFFLINE)
                s.agent.ask("What does the gauge show?")
                await s.until_told(notices.NoteKept)
                await asyncio.sleep(1)
                return
            await s.until_told(notices.TurnEnded)
            (asked,) = s.simulator.utterances
            assert asked.texts[-1] == "What does the gauge show?"
            assert asked.frames == 1

    play(scene(first=True))
    play(scene(first=False))


def test_the_initial_message_is_said_once_however_often_the_line_breaks() -> None:
    async def scene() -> None:
        async with stage("reset", session={"initial_message": "Hello."}) as s:
            await s.until(Phase.SPEAKING)
            await s.rest()
            await s.ask("gauge")
            await s.ask("valve")
            texts = [text for utterance in s.simulator.utterances for text in utterance.texts]
            assert texts.count("Hello.") == 1

    play(scene())


def test_the_service_can_detect_speech_instead() -> None:
    async def scene() -> None:
        async with stage(turn={"detection": "server"}) as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            assert s.heard == ["What does the pressure gauge on this pump show?"]
            await s.until(Phase.ASLEEP)
            await asyncio.sleep(0.1)
            received = s.simulator.report()["messages"]["received"]
            assert "realtimeInput.activityStart" not in received
            assert received["realtimeInput.audioStreamEnd"] == 2  # where the box heard the end, and at falling asleep

    play(scene())


def test_a_service_that_fell_silent_is_asked_again_on_a_new_connection_and_answers_once() -> None:
    async def scene() -> None:
        async with stage("hang") as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            await s.ask("valve")
            assert s.agent.conversation.link.connections == 2
            assert [record.utterance for record in s.turns] == [1, 2]

    play(scene())


def test_a_service_that_does_not_answer_is_asked_once_more_and_then_the_question_is_kept() -> None:
    scenario = parse("[[turn]]\nnumber = 1\nthink_s = 40\n", "test")

    async def scene() -> None:
        async with stage(scenario) as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            sounds = [earcon.name for earcon in s.earcons]
            assert (sounds.count("RETRY"), sounds.count("FAULT")) == (1, 1)
            assert s.agent.conversation.link.connections == 2
            assert s.agent.turn.phase is Phase.LISTENING
            await asyncio.sleep(1)
            assert s.agent.counters.notes == 1
            assert len(s.agent.conversation.delivery.notes) == 1
            (saved,) = s.all(notices.NoteKept)
            assert saved.delivered

    play(scene())


@asynccontextmanager
async def nowhere(state: Path) -> AsyncIterator[Stage]:
    """Ask a question where nobody can be reached."""
    sections: dict[str, Any] = {"service": {"url": "ws://127.0.0.1:1"}, "paths": {"state": str(state)}}
    async with stage(**sections) as s:
        await asyncio.sleep(0.5)
        await s.wake()
        await s.say("gauge")
        await asyncio.sleep(2)
        yield s


def test_where_nobody_can_be_reached_a_question_is_saved_at_once_and_there_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nowhere(tmp_path) as s:
            assert len(s.times(notices.NoteKept)) == 1
            assert s.agent.turn.phase is Phase.LISTENING
            assert s.box.light.rhythm is Rhythm.OFFLINE
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_light(Rhythm.MESSAGE)
            assert not s.box.speaker.sounds
            assert question("gauge") in bytes(s.simulator.utterances[0].pcm)
            await s.box.button.tap()
            await s.until(Phase.ANSWERING)
            await s.rest()
            assert s.box.speaker.sounds[-1].seconds > 4
            assert s.agent.conversation.delivery.answers.unplayed == 0
            assert s.box.light.rhythm is Rhythm.LISTENING

    play(scene())


def test_answers_to_notes_may_be_spoken_as_they_come(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nowhere(tmp_path):
            pass
        async with stage(paths={"state": str(tmp_path)}, notes={"answers": "at-once"}) as s:
            await s.until(Phase.SPEAKING)
            assert not s.box.microphone.open
            await s.rest()
            assert s.box.speaker.sounds[-1].seconds > 4

    play(scene())


def test_a_disk_that_takes_no_still_shows_a_fault_and_the_model_is_shown_one(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}) as s:
            (tmp_path / "stills").write_text("a file where the folder should be")
            await asyncio.sleep(0.5)
            await s.box.button.double_tap()
            await asyncio.sleep(1)
            sounds = s.earcons
            assert (sounds.count(Earcon.STILL), sounds.count(Earcon.FAULT)) == (0, 1)
            assert s.box.light.rhythm is Rhythm.FAULT
            assert s.simulator.report()["frames"]["count"] == 1

    play(scene())


def test_a_memory_that_is_full_is_said_as_that_and_the_question_is_answered_all_the_same() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            s.agent.store._records._spool._free = lambda _: 0
            await s.ask("gauge")
            assert Fault.STORAGE_FULL.words in [each.words for each in s.all(notices.EarconPlayed)]
            assert status.words(s.agent.snapshot())[: len(Fault.STORAGE_FULL.words)] == Fault.STORAGE_FULL.words
            assert len(s.turns) == 1

    play(scene())


def test_go_away_is_followed_at_a_quiet_moment_and_context_goes_on() -> None:
    # After the second answer; with no handle the server would begin its script again.
    scenario = parse('[[fault]]\nkind = "go_away"\ntime_left_s = 60\nturn = 1\nwhen = "mid_answer"\n', "test")

    async def scene() -> None:
        async with stage(scenario) as s:
            await asyncio.sleep(25)
            await s.ask("gauge")
            await asyncio.sleep(0.5)
            assert s.agent.conversation.link.connections == 2
            await s.ask("valve")
            assert [r["turn"] for r in s.simulator.report()["utterances"]] == [1, 2]
            assert s.simulator.report()["connections"][0]["close_code"] == 1000
            assert not [record for record in s.turns if record.interrupted]

    play(scene())


def test_a_refused_handle_gives_a_fresh_session_at_once() -> None:
    async def scene() -> None:
        async with stage("refuse_handle") as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            await s.ask("valve")
            assert s.agent.turn.link is LinkState.UP
            assert len(s.turns) == 2

    play(scene())


TOO_MANY = '[[fault]]\nkind = "handshake"\nstatus = 429\ntimes = 2\n'
USED_UP = """
[[fault]]
kind = "close"
at_s = 0.5
code = 1011
reason = "You exceeded your current quota, please check your plan and billing details."
times = {times}
"""


@pytest.mark.parametrize(
    "scenario",
    [parse(TOO_MANY, "test"), parse(USED_UP.format(times=1), "test"), parse(USED_UP.format(times=3), "test")],
    ids=["handshake", "once", "in a row"],
)
def test_a_quota_that_is_used_up_is_said_at_once_and_once_and_not_as_a_missing_network(scenario: Scenario) -> None:
    async def scene() -> None:
        async with stage(scenario, turn={"linger_s": 540.0}) as s:
            await s.until_link(LinkState.OFFLINE)
            said = status.words(s.agent.snapshot())
            assert said[: len(Fault.QUOTA.words)] == Fault.QUOTA.words
            assert said.count(Phrase.QUOTA_USED_UP) == 1
            assert Phrase.NO_NETWORK not in said
            assert [each.words for each in s.all(notices.EarconPlayed)].count(Fault.QUOTA.words) == 1
            await s.until_link(LinkState.CONNECTING, 200)
            assert Phrase.QUOTA_USED_UP in status.words(s.agent.snapshot())
            await asyncio.sleep(400)
            assert s.agent.turn.link is LinkState.UP
            assert [each.words for each in s.all(notices.EarconPlayed)].count(Fault.QUOTA.words) == 1

    play(scene())


def test_a_lingering_connection_is_closed_and_the_next_press_resumes() -> None:
    async def scene() -> None:
        async with stage(turn={"linger_s": 30.0}) as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            await s.until(Phase.ASLEEP)
            await asyncio.sleep(31)
            assert s.agent.turn.link is LinkState.IDLE
            await s.ask("valve")
            assert [u["turn"] for u in s.simulator.report()["utterances"]] == [1, 2]
            assert s.agent.conversation.link.connections == 2

    play(scene())


@pytest.mark.parametrize(
    ("accepted", "error"),
    [("another", Refused), (None, None)],
)
def test_an_impatient_run_ends_with_the_reason(accepted: str | None, error: type[Exception] | None) -> None:
    async def scene() -> None:
        async with stage(keep_trying=False, simulator_settings=SimulatorSettings(api_key=accepted)) as s:
            await asyncio.wait([s.task], timeout=2)
            assert s.task.done() == (error is not None)
            if error is not None:
                with pytest.raises(error, match="API key refused"):
                    s.task.result()

    play(scene())


def test_an_impatient_run_ends_when_nobody_is_there() -> None:
    async def scene() -> None:
        async with stage(keep_trying=False, service={"url": "ws://127.0.0.1:1"}) as s:
            await asyncio.wait([s.task], timeout=2)
            with pytest.raises(Unreachable, match="connection refused"):
                s.task.result()

    play(scene())


def test_a_device_that_fails_shows_a_fault_until_it_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            faults: list[Any] = []
            start = s.box.microphone.start

            def watched(on_chunk: Any, on_fault: Any) -> None:
                faults.append(on_fault)
                start(on_chunk, on_fault)

            monkeypatch.setattr(s.box.microphone, "start", watched)
            await s.wake()
            s.box.microphone.stop()
            faults[0](DeviceError("microphone", "gone", "plug it in"))
            await asyncio.sleep(2.1)
            assert s.box.light.rhythm is Rhythm.FAULT
            s.box.microphone.start(s.agent._on_mic, faults[0])
            await asyncio.sleep(0.1)
            assert s.box.light.rhythm is Rhythm.LISTENING

    play(scene())


def test_a_device_that_only_a_new_process_can_use_again_ends_even_a_patient_run() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.wake()
            s.agent.device_watch.fault(DeviceError("microphone", "hangs", "restart", fatal=True))
            s.agent.device_watch.fault(DeviceError("speaker", "hangs", "restart", fatal=True))
            await asyncio.wait([s.task], timeout=2)
            with pytest.raises(DeviceError, match="microphone: hangs"):
                s.task.result()
            assert not s.box.microphone.open

    play(scene())


def test_a_camera_that_fails_does_not_stop_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with stage() as s:

            async def broken(max_bytes: int) -> bytes:
                raise DeviceError("camera", "gone", f"check the cable ({max_bytes})")

            assert s.box.camera is not None
            monkeypatch.setattr(s.box.camera, "frame", broken)
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            assert len(s.turns) == 1
            assert s.box.light.rhythm is Rhythm.FAULT

    play(scene())


def test_the_last_piece_of_a_slow_answer_is_still_played() -> None:
    async def scene() -> None:
        async with stage(simulator_settings=SimulatorSettings(style=Style(pace=0.8))) as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            (record,) = s.turns
            assert record.played_s == pytest.approx(record.answer_s, abs=0.001)
            assert s.box.speaker.buffer.underruns > 0

    play(scene())


@pytest.mark.parametrize("greet", [False, True])
def test_a_box_that_is_switched_on_says_that_it_is_ready(*, greet: bool) -> None:
    async def scene() -> None:
        box = SimulatedBox.build(asyncio.get_running_loop())
        nowhere: dict[str, Any] = {"service": {"url": "ws://127.0.0.1:1"}}
        agent = Agent(config.override(config.Settings(), nowhere, where="test"), box.devices, lambda: "key")
        task = asyncio.create_task(agent.run(keep_trying=True, greet=greet))
        await asyncio.sleep(3)
        words = Recordings("en").say(Phrase.READY)
        middle = words[len(words) // 4 * 2 :][:2000]
        assert (middle in box.speaker.pcm) is greet
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await box.devices.aclose()

    play(scene())


def test_the_button_speaks_the_status_of_a_sleeping_box() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.box.button.triple_tap()
            await asyncio.sleep(1)
            assert s.times(notices.StatusSpoken)
            assert s.agent.turn.phase is Phase.ASLEEP
            assert not s.box.microphone.open

    play(scene())


def test_the_light_tells_when_speech_falls_far_behind() -> None:
    scenario = parse('[[fault]]\nkind = "slow_read"\nbytes_per_s = 4000\n', "test")

    async def scene() -> None:
        async with stage(scenario, link={"kernel": False, "narrowband": False}) as s:
            await asyncio.sleep(0.5)
            connection = s.agent.conversation.link._connection
            assert connection is not None
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 5000)
            s.box.button.press()
            await s.say("valve")
            await s.say("gauge")
            await s.say("report")
            assert s.agent.conversation.lag_s > 2
            assert s.agent.turn.phase is Phase.TALKING
            assert s.box.light.rhythm is Rhythm.OFFLINE
            assert s.agent.snapshot().rhythm is Rhythm.OFFLINE  # a display shows what the box shows
            s.box.button.release()

    play(scene())


def test_an_interruption_empties_the_speaker_before_anything_else_happens() -> None:
    async def scene() -> None:
        async with stage(turn={"detection": "server"}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("valve")
            await s.until(Phase.ANSWERING)
            for _ in range(100):
                s.box.speaker.write(bytes(48_000))
            s.agent.conversation.exchange.server_event(Interrupted())
            assert s.box.speaker.buffered_s == 0  # no await in between, however much it held
            assert s.agent.turn.phase is Phase.HEARING

    play(scene())


def test_what_was_lost_or_left_out_is_shown_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent.app")

    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.ask("gauge")
            s.agent.conversation.delivery.ledger.trimmed_s = 1.5
            s.agent.conversation.outbox.frames_replaced = 7
            s.box.speaker.buffer.underruns += 2
            assert s.agent.snapshot().devices["speaker"].underruns >= 2

    play(scene())
    (outcome,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("in all: ")]
    assert "1 turns, 1 connections, 4 frames sent, 7 dropped" in outcome
    assert "1.5 s of pauses" in outcome
    assert "; speaker 2 underruns" in outcome
