"""What each rhythm of the light looks like over time.

A rhythm is a loop of steps (seconds, brightness 0..1), so that a driver can sleep from step to step: a sleeping box
wakes up every five seconds for its blip.
"""

from __future__ import annotations

import math

from hardware.ports import Rhythm

Steps = tuple[tuple[float, float], ...]

MORSE_UNIT_S = 0.2
"""One dot: slow enough to be read by somebody who looks the letters up."""
BREATH_S = 3.0
"""One breath of a resting person."""
BREATH_STEPS = 60
"""50 ms per step: smooth to the eye, at twenty wake-ups a second."""
DIM = 0.15
"""Visible in a workshop, not blinding in a cellar."""
COLUMN_S = 0.1
"""The time that one character of a picture covers."""
SHADES = "▁▂▃▄▅▆▇█"


def _breath() -> Steps:
    step = BREATH_S / BREATH_STEPS
    phases = (2 * math.pi * (i + 0.5) / BREATH_STEPS for i in range(BREATH_STEPS))
    return tuple((step, (1 - math.cos(phase)) ** 2 / 4) for phase in phases)


def _morse(*letters: str) -> Steps:
    """Return the steps of one Morse word: marks are one unit apart, letters three, words seven."""
    steps: list[tuple[float, float]] = []
    for letter in letters:
        for mark in letter:
            steps += [((3 if mark == "-" else 1) * MORSE_UNIT_S, 1.0), (MORSE_UNIT_S, 0.0)]
        steps[-1] = (3 * MORSE_UNIT_S, 0.0)
    steps[-1] = (7 * MORSE_UNIT_S, 0.0)
    return tuple(steps)


LOOPS: dict[Rhythm, Steps] = {
    Rhythm.READY: ((0.02, 1.0), (4.98, 0.0)),
    Rhythm.CONNECTING: ((0.5, 1.0), (0.5, 0.0)),
    Rhythm.LISTENING: ((1.0, DIM),),
    Rhythm.HEARING: ((1.0, 1.0),),
    Rhythm.THINKING: _breath(),
    Rhythm.ANSWERING: ((0.1, 1.0), (0.1, DIM), (0.1, 0.7), (0.6, DIM)),
    Rhythm.LOUD: ((1.2, DIM), (0.4, 1.0)),  # dim, then long: hold. The microphone is open: never dark
    Rhythm.ONE_WAY: ((0.7, 0.7), (0.2, DIM)),
    Rhythm.OFFLINE: ((0.1, 1.0), (0.2, 0.0), (0.1, 1.0), (1.6, 0.0)),
    Rhythm.MESSAGE: ((0.4, 1.0), (0.2, 0.0), (0.4, 1.0), (3.0, 0.0)),
    Rhythm.FAULT: _morse("...", "---", "..."),
}
PERIODS = {rhythm: math.fsum(seconds for seconds, _ in steps) for rhythm, steps in LOOPS.items()}


def brightness(rhythm: Rhythm, t: float, level: float = 1.0) -> float:
    """Return the brightness (0..1) ``t`` seconds after ``rhythm`` began; that of HEARING follows ``level`` (0..1)."""
    return _step(rhythm, t, level)[0]


def lasts(rhythm: Rhythm, t: float) -> float:
    """Return the seconds from ``t`` until the brightness changes; infinite for a steady light."""
    return math.inf if len(LOOPS[rhythm]) == 1 else _step(rhythm, t, 1.0)[1]


def _step(rhythm: Rhythm, t: float, level: float) -> tuple[float, float]:
    """Return the brightness at ``t`` and the seconds until the step ends."""
    if rhythm is Rhythm.HEARING:
        return 0.5 + 0.5 * min(max(level, 0.0), 1.0), math.inf
    left = t % PERIODS[rhythm]
    for seconds, bright in LOOPS[rhythm]:
        if left < seconds:
            return bright, seconds - left
        left -= seconds
    return LOOPS[rhythm][-1][1], 0.0  # the period's sum was rounded up


def picture(rhythm: Rhythm) -> str:
    """Return one period as text, ``COLUMN_S`` per character; shorter flashes still show."""
    columns = max(1, round(PERIODS[rhythm] / COLUMN_S))
    looks = [[(i + (look + 0.5) / 10) * COLUMN_S for look in range(10)] for i in range(columns)]
    return "".join(_shade(max(brightness(rhythm, t) for t in moments)) for moments in looks)


def _shade(bright: float) -> str:
    return SHADES[min(int(bright * len(SHADES)), len(SHADES) - 1)]
