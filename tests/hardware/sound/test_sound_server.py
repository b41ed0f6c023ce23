"""The real PortAudio on simulated cards: what is said arrives, what is answered sounds, a dead card comes back."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import math
import os
import sys
import time
import wave
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from agent.hearing.endpointer import Edge, Endpointer, Timings
from agent.hearing.vad import webrtc_detector
from agent.simulator.voice import ASSETS
from hardware.ports import CHUNK_BYTES, SPEAKER_FORMAT, DeviceError, MicChunk
from hardware.settings import AudioSettings
from hardware.sound import card_sound, cards, microphone, reference, streams, supervisor
from hardware.sound.card_sound import CardSound
from hardware.sound.dsp_thread import DspThread
from hardware.sound.echo import ENTER_DB
from hardware.sound.microphone import CardMicrophone
from hardware.sound.speaker import CardSpeaker
from hardware.sound.streams import Side
from tests.support.command import started
from tests.support.sound_server import CARD, MICROPHONE, ROOM, SPEAKER, SoundServer, needs_a_sound_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from hardware.sound.dsp_thread import Block

pytestmark = [pytest.mark.sound, pytest.mark.real_time, needs_a_sound_server]

ONE, TWO = (CARD, CARD), (MICROPHONE, SPEAKER)
SOAK = bool(os.environ.get("FIELD_AGENT_SOAK"))
"""Whether to play and listen for ten minutes; before a release, on a machine that does nothing else."""
TRIES = 3
"""A busy machine misses a deadline now and then, and a fault in the program always does."""
PATIENCE_S = 20.0
"""How long what comes is waited for, where no promise says how soon."""


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
        cards.rescan()
        yield server


@pytest.fixture
def server(running: SoundServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    monkeypatch.setattr(microphone, "SILENT_DBFS", -999.0)  # nobody breathes in this room: zeros are no sign of death
    monkeypatch.setattr(microphone, "PATIENCE_S", 3600.0)
    cards.rescan()  # a server that was just started may have been asked too soon
    yield running
    assert cards.supervisor()._streams == [], "every test gives its streams back"


class Faults(list[DeviceError]):
    def __call__(self, error: DeviceError) -> None:
        self.append(error)


class Box:
    """Microphone and speaker on cards, and what came of them."""

    def __init__(self, names: tuple[str, str], **audio: Any) -> None:
        loop = asyncio.get_running_loop()
        self.dsp = dsp = DspThread()
        self.sound = CardSound(AudioSettings(microphone=names[0], speaker=names[1], **audio), dsp)
        self.microphone, self.speaker = CardMicrophone(loop, self.sound, dsp), CardSpeaker(loop, self.sound)
        self.chunks: list[tuple[float, MicChunk]] = []
        self.drained = asyncio.Event()
        self.into, self.out = Faults(), Faults()
        self.speaker.start(self.drained.set, self.out)
        self.sound.open(self.microphone, self.speaker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.microphone.aclose()
        await self.speaker.aclose()

    async def listen(self) -> None:
        self.microphone.start(lambda heard: self.chunks.append((time.perf_counter(), heard)), self.into)
        await until(lambda: bool(self.chunks), PATIENCE_S)

    def heard(self, name: str = "for_model") -> np.ndarray:
        return samples(b"".join(getattr(heard, name) for _, heard in self.chunks))

    @property
    def glitches(self) -> int:
        return self.microphone.health().glitches + self.speaker.health().glitches


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait for ``holds`` and return how long it took."""
    began = time.perf_counter()
    while not holds():
        assert time.perf_counter() - began < seconds, "took too long"
        await asyncio.sleep(0.005)
    return time.perf_counter() - began


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


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as wav:
        return samples(wav.readframes(wav.getnframes()))


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


def bytes_of(signal: np.ndarray) -> bytes:
    return bytes(np.rint(signal).astype("<i2").tobytes())


