"""Which conversation goes on after a start or a rest, with which handle, and what its session must be told."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent import config
from agent.conversation.continuity import FORGET_EVERY_S, Continuity, answered_at, settled_rows
from agent.store.recovery import Recovered
from agent.store.rows import CallRow, ConversationRow, TurnRow
from agent.wire.events import ResumptionUpdate
from agent.wire.history import PastTurn
from agent.wire.session import HANDLE_LIFE_S, Session

if TYPE_CHECKING:
    from agent.config import NoteSettings
    from agent.store.store import Store

LAST_AT = 1_000_000.0
"""On the wall, when the last word of the last run was said."""
NOW = 50.0
"""On the loop, when this run begins."""
MODEL = config.Settings().session.model


def row(number: int, **columns: Any) -> TurnRow:
    given: dict[str, Any] = {each.name: None for each in fields(TurnRow)}
    given |= {"number": number, "state": "answered", "began_at": LAST_AT - 100 + number, "answered_at": None}
    given |= dict.fromkeys(("question", "text", "answer", "played"), "")
    return TurnRow(**given | {"question": f"Q{number}", "answer": f"A{number}."} | columns)


def call(turn: int | None, name: str, result: dict[str, Any]) -> CallRow:
    return CallRow(1, turn, 1, "id", name, {}, result, LAST_AT, LAST_AT)


def talk(**columns: Any) -> ConversationRow:
    given: dict[str, Any] = {"number": 1, "began_at": 0.0, "last_at": LAST_AT, "model": MODEL, "greeted": False}
    return ConversationRow(**given | {"handle": "h1", "handle_at": LAST_AT} | columns)


class Box:
    """A continuity, the store that it writes to, and the clock on the wall."""

    def __init__(
        self,
        last: ConversationRow | None = None,
        *,
        turns: tuple[TurnRow, ...] = (),
        calls: tuple[CallRow, ...] = (),
        rested_s: float = 60.0,
        **sections: Any,
    ) -> None:
        settings = config.override(config.Settings(), sections, where="test")
        self.now = LAST_AT + rested_s
        self.past = Recovered(last, list(turns), list(calls), [], 0, 1)
        self.begun: list[str] = []
        self.handles: list[str] = []
        self.greetings = 0
        self.forgotten: list[int] = []
        self.session = Session(settings)
        self.continuity = Continuity(settings, cast("Store", self), self.session, lambda: self.now)

    def begin_conversation(self, model: str) -> None:
        self.begun.append(model)

    def keep_handle(self, handle: str) -> None:
        self.handles.append(handle)

    def greeted(self) -> None:
        self.greetings += 1

    def forget(self, notes: NoteSettings) -> None:
        self.forgotten.append(notes.keep_days)

    def connect(self, now: float = NOW) -> None:
        self.session.setup(now)
        self.session.opened(now)

    @property
    def told(self) -> list[str]:
        """What a fresh session would be told."""
        return [text for _, text in self.session.history.seed()]


# which conversation it is


def test_the_first_conversation_of_a_box_is_a_new_one() -> None:
    box = Box()
    assert box.continuity.stale
    box.continuity.begin(NOW)
    assert box.begun == [MODEL]
    assert not box.continuity.stale
    assert box.session.handle(NOW) == ""


@pytest.mark.parametrize(("rested_s", "goes_on"), [(60.0, True), (1800.0, True), (1801.0, False), (-9e5, True)])
def test_a_conversation_goes_on_while_it_is_young_or_the_clock_says_nothing(rested_s: float, *, goes_on: bool) -> None:
    box = Box(talk(), turns=(row(1),), rested_s=rested_s)
    assert box.continuity.stale is not goes_on
    box.continuity.begin(NOW)
    assert box.begun == ([] if goes_on else [MODEL])
    assert box.told == (["Q1", "A1."] if goes_on else [])
    assert box.session.handle(NOW) == ("h1" if goes_on else "")


def test_every_word_keeps_a_conversation_young() -> None:
    box = Box(talk())
    box.now += 1700
    box.continuity.touch()
    box.now += 1700
    assert not box.continuity.stale
    box.now += 101
    assert box.continuity.stale


def test_what_was_said_is_known_again_in_the_order_in_which_it_was_answered() -> None:
    late, early = row(1, answered_at=LAST_AT - 10), row(2, answered_at=LAST_AT - 50)
    box = Box(talk(), turns=(late, early, row(3, state="waiting")))
    box.continuity.begin(NOW)
    assert box.told == ["Q2", "A2.", "Q1", "A1."]


def test_a_turn_is_told_as_it_was_heard_and_with_the_tools_that_were_used() -> None:
    typed = row(2, question="", text="typed", answer="whole answer", played="what was heard")
    calls = call(2, "look", {"seen": 1}), call(1, "point", {}), call(None, "other", {})
    box = Box(talk(), turns=(typed,), calls=calls)
    box.continuity.begin(NOW)
    assert box.told == ["typed\n[look returned {'seen': 1}]", "what was heard"]
    box.session.history.add(PastTurn("again", "", number=2))
    assert box.session.history.position == 1  # it is known by its number


def test_turns_of_which_something_can_be_told_again_are_those_that_are_over_and_have_words() -> None:
    silent = row(1, question="", answer="")
    rows = [silent, *(row(number, state=state) for number, state in enumerate(("cut", "unanswered", "asked"), 2))]
    assert [each.number for each in settled_rows(rows)] == [2, 3]
    assert [each.number for each in settled_rows([row(1, question="", answer="Hello.")])] == [1]
    assert answered_at(row(1, began_at=3.0)) == 3.0
    assert answered_at(row(1, began_at=3.0, answered_at=7.0)) == 7.0


# the handle


@pytest.mark.parametrize(
    ("columns", "rested_s", "handle"),
    [
        ({}, HANDLE_LIFE_S - 1, "h1"),
        ({}, HANDLE_LIFE_S + 1, ""),
        ({"handle_at": LAST_AT - HANDLE_LIFE_S}, 60.0, ""),
        ({"model": "another"}, 60.0, ""),
        ({"model": f"{MODEL} at wss://elsewhere"}, 60.0, ""),
    ],
)
def test_a_handle_is_used_again_while_it_is_good_and_only_with_whom_it_came_from(
    columns: dict[str, Any], rested_s: float, handle: str
) -> None:
    box = Box(talk(**columns), turns=(row(1),), rested_s=rested_s, conversation={"resume_within_s": 86_400.0})
    box.continuity.begin(NOW)
    assert box.session.handle(NOW) == handle
    assert box.told == ["Q1", "A1."]  # the conversation goes on in any case


def test_the_age_of_a_handle_counts_on() -> None:
    box = Box(talk(), rested_s=600.0)
    box.continuity.begin(NOW)
    assert box.session.handle(NOW + HANDLE_LIFE_S - 601) == "h1"
    assert box.session.handle(NOW + HANDLE_LIFE_S - 599) == ""


def test_a_handle_of_the_future_is_taken_for_a_new_one() -> None:
    box = Box(talk(), rested_s=-9e5)
    box.continuity.begin(NOW)
    assert box.session.handle(NOW + HANDLE_LIFE_S - 1) == "h1"
    assert box.session.handle(NOW + HANDLE_LIFE_S) == ""


def test_another_address_is_another_service() -> None:
    assert Box().continuity.counterpart == Box().continuity.model == MODEL
    assert Box(service={"url": "wss://elsewhere"}).continuity.counterpart == f"{MODEL} at wss://elsewhere"
    assert Box(service={"url": "wss://elsewhere"}).continuity.model == MODEL


def test_a_handle_is_brought_to_the_disk_when_it_changes() -> None:
    box = Box()
    box.continuity.begin(NOW)
    box.connect()
    for handle in ("h1", "h1", "h2"):
        box.session.resumption_update(ResumptionUpdate(handle), NOW)
        box.continuity.keep_handle(NOW)
    assert box.handles == ["h1", "h2"]
    box.continuity.keep_handle(NOW + HANDLE_LIFE_S)
    assert box.handles == ["h1", "h2", ""]


# what a connection is told


def test_a_resumed_session_is_told_what_was_answered_after_its_handle() -> None:
    known, missed = row(1, answered_at=LAST_AT - 20), row(2, answered_at=LAST_AT - 5)
    box = Box(talk(handle_at=LAST_AT - 10), turns=(known, missed))
    box.continuity.begin(NOW)
    box.connect()
    catchup = box.continuity.connected(NOW)
    assert catchup.seed is None
    assert "Q2" in catchup.preface
    assert "Q1" not in catchup.preface
    assert catchup.known == 0  # its sound was heard by an earlier run


def test_a_session_knows_the_sound_of_what_it_had_answered_when_it_gave_the_handle() -> None:
    box = Box()
    box.continuity.begin(NOW)
    box.connect()
    box.session.resumption_update(ResumptionUpdate("h1"), NOW, answered=4)
    box.connect(NOW + 1)
    assert box.continuity.connected(NOW + 1).known == 4


def test_a_fresh_session_is_told_the_conversation() -> None:
    box = Box(talk(handle=""), turns=(row(1),))
    box.continuity.begin(NOW)
    box.connect()
    catchup = box.continuity.connected(NOW)
    assert catchup.seed is not None
    turns = json.loads(catchup.seed)["clientContent"]["turns"]
    assert [turn["parts"][0]["text"] for turn in turns] == ["Q1", "A1."]
    assert catchup.preface == ""


def test_a_first_session_is_told_nothing() -> None:
    box = Box()
    box.continuity.begin(NOW)
    box.connect()
    catchup = box.continuity.connected(NOW)
    assert (catchup.known, catchup.preface, catchup.seed) == (0, "", None)


@pytest.mark.parametrize("connected", [True, False])
def test_starting_over_forgets_and_what_the_old_connection_still_says_is_about_the_old(*, connected: bool) -> None:
    box = Box(talk(greeted=True), turns=(row(1),), rested_s=1801.0, session={"initial_message": "Hello."})
    box.session.restore("h1", 0.0, NOW, 0)
    assert box.continuity.stale
    box.continuity.start_over(connected=connected)
    assert (box.begun, box.told, box.session.handle(NOW)) == ([MODEL], [], "")
    assert not box.continuity.stale
    assert box.continuity.starting_over is connected
    box.continuity.connected(NOW)
    assert not box.continuity.starting_over
    assert box.continuity.greeting() == "Hello."


# greeting and forgetting


def test_a_technician_is_greeted_once_in_a_conversation_whatever_happens() -> None:
    hello = {"initial_message": "Hello."}
    box = Box(session=hello)
    box.continuity.begin(NOW)
    assert [box.continuity.greeting() for _ in range(2)] == ["Hello.", ""]
    assert box.greetings == 1
    again = Box(talk(greeted=True), session=hello)
    again.continuity.begin(NOW)
    assert (again.continuity.greeting(), again.greetings) == ("", 0)
    later = Box(talk(greeted=True), rested_s=7200.0, session=hello)
    later.continuity.begin(NOW)
    assert later.continuity.greeting() == "Hello."


def test_where_no_greeting_is_configured_none_is_noted() -> None:
    box = Box()
    box.continuity.begin(NOW)
    assert (box.continuity.greeting(), box.greetings) == ("", 0)


def test_what_is_too_old_is_forgotten_once_a_day() -> None:
    box = Box(notes={"keep_days": 5})
    for after_s, times in ((0.0, 1), (FORGET_EVERY_S - 1, 1), (FORGET_EVERY_S, 2)):
        box.continuity.connected(NOW + after_s, box.now)
        assert box.forgotten == [5] * times


@pytest.mark.parametrize("off_s", [60 * 86_400.0, -60 * 86_400.0, 601.0, -601.0, None])
def test_nothing_is_forgotten_unless_the_service_has_the_same_time(
    off_s: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box()
    box.continuity.connected(NOW, None if off_s is None else box.now - off_s)
    assert box.forgotten == []
    assert ("differ by" in caplog.text) is (off_s is not None)
    box.continuity.connected(NOW + 1, box.now)
    assert len(box.forgotten) == 1, "as soon as the clock is right"
