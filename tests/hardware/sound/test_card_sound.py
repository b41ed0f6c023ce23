"""Which streams are opened for which cards, and what belongs together, with a driver that does as it is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hardware.ports import SPEAKER_FORMAT, DeviceError, MicChunk
from hardware.settings import AudioSettings
from hardware.sound import card_sound
from hardware.sound.card_sound import CardSound, SharedStream, ignore
from hardware.sound.cards import Card
from hardware.sound.dsp_thread import Block, Capture, DspThread
from hardware.sound.playback import PlaybackBuffer
from hardware.sound.reference import MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hardware.sound.streams import Side

USB = Card(1, "USB: - (hw:1,0)", 2, 48000)
HDMI = Card(0, "HDMI: - (hw:0,0)", 2, 48000)
MICROPHONE = Card(2, "Boom: - (hw:2,0)", 1, 44100)


class FakeStream:
    """Calls back when a test says so."""

    depth, wide, channels, latency_s, glitches = "int16", False, (1, 1), (0.02, 0.02), 0
    spinning = False

    def __init__(self, into: Side | None, out: Side | None, rate: int) -> None:
        self.into, self.out, self.rate = into, out, rate
        self.running = self.closed = False
        self.block: Callable[[bytes], bytes] = lambda _: b""
        self.stumbled: Callable[[], None] = lambda: None

    @property
    def duplex(self) -> bool:
        return self.into is not None and self.out is not None

    def start(self) -> None:
        self.running = True

    def abort(self) -> None:
        self.running = False

    def close(self) -> None:
        self.closed = True


class Rack:
    """What is plugged in, and what was opened."""

    def __init__(self) -> None:
        self.cards = {"input": {"usb": USB, "boom": MICROPHONE}, "output": {"usb": USB, "hdmi": HDMI}}
        self.half_duplex = False
        self.opened: list[FakeStream] = []

    def find(self, wanted: str, direction: str) -> Card:
        try:
            return self.cards[direction][wanted]
        except KeyError:
            raise DeviceError("card", "not found", "plug it in") from None

    def open(self, into: Side | None, out: Side | None) -> FakeStream:
        if self.half_duplex and into and out:
            raise DeviceError("card", "cannot do both", "nothing")
        side = into or out
        assert side is not None
        self.opened.append(FakeStream(into, out, side.card.default_rate))
        return self.opened[-1]

    def now(self, *, into: bool, out: bool) -> FakeStream:
        return next(each for each in self.opened[::-1] if (each.into is not None, each.out is not None) == (into, out))


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> Rack:
    made = Rack()
    monkeypatch.setattr(card_sound, "driver", lambda: None)
    monkeypatch.setattr(card_sound, "find", made.find)
    monkeypatch.setattr(card_sound, "open_stream", made.open)
    monkeypatch.setattr(card_sound, "set_levels", lambda *asked: levels.append(asked))
    monkeypatch.setattr(card_sound, "BRIEF_S", 0.1)
    levels.clear()
    return made


levels: list[tuple[Any, ...]] = []


class Played:
    """A CardSound with everything that it said."""

    def __init__(self, microphone: str, speaker: str, **audio: Any) -> None:
        self.dsp = DspThread()
        settings = AudioSettings(microphone=microphone, speaker=speaker, **audio)
        self.sound = CardSound(settings, self.dsp, PlaybackBuffer(0.0))
        self.heard: list[MicChunk] = []
        self.drains: list[int] = []
        self.faults: list[str] = []
        self.drained = self.drains.append
        self.sound.open(self, self)
        until(lambda: bool(self.faults) or all(side.stream for side in (self.sound.speaker, self.sound.microphone)))

    def failed(self, error: DeviceError) -> None:
        self.faults.append(str(error))

    def listen(self) -> None:
        self.sound.listen(self.heard.append)

    def close(self) -> None:
        self.sound.listen(None)
        for side in (self.sound.microphone, self.sound.speaker):
            self.sound.close(side)
        self.dsp.close()


@pytest.fixture
def play(rack: Rack) -> Iterator[Callable[..., Played]]:
    del rack
    made: list[Played] = []

    def start(*names: str, **audio: Any) -> Played:
        made.append(Played(*names, **audio))
        return made[-1]

    yield start
    for each in made:
        each.close()


def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "took too long"
        time.sleep(0.005)


def test_one_card_has_one_stream_which_runs_while_either_side_is_wanted(
    rack: Rack, play: Callable[..., Played]
) -> None:
    box = play("usb", "usb")
    (stream,) = rack.opened
    assert stream.duplex
    assert isinstance(box.sound.microphone.stream, SharedStream)
    assert not stream.running
    box.listen()
    until(lambda: stream.running)
    for _ in range(2):
        assert len(stream.block(bytes(960))) == 960
    until(lambda: len(box.heard) == 1)
    box.sound.listen(None)
    stream.block(bytes(960))
    stream.block(bytes(960))
    until(lambda: not stream.running)
    assert len(box.heard) == 1
    box.sound.buffer.write(bytes(SPEAKER_FORMAT.bytes_in(0.02)))
    box.sound.wake()
    until(lambda: stream.running)
    for _ in range(4):
        stream.block(bytes(960))
    assert len(box.heard) == 1, "an answer opens nobody's microphone"
    until(lambda: not stream.running)


def test_two_cards_have_two_streams_and_what_is_played_meets_its_echo(
    rack: Rack, play: Callable[..., Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = play("boom", "hdmi")
    into, out = rack.now(into=True, out=False), rack.now(into=False, out=True)
    assert (into.rate, out.rate) == (44100, 48000)
    box.listen()
    until(lambda: into.running)
    assert not out.running, "silence needs no stream"
    fed: list[Any] = []
    monkeypatch.setattr(box.dsp, "feed", fed.append)
    box.sound.buffer.write(np.full(2400, 5000, dtype="<i2").tobytes())
    played = [out.block(b"") for _ in range(2)]
    for number in range(4):
        into.block(bytes([number]) * 882)
    assert [(block.rate_out, block.played) for block in fed] == [
        (48000, played[1]),
        *2 * [(48000, bytes(960))],
    ]
    assert [block.captured[0] for block in fed] == [0, 1, 2], "one block later, so that its reference surely is there"
    fed.clear()
    box.listen()
    for number in (7, 8):
        into.block(bytes([number]) * 882)
    assert [block.captured[0] for block in fed] == [7], "who begins to listen hears nothing from before"


@pytest.mark.parametrize("names", [("usb", "usb"), ("boom", "hdmi")])
def test_what_the_driver_reports_reaches_the_echo_gate(
    rack: Rack, play: Callable[..., Played], monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    box = play(*names)
    box.listen()
    duplex = names == ("usb", "usb")
    into = rack.now(into=True, out=duplex)
    until(lambda: into.running)
    doubts: list[None] = []
    monkeypatch.setattr(box.dsp, "doubt", lambda: doubts.append(None))
    monkeypatch.setattr(box.dsp, "feed", ignore)
    heard = bytes(2 * into.rate // 100)
    for _ in range(5):
        into.block(heard)
    assert not doubts
    streams = {id(each): each for each in (into, rack.now(into=duplex, out=True))}.values()
    for count, stream in enumerate(streams, start=1):
        stream.stumbled()
        assert len(doubts) == count, "before the block that follows"
        into.block(heard)
    box.sound.listen(None)
    for stream in streams:
        stream.stumbled()
    assert len(doubts) == len(streams), "nothing is measured while nobody listens"


def test_blocks_that_were_lost_between_two_streams_reach_the_echo_gate(
    rack: Rack, play: Callable[..., Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = play("boom", "hdmi")
    box.listen()
    into, out = rack.now(into=True, out=False), rack.now(into=False, out=True)
    doubts: list[None] = []
    monkeypatch.setattr(box.dsp, "doubt", lambda: doubts.append(None))
    monkeypatch.setattr(box.dsp, "feed", ignore)
    until(lambda: into.running)
    for _ in range(3):
        out.block(b"")
        into.block(bytes(882))
    assert not doubts
    for _ in range(2 * MOST):
        out.block(b"")
    into.block(bytes(882))
    assert len(doubts) == 1


def test_a_card_that_cannot_do_both_at_once_gets_two_streams(rack: Rack, play: Callable[..., Played]) -> None:
    rack.half_duplex = True
    box = play("usb", "usb")
    assert [stream.duplex for stream in rack.opened] == [False, False]
    assert not box.faults


def test_a_speaker_works_without_its_microphone_and_takes_it_in_when_it_comes(
    rack: Rack, play: Callable[..., Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hardware.sound.supervisor.RETRY_S", 0.1)
    boom = rack.cards["input"].pop("boom")
    box = play("boom", "hdmi")
    until(lambda: bool(box.faults))
    assert box.faults == ["microphone 'boom': not found (plug it in)"]
    until(lambda: box.sound.speaker.stream is not None)
    rack.cards["input"]["boom"] = boom
    until(lambda: box.sound.microphone.stream is not None)
    assert not rack.now(into=False, out=True).closed


def test_a_dead_microphone_is_opened_again(rack: Rack, play: Callable[..., Played]) -> None:
    one, two = play("usb", "usb"), play("boom", "hdmi")
    for box, count in ((one, 4), (two, 5)):
        box.sound.reopen_microphone()
        until(lambda count=count: len(rack.opened) == count)  # type: ignore[misc] # a default is what binds it
    assert rack.opened[0].closed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dsp_thread_that_died_is_a_fault_and_replaced(
    rack: Rack, play: Callable[..., Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"HEARTBEAT_S": 0.1, "FIRST_BEAT_S": 0.3, "RETRY_S": 0.1}.items():
        monkeypatch.setattr(f"hardware.sound.supervisor.{name}", seconds)
    box = play("usb", "usb")

    def heard() -> bool:
        rack.opened[-1].block(bytes(960))
        return bool(box.heard)

    box.listen()
    until(lambda: rack.opened[0].running)
    until(heard)
    box.dsp.feed(
        Block(Capture(48000, 1, 1, wide=False), b"\0\0", 48000, bytes(960), box.heard.append)
    )  # somewhere a bug
    until(lambda: not box.dsp.alive)
    until(lambda: bool(rack.opened[0].block(bytes(960)) and box.faults))
    assert box.faults[0].startswith("microphone 'usb': stopped delivering")
    box.heard.clear()
    until(heard)
    assert len(rack.opened) == 1, "the speaker went on"
    until(lambda: bool(rack.opened[0].block(bytes(960))) and box.sound.microphone.fault is None)


def test_levels_are_set_whenever_a_card_is_opened(rack: Rack, play: Callable[..., Played]) -> None:
    del rack
    play("boom", "hdmi", capture_percent=70, playback_percent=50)
    assert (0, "playback", 50) in levels
    assert (2, "capture", 70) in levels


def test_a_speaker_that_must_not_sleep_runs_and_rustles(rack: Rack, play: Callable[..., Played]) -> None:
    play("usb", "usb", keep_alive_s=60.0)
    until(lambda: rack.opened[0].running)
    assert 0 < np.abs(np.frombuffer(rack.opened[0].block(bytes(960)), dtype="<i2")).max() <= 1


def test_a_card_behind_a_sound_server_gets_two_streams(rack: Rack, play: Callable[..., Played]) -> None:
    server = Card(5, "pulse", 32, 44100)
    rack.cards = {"input": {"pulse": server}, "output": {"pulse": server}}
    play("pulse", "pulse")
    assert sorted(stream.duplex for stream in rack.opened) == [False, False]


def test_glitches_stay_counted_when_a_card_is_opened_again(rack: Rack, play: Callable[..., Played]) -> None:
    box = play("usb", "usb")
    sides = box.sound.microphone, box.sound.speaker
    rack.opened[0].glitches = 3
    assert [box.sound.glitches(side) for side in sides] == [3, 3]
    rack.half_duplex = True  # now the microphone gets a stream of its own
    for side in sides[::-1]:
        old = {side.stream, None}
        side.reopen()
        box.sound.wake()
        until(lambda side=side, old=old: side.stream not in old)  # type: ignore[misc] # a default is what binds it
    rack.now(into=False, out=True).glitches = 1
    rack.now(into=True, out=False).glitches = 2
    assert [box.sound.glitches(side) for side in sides] == [5, 4]
