"""Simulated devices: the pretended room behaves physically, in virtual time."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import struct
import tracemalloc
import wave
from array import array
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hardware.ports import CHUNK_BYTES, MICROPHONE_FORMAT, SPEAKER_FORMAT, DeviceError, MicChunk, Rhythm
from hardware.simulated.box import (
    FolderCamera,
    LogLight,
    NoButton,
    NoLight,
    Room,
    RoomSpeaker,
    ScriptedButton,
    SilentMicrophone,
    SilentSpeaker,
    SimulatedBox,
    WavMicrophone,
    WavSpeaker,
)
from hardware.simulated.clock import FIRST_MOMENT_S, run_virtual
from hardware.simulated.microphones import open_microphone_wav
from hardware.sound.pcm import mix, scale
from hardware.sound.playback import PlaybackBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hardware.ports import AudioFormat


def no_fault(error: DeviceError) -> None:
    raise error


def ignore() -> None:
    pass


def constant(fmt: AudioFormat, seconds: float, value: int = 1000) -> bytes:
    return array("h", [value]).tobytes() * round(seconds * fmt.rate)


voice = partial(constant, MICROPHONE_FORMAT)
answer = partial(constant, SPEAKER_FORMAT)


def loudness(pcm: bytes) -> float:
    samples = array("h", pcm)
    return float((sum(s * s for s in samples) / len(samples)) ** 0.5)


def in_a_box(script: Callable[[SimulatedBox], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        box = SimulatedBox.build(asyncio.get_running_loop(), **options)
        await script(box)
        await box.devices.aclose()

    run_virtual(run())


def jpeg(name: str) -> bytes:
    """What passes for a picture: its first and last bytes are those of one."""
    return b"\xff\xd8\xff" + name.encode() + b"\xff\xd9"


def write_wav(path: Path, pcm: bytes, rate: int = 16000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setparams((channels, 2, rate, 0, "NONE", ""))
        wav.writeframes(pcm)
    return path


def test_the_microphone_delivers_a_chunk_every_20_ms_of_a_quiet_room() -> None:
    async def script(box: SimulatedBox) -> None:
        chunks: list[tuple[float, bytes]] = []
        loop = asyncio.get_running_loop()
        box.microphone.start(lambda chunk: chunks.append((loop.time(), chunk.for_model)), no_fault)
        await asyncio.sleep(10.001)
        assert len(chunks) == 500
        assert [at - FIRST_MOMENT_S for at, _ in chunks] == pytest.approx([0.02 * k for k in range(1, 501)])
        assert {len(chunk) for _, chunk in chunks} == {CHUNK_BYTES}
        assert 3 < loudness(b"".join(chunk for _, chunk in chunks)) < 10, "about -75 dBFS"
        assert box.microphone.echo_cancelled

    in_a_box(script)


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


def test_what_is_said_while_the_microphone_is_closed_is_missed() -> None:
    async def script(box: SimulatedBox) -> None:
        heard = bytearray()
        box.room.say(voice(0.5))
        await asyncio.sleep(0.2)
        for _ in range(3):
            box.microphone.start(lambda chunk: heard.extend(chunk.for_model), no_fault)
            assert box.microphone.open
            await asyncio.sleep(0.1001)
            box.microphone.stop()
            size = len(heard)
            await asyncio.sleep(0.1)
            assert len(heard) == size
        assert len(heard) == 3 * 5 * CHUNK_BYTES
        assert list(array("h", bytes(heard))).count(1000) == pytest.approx(0.2 * 16000, abs=4)

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


def test_audio_written_before_start_waits_for_it() -> None:
    async def script(box: SimulatedBox) -> None:
        box.speaker.write(answer(0.2))
        await asyncio.sleep(1)
        assert box.speaker.played_s == 0
        box.speaker.start(ignore, no_fault)
        await box.room.hears_answer(after_s=0.2)

    in_a_box(script)


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


def test_a_script_presses_the_button() -> None:
    async def run() -> list[tuple[float, bool]]:
        loop = asyncio.get_running_loop()
        edges: list[tuple[float, bool]] = []
        button = ScriptedButton()
        button.press()
        button.release()
        button.start(lambda down: edges.append((round(loop.time() - FIRST_MOMENT_S, 2), down)), no_fault)
        await button.tap()
        await button.hold(1)
        await button.double_tap()
        await button.triple_tap()
        button.press()
        button.press()
        button.release()
        button.release()
        await button.aclose()
        await button.tap()
        return edges

    edges = run_virtual(run())
    assert [down for _, down in edges] == [True, False] * 8
    assert edges[:6] == [(0.0, True), (0.12, False), (0.12, True), (1.12, False), (1.12, True), (1.24, False)]
    assert edges[6] == (1.36, True)


def test_a_cancelled_hold_lets_go() -> None:
    async def run() -> None:
        button = ScriptedButton()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await button.hold(60)
        assert not button.down

    run_virtual(run())


def test_a_wav_plays_in_real_time_from_the_first_start_on(tmp_path: Path) -> None:
    ramp = array("h", [i % 30000 + 100 for i in range(16000 + 100)]).tobytes()
    path = write_wav(tmp_path / "speech.wav", ramp)

    async def run() -> None:
        ended: list[bool] = []
        heard = bytearray()
        microphone = WavMicrophone(asyncio.get_running_loop(), path, lambda: ended.append(True))
        await asyncio.sleep(1)
        microphone.start(lambda chunk: heard.extend(chunk.for_model), no_fault)
        await asyncio.sleep(0.2001)
        assert bytes(heard) == ramp[: 10 * CHUNK_BYTES]
        microphone.stop()
        await asyncio.sleep(0.3)
        heard.clear()
        microphone.start(lambda chunk: heard.extend(chunk.for_model), no_fault)
        await asyncio.wait_for(microphone.ended.wait(), 0.6)
        await asyncio.sleep(1)
        samples = array("h", bytes(heard))
        assert samples[0] == pytest.approx(100 + 8000, abs=2), "the file ran on while nobody listened"
        assert 3 < loudness(bytes(heard[-CHUNK_BYTES:])) < 10
        assert ended == [True]
        await microphone.aclose()
        await microphone.aclose()

    run_virtual(run())


@pytest.mark.parametrize(
    ("rate", "channels", "says"), [(44100, 1, "44100 Hz"), (16000, 2, "2 channels")], ids=["rate", "stereo"]
)
def test_a_wav_of_another_format_is_named_with_its_cure(tmp_path: Path, rate: int, channels: int, says: str) -> None:
    path = write_wav(tmp_path / "music.wav", bytes(400), rate, channels)
    with pytest.raises(DeviceError, match=says) as caught:
        open_microphone_wav(path)
    assert "ffmpeg -i music.wav" in caught.value.fix
    assert str(path) in caught.value.device


@pytest.mark.parametrize("content", [None, b"", b"not a wav at all"], ids=["missing", "empty", "text"])
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "speech.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceError, match="cannot be read"):
        open_microphone_wav(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "cannot be read: it ends inside of its header"),
        (b"RIFF\x24\0\0\0WAVE", "cannot be read: fmt chunk and/or data chunk missing"),
    ],
    ids=["missing", "empty", "no chunks"],
)
def test_an_unreadable_wav_says_why(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "speech.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceError) as caught:
        open_microphone_wav(path)
    assert caught.value.problem == says


def wav_header(kind: int, width: int, data: bytes) -> bytes:
    fmt = struct.pack("<HHIIHH", kind, 1, 16000, 16000 * width, width, 8 * width)
    return b"RIFF\x80\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize(
    ("kind", "width", "says"),
    [(3, 4, "is not 16 bit PCM"), (1, 3, "is 16000 Hz, 1 channel, 24 bit;")],
    ids=["float", "24 bit"],
)
def test_float_and_24_bit_wavs_are_named_with_their_cure(tmp_path: Path, kind: int, width: int, says: str) -> None:
    path = tmp_path / "my speech.wav"
    path.write_bytes(wav_header(kind, width, bytes(12 * width)))
    with pytest.raises(DeviceError) as caught:
        open_microphone_wav(path)
    assert caught.value.problem.startswith(says)
    assert "ffmpeg -i 'my speech.wav'" in caught.value.fix


@pytest.mark.parametrize("content", [wav_header(1, 2, b""), wav_header(1, 2, b"x")], ids=["no frames", "half a frame"])
def test_a_wav_without_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "silent.wav"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match="holds no sound"):
        open_microphone_wav(path)


def test_a_long_wav_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(wav_header(1, 2, b""))
    size = 4 * 3600 * 32000
    with path.open("r+b") as file:  # four hours, most of them a hole in the file
        file.seek(40)
        file.write(struct.pack("<I", size))
        file.seek(44 + size - 2)
        file.write(b"\x01\x01")

    async def run() -> None:
        microphone = WavMicrophone(asyncio.get_running_loop(), path)
        chunks: list[MicChunk] = []
        assert microphone.seconds == 4 * 3600
        microphone.start(chunks.append, no_fault)
        await asyncio.sleep(10.001)
        microphone.stop()
        await asyncio.sleep(4 * 3600 - 10.02)
        microphone.start(chunks.append, no_fault)
        await asyncio.sleep(0.0201)
        heard = [chunk.for_model for chunk in chunks]
        assert (len(heard), heard[0], any(heard[-1])) == (501, bytes(CHUNK_BYTES), True)
        await microphone.aclose()

    tracemalloc.start()
    run_virtual(run())
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


class Gone(io.BytesIO):
    """A file on a stick that was pulled."""

    def seek(self, offset: int, whence: int = 0) -> int:
        del offset, whence
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_wav_that_goes_away_is_a_fault_once_and_then_silence(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "speech.wav", voice(1))

    async def run() -> None:
        faults: list[DeviceError] = []
        heard: list[MicChunk] = []
        microphone = WavMicrophone(asyncio.get_running_loop(), path)
        microphone._wav.file.close()
        microphone._wav.file = Gone()
        microphone.start(heard.append, faults.append)
        await asyncio.sleep(0.1001)
        assert len(heard) == 5
        assert 3 < loudness(heard[-1].for_model) < 10
        assert [fault.problem for fault in faults] == ["cannot be read: Input/output error"]

    run_virtual(run())


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


def test_a_full_disk_is_a_fault() -> None:
    async def run() -> None:
        faults: list[DeviceError] = []
        speaker = WavSpeaker(asyncio.get_running_loop(), Path("/dev/full"), PlaybackBuffer(0.0))
        speaker.start(ignore, faults.append)
        await asyncio.sleep(3)
        speaker.write(answer(2))
        await asyncio.sleep(1)
        await speaker.aclose()
        assert {fault.problem for fault in faults} == {"cannot be written: No space left on device"}

    run_virtual(run())


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


def test_silence_in_and_out_keeps_time() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        chunks: list[MicChunk] = []
        microphone, speaker = SilentMicrophone(loop), SilentSpeaker(loop)
        drained = asyncio.Event()
        microphone.start(chunks.append, no_fault)
        speaker.start(drained.set, no_fault)
        began = loop.time()
        speaker.write(answer(3))
        speaker.finish()
        await drained.wait()
        assert loop.time() - began == pytest.approx(3, abs=0.03)
        assert len(chunks) == pytest.approx(150, abs=1)
        assert loudness(b"".join(chunk.for_model for chunk in chunks)) < 10
        await microphone.aclose()
        await speaker.aclose()

    run_virtual(run())


def test_a_folder_of_pictures_is_shown_in_turn(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.jpg", "notes.txt", "c.jpeg"):
        (tmp_path / name).write_bytes(jpeg(name))

    async def run() -> None:
        camera = FolderCamera(asyncio.get_running_loop(), tmp_path, fps=0.5)
        with pytest.raises(DeviceError, match="switched off"):
            await camera.frame(1)
        seen = []
        camera.start(no_fault)
        for _ in range(4):
            seen.append(await camera.frame(1))
            await asyncio.sleep(2)
        assert seen == [jpeg("a.jpg"), jpeg("b.JPG"), jpeg("c.jpeg"), jpeg("a.jpg")]
        assert await camera.still() == jpeg("b.JPG")
        assert (camera.frames, camera.stills) == (5, 1)
        (tmp_path / "c.jpeg").unlink()
        await asyncio.sleep(2)
        with pytest.raises(DeviceError, match=r"cannot read c\.jpeg: No such file or directory"):
            await camera.still()
        await camera.aclose()
        assert not camera.open

    run_virtual(run())


FLAWED = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is no JPEG"),
    "cut": (b"\xff\xd8\xff\xe0 half of it", "is cut short"),
    "padded": (b"\xff\xd8\xff\xd9" + bytes(17), "is cut short"),
    "huge": (b"\xff\xd8\xff" + bytes(5_000_000) + b"\xff\xd9", "is larger than 5 MB"),
}


@pytest.mark.parametrize(("content", "says"), FLAWED.values(), ids=FLAWED)
def test_a_file_that_is_no_whole_jpeg_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "bad.jpg").write_bytes(content)

    async def run() -> None:
        for path in (tmp_path, tmp_path / "bad.jpg"):
            with pytest.raises(DeviceError, match=f"no usable JPEG: bad.jpg {says}"):
                FolderCamera(asyncio.get_running_loop(), path)

    run_virtual(run())


def test_flawed_pictures_of_a_folder_are_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = jpeg("good") + b"\0" * 14 + b"\r\n"
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "d.jpg").write_bytes(b"smaller, but no picture")
    (tmp_path / "c.jpg").mkdir()
    for name, content in (("a.jpg", b""), ("b.jpg", b"text"), ("d.jpg", good)):
        (tmp_path / name).write_bytes(content)

    async def run() -> None:
        camera = FolderCamera(asyncio.get_running_loop(), tmp_path)
        camera.start(no_fault)
        for _ in range(3):
            assert await camera.frame(1) == good
            await asyncio.sleep(1)

    run_virtual(run())
    said = ["a.jpg is empty and is skipped", "b.jpg is no JPEG and is skipped", "c.jpg is no file and is skipped"]
    assert caplog.messages == [f"camera {tmp_path}: {line}" for line in said]


def test_a_camera_without_pictures_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        for path in (tmp_path, tmp_path / "missing.jpg"):
            with pytest.raises(DeviceError, match="no JPEG"):
                FolderCamera(asyncio.get_running_loop(), path)

    run_virtual(run())


def test_the_log_light_logs_changes_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hardware.light")
    light = LogLight()
    for rhythm in (Rhythm.READY, Rhythm.READY, Rhythm.FAULT):
        light.show(rhythm)
    assert caplog.messages == ["light: asleep, ready", "light: fault"]


def test_missing_parts_do_nothing() -> None:
    async def run() -> None:
        button, light = NoButton(), NoLight()
        button.start(lambda _: None, no_fault)
        light.show(Rhythm.FAULT)
        await button.aclose()
        await light.aclose()

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


def test_arithmetic_saturates_and_scales() -> None:
    loud = answer(0.001, 32767)
    assert mix(loud, loud) == loud
    assert set(array("h", scale(loud, 0.5))) == {16383}
