"""The real PortAudio on a pretended card: what is said arrives, what is answered sounds, a dead card comes back."""

from __future__ import annotations

import asyncio
import functools
import os
import time
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hardware import soundcard
from hardware.microphone import CardMicrophone
from hardware.ports import CHUNK_BYTES, SPEAKER_FORMAT, DeviceError
from hardware.speaker import CardSpeaker

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from tests.sound_server import MICROPHONE, SPEAKER, SoundServer, missing
else:
    from sound_server import MICROPHONE, SPEAKER, SoundServer, missing  # pytest puts this folder on the path

pytestmark = [
    pytest.mark.sound,
    pytest.mark.real_time,
    pytest.mark.skipif(
        bool(missing()) and not os.environ.get("CI"),
        reason=f"not installed: {missing()} (apt install pulseaudio pulseaudio-utils)",
    ),
]


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with SoundServer(tmp_path_factory.mktemp("sound")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        soundcard.rescan()
        yield server


@pytest.fixture
def server(running: SoundServer) -> Iterator[SoundServer]:
    yield running
    assert soundcard.keeper()._lines == [], "every test gives its lines back"


def speech(rate: int, seconds: float) -> np.ndarray:
    """Make something like speech: syllables of a gliding, harmonic voice, which correlates at one lag only."""
    t = np.arange(round(rate * seconds)) / rate
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(n * phase) / n for n in range(1, 20))
    return np.asarray(6000 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)))


def write_wav(path: Path, signal: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, rate, 0, "NONE", ""))
        wav.writeframes(np.rint(signal).astype("<i2").tobytes())
    return path


def likeness(heard: np.ndarray, original: np.ndarray) -> tuple[float, int]:
    """Best normalised correlation of ``original`` within ``heard``, and the sample where it begins."""
    size = 1 << (len(heard) + len(original)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size)), size)
    lag = int(np.argmax(product[: len(heard)]))
    window = heard[lag : lag + len(original)]
    part = original[: len(window)]
    return float(window @ part / np.sqrt((window @ window) * (part @ part) + 1e-9)), lag


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2").astype(float)


