import math
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent import simulator
from agent.config import EndpointerSettings, Settings, TurnSettings
from agent.errors import ConfigError
from agent.hearing import ear
from agent.hearing.ear import Ear, timings
from agent.hearing.endpointer import Edge, Timings
from agent.simulator.sound import read_wav
from hardware.ports import CHUNK_BYTES, Echo, MicChunk, Trust

QUESTION = Path(simulator.__file__).parent / "assets" / "questions" / "gauge.wav"
SILENCE = bytes(CHUNK_BYTES)
VOICE = array("h", [1000] * (CHUNK_BYTES // 2)).tobytes()


def plain(pcm: bytes) -> MicChunk:
    return MicChunk.plain(pcm, trusted=True)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Ear:
    """Return an ear whose detector takes every chunk that is not silent for voice."""
    asked: list[int] = []

    def detector(aggressiveness: int, _: object) -> object:
        asked.append(aggressiveness)
        return lambda chunk: chunk != SILENCE

    monkeypatch.setattr(ear, "webrtc_detector", detector)
    made = Ear(Settings(endpointer=EndpointerSettings(aggressiveness=2)))
    assert asked == [2]
    return made


def numbered(number: int) -> bytes:
    return number.to_bytes(2, "little") * (CHUNK_BYTES // 2)


def edges(listener: Ear, chunk: bytes, count: int, *, deaf: bool = False) -> list[Edge]:
    told = [listener.feed(plain(chunk), deaf=deaf) for _ in range(count)]
    return [edge for edge in told if edge is not None]


def test_speech_edges_come_from_the_endpointer(listening: Ear) -> None:
    assert edges(listening, VOICE, 6) == [Edge.START]
    assert edges(listening, SILENCE, 40) == [Edge.END]


def test_a_deaf_ear_reports_no_edge_but_remembers(listening: Ear) -> None:
    assert edges(listening, VOICE, 20, deaf=True) == []
    assert listening.pre_roll(0.1) == VOICE * 5
    assert edges(listening, VOICE, 5) == []  # what was heard while deaf is no evidence either


def test_the_endpointer_hears_one_signal_and_the_model_the_other(listening: Ear) -> None:
    told = [listening.feed(MicChunk(SILENCE, VOICE, Trust.ECHO_FREE), deaf=False) for _ in range(6)]
    assert told[-1] is Edge.START
    assert listening.pre_roll(0.04) == SILENCE * 2


def test_what_is_left_of_an_echo_is_no_voice() -> None:
    question, _ = read_wav(QUESTION)
    frames = [question[at : at + CHUNK_BYTES] for at in range(0, len(question) - CHUNK_BYTES, CHUNK_BYTES)]
    for echo in (Echo.MIXED, Echo.RESIDUE):
        listener = Ear(Settings())
        told = [
            listener.feed(MicChunk(each, each, Trust.TRUSTED, echo=echo), deaf=False)
            for each in [SILENCE] * 50 + frames
        ]
        assert (Edge.START in told) is (echo is Echo.MIXED)


@pytest.mark.parametrize(("echo", "chunks"), [(Echo.NONE, 6), (Echo.MIXED, 4), (Echo.CLEAR, 3)])
def test_a_voice_over_an_answer_needs_less_to_begin_the_less_echo_there_is_in_it(
    listening: Ear, echo: Echo, chunks: int
) -> None:
    for _ in range(60):
        listening.feed(MicChunk(SILENCE, SILENCE, Trust.TRUSTED, echo=Echo.RESIDUE, cleaned_dbfs=-90.0), deaf=False)
    heard = MicChunk(VOICE, VOICE, Trust.TRUSTED, echo=echo, cleaned_dbfs=-30.0)
    assert [listening.feed(heard, deaf=False) for _ in range(chunks)] == [None] * (chunks - 1) + [Edge.START]


def test_what_was_there_before_the_answer_does_not_interrupt_it_until_the_microphone_is_opened_again(
    listening: Ear,
) -> None:
    hum = MicChunk(SILENCE, SILENCE, Trust.ECHO_FREE, cleaned_dbfs=-35.0)
    voice = MicChunk(VOICE, VOICE, Trust.TRUSTED, echo=Echo.MIXED, cleaned_dbfs=-30.0)
    for _ in range(500):
        listening.feed(hum, deaf=False)
    assert {listening.feed(voice, deaf=False) for _ in range(20)} == {None}
    listening.forget()
    assert Edge.START in [listening.feed(voice, deaf=False) for _ in range(6)]


def test_an_utterance_is_no_background_to_the_next(listening: Ear) -> None:
    voice = MicChunk(VOICE, VOICE, Trust.TRUSTED, echo=Echo.MIXED, cleaned_dbfs=-30.0)
    pause = MicChunk(SILENCE, SILENCE, Trust.TRUSTED, echo=Echo.MIXED, cleaned_dbfs=-70.0)
    told = [listening.feed(each, deaf=False) for each in [voice] * 300 + [pause] * 60 + [voice] * 10]
    assert [edge for edge in told if edge is not None] == [Edge.START, Edge.END, Edge.START]


def test_a_deaf_ear_tells_what_sounds_like_speech_and_a_hearing_one_acts_on_it(listening: Ear) -> None:
    told = []
    for deaf in (True, False):
        for _ in range(9):
            listening.feed(plain(VOICE), deaf=deaf)
            told.append(listening.overheard)
    assert told == [False] * 8 + [True] + [False] * 9


def test_the_pre_roll_is_the_last_that_was_heard_as_far_as_the_ring_goes_back(listening: Ear) -> None:
    assert listening.pre_roll(0.4) == b""
    for number in range(110):
        listening.feed(plain(numbered(number)), deaf=True)
    assert listening.pre_roll(0.0) == b""
    assert listening.pre_roll(0.04) == numbered(108) + numbered(109)
    assert listening.pre_roll(99.0) == b"".join(map(numbered, range(10, 110)))


def in_an_echo(pcm: bytes, echo: Echo) -> MicChunk:
    return MicChunk(pcm, pcm, Trust.LEARNING, echo=echo)


@pytest.mark.parametrize(
    ("echo", "reach_s"),
    [(Echo.NONE, 0.8), (Echo.CLEAR, 0.8), (Echo.MIXED, 0.8), (Echo.RESIDUE, 0.2), (Echo.UNKNOWN, 0.2)],
)
def test_a_voice_that_runs_out_of_a_deaf_stretch_is_reached_back_to_where_it_began_if_that_can_be_told(
    listening: Ear, echo: Echo, reach_s: float
) -> None:
    for pcm, deaf, count in ((SILENCE, True, 40), (VOICE, True, 20), (SILENCE, True, 10), (VOICE, False, 10)):
        for _ in range(count):
            listening.feed(in_an_echo(pcm, echo), deaf=deaf)
    assert listening.reach_s == pytest.approx(reach_s)


def test_two_sentences_in_a_deaf_stretch_are_two(listening: Ear) -> None:
    for pcm, deaf, count in ((VOICE, True, 20), (SILENCE, True, 16), (VOICE, True, 5), (VOICE, False, 6)):
        for _ in range(count):
            listening.feed(in_an_echo(pcm, Echo.CLEAR), deaf=deaf)
    assert listening.reach_s == pytest.approx(0.22)


def test_a_voice_that_began_in_a_hearing_ear_is_not_reached_back_to(listening: Ear) -> None:
    edges(listening, VOICE, 5)
    assert listening.reach_s == 0.0
    edges(listening, SILENCE, 5, deaf=True)
    edges(listening, SILENCE, 26)
    edges(listening, VOICE, 6)
    assert listening.reach_s == 0.0


@pytest.mark.parametrize("forget", [Ear.restart, Ear.forget])
def test_what_belongs_to_another_utterance_is_not_reached_back_to(
    listening: Ear, forget: Callable[[Ear], None]
) -> None:
    edges(listening, VOICE, 5, deaf=True)
    edges(listening, VOICE, 3)
    assert listening.reach_s > 0
    forget(listening)
    assert listening.reach_s == 0.0
    edges(listening, VOICE, 3)
    assert listening.reach_s <= 0.06


def test_the_ring_holds_the_longest_pre_roll_that_can_be_configured(listening: Ear) -> None:
    edges(listening, VOICE, 60)
    assert len(listening.pre_roll(0.9)) == 45 * CHUNK_BYTES


@pytest.mark.parametrize("peak", [16384, -16384])
def test_the_level_is_the_peak_of_the_last_chunk(listening: Ear, peak: int) -> None:
    listening.feed(plain(array("h", [peak] * 320).tobytes()), deaf=True)
    assert listening.level == 0.5
    listening.feed(plain(SILENCE), deaf=True)
    assert listening.level == 0.0


def test_the_level_of_the_loudest_and_of_any_tone_is_at_most_one(listening: Ear) -> None:
    listening.feed(plain(array("h", [-32768] * 320).tobytes()), deaf=True)
    assert listening.level == 1.0
    tone = array("h", (round(10_000 * math.sin(math.tau * 440 * index / 16_000)) for index in range(320)))
    listening.feed(plain(tone.tobytes()), deaf=True)
    assert listening.level == pytest.approx(10_000 / 32768, rel=0.02)


def test_forgetting_leaves_nothing_of_what_was_heard(listening: Ear) -> None:
    edges(listening, VOICE, 5)
    listening.forget()
    assert listening.pre_roll(1.0) == b""
    assert listening.level == 0.0
    assert edges(listening, VOICE, 5) == []


def test_a_restart_asks_for_fresh_speech_and_keeps_the_pre_roll(listening: Ear) -> None:
    assert edges(listening, VOICE, 6) == [Edge.START]
    listening.restart()
    assert listening.pre_roll(1.0) == VOICE * 6
    assert edges(listening, VOICE, 5) == []
    assert edges(listening, VOICE, 1) == [Edge.START]


def test_the_configured_times_become_frames() -> None:
    assert timings(Settings()) == Timings()
    chosen = EndpointerSettings(
        start_voiced_ms=100, start_window_ms=140, end_silence_ms=1000, end_voiced_percent=5, minimum_ms=300
    )
    assert timings(Settings(endpointer=chosen, turn=TurnSettings(max_utterance_s=30.0))) == Timings(
        start_voiced=5, start_window=7, end_window=50, end_voiced_share=0.05, minimum=15, maximum=1500
    )


def test_no_time_becomes_less_than_one_frame() -> None:
    shortest = replace(EndpointerSettings(), start_voiced_ms=5, start_window_ms=5, minimum_ms=5)
    frames = timings(Settings(endpointer=shortest))
    assert (frames.start_voiced, frames.start_window, frames.minimum) == (1, 1, 1)


def test_a_second_opinion_is_asked_where_it_is_wanted_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(endpointer=EndpointerSettings(silero=True))
    heard = MicChunk.plain(bytes(CHUNK_BYTES), trusted=True)
    assert Ear(settings).feed(heard, deaf=False) is None

    def missing() -> None:
        raise ImportError

    monkeypatch.setattr("agent.hearing.ear.silero", missing)
    with pytest.raises(ConfigError, match=r"\[endpointer\] silero.*silero"):
        Ear(settings)


def test_a_second_opinion_is_asked_over_an_answer_that_a_voice_may_interrupt_and_not_where_none_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    class Network:
        def __call__(self, audio: bytes) -> float:
            asked.append(len(audio))
            return 0.0

        def reset(self) -> None:
            pass

    monkeypatch.setattr(ear, "silero", Network)
    monkeypatch.setattr(ear, "webrtc_detector", lambda *_: lambda _: True)
    heard = MicChunk(VOICE, VOICE, Trust.TRUSTED)
    for deaf in (True, False):
        listener = Ear(Settings(endpointer=EndpointerSettings(silero=True)))
        assert {listener.feed(heard, deaf=deaf) for _ in range(20)} == {None}, "the network does not believe it"
        assert bool(asked) is not deaf
