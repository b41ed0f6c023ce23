"""The simulated room: what is said in it is heard, and a script can wait for what it hears."""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING

import pytest

from hardware.ports import SPEAKER_FORMAT
from tests.support.simulated_box import answer, ignore, in_a_box, no_fault, voice

if TYPE_CHECKING:
    from hardware.simulated.box import SimulatedBox


def test_speech_is_heard_from_its_moment_to_its_end() -> None:
    async def script(box: SimulatedBox) -> None:
        heard = bytearray()
        box.microphone.start(lambda chunk: heard.extend(chunk.for_model), no_fault)
        await asyncio.sleep(0.33)
        assert box.room.say(voice(0.5)) == 0.5
        await asyncio.sleep(1)
        samples = array("h", bytes(heard))
        spoken = [i for i, sample in enumerate(samples) if sample == 1000]
        assert spoken == list(range(round(0.33 * 16000), round(0.83 * 16000)))

    in_a_box(script)


def test_two_voices_add_up() -> None:
    async def script(box: SimulatedBox) -> None:
        heard = bytearray()
        box.microphone.start(lambda chunk: heard.extend(chunk.for_model), no_fault)
        box.room.say(voice(0.1, 1000))
        box.room.say(voice(0.1, 300))
        await asyncio.sleep(0.1001)
        assert set(array("h", bytes(heard))) == {1300}

    in_a_box(script)


def test_a_script_can_wait_for_the_answer_and_for_quiet() -> None:
    async def script(box: SimulatedBox) -> None:
        loop = asyncio.get_running_loop()
        box.speaker.start(ignore, no_fault)
        loop.call_later(3, box.speaker.write, answer(1.0))
        loop.call_later(4.2, box.speaker.write, answer(1.0))
        loop.call_later(4.3, box.speaker.finish)
        began = loop.time()
        await box.room.hears_answer()
        assert loop.time() - began == pytest.approx(3.02, abs=0.01)
        await box.room.hears_answer(after_s=0.5)
        assert loop.time() - began == pytest.approx(3.5, abs=0.03)
        await box.room.quiet()
        assert loop.time() - began == pytest.approx(5.3 + 0.3, abs=0.15), "the pause of 0.2 s is part of the answer"
        assert box.room.answer_heard_s == 0.0

    in_a_box(script)


def test_interrupting_silences_the_room() -> None:
    async def script(box: SimulatedBox) -> None:
        drained = asyncio.Event()
        box.speaker.start(drained.set, no_fault)
        box.speaker.write(answer(5))
        await box.room.hears_answer(after_s=1)
        assert box.speaker.flush() == pytest.approx(1.0, abs=0.03)
        await box.room.quiet(for_s=0.05)
        assert len(box.speaker.pcm) <= SPEAKER_FORMAT.bytes_in(1.05)
        assert not drained.is_set()
        box.speaker.chime(answer(0.1, 50))
        await asyncio.sleep(0.2)
        assert box.room.answer_heard_s == 0.0, "a chime is no answer"
        assert len(box.speaker.sounds) == 2

    in_a_box(script)
