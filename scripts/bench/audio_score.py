"""What came of a chain in a scene, in figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audio_scenes import Take, Utterance

    Pcm = npt.NDArray[np.int16]
    Flags = npt.NDArray[np.bool_]

FRAME_S = 0.020
FRAME = 320
FOUND_S = 0.5
LATE_FOUND_S = 1.0
EARLY_S, LATE_S = 0.05, 0.5
"""A start this much before or after somebody's words is still theirs."""
LATEST_S = 3.0
"""After that a start has nothing to do with the beginning of an utterance."""
SETTLED_S = 2.0
"""Of playing, before echo loss is measured."""


@dataclass
class Score:
    """One chain in one or many scenes."""

    chain: str
    scene: str
    kind: str
    steady: bool
    played_min: float = 0.0
    heard_min: float = 0.0
    trusted_min: float = 0.0
    erle_db: float = math.nan
    model_db: float = math.nan
    false_barge_ins: int = 0
    false_starts: int = 0
    noisy_after_s: float = math.inf
    asked: int = 0
    barge_ins: list[float] = field(default_factory=list)  # seconds until found, inf if never
    onsets: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    pauses: list[tuple[float, bool]] = field(default_factory=list)  # length, whether it ended the utterance


@dataclass
class Trace:
    """What a run left behind; one entry per frame of 20 ms, or per sample."""

    near: Pcm
    heard: Pcm
    model: Pcm
    playing: Flags
    trusted: Flags
    starts: list[tuple[float, bool]]  # second, whether something played
    ends: list[float]
    noisy_after_s: float
    asked: int  # how often it became too loud to listen hands-free


def judged(chain: str, take: Take, trace: Trace) -> Score:
    """Compare what was found with what was said."""
    score = Score(chain, take.setting.name, take.setting.kind, take.steady, noisy_after_s=trace.noisy_after_s)
    score.asked = trace.asked
    minute = FRAME_S / 60
    score.heard_min = len(trace.playing) * minute
    score.played_min = float(trace.playing.sum()) * minute
    score.trusted_min = float((trace.playing & trace.trusted).sum()) * minute
    score.erle_db, score.model_db = (loss(take, trace, each) for each in (trace.heard, trace.model))
    for at, playing in trace.starts:
        if not any(each.start - EARLY_S <= at <= each.end + LATE_S for each in take.utterances):
            score.false_barge_ins += playing
            score.false_starts += not playing
    for utterance in take.utterances:
        judge(score, utterance, [at for at, _ in trace.starts], trace.ends)
    return score


def judge(score: Score, said: Utterance, starts: list[float], ends: list[float]) -> None:
    """Add what became of one utterance."""
    latencies = [at - said.start for at in starts if said.start - EARLY_S <= at <= said.start + LATEST_S]
    if said.interrupts:
        score.barge_ins.append(latencies[0] if latencies else math.inf)
        return
    if latencies:
        score.onsets.append(latencies[0])
    for start, length in said.pauses:
        score.pauses.append((length, any(start < at <= start + length + EARLY_S for at in ends)))
    after = [at - said.end for at in ends if said.end < at < said.end + LATEST_S]
    if after:
        score.ends.append(after[0])


def spoken(take: Take, frames: int) -> Flags:
    """Return for each frame whether somebody speaks, or just did."""
    t = (np.arange(frames) + 1) * FRAME_S
    flags = np.zeros(frames, dtype=bool)
    for said in take.utterances:
        flags |= (t >= said.start - EARLY_S) & (t <= said.end + LATE_S)
    return flags


def loss(take: Take, trace: Trace, cleaned: Pcm) -> float:
    """Return power heard over power left, in dB, where something plays and nobody speaks; nan where nothing does."""
    settled = np.cumsum(trace.playing) * FRAME_S > SETTLED_S
    single = np.repeat(trace.playing & settled & ~spoken(take, len(trace.playing)), FRAME)
    if not single.any():
        return math.nan
    powers = [float(np.mean(each[single].astype(float) ** 2)) + 1 / 12 for each in (trace.near, cleaned)]
    return 10 * math.log10(powers[0] / powers[1])


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which ``share`` percent lie; those never found count as infinitely late."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, math.ceil(share / 100 * len(ordered)) - 1)]