class Faults(list[DeviceError]):
    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.Event()

    def __call__(self, error: DeviceError) -> None:
        self.append(error)
        self.first.set()


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait for ``holds`` and return how long it took."""
    began = time.perf_counter()
    while not holds():
        assert time.perf_counter() - began < seconds, "took too long"
        await asyncio.sleep(0.01)
    return time.perf_counter() - began


@pytest.mark.parametrize("rates", [(), soundcard.COMMON_RATES, (44100,)], ids=["native", "48k", "44k1"])
@on_a_loop
async def test_what_is_said_arrives_in_20_ms_chunks(
    server: SoundServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates: tuple[int, ...]
) -> None:
    monkeypatch.setattr(soundcard, "COMMON_RATES", rates)
    original = speech(16000, 2.0)
    chunks: list[tuple[float, bytes]] = []
    faults = Faults()
    microphone = CardMicrophone(asyncio.get_running_loop(), MICROPHONE)
    microphone.start(lambda chunk: chunks.append((time.perf_counter(), chunk)), faults)
    await until(lambda: bool(chunks), 3)
    player = server.play(write_wav(tmp_path / "speech.wav", original, 16000))
    await asyncio.sleep(2.5)
    await asyncio.to_thread(player.wait)
    await microphone.aclose()
    assert not faults
    assert {len(chunk) for _, chunk in chunks} == {CHUNK_BYTES}
    gaps = np.diff([at for at, _ in chunks])
    assert np.median(gaps) == pytest.approx(0.02, abs=0.004)
    match, _ = likeness(samples(b"".join(chunk for _, chunk in chunks)), original)
    assert match > 0.97
    assert microphone.dropped == 0


@on_a_loop
async def test_a_press_is_soon_answered_with_sound_again_and_again(server: SoundServer) -> None:
    del server
    chunks: list[bytes] = []
    faults = Faults()
    microphone = CardMicrophone(asyncio.get_running_loop(), MICROPHONE)
    await until(lambda: microphone._line.stream is not None, 3)
    delays = []
    for _ in range(5):
        chunks.clear()
        microphone.start(chunks.append, faults)
        delays.append(await until(lambda: bool(chunks), 3))
        microphone.stop()
        count = len(chunks)
        await asyncio.sleep(0.1)
        assert len(chunks) == count, "closed is closed"
    await microphone.aclose()
    assert not faults
    assert sorted(delays)[2] < 0.2


@pytest.mark.parametrize("rates", [(), soundcard.COMMON_RATES, (44100,)], ids=["native", "48k", "44k1"])
@on_a_loop
async def test_an_answer_sounds_as_it_was_written(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch, rates: tuple[int, ...]
) -> None:
    monkeypatch.setattr(soundcard, "COMMON_RATES", rates)
    original = speech(24000, 2.0)
    drained = asyncio.Event()
    faults = Faults()
    speaker = CardSpeaker(asyncio.get_running_loop(), SPEAKER)
    speaker.start(drained.set, faults)
    with server.record(24000) as path:
        pcm = np.rint(original).astype("<i2").tobytes()
        for begin in range(0, len(pcm), SPEAKER_FORMAT.bytes_in(0.25)):
            speaker.write(pcm[begin : begin + SPEAKER_FORMAT.bytes_in(0.25)])
            await asyncio.sleep(0.1)
        speaker.finish()
        assert not drained.is_set()
        async with asyncio.timeout(5):
            await drained.wait()
        assert speaker.played_s == pytest.approx(2.0)
        await asyncio.sleep(0.5)
    await speaker.aclose()
    assert not faults
    assert speaker.buffer.underruns == 0
    match, _ = likeness(samples(path.read_bytes()), original)
    assert match > 0.97


@on_a_loop
async def test_flush_silences_within_a_moment(server: SoundServer) -> None:
    faults = Faults()
    drained = asyncio.Event()
    speaker = CardSpeaker(asyncio.get_running_loop(), SPEAKER)
    speaker.start(drained.set, faults)
    with server.record(24000) as path:
        speaker.write(np.full(24000 * 5, 8000, dtype="<i2").tobytes())
        await until(lambda: speaker.played_s >= 1.0, 5)
        played = speaker.flush()
        await asyncio.sleep(0.7)
        speaker.chime(np.full(2400, 4000, dtype="<i2").tobytes())
        await asyncio.sleep(0.7)
    await speaker.aclose()
    heard = samples(path.read_bytes())
    assert not faults
    assert not drained.is_set()
    assert played == pytest.approx(1.0, abs=0.1)
    assert np.count_nonzero(heard > 6000) / 24000 == pytest.approx(played, abs=0.06)
    assert np.count_nonzero((heard > 3000) & (heard < 5000)) / 24000 == pytest.approx(0.1, abs=0.01)


@on_a_loop
async def test_a_dead_card_is_reported_within_a_second_and_comes_back(server: SoundServer) -> None:
    chunks: list[bytes] = []
    into, out = Faults(), Faults()
    drained = asyncio.Event()
    loop = asyncio.get_running_loop()
    microphone, speaker = CardMicrophone(loop, MICROPHONE), CardSpeaker(loop, SPEAKER)
    microphone.start(chunks.append, into)
    speaker.start(drained.set, out)
    speaker.write(bytes(SPEAKER_FORMAT.bytes_in(3)))
    speaker.finish()
    await until(lambda: bool(chunks) and speaker.played_s > 0.1, 5)
    server.kill()
    await until(lambda: bool(into and out), 1.0)
    assert "microphone 'usbmic'" in str(into[0])
    assert microphone.fault is not None
    await asyncio.sleep(1)
    assert len(into) == len(out) == 1, "an outage is reported once"
    chunks.clear()
    played = speaker.played_s
    server.start()
    await until(lambda: bool(chunks) and speaker.played_s > played, 6.0)
    await until(lambda: microphone.fault is None and speaker.fault is None, 1.0)
    async with asyncio.timeout(10):
        await drained.wait()
    assert speaker.played_s == pytest.approx(3.0), "the answer went on where it was"
    await microphone.aclose()
    await speaker.aclose()


@on_a_loop
async def test_an_unknown_card_is_named_with_what_there_is(server: SoundServer) -> None:
    del server
    faults = Faults()
    microphone = CardMicrophone(asyncio.get_running_loop(), "Jabra")
    microphone.start(lambda _: None, faults)
    async with asyncio.timeout(3):
        await faults.first.wait()
    microphone.start(lambda _: None, faults)
    await until(lambda: len(faults) == 2, 1)
    await microphone.aclose()
    assert str(faults[0]).startswith("microphone 'Jabra'")
    assert "'usbmic'" in faults[0].fix


def test_cards_are_found_by_name_by_part_and_by_default(server: SoundServer) -> None:
    del server
    names = {card.name for card in soundcard.cards("input")}
    assert "usbmic" in names
    assert soundcard.find("usbmic", "input").name == "usbmic"
    assert soundcard.find("USBSP", "output").name == "usbspk"
    assert soundcard.find("default", "input").channels > 0
    assert soundcard.accepts(soundcard.find("usbmic", "input"), "input", 16000)


@pytest.fixture
def alsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cards"
    path.write_text(
        " 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi\n                      vc4-hdmi\n"
        " 1 [Device         ]: USB-Audio - USB Audio Device\n                      Generic USB Audio Device\n"
    )
    monkeypatch.setattr(soundcard, "ALSA_CARDS", path)
    return path


def test_a_card_is_meant_by_its_alsa_id_wherever_it_sits(alsa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del alsa
    present = [
        soundcard.Card(0, "Device: other (hw:0,0)", 1, 48000),
        soundcard.Card(1, "USB Audio Device: - (hw:1,0)", 1, 44100),
    ]
    monkeypatch.setattr(soundcard, "cards", lambda _: present)
    assert soundcard.alsa_cards() == {"vc4hdmi": 0, "Device": 1}
    assert soundcard.find("Device", "input").index == 1
    assert soundcard.find("usb audio", "input").index == 1
    assert present[1].bare
    with pytest.raises(DeviceError, match=r"not found.*'Device: other \(hw:0,0\)', 'USB Audio"):
        soundcard.find("Jabra", "input")


class FakeDriver:
    """PortAudio that takes one rate and one number of channels."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rate: int, channels: int) -> None:
        self.taken = (rate, channels)
        self.tried: list[tuple[int, int]] = []

    def RawInputStream(self, **options: Any) -> FakeDriver:  # noqa: N802 - the library's name
        self.tried.append((options["samplerate"], options["channels"]))
        if self.tried[-1] != self.taken:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.options = options
        return self

    RawOutputStream = RawInputStream


