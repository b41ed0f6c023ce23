"""How often an answer interrupts itself after a gap that moves its echo, by what the front end does about the gap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hardware.sound import echo
from tests.support.echo_rig import EchoRig

SEEDS = (1, 2, 3, 4, 5)
MINUTES = 5
DELAY_S = 0.06
MOVES_S = (-0.04, 0.2)
APART_S = (6.0, 14.0)
WAYS = {"begins afresh, 2 s": (True, 2.0), "goes on, 2 s": (False, 2.0), "goes on, 1 s": (False, 1.0)}
"""Whether the canceller forgets the room, and how long its echo has to be gone."""


class Outcome(NamedTuple):
    """All takes of one way."""

    way: str
    hiccups: int
    cuts: int
    trusted: float


def outcomes() -> list[Outcome]:
    """Try all ways on the same gaps."""
    found = []
    product_s = echo.RECOVER_S
    for way, (afresh, seconds) in WAYS.items():
        echo.RECOVER_S = seconds
        takes = [take(seed, afresh=afresh) for seed in SEEDS]
        hiccups, rigs = sum(count for count, _ in takes), [rig for _, rig in takes]
        trusted = sum(rig.trusted_s for rig in rigs) / sum(rig.played_s for rig in rigs)
        found.append(Outcome(way, hiccups, sum(rig.cuts for rig in rigs), trusted))
    echo.RECOVER_S = product_s
    return found


def take(seed: int, *, afresh: bool) -> tuple[int, EchoRig]:
    """Play answers with gaps in between; return how many gaps, and what came of them."""
    rng, rig, hiccups = np.random.default_rng(seed), EchoRig(DELAY_S, seed=seed), 0
    if not afresh:
        rig.front._hushed.reset = lambda: None  # type: ignore[method-assign] # noqa: SLF001 - a way not taken
    rig.ask()
    while rig.now < 60 * MINUTES:
        rig.run(float(rng.uniform(*APART_S)), asking=True)
        rig.delay_s = DELAY_S + float(rng.uniform(*MOVES_S))
        rig.front.doubt()
        hiccups += 1
    return hiccups, rig
