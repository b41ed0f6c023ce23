"""The tables of the audio bench, in Markdown."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

from audio_run import ANSWERED, CHAINS, UNGATED
from audio_scenes import DISTORTIONS, PAUSES_S
from audio_score import FOUND_S, LATE_FOUND_S, Score, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from audio_hiccups import Outcome
    from audio_model import Verdict
    from audio_threads import Lateness
    from audio_words import Errors


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def echo_table(scores: list[Score]) -> str:
    """One line per chain and kind of scene: how much echo is left, and who interrupts."""
    head = ["chain", "scenes", "echo loss, mean / worst", "false barge-ins a minute", "found in 0.5 / 1 s"]
    rows = []
    for chain in ALL_CHAINS:
        echoing = [each for each in scores if each.chain == chain and each.kind != "quiet"]
        for kind in (*dict.fromkeys(each.kind for each in echoing), *["all"][: bool(echoing)]):
            part = [each for each in echoing if kind in (each.kind, "all")]
            figures = [each.erle_db for each in part if each.scene not in BEYOND]
            rows.append([chain, kind, loss(figures), f"{rate(part):.2f}", found(part), f"{allowed(part):.0f} %"])
    return table([*head, "voice may interrupt"], rows)


def loudspeaker_table(scores: list[Score]) -> str:
    """One line per chain: false barge-ins and found ones by the distortion of the loudspeaker, in three rooms."""
    rows = []
    for chain in ALL_CHAINS:
        cells = []
        for share in DISTORTIONS:
            part = [each for each in scores if each.chain == chain and each.scene.endswith(f", {share:.0%}")]
            cells.append(f"{rate(part):.2f}; {found(part)}" if part else "-")
        if set(cells) != {"-"}:
            rows.append([chain, *cells])
    return table(["chain", *(f"{share:.0%}" for share in DISTORTIONS)], rows)


def loss(figures: list[float]) -> str:
    """Return mean and worst."""
    return f"{fmean(figures):.0f} / {min(figures):.0f} dB"


ALL_CHAINS = (*CHAINS, ANSWERED, *UNGATED)
BEYOND = {"headphones", "700 ms away"}
"""Scenes with no echo to lose, or that no canceller reaches: left out of the mean and the worst."""


def rate(scores: list[Score]) -> float:
    """Return false barge-ins per minute in which something plays."""
    return sum(each.false_barge_ins for each in scores) / sum(each.played_min for each in scores)


def found(scores: list[Score]) -> str:
    """Return the share of barge-ins found in time, and of those found late."""
    latencies = [latency for each in scores for latency in each.barge_ins]
    shares = [
        f"{100 * sum(each <= limit for each in latencies) / len(latencies):.0f}" for limit in (FOUND_S, LATE_FOUND_S)
    ]
    return f"{' / '.join(shares)} % of {len(latencies)}"


def allowed(scores: list[Score]) -> float:
    """Return percent of the time that something plays."""
    return 100 * sum(each.trusted_min for each in scores) / sum(each.played_min for each in scores)


def speech_table(scores: list[Score]) -> str:
    """One line per chain: where speech begins and ends, in steady noise."""
    head = ["chain", "onset p50 / p95", "end p50 / p95", "false starts a minute: steady / other noise"]
    head += [f"{1000 * pause:.0f} ms" for pause in PAUSES_S]
    rows = []
    for chain in CHAINS:
        quiet = [each for each in scores if each.chain == chain and each.kind == "quiet"]
        steady = [each for each in quiet if each.steady]
        if steady:
            onsets = [latency for each in steady for latency in each.onsets]
            ends = [latency for each in steady for latency in each.ends]
            rows.append(
                [
                    chain,
                    " / ".join(milliseconds(percentile(onsets, share)) for share in (50, 95)),
                    " / ".join(milliseconds(percentile(ends, share)) for share in (50, 95)),
                    f"{false_starts(steady):.2f} / {false_starts([each for each in quiet if not each.steady]):.2f}",
                    *cuts(steady),
                ]
            )
    return table(head, rows)


def false_starts(scores: list[Score]) -> float:
    """Return false starts per minute in which nothing plays."""
    minutes = sum(each.heard_min - each.played_min for each in scores)
    return sum(each.false_starts for each in scores) / minutes if minutes else math.nan


def cuts(scores: list[Score]) -> list[str]:
    """Return how many pauses of each length ended an utterance."""
    pauses = [pause for each in scores for pause in each.pauses]
    total, cut = Counter(length for length, _ in pauses), Counter(length for length, ended in pauses if ended)
    return [f"{cut[length]} of {total[length]}" for length in PAUSES_S]


def milliseconds(seconds: float) -> str:
    """Return a figure for a table."""
    return f"{1000 * seconds:.0f} ms" if math.isfinite(seconds) else "-"


def scene_table(scores: list[Score], chain: str) -> str:
    """One line per scene of one chain."""
    head = [
        "scene",
        "echo loss",
        "to the model",
        "allowed",
        "false barge-ins",
        "found",
        "false starts",
        "asks for the button",
    ]
    rows = []
    for scene in dict.fromkeys((each.kind, each.scene) for each in scores):
        own = [each for each in scores if (each.kind, each.scene) == scene and each.chain == chain]
        if not own:
            continue
        kind, name = scene
        echoing = kind != "quiet"
        rows.append(
            [
                f"{name} ({kind})",
                f"{fmean(each.erle_db for each in own):.0f} dB" if echoing else "-",
                f"{fmean(each.model_db for each in own):.0f} dB" if echoing else "-",
                f"{allowed(own):.0f} %" if echoing else "-",
                str(sum(each.false_barge_ins for each in own)) if echoing else "-",
                found(own) if echoing else "-",
                str(sum(each.false_starts for each in own)),
                f"{max(each.asked for each in own)} at most",
            ]
        )
    return table(head, rows)


def cost_table(stages: list[tuple[str, float]], memory: list[tuple[str, float]]) -> str:
    """Processor time and memory."""
    return (
        table(["stage", "processor time per 10 ms"], ([name, f"{cost:.0f} µs"] for name, cost in stages))
        + "\n"
        + table(["step", "resident memory"], ([name, f"+{size:.0f} MB"] for name, size in memory))
    )


def thread_table(trials: list[Lateness]) -> str:
    """Where the chain runs."""
    head = ["where", "work", "loop late p50 / p99", "callback p99 / most", "chunk p50 / p99"]
    return table(
        head,
        (
            [
                each.place,
                f"{each.slower} times",
                f"{each.loop_p50:.1f} / {each.loop_p99:.1f} ms",
                f"{each.callback_p99:.1f} / {each.callback_most:.1f} ms",
                f"{each.chunk_p50:.1f} / {each.chunk_p99:.1f} ms",
            ]
            for each in trials
        ),
    )


def model_table(verdicts: list[Verdict]) -> str:
    """Distance of the speech from the clean recording, by processor; noise removed in brackets."""
    processors = list(dict.fromkeys(each.processor for each in verdicts))
    rows = []
    for noise, snr in dict.fromkeys((each.noise, each.snr) for each in verdicts):
        own = {each.processor: each for each in verdicts if (each.noise, each.snr) == (noise, snr)}
        cells = [f"{own[name].distance_db:.1f} dB ({own[name].removed_db:.0f})" for name in processors]
        rows.append([f"{noise} {snr} dB", *cells])
    return table(["noise", *processors], rows)


def hiccup_table(outcomes: list[Outcome]) -> str:
    """Interruptions by way."""
    head = ["the canceller, good echo", "interrupted", "voice may interrupt"]
    return table(head, ([o.way, f"{o.cuts} of {o.hiccups}", f"{100 * o.trusted:.0f} %"] for o in outcomes))


def words_table(errors: list[Errors]) -> str:
    """Share of units that were heard wrong, by judge and processor."""
    processors = list(dict.fromkeys(each.processor for each in errors))
    rows = []
    for judge, noise in dict.fromkeys((each.judge, each.noise) for each in errors):
        own = [each for each in errors if (each.judge, each.noise) == (judge, noise)]
        cells = [f"{each.wrong} ({100 * each.wrong / each.units:.0f} %)" for each in own]
        rows.append([f"{judge}, of {own[0].units}", noise, *cells])
    return table(["judge", "noise", *processors], sorted(rows))
