"""The box beside its own loudspeaker, with a service that answers whatever it is sent: it must not talk with itself."""

from __future__ import annotations

import numpy as np
import pytest

from agent.hearing.interruptions import MOST
from hardware.sound.echo import LEARN_S, RECOVER_S, WITHDRAW_S
from tests.support.echo_rig import EchoRig, recorded

MINUTES = 2


def trusting(seed: int = 1) -> EchoRig:
    """Return a rig that has heard its own voice for long enough."""
    rig = EchoRig(0.06, seed=seed)
    rig.ask()
    rig.run(20, asking=True)
    assert rig.cuts == 0
    return rig


@pytest.mark.parametrize("delay_s", [0.575, 0.6])
def test_an_echo_at_the_end_of_the_cancellers_reach_does_not_interrupt_for_ever(delay_s: float) -> None:
    rig = EchoRig(delay_s, gain=0.5)
    rig.run(60 * MINUTES, asking=True)
    assert rig.answers > 10
    withdrawals = 1 + np.log2(1 + 60 * MINUTES / WITHDRAW_S)  # each twice as long as the one before
    assert rig.cuts <= MOST * withdrawals


@pytest.mark.parametrize("moved_s", [-0.04, 0.06, 0.2, 0.4])
def test_a_hiccup_in_a_trusted_answer_interrupts_nothing(moved_s: float) -> None:
    rig = trusting()
    for _ in range(4):
        rig.delay_s = 0.06 + moved_s - (rig.delay_s - 0.06)
        rig.front.doubt()
        rig.run(10, asking=True)
    assert rig.cuts == 0


@pytest.mark.parametrize("moved_s", [-0.04, 0.2])
def test_an_echo_that_moves_and_nobody_tells_interrupts_once(moved_s: float) -> None:
    for seed in (1, 2):
        rig = trusting(seed)
        rig.delay_s += moved_s
        rig.run(20, asking=True)
        assert rig.cuts <= 1, "and not answer after answer"


def test_a_hiccup_costs_a_moment_of_trust_and_no_more() -> None:
    rig = trusting()
    before = rig.played_s - rig.trusted_s
    rig.front.doubt()
    rig.run(20, asking=True)
    assert RECOVER_S <= rig.played_s - rig.trusted_s - before < LEARN_S + 0.5


@pytest.mark.parametrize("bend", [0.0, 3.0, 5.0])
def test_a_loudspeaker_that_saturates_does_not_interrupt_itself(bend: float) -> None:
    """By 0, 9 and 17 % of distortion."""
    rig = EchoRig(0.04, gain=0.5, bend=bend)
    rig.run(60 * MINUTES, asking=True)
    assert rig.answers > 10
    assert rig.cuts == 0


@pytest.mark.parametrize("gain", [0.1, 0.03])
def test_somebody_louder_than_the_echo_is_found_at_the_fourth_frame_of_their_voice(gain: float) -> None:
    """In silence it takes six, and the first frames of a word are not voiced."""
    found = []
    for moment in range(10):
        rig = EchoRig(0.06, gain=gain)
        rig.ask()
        rig.run(8 + 0.3 * moment, asking=True)
        rig.say(recorded("gauge") // 2)
        rig.run(0.2)
        found.append(rig.cuts)
    assert sum(found) >= 9


def test_a_crowd_interrupts_one_answer_and_not_the_next() -> None:
    rig = EchoRig(0.06, crowd=0.05)
    rig.ask()
    rig.run(60, asking=True)
    assert rig.answers > 3
    assert rig.cuts <= 1


def test_somebody_who_speaks_over_a_trusted_answer_interrupts_it() -> None:
    rig = trusting()
    rig.run(5, asking=True)
    rig.say(recorded("gauge"))
    rig.run(2)
    assert rig.cuts == 1
