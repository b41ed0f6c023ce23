"""The microphone's path: what each chunk does to utterance, turn machine and sound card, and when nobody listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent import config
from agent.hearing import ear
from agent.metrics import TurnRecord
from agent.mic_path import ECHO_S, MicPath
from agent.turn.events import Event, HearsAgain, SpeechEnded, SpeechStarted
from agent.turn.phase import Phase
from agent.uplink.utterance import Kind, Utterance
from hardware.ports import CHUNK_BYTES, CHUNK_S, Echo, MicChunk, Trust
from hardware.simulated.clock import run_virtual
from tests.support.stage import play, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from agent.conversation.conversation import Conversation
    from agent.turn.machine import Turn
    from hardware.ports import DeviceError, Devices

VOICE, SILENCE = b"\1\0" * (CHUNK_BYTES // 2), bytes(CHUNK_BYTES)
START, END = 6, 40
"""Chunks of voice that begin an utterance, and more than enough of silence to end it."""


@pytest.fixture(autouse=True)
def whatever_is_not_silence_is_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "webrtc_detector", lambda *_: lambda chunk: chunk != SILENCE)


class Microphone:
    def __init__(self) -> None:
        self.callbacks: tuple[Any, ...] | None = None
        self.speaking: list[bool] = []
        self.over_answers = 0
        self.false_alarms = self.overheards = 0

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        self.callbacks = on_chunk, on_fault

    def stop(self) -> None:
        self.callbacks = None

    def speech(self, *, on: bool, over_answer: bool = False) -> None:
        self.speaking.append(on)
        self.over_answers += on and over_answer

    def false_alarm(self) -> None:
        self.false_alarms += 1

    def overheard(self) -> None:
        self.overheards += 1


class Acoustics:
    def __init__(self) -> None:
        self.chunks: list[tuple[bool, bool]] = []
        self.utterances: list[tuple[int, bool]] = []
        self.lengths: list[float] = []

    def chunk(self, _: MicChunk, __: float, *, voiced: bool, learn: bool) -> None:
        self.chunks.append((voiced, learn))

    def begun(self, utterance: int, _: float, *, over_answer: bool) -> None:
        self.utterances.append((utterance, over_answer))

    def ended(self, utterance: int, seconds: float) -> None:
        assert utterance == 3
        self.lengths.append(seconds)


class Box:
    """A path between a microphone and a conversation; the turn machine does as it is told."""

    def __init__(self, phase: Phase = Phase.LISTENING, **sections: Any) -> None:
        settings = config.override(config.Settings(), sections, where="test")
        self.microphone, self.acoustics = Microphone(), Acoustics()
        self.audible = False
        self.speaker = self.dialogue = self
        self.phase = phase
        self.told: list[Event] = []
        self.recording: Utterance | None = None
        self.heard: list[tuple[bytes, bool]] = []
        self.ends: list[tuple[float, bool]] = []
        self.watched: list[float] = []
        self.offering = True
        self.voices: list[float] = []
        self.path = MicPath(
            settings, cast("Devices", self), cast("Turn", self), cast("Conversation", self), self.dispatch
        )
        self.path.acoustics = cast("Any", self.acoustics)

    def dispatch(self, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, SpeechStarted) and self.recording is None:
            self.open_utterance(self.path.ear.pre_roll(event.pre_roll_s))
        elif isinstance(event, SpeechEnded):
            self.path.end_utterance()

    def open_utterance(self, pre_roll: bytes = b"") -> None:
        self.recording = Utterance(3, Kind.LIVE, pcm=bytearray(pre_roll))

    def hear(self, chunk: bytes, *, quiet: bool) -> None:
        assert self.recording is not None
        self.recording.pcm += chunk
        self.heard.append((chunk, quiet))

    def end_utterance(self, speech_ended_at: float, *, listening: bool) -> None:
        self.ends.append((speech_ended_at, listening))
        self.recording = None

    def voiced(self, now: float) -> None:
        self.voices.append(now)

    def watch_playback(self, now: float) -> None:
        self.watched.append(now)

    async def hears(self, pcm: bytes, chunks: int = 1, *, trusted: bool = True) -> None:
        for _ in range(chunks):
            await asyncio.sleep(CHUNK_S)
            self.path.chunk(MicChunk.plain(pcm, trusted=trusted))


def at_a_box(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(scene())


def test_opening_listens_afresh_and_closing_ends_it() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(VOICE, START - 1)

        def fault(_: DeviceError) -> None:
            pass

        box.path.open(box.path.chunk, fault)
        assert box.microphone.callbacks == (box.path.chunk, fault)
        assert box.path.ear.pre_roll(1.0) == b""
        await box.hears(VOICE, START - 1)
        assert box.told == []  # what was heard before is no part of it
        box.path.close()
        assert box.microphone.callbacks is None

    at_a_box(scene)


def test_an_utterance_begins_with_its_pre_roll_and_no_chunk_is_in_it_twice_or_missing() -> None:
    async def scene() -> None:
        box = Box(endpointer={"pre_roll_ms": 200})
        await box.hears(SILENCE, 30)
        assert (box.told, box.heard) == ([], [])
        await box.hears(VOICE, START)
        assert box.told == [SpeechStarted(0.2)]
        assert box.recording is not None
        assert box.recording.pcm == SILENCE * (10 - START) + VOICE * START
        await box.hears(VOICE, 2)
        assert box.recording.pcm == SILENCE * (10 - START) + VOICE * (START + 2)

    at_a_box(scene)


def test_each_chunk_of_an_utterance_is_heard_with_whether_anybody_speaks_in_it() -> None:
    async def scene() -> None:
        box = Box()
        box.open_utterance()
        await box.hears(VOICE)
        await box.hears(SILENCE)
        assert box.heard == [(VOICE, False), (SILENCE, True)]

    at_a_box(scene)


def test_what_the_endpointer_ended_was_over_when_the_last_word_was() -> None:
    async def scene() -> None:
        box = Box(endpointer={"end_silence_ms": 800})
        await box.hears(VOICE, 20)
        box.phase = Phase.HEARING
        while not box.ends:
            await box.hears(SILENCE)
        assert box.told[1:] == [SpeechEnded()]
        ((ended_at, listening),) = box.ends
        assert ended_at == pytest.approx(asyncio.get_running_loop().time() - 0.8, abs=1e-6)
        assert listening

    at_a_box(scene)


def test_what_a_finger_ended_is_over_now() -> None:
    async def scene() -> None:
        box = Box(Phase.TALKING)
        box.open_utterance()
        await box.hears(VOICE, 20)
        box.phase = Phase.ASLEEP
        box.path.end_utterance()
        assert box.ends == [(asyncio.get_running_loop().time(), False)]

    at_a_box(scene)


def test_after_an_end_by_the_endpointer_an_end_by_a_finger_is_now_again() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(VOICE, 20)
        await box.hears(SILENCE, END)
        box.open_utterance()
        box.path.end_utterance()
        assert box.ends[1] == (asyncio.get_running_loop().time(), True)

    at_a_box(scene)


def test_after_an_end_only_fresh_speech_begins_another() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(VOICE, START)
        box.path.end_utterance()
        await box.hears(VOICE, START - 1)
        assert box.told == [SpeechStarted(0.4)]
        await box.hears(VOICE)
        assert box.told == [SpeechStarted(0.4)] * 2

    at_a_box(scene)


def test_the_microphone_is_told_while_somebody_speaks() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(SILENCE, 10)
        assert box.microphone.speaking == []
        await box.hears(VOICE, START)
        assert box.microphone.speaking == [True]
        await box.hears(SILENCE, END)
        assert set(box.microphone.speaking[1:]) == {False}
        box.path.end_utterance()  # by a finger
        assert box.microphone.speaking[-1] is False

    at_a_box(scene)


def test_a_finger_that_ends_an_utterance_ends_the_speech_in_it() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(VOICE, START)
        box.path.end_utterance()
        assert box.microphone.speaking == [True, False]

    at_a_box(scene)


@pytest.mark.parametrize(("phase", "pre_roll_s"), [(Phase.ANSWERING, 0.6), (Phase.LISTENING, 0.4)])
def test_a_voice_over_an_answer_reaches_farther_back_and_is_known_as_such(phase: Phase, pre_roll_s: float) -> None:
    async def scene() -> None:
        box = Box(phase)
        await box.hears(VOICE, START)
        assert box.told == [SpeechStarted(pre_roll_s)]
        assert box.acoustics.utterances == [(3, phase is Phase.ANSWERING)]
        assert box.microphone.over_answers == (phase is Phase.ANSWERING)

    at_a_box(scene)


def test_a_voice_in_an_utterance_that_a_button_opened_did_not_begin_it() -> None:
    async def scene() -> None:
        box = Box(Phase.TALKING)
        box.open_utterance()
        await box.hears(VOICE, START)
        assert box.told == [SpeechStarted(0.4)]
        assert box.acoustics.utterances == []

    at_a_box(scene)


def test_a_voice_that_the_turn_machine_does_not_want_began_nothing() -> None:
    async def scene() -> None:
        box = Box()
        box.path._dispatch = box.told.append
        await box.hears(VOICE, START)
        assert box.acoustics.utterances == []
        await box.hears(SILENCE, END)
        assert box.acoustics.lengths == []

    at_a_box(scene)


def test_the_length_of_an_utterance_is_told_when_the_endpointer_ends_it() -> None:
    async def scene() -> None:
        box = Box(endpointer={"pre_roll_ms": 200})
        await box.hears(SILENCE, 10)
        await box.hears(VOICE, START + 10)
        await box.hears(SILENCE, END)
        (seconds,) = box.acoustics.lengths
        assert box.ends
        assert seconds == pytest.approx(CHUNK_S * (10 + len(box.heard)))

    at_a_box(scene)


def test_every_chunk_tells_of_the_place_and_of_what_has_been_played() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(VOICE)
        box.phase = Phase.TALKING
        await box.hears(SILENCE)
        assert box.acoustics.chunks == [(True, True), (False, False)]  # voiced, to learn from: not while it is held
        now = asyncio.get_running_loop().time()
        assert box.watched == pytest.approx([now - CHUNK_S, now])

    at_a_box(scene)


def test_a_voice_is_told_from_its_first_chunk_on_unless_it_is_the_boxs_own() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        await box.hears(VOICE, 3)
        box.audible = False
        await asyncio.sleep(ECHO_S)
        await box.hears(SILENCE)
        assert box.voices == []
        await box.hears(VOICE)
        assert box.voices == [asyncio.get_running_loop().time()]
        box.offering = False
        await box.hears(VOICE)
        assert len(box.voices) == 1  # no answer is about to begin: nobody waits for the next word

    at_a_box(scene)


def test_nothing_is_learnt_of_the_place_while_the_box_itself_sounds_or_its_echo_does() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        await box.hears(VOICE, 3)
        box.audible = False
        await box.hears(VOICE, 3)
        await asyncio.sleep(ECHO_S)
        await box.hears(VOICE)
        assert box.acoustics.chunks == [(True, False)] * 6 + [(True, True)]

    at_a_box(scene)


def test_a_false_alarm_reaches_the_microphone() -> None:
    async def scene() -> None:
        box = Box()
        path = MicPath(
            config.Settings(), cast("Devices", box), cast("Turn", box), cast("Conversation", box), box.dispatch
        )
        path.acoustics.begun(3, 0.5, over_answer=True)
        path.acoustics.came_of(TurnRecord(3), 1.0)
        assert box.microphone.false_alarms == 1

    at_a_box(scene)


# the box's own voice


@pytest.mark.parametrize(
    ("barge_in", "trusted", "over_sound", "in_its_echo"),
    [
        ("voice", False, True, True),
        ("auto", True, True, True),
        ("auto", False, False, False),
        ("button", True, False, True),
        ("button", False, False, False),
    ],
)
def test_what_may_be_the_boxs_own_voice_begins_nothing(
    barge_in: str, *, trusted: bool, over_sound: bool, in_its_echo: bool
) -> None:
    async def scene() -> None:
        box = Box(turn={"barge_in": barge_in})
        box.audible = True
        await box.hears(VOICE, START, trusted=trusted)
        assert bool(box.told) is over_sound
        box = Box(turn={"barge_in": barge_in})
        box.audible = True
        await box.hears(SILENCE)
        box.audible = False
        await box.hears(VOICE, START, trusted=trusted)
        assert bool(box.told) is in_its_echo
        await asyncio.sleep(ECHO_S)
        await box.hears(VOICE, START, trusted=trusted)
        assert box.told  # it is over

    at_a_box(scene)


def test_what_is_heard_while_deaf_is_in_the_pre_roll_all_the_same() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        await box.hears(VOICE, 10, trusted=False)
        assert box.path.ear.pre_roll(0.2) == VOICE * 10

    at_a_box(scene)


def test_what_sounds_like_a_voice_while_deaf_reaches_the_microphone() -> None:
    async def scene() -> None:
        box = Box()
        await box.hears(VOICE, 20)
        assert box.microphone.overheards == 0
        box.audible = True
        await box.hears(VOICE, 9, trusted=False)
        assert box.microphone.overheards == 1
        await box.hears(SILENCE, 20, trusted=False)
        assert box.microphone.overheards == 1

    at_a_box(scene)


def test_after_its_own_words_the_box_tells_that_it_hears_again() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        await box.hears(VOICE, 100, trusted=False)
        box.audible = False
        await box.hears(SILENCE, 40, trusted=False)
        assert box.told == [HearsAgain(missed=True)]

    at_a_box(scene)


def test_who_speaks_as_its_words_end_is_recorded_and_nothing_is_told() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        await box.hears(VOICE, 100, trusted=False)
        box.audible = False
        await box.hears(VOICE, 30, trusted=False)
        assert box.told == [SpeechStarted(0.4)]
        await box.hears(SILENCE, 60, trusted=False)
        assert box.told == [SpeechStarted(0.4), SpeechEnded()]

    at_a_box(scene)


def test_words_in_which_no_chunk_was_deaf_are_not_told_of_nor_those_before_the_microphone_was_opened() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        await box.hears(SILENCE, 100, trusted=True)
        box.audible = False
        await box.hears(SILENCE, 40, trusted=True)
        box.audible = True
        await box.hears(SILENCE, 100, trusted=False)
        box.path.open(box.path.chunk, lambda _: None)
        box.audible = False
        await box.hears(SILENCE, 40, trusted=False)
        assert box.told == []

    at_a_box(scene)


def heard(pcm: bytes, trust: Trust, echo: Echo) -> MicChunk:
    return MicChunk(pcm, pcm, trust, echo=echo, cleaned_dbfs=-30.0)


def test_a_sentence_that_runs_over_the_end_of_an_answer_begins_where_it_was_told_from_the_echo() -> None:
    async def scene() -> None:
        box = Box()
        box.audible = True
        for pcm, chunks in ((SILENCE, 50), (VOICE, 40)):
            for _ in range(chunks):
                await asyncio.sleep(CHUNK_S)
                box.path.chunk(heard(pcm, Trust.SHAKEN, Echo.MIXED))
        box.audible = False
        while not box.told:
            await asyncio.sleep(CHUNK_S)
            box.path.chunk(heard(VOICE, Trust.SHAKEN, Echo.CLEAR))
        (started,) = box.told
        assert isinstance(started, SpeechStarted)
        assert 1.1 < started.pre_roll_s < 1.4
        assert box.recording is not None
        assert box.recording.pcm == VOICE * round(started.pre_roll_s / CHUNK_S)

    at_a_box(scene)


def test_it_is_deaf_to_its_own_voice_for_a_moment_longer_than_it_speaks() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(0.5)
            mic, now = s.agent.mic, asyncio.get_running_loop().time
            s.box.speaker.chime(bytes(4800))
            for deaf, after_s in ((True, 0.0), (True, 0.2), (False, 0.4)):
                await asyncio.sleep(after_s)
                assert mic._sounding(now()) is deaf

    play(scene())