KINDS: dict[str, tuple[tuple[str, str], bool, object, str, object]] = {
    "one card": (ONE, True, streams, "BLOCK_S", 0.010),
    "behind a sound server": (ONE, False, streams, "BLOCK_S", 0.010),
    "two cards": (TWO, False, streams, "BLOCK_S", 0.010),
    "44.1 kHz": (ONE, True, streams, "COMMON_RATES", (44100,)),
    "stereo": (ONE, True, Side, "counts", (2,)),
    "32 bit": (ONE, True, streams, "DEPTHS", ("int32",)),
}
"""Which cards, whether in one stream, and what they are limited to: this server can do everything."""


def in_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what has one name for a card that is used directly: only those get a duplex stream."""
    monkeypatch.setattr(cards.Card, "shares", lambda self, other: self.name == other.name)


@pytest.fixture
def one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    in_one_stream(monkeypatch)


@pytest.fixture(params=[True, False], ids=["one stream", "two streams"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        in_one_stream(monkeypatch)
    return bool(request.param)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, str], bool]:
    names, duplex, where, limit, value = KINDS[request.param]
    monkeypatch.setattr(where, limit, value)
    if duplex:
        in_one_stream(monkeypatch)
    return names, duplex


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Return what writes a measured figure to the report, and for ``-s`` onto the screen."""

    def told(**figures: float) -> None:
        for name, value in figures.items():
            record_property(name, value)
        sys.stderr.write("".join(f"{name} {value:.3g}\n" for name, value in figures.items()))

    return told


@on_a_loop
async def test_both_at_once_and_both_whole(
    server: SoundServer, tmp_path: Path, kind: tuple[tuple[str, str], bool]
) -> None:
    names, duplex = kind
    said, answered = speech(16000, 1.0), speech(24000, 1.0)
    wav = write_wav(tmp_path / "speech.wav", said, 16000)
    for _ in range(TRIES):
        async with Box(names) as box:
            await box.listen()
            assert box.sound.duplex is duplex
            await asyncio.to_thread(
                server.play(wav).wait
            )  # before the answer: its echo is cancelled, and there is none
            await asyncio.sleep(0.3)
            with server.record(24000) as path:
                for begin in range(0, len(answered), 6000):
                    assert box.speaker.write(bytes_of(answered[begin : begin + 6000]))
                    await asyncio.sleep(0.1)
                box.speaker.finish()
                async with asyncio.timeout(5):
                    await box.drained.wait()
                await asyncio.sleep(0.3)
        heard, sounded = likeness(box.heard(), said)[0], likeness(samples(path.read_bytes()), answered)[0]
        if heard > 0.95 and sounded > 0.97 and not box.into + box.out:
            break
    assert not box.into + box.out
    assert heard > 0.95
    assert sounded > 0.97, "one gap would halve it"
    assert box.speaker.played_s == pytest.approx(1.0)
    assert box.speaker.health().underruns == box.microphone.health().dropped == 0
    assert {len(heard.for_model) for _, heard in box.chunks} == {CHUNK_BYTES}
    assert {len(heard.for_endpointer) for _, heard in box.chunks} == {CHUNK_BYTES}
    assert np.median(np.diff([at for at, _ in box.chunks])) == pytest.approx(0.02, abs=0.004)


@on_a_loop
async def test_a_press_is_soon_answered_with_sound_and_a_closed_microphone_delivers_nothing(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch, one_stream: None
) -> None:
    del server, one_stream
    monkeypatch.setattr(card_sound, "BRIEF_S", 0.1)
    async with Box(ONE) as box:
        await until(lambda: box.sound.duplex, PATIENCE_S)
        await asyncio.sleep(0.3)
        delays = []
        for _ in range(5):
            assert not box.sound.speaker._running, "asleep, nothing runs"
            box.chunks.clear()
            asked = time.perf_counter()
            await box.listen()
            delays.append(time.perf_counter() - asked)
            box.microphone.stop()
            count = len(box.chunks)
            await asyncio.sleep(0.3)
            assert len(box.chunks) == count, "closed is closed"
        box.speaker.write(bytes(SPEAKER_FORMAT.bytes_in(0.5)))
        await asyncio.sleep(0.3)
        assert box.sound.speaker._running
        assert len(box.chunks) == count, "an answer opens nobody's microphone"
    assert not box.into + box.out
    assert sorted(delays)[2] < 0.2


