"""Streams at the card's own rate, in the card's own shape, with a PortAudio that takes only one of each."""

from __future__ import annotations

import resource
import time
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hardware.ports import DeviceError
from hardware.settings import AudioSettings
from hardware.sound import card_sound, cards, streams
from hardware.sound.card_sound import CardSound, ignore
from hardware.sound.cards import Card
from hardware.sound.dsp_thread import Block, Capture
from hardware.sound.spin import SPIN_BLOCKS
from hardware.sound.streams import CardStream, Side, open_stream
from hardware.tuning.rig import Recorder


class FakeDriver:
    """Takes one rate, one depth, one number of channels in and one out."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rate: int, *, into: int = 1, out: int = 1, depth: str = "int16") -> None:
        self.takes = (rate, depth, {"in": into, "out": out})
        self.tried: list[tuple[int, str, Any]] = []
        self.options: dict[str, Any] = {}
        self.busy = False
        self.latency = (0.02, 0.03)

    def _open(self, channels: dict[str, int], options: dict[str, Any]) -> FakeDriver:
        rate, depth, shape = self.takes
        self.tried.append((options["samplerate"], options["dtype"], options["channels"]))
        self.options = options
        if self.busy:
            raise self.PortAudioError("Device unavailable", -9985)
        if options["samplerate"] != rate:
            raise self.PortAudioError("Invalid sample rate", -9997)
        if options["dtype"] != depth:
            raise self.PortAudioError("Sample format not supported", -9994)
        if any(shape[side] != count for side, count in channels.items()):
            raise self.PortAudioError("Invalid number of channels", -9998)
        return self

    def RawStream(self, **options: Any) -> FakeDriver:  # noqa: N802 - the library's name
        return self._open(dict(zip(("in", "out"), options["channels"], strict=True)), options)

    def RawInputStream(self, **options: Any) -> FakeDriver:  # noqa: N802 - as above
        return self._open({"in": options["channels"]}, options)

    def RawOutputStream(self, **options: Any) -> FakeDriver:  # noqa: N802 - as above
        return self._open({"out": options["channels"]}, options)

    def start(self) -> None:
        raise self.PortAudioError("Unanticipated host error", -9999)

    def abort(self) -> None:
        pass

    close = abort


def use(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> FakeDriver:
    monkeypatch.setattr(cards, "driver", lambda: driver)
    monkeypatch.setattr(streams, "driver", lambda: driver)
    return driver


def side(channels: int, channel: int = 1) -> Side:
    return Side(Card(3, "USB (hw:1,0)", channels, 44100), channel)


def words(*values: int) -> bytes:
    return np.array(values, dtype="<i2").tobytes()


@pytest.mark.parametrize("rate", [48000, 44100, 16000])
def test_one_stream_for_both_at_the_rate_of_the_hardware(monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
    fake = use(monkeypatch, FakeDriver(rate, into=1, out=2))
    stream = open_stream(side(1), side(2, 0))
    assert stream.duplex
    assert (stream.rate, stream.channels, stream.depth) == (rate, (1, 2), "int16")
    assert fake.tried[0][0] == 48000
    assert (fake.options["device"], fake.options["blocksize"]) == ((3, 3), rate // 100)
    heard: list[bytes] = []

    def block(captured: bytes) -> bytes:
        heard.append(captured)
        return words(1, 2)

    stream.block = block
    stream.stumbled = lambda: heard.append(b"a glitch")
    out = bytearray(8)
    fake.options["callback"](words(5, 6), out, 2, None, 1)
    assert heard == [b"a glitch", words(5, 6)], "told before the block that it may have displaced"
    assert out == words(1, 1, 2, 2), "on all channels"
    assert stream.glitches == 1


def test_a_card_that_is_taken_is_not_asked_a_hundred_times(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, FakeDriver(48000))
    fake.busy = True
    with pytest.raises(DeviceError, match="is busy"):
        open_stream(side(1), None)
    assert len(fake.tried) == 1


def test_a_card_that_can_do_nothing_says_what_it_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, FakeDriver(11025))
    with pytest.raises(DeviceError, match="Invalid sample rate"):
        open_stream(None, side(8, 0))
    assert {attempt[0] for attempt in fake.tried} == set(streams.COMMON_RATES)


@pytest.mark.parametrize(
    ("channels", "channel", "counts"),
    [(1, 1, (1,)), (2, 1, (1, 2)), (8, 1, (1, 2, 8)), (8, 3, (3, 8)), (2, 0, (1, 2)), (2, 4, (4,)), (0, 0, (1,))],
)
def test_few_channels_are_asked_for_first_and_never_less_than_the_chosen_one(
    channels: int, channel: int, counts: tuple[int, ...]
) -> None:
    assert side(channels, channel).counts == counts


def test_a_stereo_microphone_is_opened_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeDriver(48000, into=2))
    stream = open_stream(side(2, 2), None)
    assert stream.channels == (2, 0)
    assert not stream.duplex
    assert stream.latency_s == (0.02, 0.03)


def test_32_bit_cards_get_16_bits_in_the_upper_half(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, FakeDriver(48000, out=2, depth="int32"))
    stream = open_stream(None, side(2, 2))
    stream.block = lambda _: words(-1, 7)
    out = bytearray(16)
    fake.options["callback"](out, 2, None, 0)
    assert np.frombuffer(out, dtype="<i4").tolist() == [0, -65536, 0, 7 << 16]


def test_a_stream_that_is_started_again_is_not_taken_to_spin_still(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, FakeDriver(48000))
    fake.start = fake.abort  # type: ignore[method-assign] # this one starts
    stream = open_stream(side(1), None)
    switches = iter((500, 510, 3, 203))  # a new thread counts from 0
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_nvcsw=next(switches)))
    wall = count(0.0, 0.008)
    monkeypatch.setattr(time, "monotonic", lambda: next(wall))

    def blocks() -> None:
        for _ in range(SPIN_BLOCKS + 1):
            fake.options["callback"](words(1), 1, None, 0)

    stream.start()
    blocks()
    assert stream.spinning
    assert stream.glitches == 1, "what it plays and hears is displaced, and will be once more"
    stream.start()
    assert not stream.spinning
    blocks()
    assert not stream.spinning
    assert stream.glitches == 1


def test_a_late_callback_is_a_glitch_even_if_the_driver_does_not_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, FakeDriver(48000))
    fake.start = fake.abort  # type: ignore[method-assign] # this one starts
    stream = open_stream(side(1), None)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    glitches = []
    for late in (0.01, 0.08, 0.12, 0.01, 60.0):
        if late == 60.0:
            stream.start()  # it rested
        now += late
        fake.options["callback"](words(1), 1, None, 0)
        glitches.append(stream.glitches)
    assert glitches == [0, 0, 1, 1, 1]


def test_what_fails_later_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, FakeDriver(48000))
    stream = CardStream(None, side(1), 48000, (0, 1), "int16")
    out = bytearray(4)
    fake.options["callback"](out, 2, None, 0)
    assert out == bytes(4), "silence before anybody has anything to play"
    with pytest.raises(DeviceError, match=r"sound card 'USB \(hw:1,0\)'"):
        stream.start()
    stream.abort()
    stream.close()


def test_what_is_heard_before_the_first_output_comes_with_silence_at_the_outputs_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(card_sound, "driver", lambda: None)
    blocks: list[Block] = []
    card = CardSound(AudioSettings(), Recorder(blocks.append))
    card.listen(ignore)
    source = Capture(16000, 1, 1, wide=False)
    for _ in range(2):
        card._hear(source, bytes(320))
    card._output = SimpleNamespace(rate=48000)  # type: ignore[assignment] # all that is asked of one
    card._hear(source, bytes(320))
    assert [(each.rate_out, len(each.played)) for each in blocks] == [(16000, 320), (48000, 960)]
