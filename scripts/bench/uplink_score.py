"""From what arrived when to figures. Latency is counted for every 20 ms of speech, however it was cut into messages."""

from __future__ import annotations

import base64
import math
import wave
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from uplink_source import CHUNK_BYTES, CHUNK_S, FPS, RATE, TAIL_S

if TYPE_CHECKING:
    from uplink_ideal import Ideal

ASSETS = Path(__file__).resolve().parents[2] / "agent" / "simulator" / "assets"
QUIET = 300
"""RMS below which a chunk is a pause, and is left out: the speech never pauses."""
HALF = RATE // 2
BACK_MS, STEADY_S = 350, 2.0
"""Latency that counts as recovered, if it lasts this long."""
GRACE_S = 1.0
"""A frame that arrives this long after the end of the speech still counts."""
LEAST_MATCH_S = 0.1
START_S = 2.0
"""The beginning is a figure of its own: a press becomes a hold after 0.4 s, and all said meanwhile goes out at once."""


def speech(seconds: float) -> bytes:
    """Return speech without pauses and without repetition, so that any piece of it can be found again."""
    voices = []
    for path in sorted(ASSETS.glob("*/*.wav")):
        with wave.open(str(path), "rb") as wav:
            sound = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).astype(float)
            at = np.arange(0, len(sound) - 1, wav.getframerate() / RATE)
        voices.append(np.interp(at, np.arange(len(sound)), sound))
    whole = np.concatenate(voices)
    chunks = whole[: len(whole) // 320 * 320].reshape(-1, 320)
    voiced = chunks[np.sqrt((chunks**2).mean(axis=1)) > QUIET]
    size = round((seconds + TAIL_S) * 50)
    once = np.resize(voiced, (size, 320))
    other = np.resize(voiced[: len(voiced) * 3 // 7][::-1], (size, 320))  # another period: the mixture never repeats
    return bytes((once * 0.6 + other * 0.3).astype(np.int16).tobytes())


@dataclass
class Score:
    """One run."""

    scenario: str
    policy: str
    p50: float = math.nan  # ms
    p99: float = math.nan
    max: float = math.nan
    start: float = math.nan  # the most in the first START_S
    frames: float = 0.0  # share of those that a camera gives
    frame_kb: float = 0.0
    lost_s: float = 0.0
    drain_s: float = 0.0
    recovery_s: float | None = None
    connections: int = 1
    low_rate: float = 0.0  # share of the speech that came with 8 kHz
    verdicts: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def place(first: bytes, rate: int, source: np.ndarray) -> float | None:
    """Return where in the speech (at 8 kHz) a piece begins, in seconds; None if it is too short to tell."""
    piece = np.frombuffer(first[: len(first) // 2 * 2], np.int16).astype(float)
    if rate == RATE:
        piece = piece[: len(piece) // 2 * 2].reshape(-1, 2).mean(axis=1)
    if len(piece) < LEAST_MATCH_S * HALF:
        return None
    size = len(source) + len(piece)
    spectrum = np.fft.rfft(source, size) * np.conj(np.fft.rfft(piece, size))
    likeness = np.fft.irfft(spectrum, size)[: len(source)]
    energy = np.convolve(source**2, np.ones(64), "same")
    window = np.cumsum(np.concatenate([[0.0], source**2]))
    ends = np.minimum(np.arange(len(source)) + len(piece), len(source))
    norm = np.sqrt(np.maximum(window[ends] - window[: len(source)], energy.mean()))
    return float(np.argmax(likeness / norm)) / HALF


def timeline(record: dict[str, Any], source: bytes, t0: float, seconds: float) -> tuple[list[Any], float, float]:
    """Return (arrival, latency) of each new 20 ms of speech, how far the speech came, and what was skipped."""
    half = np.frombuffer(source, np.int16).astype(float).reshape(-1, 2).mean(axis=1)
    units: list[tuple[float, float]] = []
    high = skipped = 0.0
    for connection in record["connections"]:
        at = place(base64.b64decode(connection["first"]), connection["first_rate"], half)
        connection["at"] = at
        if at is None:
            continue
        skipped += max(0.0, at - high - CHUNK_S) if high else 0.0
        for arrival, length, _ in connection["audio"]:
            at += length
            while high + CHUNK_S <= min(at, seconds) + 1e-6:
                high = max(high + CHUNK_S, at - length + CHUNK_S)
                units.append((arrival, arrival - t0 - high))
    return units, high, skipped


def percentile(latencies: list[float], share: float) -> float:
    """Return one in ms."""
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else math.nan


def recovery(units: list[tuple[float, float]], since: float) -> float:
    """Return how long after ``since`` latency was below BACK_MS to stay for STEADY_S; infinite if it never was."""
    good: float | None = None
    for arrival, latency in units:
        if arrival < since:
            continue
        if latency * 1000 > BACK_MS:
            good = None
            continue
        good = arrival if good is None else good
        if arrival - good >= STEADY_S:
            return good - since
    return math.inf


def fill(
    score: Score, units: list[tuple[float, float]], missing: list[float], frames: list[int], seconds: float
) -> None:
    """Put in what is common to what was measured and what was computed."""
    first = round(START_S / CHUNK_S)
    latencies = [latency for _, latency in units] + missing
    score.start = percentile(latencies[:first], 1.0)
    latencies = latencies[first:]
    score.p50, score.p99, score.max = (percentile(latencies, share) for share in (0.5, 0.99, 1.0))
    score.frames = len(frames) / (seconds * FPS)
    score.frame_kb = sum(frames) / max(1, len(frames)) / 1000


def measured(score: Score, record: dict[str, Any], source: bytes, run: dict[str, float]) -> Score:
    """Judge a run: ``t0``, ``seconds``, ``stopped`` and, where something happens, ``event`` (after t0)."""
    t0, seconds, stopped = run["t0"], run["seconds"], run["stopped"]
    units, high, skipped = timeline(record, source, t0, seconds)
    missing = [stopped - t0 - at * CHUNK_S for at in range(round(high / CHUNK_S) + 1, round(seconds / CHUNK_S) + 1)]
    frames = [(at, size) for connection in record["connections"] for at, size in connection["frames"]]
    in_time = [size for at, size in frames if t0 <= at <= t0 + seconds + GRACE_S]
    fill(score, units, missing, in_time, seconds)
    score.lost_s = max(0.0, seconds - high) + skipped
    score.drain_s = max(0.0, units[-1][0] - t0 - seconds) if units else 0.0
    score.connections = len(record["connections"])
    audio = [(length, rate) for connection in record["connections"] for _, length, rate in connection["audio"]]
    score.low_rate = sum(length for length, rate in audio if rate < RATE) / (sum(length for length, _ in audio) or 1)
    if "event" in run:
        score.recovery_s = recovery(units, t0 + run["event"])
    score.details["connections"] = [
        {"begins": each["at"], "seconds": sum(length for _, length, _ in each["audio"]), "opened": each["opened"] - t0}
        for each in record["connections"]
    ]
    step = max(1, len(units) // 600)
    score.details["latency"] = [(round(at - t0, 3), round(late * 1000, 1)) for at, late in units[::step]]
    score.details["audio_bytes"] = CHUNK_BYTES * len(units)
    return score


def computed(score: Score, ideal: Ideal, event: float | None) -> Score:
    """Judge the computed scheduler alike."""
    units = [
        (arrival, latency + CHUNK_S * later)
        for arrival, latency, length in ideal.latencies
        for later in reversed(range(round(length / CHUNK_S)))
    ]
    fill(score, units, [], [size for _, size in ideal.frames], ideal.seconds)
    if event is not None:
        score.recovery_s = recovery(units, event)
    return score