@on_a_loop
async def test_flush_silences_within_a_moment(server: SoundServer, tell: Callable[..., None], *, either: bool) -> None:
    """Seen by a microphone in the same room: the driver's buffers out and in, one block, one chunk."""
    del server, either
    delays, trips = [], []
    async with Box((ROOM, ROOM)) as box:
        await box.listen()
        for _ in range(5):
            box.chunks.clear()
            begun = time.perf_counter()
            box.speaker.write(np.resize(np.repeat([8000, -8000], 12).astype("<i2"), 24000 * 3).tobytes())
            await until(lambda: box.speaker.played_s > 0, PATIENCE_S)
            handed = time.perf_counter()
            await until(lambda: loud(box) > 0, PATIENCE_S)
            trips.append(time.perf_counter() - handed)
            await asyncio.sleep(0.3)
            played = box.speaker.flush()
            flushed = time.perf_counter()
            assert 0 < played < flushed - begun + 0.05, "the driver was filled at once"
            await asyncio.sleep(0.4)
            delays.append(loud(box) - flushed)
    assert not box.into + box.out
    flush_ms, trip_ms = (1000 * sorted(each)[2] for each in (delays, trips))
    tell(flush_ms=flush_ms, round_trip_ms=trip_ms)
    assert 1000 * min(delays) < 100, "a busy machine only makes it later"
    assert 1000 * min(trips) < 150


def loud(box: Box) -> float:
    """When the last loud chunk arrived."""
    return max((at for at, heard in box.chunks if heard.level_dbfs > -40), default=0.0)


@on_a_loop
async def test_its_own_voice_does_not_start_an_utterance_and_somebody_elses_does(
    server: SoundServer, tell: Callable[..., None], *, either: bool
) -> None:
    del either
    answer = samples(b"".join(bytes_of(read_wav(ASSETS / "answers" / f"{name}.wav")) for name in ("report", "gauge")))
    for _ in range(TRIES):
        async with Box((ROOM, ROOM)) as box:
            await box.listen()
            box.speaker.write(bytes_of(answer))
            trusted = await until(lambda: box.chunks[-1][1].trusted, PATIENCE_S)
            began, glitches = len(box.chunks), box.glitches
            await asyncio.sleep(2.5)
            assert box.speaker.audible
            own = starts(box, began, len(box.chunks))
            began = len(box.chunks)
            player = server.play(ASSETS / "questions" / "gauge.wav", "room")
            await asyncio.sleep(2.5)
            other = starts(box, began, len(box.chunks))
            box.speaker.flush()
            await asyncio.to_thread(player.wait)
        tell(trusted_after_s=trusted, erle_db=box.chunks[-1][1].erle_db)
        if box.glitches == glitches:  # else the server lost sound, and the echo is not where it was
            break
    assert own == 0
    assert other >= 1


def starts(box: Box, begin: int, end: int) -> int:
    """Starts of speech in chunks ``begin`` to ``end``, to an endpointer that has heard all before."""
    endpointer = Endpointer(webrtc_detector(3), Timings())
    for _, heard in box.chunks[:begin]:
        endpointer.listen(heard.for_endpointer)
    return [endpointer.feed(heard.for_endpointer) for _, heard in box.chunks[begin:end]].count(Edge.START)


