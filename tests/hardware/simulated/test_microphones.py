"""Simulated microphones: a room, a WAV in real time, silence; in virtual time."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import struct
import tracemalloc
from array import array
from typing import TYPE_CHECKING

import pytest

from hardware.ports import CHUNK_BYTES, DeviceError, MicChunk
from hardware.simulated.clock import FIRST_MOMENT_S, run_virtual
from hardware.simulated.microphones import (
    SilentMicrophone,
    WavMicrophone,
    open_microphone_wav,
)
from hardware.simulated.speakers import SilentSpeaker
from tests.support.simulated_box import answer, in_a_box, loudness, no_fault, voice, write_wav

if TYPE_CHECKING:
    from pathlib import Path

    from hardware.simulated.box import SimulatedBox


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
        (b"", "cannot be read: it ends inside its header"),
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
