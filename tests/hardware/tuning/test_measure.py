"""Tuning measures what a room was made with, and says what is wrong with it."""

from __future__ import annotations

import asyncio
import wave
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.voice.phrase import Phrase
from agent.voice.recordings import Recordings
from hardware.sound.front_end import decibels
from hardware.tuning.findings import Figures, judged
from hardware.tuning.measure import CHIRP_S, Marks, Recording, analyse, chirp, find_chirp
from hardware.tuning.session import COUNT, TuningSession, loudest
from hardware.tuning.simulated_rig import RoomModel, SimulatedRig

if TYPE_CHECKING:
    from hardware.tuning.session import TuningResult

VOICE = Recordings("en")
CHIRP = chirp(24_000)
QUESTIONS = Path(__file__).parents[3] / "agent" / "simulator" / "assets" / "questions"
QUIET_S = 1.2


def room(**special: Any) -> RoomModel:
    """At the rate that is reckoned fastest."""
    given: dict[str, Any] = {"rate": 16_000, **special}
    return RoomModel(**given)


def question() -> bytes:
    with wave.open(str(QUESTIONS / "report.wav")) as file:
        return bytes(file.readframes(file.getnframes()))


def take(room: RoomModel, pcm: bytes, seconds: float, cue: bytes = b"") -> Recording:
    return asyncio.run(SimulatedRig(room, speech=question(), cue=cue).play_and_record(pcm, seconds))


def whole(recording: Recording, step: str, known: Figures | None = None) -> Figures:
    return analyse(*recording, Marks(**{step: (0, len(recording.near))}), known)


def chirped(room: RoomModel) -> Figures:
    return whole(take(room, CHIRP, CHIRP_S + 1.2), "chirp")


def counted(room: RoomModel) -> Figures:
    spoken = VOICE.say(*COUNT)
    return whole(take(room, spoken, len(spoken) / 48_000 + 0.5), "phrase", chirped(room))


class Paper:
    def __init__(self) -> None:
        self.text = ""

    def begin(self, text: str) -> None:
        self.text += text

    def end(self, text: str) -> None:
        self.text += f" {text}\n"

    def line(self, text: str) -> None:
        self.text += f"{text}\n"


def tuned(*rooms: RoomModel, spoken: bool = True) -> tuple[TuningResult, list[SimulatedRig], str]:
    rigs: list[SimulatedRig] = []
    names = [f"mic {number}" for number in range(len(rooms))]

    def opened(microphone: str, *, speaks: bool) -> SimulatedRig:
        del speaks
        rigs.append(SimulatedRig(rooms[names.index(microphone)], microphone, question(), VOICE.say("speak_now")))
        return rigs[-1]

    paper = Paper()
    outcome = asyncio.run(TuningSession(opened, VOICE.say, paper, names, spoken=spoken).run())
    return outcome, rigs, paper.text


