"""What a technician hears at the speaker of a box on a real sound path, each sound identified."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from agent import notices
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from hardware.ports import Rhythm
from tests.hil import identify
from tests.hil.rig import in_real_time, notes_kept, rig
from tests.support.sound_server import needs_a_sound_server
from tests.support.stage import question

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hil.rig import Rig
    from tests.support.sound_server import SoundServer

pytestmark = [pytest.mark.sound, pytest.mark.real_time, needs_a_sound_server]
WHOLE = 0.85
"""Share of an answer's half seconds that are found: one holds the sound of a photo, or a gap of a busy sound server."""

FIVE_MINUTES_S = 300.0
HICCUP_EVERY_S = 12.0


@in_real_time
async def test_offline_in_a_quiet_room_every_question_is_kept_and_none_is_too_loud(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path, offline=True) as box:
        await box.wake()
        for count, name in enumerate(("gauge", "valve", "report", "gauge"), start=1):
            await box.say(name)
            await box.until(lambda count=count: notes_kept(box) == count)  # type: ignore[misc] # bound per round
            await asyncio.sleep(4.5)  # the box says so
        assert box.sounded(Earcon.SAVED) == 4
        assert box.said(Phrase.SAVED_NOT_SENT) == 4
        assert box.said(Phrase.TOO_LOUD_HOLD_BUTTON) == 0
        assert box.all(notices.NoiseJudged) == []


@in_real_time
async def test_a_question_after_the_tap_that_wakes_goes_before_the_answer_that_waits(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path, offline=True) as box:
        await box.wake()
        await box.say("gauge")
        await box.until(lambda: notes_kept(box) == 1)
    async with rig(server, tmp_path) as box:
        await box.until_light(Rhythm.MESSAGE)
        await box.button.tap()
        await asyncio.sleep(0.7)
        await box.say("report")
        await box.until_phase(Phase.ANSWERING)
        assert box.said(Phrase.ANSWER_TO_NOTE) == 0
        await box.rest()
        await asyncio.sleep(2)
        await box.rest()
        # Through a sound path the simulator does not know the questions, and answers in the order of its script.
        note, live = "gauge", "valve"
        assert box.share_of_answer(live) >= WHOLE
        assert box.share_of_answer(note) >= WHOLE
        order = identify.voices(
            box.room.played(),
            {
                "live": identify.answer(live)[: identify.RATE],
                "about": identify.words(Phrase.ANSWER_TO_NOTE),
                "note": identify.answer(note)[: identify.RATE],
            },
        )
        assert [heard.name for heard in order] == ["live", "about", "note"]
        assert box.agent.conversation.delivery.answers.unplayed == 0


@in_real_time
async def test_a_photo_and_a_fault_during_an_answer_leave_it_whole_and_are_heard_without_spoiling_it(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path) as box:
        await box.wake()
        await box.say("gauge")
        await box.until_phase(Phase.ANSWERING)
        await asyncio.sleep(1.5)
        box.agent.device_watch.storage("the disk is gone")
        await box.button.double_tap()
        await asyncio.sleep(1)
        assert box.agent.turn.phase is Phase.ANSWERING
        await box.rest()
        await box.until(lambda: any(Phrase.FAULT_CODE in told.words for told in box.all(notices.EarconPlayed)))
        await asyncio.sleep(3)
        assert box.share_of_answer("gauge") >= WHOLE
        assert Earcon.STILL in [told.earcon for told in box.all(notices.EarconPlayed)]  # mixed over the answer
        voices = {"answer": identify.end_of(identify.answer("gauge")), "fault": identify.words(Phrase.FAULT_CODE)}
        answer, fault = identify.voices(box.room.played(), voices)
        assert (answer.name, fault.name) == ("answer", "fault")
        assert fault.begin >= answer.end - 0.05
        assert len(box.simulator.utterances) == 1


@in_real_time
async def test_answers_to_a_room_that_sends_them_back_are_neither_speech_nor_noise(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path, echo_db=-6.0) as box:
        for name in ("gauge", "valve", "report"):
            await box.ask(name)
            await asyncio.sleep(0.5)
        assert [utterance.outcome for utterance in box.simulator.utterances] == ["complete"] * 3
        assert box.all(notices.AnswerSilenced) == []
        assert box.all(notices.NoiseJudged) == []
        assert box.share_of_answer("valve") >= WHOLE
        assert box.said(Phrase.TOO_LOUD_HOLD_BUTTON) == 0


@in_real_time
async def test_a_hiccup_of_the_card_in_a_question_is_not_its_end_and_nobody_is_told(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path) as box:
        await box.wake()
        spoken_s = box.room.say(question("valve"))
        await box.until_phase(Phase.HEARING)
        await asyncio.sleep(0.8)
        await box.hiccup(1.0)
        await asyncio.sleep(spoken_s)
        await box.until_phase(Phase.ANSWERING)
        await box.rest()
        await asyncio.sleep(3)
        assert len(box.simulator.utterances) == 1
        assert box.sounded(Earcon.FAULT) == 0
        assert box.said(Phrase.FAULT_CODE) == 0
        assert Rhythm.FAULT not in [rhythm for _, rhythm in box.light.history]


@in_real_time
async def test_pressing_holding_and_letting_go_are_heard(server: SoundServer, tmp_path: Path) -> None:
    async with rig(server, tmp_path) as box:
        box.button.press()
        await box.say("gauge")
        box.button.release()
        await box.until_phase(Phase.ANSWERING)
        assert box.sounded(Earcon.TALK) == 1
        assert box.sounded(Earcon.RELEASED) == 1
        await asyncio.sleep(1)
        await box.button.tap()
        await asyncio.sleep(1)
        before = box.room.now
        await asyncio.sleep(1)
        assert not box.room.played(before).any(), "silenced"
        await box.button.tap()
        await asyncio.sleep(1)
        assert box.sounded(Earcon.ASLEEP) == 1


@pytest.mark.skipif(not os.environ.get("FIELD_AGENT_SOAK"), reason="five minutes of real time: FIELD_AGENT_SOAK=1")
@in_real_time
async def test_five_minutes_of_answers_with_hiccups_and_the_box_never_interrupts_itself(
    server: SoundServer, tmp_path: Path
) -> None:
    async with rig(server, tmp_path, echo_db=-6.0) as box:
        await box.wake()
        hiccups = asyncio.create_task(stumbling(box))
        while box.room.now < FIVE_MINUTES_S:
            box.agent.ask("What now?")
            await box.until_phase(Phase.ANSWERING)
            await box.rest()
        hiccups.cancel()
        await asyncio.gather(hiccups, return_exceptions=True)
        assert box.all(notices.AnswerSilenced) == []
        assert len(box.simulator.utterances) >= FIVE_MINUTES_S / 20


async def stumbling(box: Rig) -> None:
    """Let the whole sound path stop for a moment, again and again, at any point of an answer."""
    for number in range(1000):
        await asyncio.sleep(HICCUP_EVERY_S + 1.7 * (number % 5))
        box.server.freeze()
        await asyncio.sleep(0.05 * (1 + number % 8))
        box.server.thaw()
