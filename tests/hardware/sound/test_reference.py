"""Two streams in simulated time, with clocks that differ, callbacks that are late, and hiccups: what meets what."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from hardware.sound import reference
from hardware.sound.reference import AGE_BLOCKS, AGE_S, MISSING, MOST, EchoReference
from hardware.sound.streams import BLOCK_S

SETTLED_S = 2.1
"""After a hiccup: what is left of one window, and another."""


@dataclass
class Meeting:
    """A captured block and the played one that came with it, at the times when their callbacks were due."""

    heard: float
    played: float | None

    @property
    def age(self) -> float:
        assert self.played is not None
        return self.heard - self.played


@dataclass
class Streams:
    """Two streams that call back when they should, or a little late, or not at all and then all at once."""

    ppm: float = 0.0
    """How much slower than the input the output is."""
    late_s: float = 0.0
    hiccups: list[tuple[float, float, str, str]] = field(default_factory=list)
    """From, to, which stream ("in", "out"), and whether its blocks are "lost" or "late"."""

    def run(self, seconds: float, phase: float = 0.003) -> list[Meeting]:
        now = 0.0
        kept = EchoReference(lambda: now)
        due: list[float] = []
        meetings = []
        for at, kind, when in self._callbacks(seconds, phase):
            now = at
            if kind == "out":
                kept.put(48000, len(due).to_bytes(4, "big"))
                due.append(when)
            else:
                _, block = kept.take(48000)
                played = due[int.from_bytes(block, "big")] if len(block) == 4 and any(block) else None
                meetings.append(Meeting(when, played))
        return meetings

    def _callbacks(self, seconds: float, phase: float) -> list[tuple[float, str, float]]:
        rng = np.random.default_rng(1)
        calls: list[tuple[float, str, float]] = []
        for kind, first, period in (("in", 0.0, BLOCK_S), ("out", phase - 0.02, BLOCK_S * (1 + self.ppm * 1e-6))):
            before = 0.0
            for number in range(round(seconds / period)):
                when = first + number * period
                at = self._at(when, kind)
                if at is not None:
                    before = max(before, at + rng.exponential(self.late_s or 1e-9))
                    heapq.heappush(calls, (before, kind, when))
        return [heapq.heappop(calls) for _ in range(len(calls))]

    def _at(self, when: float, which: str) -> float | None:
        for begin, end, side, fate in self.hiccups:
            if side == which and begin <= when < end:
                return None if fate == "lost" else end
        return when


def ages(meetings: list[Meeting], after: float = 0.0) -> list[float]:
    return [each.age for each in meetings if each.heard >= after and each.played is not None]


@pytest.mark.parametrize("phase", [0.0, 0.0001, 0.003, 0.0099])
def test_late_callbacks_shift_nothing(phase: float) -> None:
    meetings = Streams(late_s=0.001).run(120.0, phase)
    delays = ages(meetings, SETTLED_S)
    assert max(delays) - min(delays) < 1e-6
    assert abs(delays[0] - AGE_S) < BLOCK_S
    assert sum(each.played is None for each in meetings) < 0.001 * len(meetings)


@pytest.mark.parametrize("ppm", [-200, -20, 20, 200])
def test_clocks_that_differ_shift_the_pair_by_one_block_now_and_then(ppm: int) -> None:
    delays = ages(Streams(ppm=ppm, late_s=0.001).run(300.0), SETTLED_S)
    assert max(abs(each - AGE_S) for each in delays) < 1.2 * BLOCK_S
    steps = [after - before for before, after in pairwise(delays) if abs(after - before) > BLOCK_S / 2]
    assert len(steps) <= 300.0 * abs(ppm) * 1e-6 / BLOCK_S + 1
    assert all(abs(each) < 1.1 * BLOCK_S for each in steps)


@pytest.mark.parametrize("fate", ["lost", "late"])
@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("which", [("in",), ("out",), ("in", "out")], ids=["in", "out", "both"])
def test_a_hiccup_is_over_when_it_is_over(which: tuple[str, ...], seconds: float, fate: str) -> None:
    hiccups = [(5.0, 5.0 + seconds, each, fate) for each in which]
    meetings = Streams(late_s=0.001, hiccups=hiccups).run(13.0)
    delays = ages(meetings, 5.0 + seconds + SETTLED_S)
    assert len(delays) > 400, "they meet at all"
    assert max(delays) - min(delays) < 1e-6
    assert abs(delays[0] - AGE_S) < BLOCK_S


def test_blocks_that_come_late_are_caught_up_without_a_shift() -> None:
    before, after = (
        ages(Streams(hiccups=[(5.0, 5.0 + seconds, "in", "late")]).run(5.9), 4.0)[-1] for seconds in (0.0, 0.08)
    )
    assert before == after


def test_an_output_that_rests_is_silent_and_is_in_step_at_once_when_it_plays_again() -> None:
    meetings = Streams(hiccups=[(5.0, 15.0, "out", "lost")]).run(20.0)
    resting = [each for each in meetings if 5.1 < each.heard < 14.99]
    assert not any(each.played for each in resting)
    delays = ages(meetings, 15.0)
    assert len(delays) > 495
    assert max(delays) - min(delays) < 1e-6


def test_an_input_that_rested_is_in_step_at_once_too() -> None:
    delays = ages(Streams(hiccups=[(5.0, 15.0, "in", "lost")]).run(20.0), 15.0)
    assert len(delays) == 500
    assert max(delays) - min(delays) < 1e-6


def test_what_was_played_before_a_rest_is_not_played_again() -> None:
    kept = EchoReference(lambda: 0.0)
    kept.put(48000, b"before")
    for _ in range(AGE_BLOCKS + MISSING):
        kept.take(48000)
    kept.put(48000, b"after1")
    assert [kept.take(48000)[1] for _ in range(3)] == [bytes(6), b"after1", bytes(6)]


def test_silence_has_the_rate_of_the_output() -> None:
    kept = EchoReference(lambda: 0.0)
    assert kept.take(16000) == (16000, bytes(320))
    for rate, size in ((48000, 960), (44100, 882)):
        for _ in range(AGE_BLOCKS):
            kept.put(rate, bytes([1]) * size)
        assert [kept.take(16000) for _ in range(AGE_BLOCKS)] == [(rate, bytes([1]) * size)] * AGE_BLOCKS
        assert [kept.take(16000) for _ in range(MISSING + 1)] == [(rate, bytes(size))] * (MISSING + 1)


def test_what_nobody_takes_is_not_kept() -> None:
    kept = EchoReference(lambda: 0.0)
    for number in range(1000):
        kept.put(48000, number.to_bytes(2, "big"))
    assert len(kept._blocks) == reference.MOST + 1
    assert kept.take(48000)[1] == (1000 - AGE_BLOCKS).to_bytes(2, "big")


def test_blocks_that_were_lost_are_told_and_an_output_that_rests_is_not() -> None:
    slips: list[None] = []
    kept = EchoReference(lambda: 0.0, slipped=lambda: slips.append(None))
    for _ in range(2):
        kept.put(48000, b"played")
        kept.take(48000)
    for _ in range(3 * MISSING):
        kept.take(48000)
    kept.put(48000, b"played")
    kept.take(48000)
    assert not slips
    for _ in range(2 * MOST):
        kept.put(48000, b"played")
    kept.take(48000)
    assert len(slips) == 1
