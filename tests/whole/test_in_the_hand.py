"""Ring 2: what the box promises a technician who need not look, by what sounds and what the service gets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent import notices
from agent.link.state import LinkState
from agent.simulator import Fault
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon, pcm
from agent.voice.phrase import Phrase
from agent.voice.recordings import Recordings
from hardware.ports import DeviceError, Rhythm
from tests.support.stage import PIECE, play, question, said, sounded, stage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stage import Stage

NOWHERE: dict[str, Any] = {"service": {"url": "ws://127.0.0.1:1"}}
AWAY = Fault("handshake", at_s=0.0, times=0, options={"status": 503})
WORDS = Recordings("en")


async def leave_a_note(state: Path, *names: str) -> None:
    """Ask where nobody can be reached."""
    async with stage(**NOWHERE, paths={"state": str(state)}) as s:
        await asyncio.sleep(0.5)
        await s.wake()
        for name in names:
            await s.say(name)
            await asyncio.sleep(4)


async def with_an_answer_waiting(s: Stage) -> None:
    await s.until_light(Rhythm.MESSAGE)
    assert not s.box.speaker.sounds


# no word is lost


def test_offline_every_question_is_kept_and_a_quiet_room_is_never_too_loud(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(**NOWHERE, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            for name in ("gauge", "valve", "report", "interjection", "gauge", "valve"):
                await s.say(name)
                await asyncio.sleep(3)
            assert len(s.all(notices.NoteKept)) == 6
            assert s.all(notices.NoiseJudged) == []
            assert said(s, Phrase.SAVED_NOT_SENT) >= 5  # a new question may silence one

    play(scene())


def test_who_dictates_for_a_minute_offline_is_heard_to_the_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(**NOWHERE, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            s.box.room.say(question("report") * 20)
            await asyncio.sleep(50)
            assert s.all(notices.NoiseJudged) == []

    play(scene())


def test_its_own_long_answers_are_no_noise_to_a_box_without_a_canceller() -> None:
    async def scene() -> None:
        async with stage(echo_gain=0.5) as s:
            await asyncio.sleep(0.5)
            for name in ("valve", "report", "valve", "report"):
                await s.ask(name)
                await asyncio.sleep(1)
            assert len(s.turns) == 4
            assert s.all(notices.NoiseJudged) == []

    play(scene())


@pytest.mark.parametrize("after_s", [0.3, 0.8, 1.2])
def test_what_is_asked_after_a_tap_that_wakes_goes_before_the_answer_that_waits(tmp_path: Path, after_s: float) -> None:
    async def scene() -> None:
        await leave_a_note(tmp_path, "gauge")
        async with stage(paths={"state": str(tmp_path)}) as s:
            await with_an_answer_waiting(s)
            await s.box.button.tap()
            await asyncio.sleep(after_s)
            await s.say("report")
            await s.until(Phase.THINKING)
            await s.until(Phase.ANSWERING)
            assert question("report") in bytes(s.simulator.utterances[-1].pcm)
            assert not said(s, Phrase.ANSWER_TO_NOTE)
            await s.rest()
            assert s.agent.conversation.delivery.answers.unplayed == 1
            await asyncio.sleep(3)
            await s.rest()
            assert said(s, Phrase.ANSWER_TO_NOTE) == 1
            assert s.agent.conversation.delivery.answers.unplayed == 0

    play(scene())


def test_an_answer_of_which_little_was_heard_is_offered_again(tmp_path: Path) -> None:
    async def scene() -> None:
        await leave_a_note(tmp_path, "gauge")
        async with stage(paths={"state": str(tmp_path)}) as s:
            await with_an_answer_waiting(s)
            await s.box.button.tap()
            await s.until(Phase.ANSWERING)
            await s.box.room.hears_answer(1.0)
            await s.box.button.tap()
            await asyncio.sleep(5)
            assert s.agent.turn.phase is Phase.LISTENING, "who silenced it is left in peace"
            assert s.agent.conversation.delivery.answers.unplayed == 1
            await s.until(Phase.ASLEEP)
            assert s.box.light.rhythm is Rhythm.MESSAGE
            await s.box.button.tap()
            await s.until(Phase.ANSWERING)
            await s.rest()
            assert s.agent.conversation.delivery.answers.unplayed == 0
            assert said(s, Phrase.ANSWER_TO_NOTE) == 2

    play(scene())


def test_the_box_says_how_long_ago_a_question_was_asked(tmp_path: Path) -> None:
    async def scene() -> None:
        await leave_a_note(tmp_path, "gauge")
        async with stage(paths={"state": str(tmp_path)}) as s:
            await with_an_answer_waiting(s)
            await asyncio.sleep(600)
            await s.box.button.tap()
            await s.until(Phase.ANSWERING)
            await s.rest()
            (sound,) = (bytes(sound.pcm) for sound in s.box.speaker.sounds if sound.seconds > 4)
            words = WORDS.say(Phrase.ANSWER_TO_NOTE, 10, Phrase.MINUTES_AGO)
            assert 0 <= sound.find(words.strip(b"\0")) < PIECE, "before the answer"
            assert len(sound) > 2 * len(words)

    play(scene())


# one voice at a time


def test_what_happens_during_an_answer_is_said_after_it_and_only_if_it_is_still_so() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("valve")
            await s.box.room.hears_answer(1.0)
            s.agent.device_watch.fault(DeviceError("camera", "gone", "look"))
            s.agent.device_watch.storage("the disk is gone")
            s.agent.device_watch.works("camera")
            await asyncio.sleep(1)
            assert not said(s, Phrase.FAULT_CODE)
            await s.rest()
            await asyncio.sleep(8)
            assert (said(s, Phrase.FAULT_CODE), said(s, Phrase.CAMERA_FAULT)) == (1, 0)
            (turn,) = s.turns
            assert turn.played_s == pytest.approx(turn.answer_s)

    play(scene())


def test_what_happens_while_somebody_speaks_is_said_when_they_are_done() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            s.box.button.press()
            await asyncio.sleep(1)
            s.agent.device_watch.storage("the disk is gone")
            await s.say("valve")
            assert not said(s, Phrase.FAULT_CODE)
            s.box.button.release()
            await s.until(Phase.ANSWERING)
            await s.rest()
            await asyncio.sleep(3)
            assert said(s, Phrase.FAULT_CODE) == 1

    play(scene())


def test_the_box_falls_silent_when_somebody_presses_to_speak(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(**NOWHERE, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("gauge")
            await s.until_told(notices.NoteKept)
            await asyncio.sleep(0.9)
            s.box.button.press()
            await asyncio.sleep(0.1)
            before = len(s.box.speaker.pcm)
            await asyncio.sleep(0.25)
            assert len(s.box.speaker.pcm) == before
            s.box.button.release()

    play(scene())


def test_the_box_falls_silent_when_somebody_speaks_over_its_words(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(**NOWHERE, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("gauge")
            await s.until_told(notices.NoteKept)
            s.box.room.say(question("valve"))
            await s.until(Phase.HEARING)
            await asyncio.sleep(0.4)  # the earcon plays out
            before = len(s.box.speaker.pcm)
            await asyncio.sleep(1)
            assert len(s.box.speaker.pcm) == before
            assert not said(s, Phrase.SAVED_NOT_SENT)

    play(scene())


# pictures


def test_a_photo_during_an_answer_leaves_the_answer_whole(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("valve")
            await s.box.room.hears_answer(1.0)
            await s.box.button.tap()
            await asyncio.sleep(0.1)
            await s.box.button.tap()
            await asyncio.sleep(1)
            assert Earcon.STILL in s.earcons
            assert s.agent.turn.phase is Phase.ANSWERING
            await s.rest()
            (turn,) = s.turns
            assert not turn.interrupted
            assert turn.played_s == pytest.approx(turn.answer_s)

    play(scene())


@pytest.mark.parametrize("awake", [False, True])
def test_a_triple_tap_takes_no_photo(*, awake: bool) -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            if awake:
                await s.wake()
            await s.box.button.triple_tap()
            await asyncio.sleep(8)
            assert s.agent.counters.stills == 0
            assert sounded(s, pcm(Earcon.ASLEEP)) == awake, "hanging up has a sound"
            assert said(s, Phrase.NETWORK_GOOD) == (not awake)

    play(scene())


# what goes wrong is said, once, and not over anybody


def test_a_hiccup_of_the_card_in_a_question_is_neither_heard_nor_the_end_of_it() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.wake()
            s.box.room.say(question("valve"))
            await s.until(Phase.HEARING)
            await asyncio.sleep(0.5)
            for _ in range(2):
                s.agent.device_watch.fault(DeviceError("microphone", "stopped delivering", "check the plug"))
            await asyncio.sleep(0.5)
            await s.until(Phase.ANSWERING)
            await s.rest()
            await asyncio.sleep(5)
            assert Earcon.FAULT not in s.earcons
            assert len(s.turns) == 1
            await s.until(Phase.ASLEEP)
            await s.box.button.triple_tap()
            await asyncio.sleep(8)
            assert not said(s, Phrase.MICROPHONE_FAULT)

    play(scene())


def test_an_answer_that_the_line_cuts_is_said_to_be_cut_and_the_connection_to_be_back() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("valve")
            await s.box.room.hears_answer(1.0)
            s.simulator.strike(AWAY)
            s.simulator.strike(Fault("reset", at_s=0.0))
            await s.until_link(LinkState.OFFLINE)
            lost = asyncio.get_running_loop().time()
            while not said(s, Phrase.ANSWER_CUT):
                await asyncio.sleep(0.1)
            silent_s = asyncio.get_running_loop().time() - lost - s.box.speaker.sounds[-2].seconds
            assert silent_s < 5
            s.simulator.relent()
            await s.until_link(LinkState.UP, 300)
            awake = s.agent.turn.phase is not Phase.ASLEEP
            await asyncio.sleep(8)  # after "Saved. Not sent yet."
            assert said(s, Phrase.CONNECTED_AGAIN) == awake

    play(scene())


def test_holding_and_letting_go_have_a_sound() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            s.box.button.press()
            await s.say("gauge")
            assert sounded(s, pcm(Earcon.TALK)) == 1
            s.box.button.release()
            await asyncio.sleep(0.3)
            assert sounded(s, pcm(Earcon.RELEASED)) == 1

    play(scene())