@pytest.mark.parametrize(
    ("name", "first"), [("USB (hw:1,0)", (16000, 1)), ("pulse", (48000, 1))], ids=["bare", "converting"]
)
def test_a_bare_card_is_asked_for_our_rate_first_and_a_converter_last(
    monkeypatch: pytest.MonkeyPatch, name: str, first: tuple[int, int]
) -> None:
    fake = FakeDriver(44100, 2)
    monkeypatch.setattr(soundcard, "driver", lambda: fake)
    monkeypatch.setattr(soundcard, "find", lambda *_: soundcard.Card(3, name, 2, 44100))
    stream = soundcard.open_stream("input", name, 16000, 0.02)
    assert stream.rate == 44100
    assert fake.tried[0] == first
    assert fake.tried[-1] == (44100, 2)
    heard: list[bytes] = []
    stream.block = heard.append
    fake.options["callback"](np.array([[1, 9], [2, 9]], dtype="<i2").tobytes(), 2, None, 0)
    assert heard == [np.array([1, 2], dtype="<i2").tobytes()], "the first channel is the microphone"
    monkeypatch.setattr(soundcard, "find", lambda *_: soundcard.Card(3, name, 1, 44100))
    with pytest.raises(DeviceError, match="Invalid sample rate"):
        soundcard.open_stream("input", name, 16000, 0.02)


def test_a_stereo_card_gets_the_answer_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeDriver(24000, 2)
    monkeypatch.setattr(soundcard, "driver", lambda: fake)
    stream = soundcard.CardStream("output", soundcard.Card(0, "x", 2, 24000), 24000, 2, 0.01)
    out = bytearray(8)
    fake.options["callback"](out, 2, None, 1)
    assert out == bytes(8)
    stream.block = lambda _: np.array([1, 2], dtype="<i2").tobytes()
    fake.options["callback"](out, 2, None, 1)
    assert out == np.array([1, 1, 2, 2], dtype="<i2").tobytes()
    assert stream.glitches == 2


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", None)
    with pytest.raises(DeviceError, match=r"pip install '\.\[audio\]'"):
        soundcard.driver.__wrapped__()