@on_a_loop
async def test_a_dead_card_is_reported_within_a_second_and_comes_back(server: SoundServer, *, either: bool) -> None:
    async with Box(ONE) as box:
        await box.listen()
        box.speaker.write(bytes(SPEAKER_FORMAT.bytes_in(2)))
        box.speaker.finish()
        await until(lambda: box.speaker.played_s > 0.1, PATIENCE_S)
        server.kill()
        await until(lambda: bool(box.into and box.out), 1.5)
        assert f"microphone '{CARD}'" in str(box.into[0])
        assert box.microphone.fault is not None
        await asyncio.sleep(0.7)
        assert len(box.into) == len(box.out) == 1, "an outage is reported once"
        box.chunks.clear()
        played = box.speaker.played_s
        server.start()
        await until(lambda: bool(box.chunks) and box.speaker.played_s > played, PATIENCE_S)
        await until(lambda: box.microphone.fault is None and box.speaker.fault is None, PATIENCE_S)
        assert box.sound.duplex is either, "the same way as before"
        async with asyncio.timeout(10):
            await box.drained.wait()
        assert box.speaker.played_s == pytest.approx(2.0), "the answer went on where it was"


@on_a_loop
async def test_a_card_that_is_not_there_at_the_start_is_picked_up_when_it_comes(
    server: SoundServer, *, either: bool
) -> None:
    server.kill()
    cards.rescan()
    async with Box(ONE) as box:
        box.microphone.start(lambda heard: box.chunks.append((0.0, heard)), box.into)
        await until(lambda: bool(box.into and box.out), PATIENCE_S)
        server.start()
        await until(lambda: bool(box.chunks), PATIENCE_S)
        assert box.sound.duplex is either
        await until(lambda: box.microphone.fault is None, PATIENCE_S)


@on_a_loop
async def test_an_unknown_card_is_named_with_what_there_is(server: SoundServer) -> None:
    del server
    async with Box(("Jabra", SPEAKER)) as box:
        for count in (1, 2):
            box.microphone.start(lambda _: None, box.into)
            await until(lambda: len(box.into) == count, PATIENCE_S)  # noqa: B023 - it is waited for right here
        assert box.speaker.fault is None, "the speaker works without"
    assert str(box.into[0]).startswith("microphone 'Jabra'")
    assert "'usbmic'" in box.into[0].fix


