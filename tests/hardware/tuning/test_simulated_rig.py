"""The simulated rig gives what its room says: levels, delay, gain, and nothing from a dead microphone."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from hardware.sound.front_end import decibels
from hardware.tuning.simulated_rig import RoomModel, SimulatedRig, resampled
from tests.support.simulated_rig import question

TONE = (8000 * np.sin(2 * np.pi * 1000 * np.arange(24_000) / 24_000)).astype("<i2").tobytes()
QUIET = RoomModel(rate=16_000, noise_dbfs=-90, speech_dbfs=-np.inf)


def test_noise_is_as_loud_as_the_room_says_and_gain_adds_to_it() -> None:
    room = RoomModel(rate=16_000, noise_dbfs=-50, gain_db=10)
    near, far, rate = asyncio.run(SimulatedRig(room).play_and_record(b"", 2.0))
    assert (rate, len(near), len(far)) == (16_000, 32_000, 32_000)
    assert decibels(near) == pytest.approx(-40, abs=0.5)
    assert not far.any()


def test_what_is_played_is_heard_later_and_at_the_level_of_the_room() -> None:
    room = RoomModel(rate=16_000, noise_dbfs=-90, echo_db=-20.0, delay_ms=100.0, reverberation_s=0.0)
    near, far, _ = asyncio.run(SimulatedRig(room).play_and_record(TONE, 1.5))
    assert np.abs(near[:1590]).max() < 10
    assert decibels(near[2000:16_000]) == pytest.approx(decibels(far[1000:15_000]) - 20, abs=1)


def test_somebody_speaks_after_the_cue_only() -> None:
    rig = SimulatedRig(RoomModel(rate=16_000, noise_dbfs=-90), speech=question(), cue=TONE)
    spoken = asyncio.run(rig.play_and_record(TONE, 4.0)).near[32_000:]
    silent = asyncio.run(rig.play_and_record(b"", 4.0)).near[32_000:]
    assert decibels(spoken) > decibels(silent) + 30
    assert rig.asked_s == 8.0


def test_a_dead_microphone_gives_zeros() -> None:
    near = asyncio.run(SimulatedRig(RoomModel(dead=True)).play_and_record(TONE, 0.5)).near
    assert not near.any()


def test_any_number_of_samples_is_resampled() -> None:
    assert len(resampled(TONE, 24_000, 16_000)) == 16_000
    assert len(resampled(b"", 24_000, 16_000)) == 0
