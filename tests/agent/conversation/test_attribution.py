"""Each answer stays with its question, whatever the service leaves out, sends twice or sends late; by hypothesis.

The box is drawn in a few lines: it waits, plays, rests, and asks the next question. What it knows of the wire is the
real :class:`Dialogue` above the real :class:`Answers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.turn.events import AnswerBegan, AnswerEnded, AnswerGenerated, AnswerInterrupted, AnswerMissing, Event
from agent.wire.events import (
    GenerationComplete,
    InputTranscript,
    Interrupted,
    OutputTranscript,
    ServerEvent,
    TurnComplete,
)
from tests.support.dialogue_rig import Rig, audio

if TYPE_CHECKING:
    from agent.metrics import TurnRecord

DONE = TurnComplete(idle=True, reason="")
PIECES = 4
FAULTS = ("keep", "drop", "twice")
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Faults:
    """What becomes of each message of one turn."""

    heard: str = "keep"
    words: tuple[str, ...] = ("keep",) * PIECES
    generated: str = "keep"
    interrupted: str = "keep"
    ended: str = "keep"
    late: bool = False  # the end comes after the next question
    cut: bool = False  # the technician does not hear it out

    @property
    def whole(self) -> bool:
        """Whether every piece of the answer came, and was wanted."""
        return not self.cut and set(self.words) == {"keep"}


fates = st.sampled_from(FAULTS)
TURNS = st.lists(
    st.builds(
        Faults,
        heard=fates,
        words=st.tuples(*[fates] * PIECES),
        generated=fates,
        interrupted=fates,
        ended=fates,
        late=st.booleans(),
        cut=st.booleans(),
    ),
    min_size=2,
    max_size=5,
)
ENDS = st.lists(
    st.builds(Faults, heard=fates, generated=fates, ended=fates, late=st.booleans()), min_size=2, max_size=5
)


class Box:
    """Asks, waits, plays and rests."""

    def __init__(self) -> None:
        self.rig, self.now, self.state = Rig(), 0.0, "resting"
        self.asked: list[int] = []
        self.records: dict[int, TurnRecord] = {}

    def ask(self) -> None:
        if self.state != "resting":
            self.rig.dialogue.cut(self.now)
        self.now += 2.0
        self.asked.append(self.rig.ask(self.now, self.now))
        self.state = "waiting"

    def feed(self, event: ServerEvent, fate: str, pause_s: float = 0.1) -> None:
        for _ in range(FAULTS.index(fate) if fate != "keep" else 1):
            if fate == "drop":
                return
            self.heed(self.rig.feed(event, now=self.now))
        self.now += pause_s

    def heed(self, told: list[Event]) -> None:
        for event in told:
            match event:
                case AnswerBegan():
                    self.state = "playing"
                case AnswerGenerated() | AnswerEnded() if self.state == "playing":
                    self.play_out()
                case AnswerEnded() if self.state == "waiting":
                    self.state = "resting"
                case AnswerInterrupted() if self.state == "playing":
                    self.rig.dialogue.cut(self.now)
                    self.state = "resting"
                case AnswerMissing():
                    self.rig.break_line()
                    self.state = "resting"  # it is asked again over the next connection, which knows nothing of this

    def play_out(self) -> None:
        self.rig.play_out(self.now)
        self.state = "resting"

    def lose_patience(self) -> None:
        """Do as the turn machine: play what has come, or ask anew over another connection."""
        self.now += PATIENCE_S
        if self.state == "playing":
            self.play_out()
        elif self.state == "waiting":
            self.rig.break_line()
            self.state = "resting"


def converse(turns: list[Faults]) -> Box:
    """Hold a conversation; each word of an answer names its question."""
    box, late = Box(), list[tuple[ServerEvent, str]]()
    for faults in turns:
        box.ask()
        connection = len(box.rig.records), box.state
        for event, fate in late:
            box.feed(event, fate)
        late.clear()
        number = box.asked[-1]
        if box.state == "waiting" or connection[1] == "waiting":
            answer(box, number, faults, late)
        if not faults.cut:
            box.lose_patience()
    box.lose_patience()
    box.rig.dialogue.cut(box.now)
    box.rig.break_line()
    return box


def answer(box: Box, number: int, faults: Faults, late: list[tuple[ServerEvent, str]]) -> None:
    box.feed(InputTranscript(f" q{number}"), faults.heard, 0.5)
    for place, fate in enumerate(faults.words[: PIECES // 2 if faults.cut else PIECES]):
        box.feed(audio(0.25), fate, 0.0)
        box.feed(OutputTranscript(f" a{number}.{place}"), fate, 0.25)
    if faults.cut:
        box.rig.dialogue.cut(box.now)
        box.state = "resting"
        box.feed(Interrupted(), faults.interrupted)
    else:
        box.feed(GenerationComplete(), faults.generated, 1.0)
    if faults.late and not faults.cut:
        late.append((DONE, faults.ended))
    else:
        box.feed(DONE, faults.ended)


def words_of(box: Box, number: int) -> set[str]:
    return {word for record in box.rig.records if record.utterance == number for word in record.answer.text.split()}


NO_END = Faults(ended="drop")
EMPTY = Faults(words=("drop",) * PIECES, generated="drop")


@given(TURNS)
@example([NO_END, EMPTY, Faults(), Faults()])
@example([NO_END, Faults(heard="drop", words=("drop",) * PIECES, generated="drop"), Faults(), Faults()])
@example([Faults(generated="drop", ended="drop"), Faults(), Faults()])
@example([Faults(cut=True, interrupted="drop", ended="drop"), Faults(), Faults()])
@example([Faults(cut=True, ended="drop"), Faults(), Faults()])
@example([Faults(ended="twice", late=True), Faults(), Faults()])
def test_no_answer_is_attributed_to_the_question_of_another(turns: list[Faults]) -> None:
    box = converse(turns)
    for number in box.asked:
        assert all(word.startswith(f"a{number}.") for word in words_of(box, number)), (number, words_of(box, number))


@given(ENDS)
@example([NO_END, Faults(), Faults()])
@example([Faults(generated="drop", ended="drop"), Faults(), Faults()])
@example([Faults(ended="twice", late=True), Faults(), Faults()])
def test_an_answer_of_which_all_came_is_whole_with_its_question_whatever_becomes_of_the_ends(
    turns: list[Faults],
) -> None:
    box = converse(turns)
    for number in box.asked:
        assert words_of(box, number) == {f"a{number}.{place}" for place in range(PIECES)}, number


@pytest.mark.parametrize("heard", ["keep", "drop"])
def test_an_empty_turn_after_a_missing_end_does_not_move_the_books(heard: str) -> None:
    box = converse([NO_END, Faults(heard=heard, words=("drop",) * PIECES, generated="drop"), Faults(), Faults()])
    assert [words_of(box, number) and max(words_of(box, number)) for number in box.asked] == [
        "a1.3",
        set(),
        "a3.3",
        "a4.3",
    ]


def test_a_late_end_does_not_end_the_wait_for_the_next_answer() -> None:
    rig = Rig()
    rig.ask()
    rig.feed(audio(1.0), GenerationComplete())
    rig.play_out()
    rig.ask(12.0, 12.0)
    assert rig.feed(DONE, now=12.1) == [AnswerGenerated()]
    assert rig.feed(audio(1.0), now=13.0) == [AnswerBegan()]