# the chirp


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_the_chirp_is_gentle(rate: int) -> None:
    sound = np.frombuffer(chirp(rate), dtype=np.int16).astype(int)
    assert len(sound) == CHIRP_S * rate
    assert abs(20 * np.log10(np.abs(sound).max() / 32768) + 12) < 0.2
    assert max(abs(sound[: rate // 1000]).max(), abs(sound[-rate // 1000 :]).max()) < 100
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    inside = spectrum[150:2001].sum()  # half seconds have lines 2 Hz apart
    assert inside > 0.99 * spectrum.sum()


@pytest.mark.parametrize(
    ("delay_ms", "rate"),
    [(5, 16_000), (12, 16_000), (100, 48_000), (100, 44_100), (380, 16_000), (450, 16_000), (450, 48_000)],
)
def test_the_delay_is_measured_to_the_millisecond(delay_ms: float, rate: int) -> None:
    found = chirped(RoomModel(delay_ms=delay_ms, rate=rate, noise_dbfs=-45))
    assert found.delay_ms == pytest.approx(delay_ms, abs=0.5)
    late = [each.word for each in judged(found) if "ms" in each.problem]
    assert late == ({5: ["too early"], 450: ["too late"]}.get(int(delay_ms), []))


@pytest.mark.parametrize("special", [{"drift_ppm": 200}, {"drift_ppm": -200}, {"reverberation_s": 1.0}, {"drive": 3}])
def test_neither_drift_nor_a_hall_nor_a_bad_loudspeaker_moves_it(special: dict[str, Any]) -> None:
    assert chirped(room(delay_ms=200, **special)).delay_ms == pytest.approx(200, abs=0.5)


def test_a_reference_that_comes_after_its_echo_is_a_delay_below_zero() -> None:
    near, far, rate = take(room(delay_ms=60), CHIRP, 1.7)
    found = find_chirp(near, np.roll(far, rate // 10), rate)
    assert found is not None
    assert found[0] == pytest.approx(-40, abs=0.5)


@pytest.mark.parametrize("noise_dbfs", [-20, -30, -40, -50, -60, -70])
def test_noise_neither_hides_the_chirp_nor_counts_as_its_level(noise_dbfs: float) -> None:
    found = chirped(room(noise_dbfs=noise_dbfs))  # the chirp is heard at -26 dBFS
    assert found.delay_ms == pytest.approx(60, abs=0.5)
    assert found.chirp_dbfs == pytest.approx(-25.7, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_what_was_not_played_is_not_heard(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, far, rate = take(room(), CHIRP, 1.7)
    t = np.arange(len(far)) / rate
    ringing = [np.sin(6.28 * f * t) * np.exp(-9 * t) * 3000 for f in rng.uniform(500, 6000, 6)]
    blow = np.roll(np.sum(ringing, axis=0), rate // 3)
    talk = take(room(seed=seed), b"", 1.7, cue=b"").near
    for noise in (rng.normal(0, 900, len(far)), blow + rng.normal(0, 9, len(far)), talk):
        assert find_chirp(np.clip(noise, -32768, 32767).astype(np.int16), far, rate) is None


# levels


@pytest.mark.parametrize("noise_dbfs", [-20, -45, -70])
def test_the_noise_floor_is_that_of_the_quietest_second(noise_dbfs: float) -> None:
    near, far, rate = take(room(noise_dbfs=noise_dbfs, speech_dbfs=-np.inf), b"", 2.0)
    near[: rate // 2] += np.random.default_rng(5).normal(0, 9000, rate // 2).astype(np.int16)  # a tool is put down
    assert analyse(near, far, rate, Marks(quiet=(0, len(near)))).noise_dbfs == pytest.approx(noise_dbfs, abs=1)


def test_rumble_and_an_offset_are_no_noise() -> None:
    near, far, rate = take(RoomModel(noise_dbfs=-60, speech_dbfs=-np.inf), b"", QUIET_S)
    near += (1000 + 3000 * np.sin(2 * np.pi * 20 * np.arange(len(near)) / rate)).astype(np.int16)
    assert whole(Recording(near, far, rate), "quiet").noise_dbfs == pytest.approx(-60, abs=1)


@pytest.mark.parametrize("speech_dbfs", [-15, -30, -45])
@pytest.mark.parametrize("noise_dbfs", [-70, -60])
def test_the_level_of_a_voice_leaves_out_pauses_and_noise(speech_dbfs: float, noise_dbfs: float) -> None:
    heard = take(room(noise_dbfs=noise_dbfs, speech_dbfs=speech_dbfs), b"", 3.0)
    found = whole(heard, "speech", Figures(frozenset({"quiet"}), noise_dbfs=noise_dbfs))
    assert found.speech_dbfs == pytest.approx(speech_dbfs + 2, abs=1)  # of this voice, the loudest second


def test_noise_alone_is_nobodys_voice() -> None:
    heard = take(RoomModel(noise_dbfs=-40, speech_dbfs=-np.inf), b"", 3.0)
    assert whole(heard, "speech", Figures(frozenset({"quiet"}), noise_dbfs=-40)).speech_dbfs is None


def test_clipping_is_counted_and_named() -> None:
    loud = whole(take(RoomModel(gain_db=20, speech_dbfs=-20), b"", 3.0), "speech")
    assert loud.speech_clipping > 0.01
    assert judged(loud)[0].phrases == ("tune_microphone_clipping",)
    assert whole(take(RoomModel(), b"", 3.0), "speech").speech_clipping == 0


# the echo


@pytest.mark.parametrize("echo_db", [0.0, -20.0])
def test_the_echo_is_measured_in_noise_as_in_quiet(echo_db: float) -> None:
    quiet, noisy = (counted(room(echo_db=echo_db, noise_dbfs=noise)) for noise in (-80, -50))
    assert quiet.echo_dbfs is not None
    assert noisy.echo_dbfs == pytest.approx(quiet.echo_dbfs, abs=1)
    played = decibels(take(room(), VOICE.say(*COUNT), 5.0).far)
    assert quiet.echo_dbfs == pytest.approx(played + echo_db, abs=6)


def test_an_echo_within_reach_is_taken_out_and_one_beyond_is_not() -> None:
    near, beyond = counted(room(delay_ms=380, drift_ppm=50)), counted(room(delay_ms=900))
    assert near.interruptible
    assert near.erle_db is not None
    assert near.erle_db > 25
    assert not beyond.interruptible
    assert [each.phrases[0] for each in judged(beyond)] == ["tune_delay", "tune_echo_poor"]
    assert all(each.setting == 'turn.barge_in = "button"' for each in judged(beyond))


# verdicts

GOOD = Figures(
    frozenset({"quiet", "speech", "chirp", "phrase"}), -58, -26, 0.0, -26, 60, -28, 0.0, 40, interruptible=True
)
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"dead": True}, "microphone_silent", "quiet"),
    ({"delay_ms": None, "chirp_dbfs": None, "echo_dbfs": None}, "tune_no_sound_heard", "chirp"),
    ({"speech_clipping": 0.002}, "tune_microphone_clipping", "speech"),
    ({"speech_dbfs": None}, "tune_microphone_too_quiet", "speech"),
    ({"speech_dbfs": -46.0, "noise_dbfs": -70.0, "echo_dbfs": -50.0}, "tune_microphone_too_quiet", "speech"),
    ({"delay_ms": 401.0}, "tune_delay", "chirp"),
    ({"delay_ms": 9.0}, "tune_echo_poor", "chirp"),
    ({"noise_dbfs": -40.0}, "tune_noisy_place", "speech"),
    ({"noise_dbfs": -39.0, "speech_dbfs": None}, "tune_noisy_place", "quiet"),
    ({"echo_clipping": 0.002}, "tune_speaker_too_loud", "phrase"),
    ({"echo_dbfs": -13.0}, "tune_speaker_too_loud", "phrase"),
    ({"echo_dbfs": -47.0}, "tune_speaker_too_quiet", "phrase"),
    ({"echo_dbfs": -49.0, "speech_dbfs": -30.0}, "tune_speaker_too_quiet", "phrase"),
    ({"erle_db": 10.0, "interruptible": False}, "tune_echo_poor", "phrase"),
    ({"erle_db": None, "interruptible": False}, "tune_echo_poor", "phrase"),
]


def test_a_good_box_has_nothing_wrong() -> None:
    assert judged(GOOD) == []


@pytest.mark.parametrize(("changes", "phrase", "step"), WRONG)
def test_each_fault_is_named_alone_on_one_line_and_can_be_said(changes: dict[str, Any], phrase: str, step: str) -> None:
    found = judged(replace(GOOD, **changes))
    assert [(each.phrases[0], each.about) for each in found] == [(phrase, step)]
    assert all(name in set(Phrase) for name in found[0].phrases)
    assert len(found[0].line) <= 75


def test_only_a_box_that_does_not_hear_is_unusable() -> None:
    silent = [phrase for changes, phrase, _ in WRONG if not judged(replace(GOOD, **changes))[0].usable]
    assert silent == ["microphone_silent", "tune_no_sound_heard"]


def test_causes_come_before_what_they_cause() -> None:
    all_wrong = replace(GOOD, speech_clipping=0.1, delay_ms=450, echo_dbfs=-13, erle_db=0, interruptible=False)
    spoken = [each.phrases[0] for each in judged(all_wrong)]
    assert spoken == ["tune_microphone_clipping", "tune_delay", "tune_speaker_too_loud", "tune_echo_poor"]


def test_a_quarter_of_what_is_stored_is_not_noise_of_the_arithmetic() -> None:
    figures = replace(GOOD, delay_ms=61.23456, speech_clipping=0.123456).rounded
    assert (figures["delay_ms"], figures["speech_clipping"]) == (61.2, 0.12346)
    assert set(figures) == {each.name for each in fields(Figures)} - {"measured"}


# the whole way


@pytest.fixture
def no_canceller_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.tuning.measure.cancelled", lambda *_: 40.0)


def test_a_good_room_is_good_and_takes_under_thirty_seconds() -> None:
    outcome, rigs, text = tuned(room())
    assert (outcome.result, outcome.phrases, outcome.findings) == ("good", ("tune_good",), ())
    assert sum(rig.asked_s for rig in rigs) < 20
    assert [line[:3] for line in text.splitlines()] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.usefixtures("no_canceller_at_work")
def test_the_worst_room_takes_under_thirty_seconds_too() -> None:
    outcome, rigs, _ = tuned(room(delay_ms=450, speech_dbfs=-12, gain_db=14))
    assert len(outcome.phrases) >= 2
    assert sum(rig.asked_s for rig in rigs) < 25


@pytest.mark.usefixtures("no_canceller_at_work")
def test_without_a_voice_it_asks_in_print_alone() -> None:
    quiet, spoken = (tuned(room(speech_dbfs=-np.inf), spoken=each) for each in (False, True))
    assert quiet[1][0].asked_s < spoken[1][0].asked_s - 3
    assert quiet[0].findings == spoken[0].findings


@pytest.mark.usefixtures("no_canceller_at_work")
def test_a_dead_microphone_is_dead_and_one_with_a_gate_is_not() -> None:
    outcome, _, text = tuned(room(dead=True))
    assert (outcome.result, outcome.phrases) == ("unusable", ("microphone_silent",))
    assert "nothing but silence" in text
    assert not tuned(room(noise_dbfs=-130))[0].figures.dead


@pytest.mark.usefixtures("no_canceller_at_work")
def test_of_several_the_loudest_clean_microphone_is_taken() -> None:
    far, near, clipping = (
        room(speech_dbfs=-45),
        room(speech_dbfs=-25, seed=2),
        room(speech_dbfs=-25, gain_db=25, seed=3),
    )
    outcome, _, text = tuned(far, near, clipping)
    assert (outcome.microphone, outcome.device) == ("mic 1", "mic 1")
    assert set(outcome.compared) == {"mic 0", "mic 1", "mic 2"}
    assert "the loudest clean one is mic 1" in text


def test_more_gain_alone_is_not_louder() -> None:
    plain, hot = replace(GOOD, speech_dbfs=-30, noise_dbfs=-60), replace(GOOD, speech_dbfs=-20, noise_dbfs=-40)
    assert loudest({"plain": plain, "hot": hot}) == "plain"
    assert loudest({"plain": plain, "hot": replace(hot, noise_dbfs=-46)}) == "hot"
    assert loudest({"nobody": replace(plain, speech_dbfs=None)}) is None