@on_a_loop
async def test_a_microphone_of_zeros_is_a_fault_and_cured_by_sound(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(microphone, "SILENT_DBFS", -100.0)
    async with Box(TWO) as box:
        await box.listen()
        await until(lambda: bool(box.into), PATIENCE_S)
        assert "zeros" in str(box.into[0])
        count = len(box.chunks)
        await asyncio.sleep(0.2)
        assert len(box.chunks) == count, "zeros are no sign of life"
        player = server.play(write_wav(tmp_path / "voice.wav", speech(16000, 0.5), 16000))
        await until(lambda: len(box.chunks) > count, PATIENCE_S)
        await asyncio.to_thread(player.wait)
    assert len(box.into) == 1


class Tape:
    """What was captured and what was given to the canceller with it, second by second."""

    def __init__(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        self._near, self._far = bytearray(), bytearray()
        self._feed = box.dsp.feed
        self.rate = 48000
        monkeypatch.setattr(box.dsp, "feed", self._record)

    def _record(self, block: Block) -> None:
        self._near += block.captured
        self._far += block.played
        self._feed(block)

    def clear(self) -> None:
        """Forget what was recorded."""
        del self._near[:], self._far[:]

    def lag_ms(self) -> float:
        """How much later the echo of the last second came than its reference; nan if sound is missing there."""
        size = min(len(self._near), len(self._far))  # a block may be half recorded
        near, far = (samples(bytes(each[max(0, size - 2 * self.rate) : size])) for each in (self._near, self._far))
        ahead = round(0.05 * self.rate)
        likeliest, at = likeness(np.concatenate((np.zeros(ahead), near)), far[: -round(0.3 * self.rate)])
        return 1000 * (at - ahead) / self.rate if likeliest > 0.3 else math.nan


PAIRED_S = (reference.NEW_WINDOWS * reference.WINDOW + 50) * streams.BLOCK_S
"""Until then a new pair of streams may still be moved by a block, and the echo with it."""
NEAREST_MS, FARTHEST_MS = 1.0, 60.0
"""The canceller finds an echo right after its reference, not one that comes with it; the driver buffers little."""


@pytest.mark.parametrize(("drift_ppm", "seconds"), [(0, 600), (200, 600)] if SOAK else [(0, 4), (1000, 8)])
@on_a_loop
async def test_two_streams_keep_the_echo_behind_its_reference_and_have_no_glitch(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch, tell: Callable[..., None], drift_ppm: int, seconds: int
) -> None:
    del server
    if drift_ppm:
        drift(monkeypatch, drift_ppm)
    second = bytes_of(speech(24000, 1.0))
    for _ in range(1 if SOAK else TRIES):
        async with Box((ROOM, ROOM)) as box:
            tape, stream = await playing(box, monkeypatch), box.sound._output
            before, began, spent = box.glitches, time.perf_counter(), time.process_time()
            lags, glitches = [], [0, 0]
            while (passed := time.perf_counter() - began) < seconds:
                box.speaker.write(second)
                await asyncio.sleep(1.0)
                glitches.append(box.glitches - before)
                if glitches[-1] == glitches[-3]:
                    lags.append(tape.lag_ms())
                tape.clear()
            share = (time.process_time() - spent) / passed
            same, whole = box.sound._output is stream, [each for each in lags if not math.isnan(each)]
        tell(seconds=passed, glitches=glitches[-1], in_first_half=glitches[len(glitches) // 2])
        tell(seconds_whole=len(whole), shortest_ms=min(whole), longest_ms=max(whole), processor_percent=100 * share)
        if lags and (drift_ppm or not glitches[-1]) and len(whole) == len(lags):
            break
    assert same, "nothing was reopened"
    assert drift_ppm or not glitches[-1], "a server with so little in hand underruns when its clients' blocks slip"
    assert len(whole) > 0.9 * len(lags)
    assert min(whole) > NEAREST_MS
    assert max(whole) < FARTHEST_MS
    assert glitches[-1] or max(whole) - min(whole) < (11.0 if drift_ppm else 1.0)
    assert box.chunks[-1][1].erle_db > ENTER_DB
    assert box.microphone.health().dropped == 0
    assert not box.into + box.out


@pytest.mark.parametrize("frozen_s", [0.2, 1.0])
@on_a_loop
async def test_after_a_hiccup_the_reference_precedes_the_echo_as_before(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch, tell: Callable[..., None], frozen_s: float
) -> None:
    for _ in range(TRIES):
        lags = list[tuple[float, float]]()
        async with Box((ROOM, ROOM)) as box:
            tape = await playing(box, monkeypatch)
            for _ in range(2):
                before, count = await settled(tape), box.glitches
                await hiccup(server, frozen_s)
                await until(lambda: box.glitches > count, PATIENCE_S)  # noqa: B023 - it is waited for right here
                lags.append((before, await settled(tape)))
                tell(before_ms=before, after_ms=lags[-1][1])
            assert not box.sound.duplex
        # A busy server has its own delays, but a hiccup is 200 ms.
        if all(NEAREST_MS < after < FARTHEST_MS and abs(after - before) < 25.0 for before, after in lags):
            return
    raise AssertionError(f"the echo has moved: {lags}")


async def settled(tape: Tape) -> float:
    """Return by how much the echo is later than its reference, once that is the same for two seconds; else nan."""
    before = math.nan
    for _ in range(8):
        tape.clear()
        await asyncio.sleep(1.0)
        lag = tape.lag_ms()
        if abs(lag - before) < 1.0:
            return lag
        before = lag
    return math.nan


async def playing(box: Box, monkeypatch: pytest.MonkeyPatch) -> Tape:
    """Listen, and play for 30 s; return what is captured and its reference, once they are paired for good."""
    tape = Tape(box, monkeypatch)
    await box.listen()
    box.speaker.write(bytes_of(speech(24000, 30.0)))
    await asyncio.sleep(PAIRED_S)
    tape.clear()
    return tape


async def hiccup(server: SoundServer, seconds: float) -> None:
    """Make the sound server stand still for a while."""
    server.freeze()
    try:
        await asyncio.sleep(seconds)
    finally:
        server.thaw()


def drift(monkeypatch: pytest.MonkeyPatch, ppm: int) -> None:
    """Give the output a clock of its own, which is faster than it says."""
    library = cards.driver()
    opened = library.RawOutputStream

    def faster(**options: Any) -> Any:
        return opened(**options | {"samplerate": options["samplerate"] * (1 + ppm * 1e-6)})

    monkeypatch.setattr(library, "RawOutputStream", faster)


@on_a_loop
async def test_a_hiccup_leaves_no_thread_spinning(
    server: SoundServer, caplog: pytest.LogCaptureFixture, *, either: bool
) -> None:
    """A duplex stream on this server spins after each hiccup, and is started again; two streams do not."""
    for _ in range(TRIES):
        caplog.clear()
        async with Box(ONE) as box:
            await box.listen()
            stream = box.sound._output
            box.speaker.write(bytes(SPEAKER_FORMAT.bytes_in(20)))
            await asyncio.sleep(0.5)
            await hiccup(server, 0.2)
            if either:
                await until(lambda: "hogs the processor" in caplog.text, PATIENCE_S)
                assert "restarting it" in caplog.messages[0]
            await calm()
            if not either:
                assert "hogs the processor" not in caplog.text
                assert box.sound._output is stream
            count = len(box.chunks)
            await until(lambda: len(box.chunks) > count, PATIENCE_S)  # noqa: B023 - it is waited for right here
            assert box.glitches
            assert not box.into + box.out


async def calm() -> None:
    """Wait until the process has used less than half a core for a second, but not for long."""
    await asyncio.sleep(0.5)
    shares = []
    for _ in range(12):  # on a busy machine there are more hiccups than ours
        spent = time.process_time()
        await asyncio.sleep(1.0)
        shares.append(time.process_time() - spent)
        if shares[-1] < 0.5:
            return
    raise AssertionError(f"a thread spins: {shares} of a core")


@on_a_loop
async def test_a_frozen_card_is_fatal_within_a_few_seconds(
    server: SoundServer, monkeypatch: pytest.MonkeyPatch, tell: Callable[..., None], *, either: bool
) -> None:
    monkeypatch.setattr(supervisor, "CALL_LIMIT_S", 1.0)
    async with Box(ONE) as box:
        await box.listen()
        server.freeze()
        try:
            took = await until(lambda: any(fault.fatal for fault in box.into + box.out), 4)
            began = time.perf_counter()
            await box.microphone.aclose()
            await box.speaker.aclose()
            assert time.perf_counter() - began < 3
        finally:
            server.thaw()
    tell(fatal_after_s=took)
    faults = box.out if either else box.into  # nothing plays, so of two streams only one runs
    problems = [problem for problem, _ in itertools.groupby(fault.problem for fault in faults)]
    assert problems == ["stopped delivering", "its driver hangs"]  # a busy machine may have missed a beat before
    await asyncio.sleep(0.5)
    cards.rescan()  # what was left behind goes


def test_the_daemon_ends_when_a_driver_hangs_to_be_started_anew(
    server: SoundServer, tmp_path: Path, tell: Callable[..., None]
) -> None:
    file = tmp_path / "config.toml"
    values = {"microphone": CARD, "speaker": CARD}
    audio = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    file.write_text(
        f'[service]\nurl = "ws://127.0.0.1:1"\n[audio]\n{audio}\n[camera]\nsource = "none"\n'
        '[gpio]\nbutton = "none"\nlight = "log"\n'
    )
    with started("run", "--config", str(file), **server.environment) as process:
        assert process.stderr is not None
        for _ in range(2):
            while "in the driver" not in (line := process.stderr.readline()):
                assert line, "it ended"
        time.sleep(1)
        server.freeze()
        try:
            began = time.perf_counter()
            code = process.wait(15)
        finally:
            server.thaw()
        tell(ended_after_s=time.perf_counter() - began)
        text = process.stderr.read()
    assert code == 75, text
    assert "its driver hangs" in text.splitlines()[-1]
    assert "in all:" in text, "the agent was shut down in order"
