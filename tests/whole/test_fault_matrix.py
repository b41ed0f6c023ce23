"""Nothing said is lost and nothing is answered twice: every scenario at every phase of a turn. Whole agent, ring 2."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.simulator import Fault, names
from tests.support import matrix
from tests.support.matrix import CELLS, MOODS, PHASES, QUESTIONS, RESET, SIGNS, Cell, Run
from tests.support.stage import play, stage

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_three_questions_are_each_heard_whole_and_answered_once(cell: Cell) -> None:
    outcome = matrix.run(cell)
    matrix.check(outcome)
    assert matrix.repaired(outcome) == matrix.on_page()[cell], (
        "python -m tests.support.matrix --write brings the page up to date"
    )


def test_the_page_has_every_scenario_and_every_phase() -> None:
    told = matrix.on_page()
    assert list(told) == CELLS
    assert {sign for signs in told.values() for sign in signs} == set(SIGNS)
    assert {cell.scenario for cell in told} == {*names(), *MOODS}
    assert len({cell.phase for cell in told}) == len(PHASES)


def test_the_page_says_what_its_letters_mean() -> None:
    text = " ".join(matrix.PAGE.read_text(encoding="utf-8").split())
    for sign, meaning in SIGNS.items():
        assert re.search(rf"\*\*{re.escape(sign)}\*\* {meaning}", text), sign


# the checks themselves


def lose_a_sample(outcome: Run) -> None:
    del outcome.deliveries("gauge")[0].pcm[30_000:30_640]


def answer_twice(outcome: Run) -> None:
    outcome.heard.append(outcome.deliveries("valve")[-1])


def answer_a_lost_one(outcome: Run) -> None:
    outcome.deliveries("valve")[0].generated = True


def leave_one_unanswered(outcome: Run) -> None:
    outcome.deliveries("interjection")[0].generated = False


def swap(outcome: Run) -> None:
    first, last = outcome.deliveries("gauge")[0], outcome.deliveries("interjection")[0]
    first.pcm, last.pcm = last.pcm, first.pcm


def forget_a_row(outcome: Run) -> None:
    outcome.rows = [row for row in outcome.rows if row.number != 1]


def leave_a_row_open(outcome: Run) -> None:
    outcome.rows = [replace(row, state="asked") for row in outcome.rows]


def leave_a_hole_in_an_answer(outcome: Run) -> None:
    outcome.rows = [replace(row, answer=row.answer[:10] + row.answer[20:]) for row in outcome.rows]


def leave_a_recording(outcome: Run) -> None:
    outcome.unsent.append("000002.wav")


def play_twice(outcome: Run) -> None:
    outcome.stage.box.speaker.sounds.append(outcome.stage.box.speaker.sounds[1])


def play_nothing(outcome: Run) -> None:
    outcome.stage.box.speaker.sounds.clear()


def forget_a_turn(outcome: Run) -> None:
    for session in outcome.stage.simulator.sessions:
        del session.history[2:4]


@pytest.mark.parametrize(
    "spoil",
    [
        lose_a_sample,
        answer_twice,
        answer_a_lost_one,
        leave_one_unanswered,
        swap,
        forget_a_row,
        leave_a_row_open,
        leave_a_hole_in_an_answer,
        leave_a_recording,
        play_twice,
        play_nothing,
        forget_a_turn,
    ],
)
def test_a_broken_promise_is_noticed(spoil: Callable[[Run], None]) -> None:
    outcome = matrix.run(Cell("reset", "after activityEnd"))
    matrix.check(outcome)
    spoil(outcome)
    with pytest.raises(AssertionError):
        matrix.check(outcome)


# the simulator's part in it


def test_a_fault_strikes_when_it_is_told_to_and_no_more_after_the_simulator_relents() -> None:
    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(1)
            s.simulator.strike(RESET)
            s.simulator.strike(Fault("handshake", at_s=0.0, times=0, options={"status": 503}))
            await asyncio.sleep(30)
            refused = [fault for fault in s.simulator.report()["faults"] if fault["fault"] == "handshake"]
            assert len(refused) > 2
            assert not s.agent.conversation.link.ready
            s.simulator.relent()
            await asyncio.sleep(60)
            assert s.agent.conversation.link.ready
            assert s.agent.conversation.link.connections == 2

    play(scene())


def test_a_fault_that_strikes_while_nobody_is_connected_meets_the_next_connection() -> None:
    async def scene() -> None:
        async with stage() as s:
            s.simulator.strike(RESET)  # before the agent had a chance
            await asyncio.sleep(5)
            assert [fault["connection"] for fault in s.simulator.report()["faults"]] == [1]
            assert s.agent.conversation.link.ready

    play(scene())


def test_the_questions_are_three_different_ones() -> None:
    assert len(set(QUESTIONS)) == 3
