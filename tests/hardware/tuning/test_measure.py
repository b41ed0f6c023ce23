"""Tuning measures what a room was made with."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from hardware.sound.front_end import decibels
from hardware.tuning.findings import Figures, judged
from hardware.tuning.measure import CHIRP_S, Marks, Recording, analyse, chirp, find_chirp
from hardware.tuning.session import COUNT
from hardware.tuning.simulated_rig import RoomModel, SimulatedRig
from tests.support.simulated_rig import VOICE, question, room

CHIRP = chirp(24_000)
QUIET_S = 1.2


def take(room: RoomModel, pcm: bytes, seconds: float, cue: bytes = b"") -> Recording:
    return asyncio.run(SimulatedRig(room, speech=question(), cue=cue).play_and_record(pcm, seconds))


def whole(recording: Recording, step: str, known: Figures | None = None) -> Figures:
    return analyse(*recording, Marks(**{step: (0, len(recording.near))}), known)


def chirped(room: RoomModel) -> Figures:
    return whole(take(room, CHIRP, CHIRP_S + 1.2), "chirp")


def counted(room: RoomModel) -> Figures:
    spoken = VOICE.say(*COUNT)
    return whole(take(room, spoken, len(spoken) / 48_000 + 0.5), "phrase", chirped(room))


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
