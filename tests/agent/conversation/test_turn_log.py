"""What is written down of a turn: while it happens, when it is over, and for a session that does not know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agent.conversation.turn_log import PROGRESS_S, TurnLog
from agent.metrics import TurnRecord
from agent.wire.history import History

if TYPE_CHECKING:
    from agent.conversation.continuity import Continuity
    from agent.store.store import Store


class Desk:
    """Where the log is written: store, continuity, its session and the clock in one."""

    def __init__(self) -> None:
        self.now = 100.0
        self.updates: list[tuple[int, dict[str, Any]]] = []
        self.unasked_turns: list[tuple[int, dict[str, Any]]] = []
        self.touched = 0
        self.over: list[TurnRecord] = []
        self.history = History(4000)
        self.session = self
        self.log = TurnLog(
            cast("Store", self),
            cast("Continuity", self),
            clock=lambda: self.now,
            take_number=lambda: 9,
            on_over=self.over.append,
        )

    def update(self, number: int, **columns: Any) -> None:
        self.updates.append((number, columns))

    def unasked(self, number: int, **columns: Any) -> None:
        self.unasked_turns.append((number, columns))

    def touch(self) -> None:
        self.touched += 1


def record(utterance: int | None = 3, answer: str = "", audio_s: float = 0.0, **fields: Any) -> TurnRecord:
    made = TurnRecord(utterance, **fields)
    if answer:
        made.answer.add_text(answer)
    made.answer.add_audio(audio_s)
    return made


def test_what_has_come_of_an_answer_is_written_down_once_a_second_while_it_comes() -> None:
    desk = Desk()
    coming = record(question_text=" What now? ")
    for words in ("One", " two", " three"):
        coming.answer.add_text(words)
        desk.log.progress(coming)
        desk.now += PROGRESS_S / 2
    assert desk.updates == [
        (3, {"question": "What now?", "answer": "One"}),
        (3, {"question": "What now?", "answer": "One two three"}),
    ]


def test_what_nobody_asked_has_no_row_to_write_to_while_it_comes() -> None:
    desk = Desk()
    desk.log.progress(record(utterance=None, answer="Hello"))
    assert desk.updates == []
    desk.log.progress(record(answer="One"))
    assert len(desk.updates) == 1


def test_a_turn_that_is_over_is_written_down_whole_and_told() -> None:
    desk = Desk()
    done = record(answer="A pump.", audio_s=2.0, question_text="What is this?", tokens=7)
    desk.log.settle(done)
    assert desk.updates == [(3, done.columns())]
    assert desk.unasked_turns == []
    assert desk.over == [done]
    assert desk.touched == 1
    assert desk.history.seed() == [("user", "What is this?"), ("model", "A pump.")]


def test_what_the_service_said_of_its_own_accord_gets_a_number_and_a_row() -> None:
    desk = Desk()
    for spoken in (record(utterance=None, answer="Hello."), record(utterance=None, audio_s=1.0)):
        desk.log.settle(spoken)
        assert desk.unasked_turns[-1] == (9, spoken.columns())
    assert len(desk.unasked_turns) == 2
    assert desk.updates == []


def test_the_end_of_what_a_half_sent_utterance_began_has_no_row_and_is_told_all_the_same() -> None:
    desk = Desk()
    end = record(utterance=None)
    desk.log.settle(end)
    assert (desk.updates, desk.unasked_turns, desk.history.seed()) == ([], [], [])
    assert desk.over == [end]


def test_a_turn_is_told_again_as_it_was_heard() -> None:
    desk = Desk()
    cut = record(answer="One two three four", audio_s=4.0, question_text=" Count. ", played_s=2.0, interrupted=True)
    desk.log.remember(cut)
    assert desk.history.seed() == [("user", "Count."), ("model", cut.played_text)]
    assert cut.played_text == "One two"


def test_a_typed_question_is_told_in_its_own_words_unless_the_service_heard_others() -> None:
    desk = Desk()
    desk.log.remember(record(typed="How hot?", answer="Ninety."))
    desk.log.remember(record(4, typed="typed", question_text="heard"))
    assert [text for role, text in desk.history.seed() if role == "user"] == ["How hot?", "heard"]


def test_a_turn_is_remembered_once_in_its_last_words() -> None:
    desk = Desk()
    desk.log.remember(record(answer="A", question_text="Q"))
    desk.log.remember(record(answer="A pump.", question_text="Q"))
    desk.log.remember(record(4))  # of which there is not a word
    assert desk.history.seed() == [("user", "Q"), ("model", "A pump.")]
    for _ in range(2):
        desk.log.remember(record(utterance=None, answer="Hello."))
    assert desk.history.position == 3  # what nobody asked is a turn of its own each time


def test_an_answer_that_could_not_be_heard_is_taken_back() -> None:
    desk = Desk()
    desk.log.unheard(record(answer="One"))
    desk.log.unheard(record(utterance=None, answer="One"))
    assert desk.updates == [(3, {"answer": ""})]
