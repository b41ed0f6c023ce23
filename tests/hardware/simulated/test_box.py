"""The whole simulated box: its parts share one room."""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING

from hardware.ports import DeviceHealth, Rhythm
from hardware.simulated.box import SimulatedBox
from hardware.simulated.clock import FIRST_MOMENT_S, run_virtual
from hardware.sound.playback import PlaybackBuffer
from tests.support.simulated_box import answer, ignore, in_a_box, no_fault

if TYPE_CHECKING:
    from pathlib import Path


def test_the_speaker_can_be_heard_by_the_microphone() -> None:
    async def script(box: SimulatedBox) -> None:
        heard = bytearray()
        box.microphone.start(lambda chunk: heard.extend(chunk.for_model), no_fault)
        box.speaker.start(ignore, no_fault)
        box.speaker.write(answer(0.5, 8000))
        box.speaker.finish()
        await asyncio.sleep(1)
        assert not box.microphone.echo_cancelled
        echo = [i for i, sample in enumerate(array("h", bytes(heard))) if sample == 2000]
        assert len(echo) == round(0.5 * 16000)
        assert echo[0] == round((0.02 + 0.04) * 16000)

    in_a_box(script, echo_gain=0.25)


def test_the_light_is_seen_and_remembered() -> None:
    async def script(box: SimulatedBox) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1, box.light.show, Rhythm.LISTENING)
        loop.call_later(2, box.light.show, Rhythm.HEARING, 0.1)
        loop.call_later(3, box.light.show, Rhythm.HEARING, 0.9)
        await box.room.light(Rhythm.HEARING)
        await box.room.light(Rhythm.HEARING)
        await asyncio.sleep(2)
        assert box.light.rhythm is Rhythm.HEARING
        assert box.light.level == 0.9
        moments = [round(at - FIRST_MOMENT_S, 6) for at, _ in box.light.history]
        assert (moments, [rhythm for _, rhythm in box.light.history]) == ([1, 2], [Rhythm.LISTENING, Rhythm.HEARING])

    in_a_box(script)


def test_a_box_has_a_camera_if_it_is_given_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff jpeg \xff\xd9")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert SimulatedBox.build(loop).devices.camera is None
        buffer = PlaybackBuffer()
        box = SimulatedBox.build(loop, pictures=tmp_path, buffer=buffer)
        assert box.devices.camera is box.camera is not None
        assert box.speaker.buffer is buffer
        assert set(box.devices.health().values()) == {DeviceHealth()}
        await box.devices.aclose()

    run_virtual(run())
