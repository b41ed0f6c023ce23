"""Simulated speakers: they take as long as they sound, remember, and write a readable WAV."""

from __future__ import annotations

import asyncio
import wave
from array import array
from typing import TYPE_CHECKING

import pytest

from hardware.ports import DeviceError
from hardware.simulated import speakers
from hardware.simulated.clock import run_virtual
from hardware.simulated.room import Room
from hardware.simulated.speakers import RoomSpeaker, WavSpeaker
from hardware.sound.playback import PlaybackBuffer
from tests.support.simulated_box import answer, ignore, in_a_box, no_fault, voice, write_wav

if TYPE_CHECKING:
    from pathlib import Path

    from hardware.simulated.box import SimulatedBox


def test_an_answer_takes_as_long_as_it_sounds_and_is_recorded_at_its_moment() -> None:
    async def script(box: SimulatedBox) -> None:
        loop = asyncio.get_running_loop()
        drained = asyncio.Event()
        box.speaker.start(drained.set, no_fault)
        await asyncio.sleep(1.0)
        began = loop.time()
        box.speaker.write(answer(2.0))
        box.speaker.finish()
        assert box.speaker.audible
        assert box.speaker.buffered_s == pytest.approx(2.0)
        await drained.wait()
        assert loop.time() - began == pytest.approx(2.0, abs=0.03)
        assert box.speaker.played_s == pytest.approx(2.0)
        (sound,) = box.speaker.sounds
        assert sound.at == pytest.approx(began + 0.02)
        assert sound.seconds == pytest.approx(2.0)
        assert box.speaker.pcm == answer(2.0)

    in_a_box(script)


def test_audio_written_before_start_waits_for_it() -> None:
    async def script(box: SimulatedBox) -> None:
        box.speaker.write(answer(0.2))
        await asyncio.sleep(1)
        assert box.speaker.played_s == 0
        box.speaker.start(ignore, no_fault)
        await box.room.hears_answer(after_s=0.2)

    in_a_box(script)


def frames_in(path: Path) -> int:
    """How much sound a reader finds, with the writer still at it or killed."""
    with wave.open(str(path)) as wav:
        return int(wav.getnframes())


def test_a_wav_speaker_that_is_killed_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"

    async def run() -> None:
        speaker = WavSpeaker(asyncio.get_running_loop(), path, PlaybackBuffer(0.0))
        speaker.start(ignore, no_fault)
        speaker.write(answer(5.5))
        speaker.finish()
        for second in range(1, 5):
            await asyncio.sleep(1.0)
            assert frames_in(path) >= (second - 0.1) * 24000
        await asyncio.sleep(2.0)
        assert frames_in(path) == pytest.approx(5.5 * 24000, abs=480), "whole as soon as it is silent"
        speaker.chime(answer(0.1, 70))
        await asyncio.sleep(0.2)
        assert frames_in(path) == pytest.approx(6.1 * 24000, abs=480)
        await speaker.aclose()

    run_virtual(run())


def test_a_wav_speaker_keeps_what_is_there_until_something_sounds(tmp_path: Path) -> None:
    path, new = write_wav(tmp_path / "out.wav", voice(1)), tmp_path / "new.wav"
    before = path.read_bytes()

    async def run() -> None:
        for _ in range(2):
            speakers = [WavSpeaker(asyncio.get_running_loop(), file, PlaybackBuffer(0.0)) for file in (path, new)]
            for speaker in speakers:
                speaker.start(ignore, no_fault)
                await asyncio.sleep(1)
                await speaker.aclose()
            assert path.read_bytes() == before
            assert not new.exists()
        speaker = WavSpeaker(asyncio.get_running_loop(), path, PlaybackBuffer(0.0))
        speaker.start(ignore, no_fault)
        speaker.write(answer(0.1))
        speaker.finish()
        await asyncio.sleep(0.2)
        await speaker.aclose()
        assert frames_in(path) == pytest.approx(0.2 * 24000, abs=1)

    run_virtual(run())


def test_a_full_disk_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers, "create_private", lambda _: open("/dev/full", "wb"))  # noqa: PTH123, SIM115 - a device; closed by the speaker

    async def run() -> None:
        faults: list[DeviceError] = []
        speaker = WavSpeaker(asyncio.get_running_loop(), tmp_path / "a.wav", PlaybackBuffer(0.0))
        speaker.start(ignore, faults.append)
        await asyncio.sleep(3)
        speaker.write(answer(2))
        await asyncio.sleep(1)
        await speaker.aclose()
        assert {fault.problem for fault in faults} == {"cannot be written: No space left on device"}

    run_virtual(run())


def test_a_recording_is_private_and_replaces_the_old_one_only_under_this_name(tmp_path: Path) -> None:
    (tmp_path / "out.wav").write_bytes(b"old")
    (tmp_path / "out.wav").chmod(0o644)
    (tmp_path / "second name.wav").hardlink_to(tmp_path / "out.wav")

    async def run() -> None:
        speaker = WavSpeaker(asyncio.get_running_loop(), tmp_path / "out.wav", PlaybackBuffer(0.0))
        speaker.start(ignore, no_fault)
        speaker.write(answer(0.1))
        await asyncio.sleep(1)
        await speaker.aclose()

    run_virtual(run())
    assert frames_in(tmp_path / "out.wav") > 0
    assert (tmp_path / "out.wav").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "second name.wav").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["/dev/full", "/dev/null", "link.wav"])
def test_a_wav_speaker_is_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.wav").write_bytes(b"mine")
    (tmp_path / "link.wav").symlink_to("mine.wav")

    async def run() -> None:
        with pytest.raises(DeviceError, match=r"cannot be written: is (a link|not a regular file)"):
            WavSpeaker(asyncio.get_running_loop(), tmp_path / name)

    run_virtual(run())
    assert (tmp_path / "mine.wav").read_bytes() == b"mine"


def test_a_wav_speaker_puts_each_sound_at_its_moment(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"

    async def run() -> None:
        speaker = WavSpeaker(asyncio.get_running_loop(), path, PlaybackBuffer(0.0))
        speaker.start(ignore, no_fault)
        await asyncio.sleep(1.48)
        speaker.write(answer(0.5))
        speaker.finish()
        await asyncio.sleep(1.52)
        speaker.chime(answer(0.1, 70))
        await asyncio.sleep(1.0)
        await speaker.aclose()
        await speaker.aclose()

    run_virtual(run())
    with wave.open(str(path)) as wav:
        assert wav.getparams()[:3] == (1, 2, 24000)
        samples = array("h", wav.readframes(wav.getnframes()))
    assert [i for i, s in enumerate(samples) if s == 1000] == list(range(36000, 48000))
    assert [i for i, s in enumerate(samples) if s == 70] == list(range(round(3.02 * 24000), round(3.12 * 24000)))
    assert len(samples) == 4 * 24000


def test_a_wav_speaker_without_a_folder_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(DeviceError, match=": cannot be written: No such file or directory "):
            WavSpeaker(asyncio.get_running_loop(), tmp_path / "missing" / "out.wav")

    run_virtual(run())


def test_a_long_recording_forgets_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.simulated.speakers.MEMORY_S", 1.0)

    async def run() -> None:
        room = Room(asyncio.get_running_loop())
        speaker = RoomSpeaker(room)
        speaker.start(ignore, no_fault)
        for number in range(5):
            speaker.write(answer(0.4, number + 1))
            speaker.finish()
            await asyncio.sleep(1)
        assert [sound.pcm[0] for sound in speaker.sounds] == [4, 5]
        await speaker.aclose()

    run_virtual(run())
