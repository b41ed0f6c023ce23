"""The rhythms of the light: bounded, periodic, and told apart without colour."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.panel.rhythm import PERIODS, brightness, lasts, picture
from hardware.ports import Rhythm


@given(rhythm=st.sampled_from(Rhythm), t=st.floats(0, 1e6), level=st.floats(-1, 2))
def test_brightness_is_a_fraction_and_lasts_as_long_as_promised(rhythm: Rhythm, t: float, level: float) -> None:
    now = brightness(rhythm, t, level)
    assert 0 <= now <= 1
    left = lasts(rhythm, t)
    assert left >= 0
    if 1e-6 < left < math.inf:  # shorter is within the rounding of t
        assert brightness(rhythm, t + left * 0.9, level) == now


@pytest.mark.parametrize("rhythm", Rhythm)
def test_it_repeats_after_its_period(rhythm: Rhythm) -> None:
    for i in range(100):
        t = 0.0137 * i
        assert brightness(rhythm, t) == brightness(rhythm, t + PERIODS[rhythm])


def test_the_table() -> None:
    assert {rhythm: picture(rhythm) for rhythm in Rhythm} == {
        Rhythm.READY: "█" + "▁" * 49,
        Rhythm.CONNECTING: "█████▁▁▁▁▁",
        Rhythm.LISTENING: "▂" * 10,
        Rhythm.HEARING: "█" * 10,
        Rhythm.THINKING: "▁▁▁▁▁▁▂▃▄▅▆▇██████▇▆▅▄▃▂▁▁▁▁▁▁",
        Rhythm.LOUD: "▂▂▂▂▂▂▂▂▂▂▂▂████",
        Rhythm.ANSWERING: "█▂▆▂▂▂▂▂▂",
        Rhythm.ONE_WAY: "▆▆▆▆▆▆▆▂▂",
        Rhythm.OFFLINE: "█▁▁█▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
        Rhythm.MESSAGE: "████▁▁████" + "▁" * 30,
        Rhythm.FAULT: "██▁▁██▁▁██▁▁▁▁▁▁██████▁▁██████▁▁██████▁▁▁▁▁▁██▁▁██▁▁██▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
    }


def test_ready_blips_for_20_ms_every_5_s() -> None:
    lit = [t for t in range(20000) if brightness(Rhythm.READY, (t + 0.5) / 1000) > 0]
    assert lit == [*range(20), *range(5000, 5020), *range(10000, 10020), *range(15000, 15020)]


def test_fault_spells_sos() -> None:
    flashes = [
        (on, len(list(run)))
        for on, run in itertools.groupby(brightness(Rhythm.FAULT, (i + 0.5) * 0.2) for i in range(34))
    ]
    assert "".join("-" if length == 3 else "." for on, length in flashes if on) == "...---..."
    assert [length for on, length in flashes if not on] == [1, 1, 3, 1, 1, 3, 1, 1, 7]


def test_hearing_follows_the_level() -> None:
    assert [brightness(Rhythm.HEARING, 1, level) for level in (0, 0.5, 1, 7)] == [0.5, 0.75, 1, 1]
    assert brightness(Rhythm.HEARING, 0, 0) > 3 * brightness(Rhythm.LISTENING, 0)


def test_a_steady_light_needs_no_attention() -> None:
    assert lasts(Rhythm.LISTENING, 5) == math.inf
    assert lasts(Rhythm.READY, 5.03) == pytest.approx(4.97)


def seen(rhythm: Rhythm) -> tuple[bool, bool, float, int]:
    """What an eye tells: does it change, does it go dark, how long until it repeats, how many flashes in that."""
    period = PERIODS[rhythm]
    lights = [brightness(rhythm, i * period / 1000) for i in range(1000)]
    if len(set(lights)) == 1:
        return False, False, lights[0], 0
    rises = sum(before < 0.5 <= after for before, after in itertools.pairwise([lights[-1], *lights]))
    return True, min(lights) < 0.01, period, rises


GLANCE_S = 5.0
"""How long somebody looks at the box: the period of the slowest rhythm."""
TELLING_S = 0.25
"""How long two rhythms must differ in that, however they are laid over each other; a blip of 100 ms is missed."""


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(Rhythm, 2)), ids=lambda rhythm: rhythm.name)
def test_no_blip_is_all_that_tells_two_rhythms_apart(one: Rhythm, other: Rhythm) -> None:
    step = 0.02
    first, second = (
        np.array([brightness(rhythm, (i + 0.5) * step) for i in range(round(3 * GLANCE_S / step))])
        for rhythm in (one, other)
    )
    length = round(GLANCE_S / step)
    begins = range(0, length, 2)
    differ = [step * np.sum(np.abs(first[:length] - second[b : b + length]) > 0.1) for b in begins]
    assert min(differ) >= TELLING_S


def test_any_two_can_be_told_apart_without_colour() -> None:
    for one, other in itertools.combinations(Rhythm, 2):
        a, b = seen(one), seen(other)
        changes, dark, period, flashes = (x != y for x, y in zip(a, b, strict=True))
        clearly_longer = max(a[2], b[2]) >= 1.5 * min(a[2], b[2])
        assert changes or flashes or dark or (period and clearly_longer), (one, other)
