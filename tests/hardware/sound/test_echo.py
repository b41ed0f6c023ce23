"""The canceller on a made-up room, its meter, and the gate; the library itself is needed for some of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.ports import Echo, Trust
from hardware.sound import echo
from hardware.sound.echo import (
    BLOCK,
    BLOCK_S,
    ENTER_DB,
    FADE_S,
    HASTE_S,
    LEARN_S,
    LEAVE_DB,
    LEAVE_S,
    RECOVER_S,
    UNHEARD_ERLE_DB,
    UNHEARD_S,
    WITHDRAW_MOST_S,
    WITHDRAW_S,
    Canceller,
    EchoGate,
    ErleMeter,
    PassThrough,
    WebRtcCanceller,
    canceller,
    echo_in,
)

ROOM_DB, ECHO_DB = -70.0, -30.0


def babble(seconds: float, seed: int = 1) -> np.ndarray:
    """Noise in syllables, which a canceller can learn a room from."""
    size = round(seconds * 100)
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 1, size // 10 + 1) ** 2, 10)[:size]
    return (rng.normal(0, 4000, (size, BLOCK)) * loudness[:, None]).astype(np.int16)


def echo_of(played: np.ndarray, delay_ms: int = 40) -> np.ndarray:
    late = np.concatenate((np.zeros(delay_ms * 16), played.reshape(-1)[: -delay_ms * 16]))
    return (0.3 * late).astype(np.int16).reshape(played.shape)


def loss_db(near: np.ndarray, cleaned: np.ndarray) -> float:
    """Of the second half, in which everything is learnt."""
    half = len(near) // 2
    before, after = (np.mean(each[half:].astype(float) ** 2) for each in (near, cleaned))
    return float(10 * np.log10(before / (after + 1 / 12)))


def run(used: Canceller, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    return np.array([used.process(*blocks) for blocks in zip(near, far, strict=True)])


@pytest.mark.parametrize("hush", [False, True])
def test_an_echo_is_taken_out(*, hush: bool) -> None:
    far = babble(8)
    near = echo_of(far)
    assert loss_db(near, run(canceller(hush=hush), near, far)) > 20


def test_a_technician_is_left_in() -> None:
    near, far = babble(4, seed=2), np.zeros((400, BLOCK), dtype=np.int16)
    assert abs(loss_db(near, run(canceller(hush=False), near, far))) < 1


def test_steady_noise_is_hushed_only_where_asked_for() -> None:
    near = np.random.default_rng(3).normal(0, 300, (600, BLOCK)).astype(np.int16)
    far = np.zeros_like(near)
    plain, hushed = (loss_db(near, run(canceller(hush=hush), near, far)) for hush in (False, True))
    assert abs(plain) < 1
    assert hushed > 12


def test_a_view_with_gaps_is_cancelled_like_its_copy() -> None:
    far = babble(2)
    near = echo_of(far)
    gaps = np.zeros((len(far), 2 * BLOCK), dtype=np.int16)
    gaps[:, ::2] = near
    wanted = run(canceller(hush=True), near, far)
    assert (run(canceller(hush=True), gaps[:, ::2], far) == wanted).all()
    gaps[:, ::2] = far
    assert (run(canceller(hush=True), near, gaps[:, ::2]) == wanted).all()


@pytest.mark.parametrize("sizes", [(BLOCK, BLOCK - 1), (2 * BLOCK, 2 * BLOCK)])
def test_a_block_of_another_size_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="160 samples"):
        canceller(hush=True).process(*(np.zeros(size, dtype=np.int16) for size in sizes))


def test_without_the_library_everything_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    used = canceller(hush=True)
    assert isinstance(used, PassThrough)
    assert not used.present
    near, far = babble(0.02)
    assert used.process(near, far) is near
    used.reset()


def test_the_library_is_found() -> None:
    used = canceller(hush=False)
    assert isinstance(used, WebRtcCanceller)
    assert used.present


# The meter


def feed(meter: ErleMeter, seconds: float, near_db: float, cleaned_db: float, **how: bool) -> None:
    for _ in range(round(seconds / BLOCK_S)):
        meter.feed(near_db, cleaned_db, **{"playing": True, "speech": False} | how)


def in_a_room() -> ErleMeter:
    meter = ErleMeter()
    feed(meter, 1, ROOM_DB, ROOM_DB, playing=False)
    return meter


def test_it_measures_by_how_much_the_echo_leaves_quieter() -> None:
    meter = in_a_room()
    feed(meter, 3, ECHO_DB, ECHO_DB - 25)
    assert meter.erle_db == pytest.approx(25, abs=1)


def test_it_takes_two_or_three_words_to_follow() -> None:
    meter = in_a_room()
    feed(meter, 0.2, ECHO_DB, ECHO_DB - 25)
    assert 5 < meter.erle_db < 12


@pytest.mark.parametrize("how", [{"speech": True}, {"playing": False}])
def test_somebody_speaking_or_nothing_playing_tells_nothing(how: dict[str, bool]) -> None:
    meter = in_a_room()
    feed(meter, 3, ECHO_DB, ECHO_DB - 25)
    feed(meter, FADE_S, ECHO_DB, ECHO_DB - 25, playing=False)
    before = meter.erle_db
    feed(meter, 3, ECHO_DB, ECHO_DB, **how)
    assert meter.erle_db == before
    assert not meter.measuring


def test_what_is_no_louder_than_the_room_tells_nothing() -> None:
    meter = in_a_room()
    feed(meter, 3, ECHO_DB, ECHO_DB - 25)
    before = meter.erle_db
    feed(meter, UNHEARD_S - 0.1, ROOM_DB + 3, ROOM_DB + 3)
    assert meter.erle_db == before


def test_an_echo_that_nobody_can_hear_is_a_good_one() -> None:
    meter = in_a_room()
    feed(meter, 4, ROOM_DB, ROOM_DB)
    assert meter.erle_db == pytest.approx(UNHEARD_ERLE_DB, abs=1)


def test_an_echo_goes_on_for_a_moment_after_its_sound() -> None:
    meter = in_a_room()
    feed(meter, 1, ECHO_DB, ECHO_DB - 25)
    feed(meter, FADE_S - 0.05, ECHO_DB, ECHO_DB - 25, playing=False)
    assert meter.active
    assert meter.measuring
    feed(meter, 0.1, ECHO_DB, ECHO_DB - 25, playing=False)
    assert not meter.active


def test_a_machine_that_starts_becomes_the_room() -> None:
    meter = in_a_room()
    feed(meter, 3, ECHO_DB, ECHO_DB - 25)
    feed(meter, 30, -35.0, -50.0, playing=False)
    feed(meter, 0.5, -33.0, -50.0)
    assert not meter.measuring


def test_after_a_stumble_what_comes_then_decides() -> None:
    meter = in_a_room()
    feed(meter, 3, ECHO_DB, ECHO_DB - 40)
    meter.doubt()
    assert meter.erle_db == ENTER_DB
    feed(meter, 0.02, ECHO_DB, ECHO_DB - 5)
    assert meter.erle_db < ENTER_DB
    feed(meter, 1, ECHO_DB, ECHO_DB - 5)
    low = meter.erle_db
    meter.doubt()
    assert meter.erle_db == low


# The gate


def step(gate: EchoGate, seconds: float, erle_db: float, *, measuring: bool = True) -> None:
    for _ in range(round(seconds / BLOCK_S)):
        gate.feed(erle_db, measuring=measuring)


def trusting() -> EchoGate:
    gate = EchoGate(present=True)
    step(gate, LEARN_S + 0.05, ENTER_DB + 1)
    assert gate.trusted
    return gate


def test_without_a_canceller_nothing_is_trusted() -> None:
    gate = EchoGate(present=False)
    step(gate, 60, 60.0)
    gate.false_alarm()
    step(gate, 60, 60.0)
    gate.doubt()
    assert gate.trust is Trust.ABSENT


def test_trust_needs_enough_echo_well_cancelled() -> None:
    gate = EchoGate(present=True)
    step(gate, 60, ENTER_DB + 1, measuring=False)
    step(gate, LEARN_S - 0.05, ENTER_DB + 1)
    assert gate.trust is Trust.LEARNING
    step(gate, 0.1, ENTER_DB + 1)
    assert gate.trusted


def test_a_poor_canceller_is_never_trusted() -> None:
    gate = EchoGate(present=True)
    step(gate, 600, ENTER_DB - 1)
    assert not gate.trusted


def test_trust_goes_when_the_echo_comes_back_and_not_at_once() -> None:
    gate = trusting()
    step(gate, LEAVE_S - 0.05, LEAVE_DB - 1)
    assert gate.trusted
    step(gate, 0.1, LEAVE_DB - 1)
    assert gate.trust is Trust.POOR


def test_between_the_thresholds_nothing_changes() -> None:
    gate = trusting()
    step(gate, 60, (ENTER_DB + LEAVE_DB) / 2)
    assert gate.trusted
    step(gate, 1, LEAVE_DB - 1)
    step(gate, 60, (ENTER_DB + LEAVE_DB) / 2)
    assert not gate.trusted


def test_trust_comes_back_with_the_cancelling() -> None:
    gate = trusting()
    step(gate, 5, 0.0)
    step(gate, RECOVER_S - 0.05, ENTER_DB + 1)
    assert not gate.trusted
    step(gate, 0.1, ENTER_DB + 1)
    assert gate.trusted


def test_a_barge_in_by_nothing_takes_trust_away_for_a_while() -> None:
    gate = trusting()
    gate.false_alarm()
    assert gate.trust is Trust.WITHDRAWN
    step(gate, WITHDRAW_S - 0.05, ENTER_DB + 1)
    assert gate.trust is Trust.WITHDRAWN
    step(gate, 0.1, ENTER_DB + 1)
    assert gate.trusted


def test_a_stumble_costs_a_second_of_echo_that_is_gone() -> None:
    gate = trusting()
    gate.doubt()
    assert gate.trust is Trust.SHAKEN
    step(gate, 60, ENTER_DB + 1, measuring=False)
    step(gate, RECOVER_S - 0.05, ENTER_DB + 1)
    assert gate.trust is Trust.SHAKEN
    step(gate, 0.1, ENTER_DB + 1)
    assert gate.trusted


def test_an_echo_that_stays_after_a_stumble_is_poor() -> None:
    gate = trusting()
    gate.doubt()
    step(gate, LEAVE_S + 0.05, LEAVE_DB - 1)
    assert gate.trust is Trust.POOR


def test_a_stumble_does_not_make_learning_begin_again() -> None:
    gate = EchoGate(present=True)
    step(gate, LEARN_S - 0.05, ENTER_DB + 1)
    gate.doubt()
    step(gate, RECOVER_S - 0.05, ENTER_DB + 1)
    assert gate.trust is Trust.LEARNING
    step(gate, 0.1, ENTER_DB + 1)
    assert gate.trusted


def test_reset_forgets_the_room() -> None:
    far = babble(3)
    near = echo_of(far)
    used = canceller(hush=True)
    first = run(used, near, far)
    assert not (run(used, near, far) == first).all()
    used.reset()
    assert (run(used, near, far) == first).all()


def test_a_stumble_at_the_beginning_does_not_shorten_learning() -> None:
    gate = EchoGate(present=True)
    step(gate, 0.1, ENTER_DB + 1)
    gate.doubt()
    step(gate, LEARN_S - 0.15, ENTER_DB + 1)
    assert gate.trust is Trust.LEARNING


def test_after_a_voice_over_an_answer_the_echo_has_to_be_gone_again() -> None:
    gate = trusting()
    gate.interrupted(ENTER_DB + 1)
    assert gate.trust is Trust.SHAKEN
    step(gate, 60, ENTER_DB + 1, measuring=False)  # as long as somebody speaks
    assert not gate.trusted
    step(gate, RECOVER_S + 0.05, ENTER_DB + 1)
    assert gate.trusted


def test_a_voice_over_an_echo_that_comes_back_is_that_echo() -> None:
    gate = trusting()
    gate.interrupted(ENTER_DB - 1)
    assert gate.trust is Trust.WITHDRAWN


@pytest.mark.parametrize(("after_s", "trust"), [(HASTE_S - 0.05, Trust.WITHDRAWN), (HASTE_S + 0.05, Trust.SHAKEN)])
def test_a_voice_just_before_a_stumble_is_told_was_an_echo_that_moved(after_s: float, trust: Trust) -> None:
    gate = trusting()
    gate.interrupted(ENTER_DB + 1)
    step(gate, after_s, ENTER_DB + 1, measuring=False)
    gate.doubt()
    assert gate.trust is trust


def test_a_voice_where_none_may_interrupt_changes_nothing() -> None:
    gate = EchoGate(present=True)
    gate.interrupted(0.0)
    assert gate.trust is Trust.LEARNING


def test_what_sounds_like_a_voice_before_the_echo_is_trusted_delays_the_trust() -> None:
    gate = EchoGate(present=True)
    step(gate, LEARN_S - 0.1, ENTER_DB + 1)
    gate.overheard()
    step(gate, RECOVER_S - 0.1, ENTER_DB + 1)
    assert gate.trust is Trust.LEARNING
    step(gate, 0.2, ENTER_DB + 1)
    assert gate.trusted
    gate.interrupted(ENTER_DB + 1)
    step(gate, RECOVER_S - 0.1, ENTER_DB + 1)
    gate.overheard()
    step(gate, RECOVER_S - 0.1, ENTER_DB + 1)
    assert gate.trust is Trust.SHAKEN


def test_what_sounds_like_a_voice_leaves_a_trust_that_was_won_alone() -> None:
    gate = trusting()
    gate.overheard()
    assert gate.trusted


@pytest.mark.parametrize(
    ("cleaned_dbfs", "left"),
    [(-20.0, Echo.CLEAR), (-22.9, Echo.CLEAR), (-23.1, Echo.MIXED), (-34.9, Echo.MIXED), (-35.1, Echo.RESIDUE)],
)
def test_how_much_was_taken_out_tells_what_is_left(cleaned_dbfs: float, left: Echo) -> None:
    assert echo_in(-20.0, cleaned_dbfs) is left


def test_a_stumble_does_not_end_a_withdrawal() -> None:
    gate = trusting()
    gate.false_alarm()
    gate.doubt()
    step(gate, LEARN_S + 1, ENTER_DB + 1)
    assert gate.trust is Trust.WITHDRAWN


def test_a_box_cannot_go_on_interrupting_itself() -> None:
    gate, alarms = trusting(), 0
    for _ in range(round(3600 / BLOCK_S)):  # an hour of an echo that sounds like somebody, perfectly cancelled
        gate.feed(ENTER_DB + 1, measuring=True)
        if gate.trusted:
            gate.false_alarm()
            alarms += 1
    assert alarms <= 4 + 3600 / WITHDRAW_MOST_S


def test_a_false_alarm_long_ago_is_forgiven() -> None:
    gate = trusting()
    for _ in range(3):
        gate.false_alarm()
    step(gate, echo.FORGIVE_S + 1, ENTER_DB + 1)
    gate.false_alarm()
    step(gate, WITHDRAW_S + 0.05, ENTER_DB + 1)
    assert gate.trusted


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 60), st.booleans(), st.integers(1, 200), st.sampled_from(["", "alarm", "doubt"])))
)
def test_it_trusts_only_after_good_figures_and_always_comes_to_rest(events: list[tuple[float, bool, int, str]]) -> None:
    gate, good = EchoGate(present=True), 0
    for erle_db, measuring, blocks, what in events:
        if what == "alarm":
            gate.false_alarm()
        if what == "doubt":
            gate.doubt()
            good = min(good, round((LEARN_S - RECOVER_S) / BLOCK_S))
        for _ in range(blocks):
            gate.feed(erle_db, measuring=measuring)
            good += measuring and erle_db >= ENTER_DB
            assert not gate.trusted or good * BLOCK_S >= RECOVER_S
    step(gate, WITHDRAW_MOST_S + LEARN_S + 1, ENTER_DB + 1)
    assert gate.trusted
