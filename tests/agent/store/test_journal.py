"""What the journal keeps and gives back, its rows included."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from typing import Any

import pytest

from agent.errors import AgentError
from agent.outside.text import learn
from agent.store.errors import StorageError
from agent.store.journal import Journal
from agent.store.rows import CallRow, EventRow, StillRow, TurnRow


def again(journal: Journal) -> Journal:
    """The same journal after a restart."""
    journal.close()
    return Journal(journal.path)


def columns(turn: TurnRow | None) -> dict[str, Any]:
    assert turn is not None
    return asdict(turn)


def test_a_conversation_is_kept_with_what_is_noted_of_it(journal: Journal, talk: int) -> None:
    journal.touch(talk, 150.0)
    journal.greeted(talk)
    journal.keep_handle(talk, "resume-me", 151.0)
    later = again(journal)
    found = later.latest_conversation()
    assert found is not None
    assert asdict(found) == {
        "number": talk,
        "began_at": 100.0,
        "last_at": 150.0,
        "model": "a-model",
        "greeted": True,
        "handle": "resume-me",
        "handle_at": 151.0,
    }
    assert later.conversation(talk) == found
    later.keep_handle(talk, "", 152.0)
    assert (cleared := later.conversation(talk)) is not None
    assert (cleared.handle, cleared.greeted) == ("", True)
    later.close()


def test_conversations_come_newest_first(journal: Journal) -> None:
    assert journal.latest_conversation() is None
    numbers = [journal.begin_conversation("a-model", at) for at in (1.0, 2.0, 3.0)]
    assert [each.number for each in journal.conversations()] == numbers[::-1]
    assert [each.number for each in journal.conversations(limit=2)] == numbers[:0:-1]
    assert journal.conversation(99) is None


@pytest.mark.parametrize(("kind", "state"), [("spoken", "recording"), ("typed", "waiting"), ("unasked", "answered")])
def test_a_turn_begins_in_the_state_of_its_kind(journal: Journal, talk: int, kind: str, state: str) -> None:
    journal.begin_turn(1, talk, kind, 101.0, audio="000001.wav", text="What is it?")
    turn = columns(journal.turn(1))
    given = {"number": 1, "conversation": talk, "kind": kind, "state": state, "began_at": 101.0}
    given |= {"audio": "000001.wav", "text": "What is it?"}
    assert {name: turn.pop(name) for name in given} == given
    assert not any(turn.values())
    assert turn["interrupted"] is False
    assert turn["ttfab_s"] is None


def test_every_column_of_a_turn_can_be_set_and_no_other_is_touched(journal: Journal, talk: int) -> None:
    changed = {
        "state": "answered",
        "interrupted": True,
        "answer_audio": "000001-answer.wav",
        "question": "What is this?",
        "ttfab_s": 0.75,
        "tokens": 12,
        "attempts": 2,
        "saved_at": 104,
    }
    for number in (1, 2):
        journal.begin_turn(number, talk, "spoken", 101.0)
    before = columns(journal.turn(1))
    journal.update_turn(1, **changed)
    with closing(again(journal)) as later:
        assert columns(later.turn(1)) == before | changed
        assert columns(later.turn(2)) == before | {"number": 2}
        everything = {name: value for name, value in columns(later.turn(1)).items() if name != "number"}
        later.update_turn(2, **everything)
        assert columns(later.turn(2)) == everything | {"number": 2}


def test_a_column_or_a_turn_that_is_not_there_is_refused(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "spoken", 101.0)
    before = journal.turn(1)
    for wrong in ({"stat": "cut"}, {"state": "cut", "numbers": 7}, {"state = 'cut' --": 1}, {}):
        with pytest.raises(ValueError, match="no columns of a turn"):
            journal.update_turn(1, **wrong)
    with pytest.raises(LookupError, match="no turn 2"):
        journal.update_turn(2, state="cut")
    assert journal.turn(1) == before


def test_a_kind_a_state_or_a_conversation_that_is_not_there_is_refused(journal: Journal, talk: int) -> None:
    with pytest.raises(KeyError):
        journal.begin_turn(1, talk, "sung", 101.0)
    with pytest.raises(sqlite3.IntegrityError):
        journal.begin_turn(1, talk + 1, "spoken", 101.0)
    journal.begin_turn(1, talk, "spoken", 101.0)
    for column, value in (("state", "lost"), ("interrupted", 2), ("tokens", "many"), ("conversation", 99)):
        with pytest.raises(sqlite3.IntegrityError):
            journal.update_turn(1, **{column: value})
    with pytest.raises(sqlite3.IntegrityError):
        journal.begin_turn(1, talk, "spoken", 102.0)


def test_turns_come_in_order_and_the_unsent_ones_are_those_the_service_owes_an_answer(
    journal: Journal, talk: int
) -> None:
    other = journal.begin_conversation("a-model", 100.0)
    states = ["asked", "recording", "waiting", "answered", "unanswered", "cut"]
    for number, state in reversed(list(enumerate(states, 1))):
        journal.begin_turn(number, talk if number != 3 else other, "spoken", 101.0)
        journal.update_turn(number, state=state)
    assert [turn.number for turn in journal.unsent()] == [1, 2, 3]
    assert [turn.number for turn in journal.turns(talk)] == [1, 2, 4, 5, 6]
    assert [turn.number for turn in journal.turns(other)] == [3]


def test_an_answer_to_a_note_is_unplayed_until_it_is_played(journal: Journal, talk: int) -> None:
    note = {"state": "answered", "saved_at": 104.0, "answer_audio": "a.wav"}
    missing: tuple[dict[str, Any], ...] = (
        {"state": "asked"},
        {"saved_at": None},
        {"answer_audio": ""},
        {"played_at": 1.0},
    )
    for number, each in enumerate((*missing, {}), 1):
        journal.begin_turn(number, talk, "spoken", 101.0)
        journal.update_turn(number, **note | each)
    assert [turn.number for turn in journal.unplayed()] == [5]


def test_a_number_is_never_given_twice_even_when_its_turn_is_forgotten(journal: Journal, talk: int) -> None:
    assert journal.next_turn() == 1
    journal.begin_turn(7, talk, "typed", 101.0)
    journal.begin_turn(5, talk, "typed", 101.0)
    for number in (5, 7):
        journal.update_turn(number, state="answered")
    assert journal.next_turn() == 8
    assert journal.old(1000.0) == [talk]
    journal.erase([talk])
    with closing(again(journal)) as later:
        assert later.turn(7) is None
        assert later.next_turn() == 8


def test_stills_are_kept(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "spoken", 101.0)
    journal.add_still(talk, 1, 102.0, "a.jpg", 40_000)
    journal.add_still(talk, None, 103.0, "b.jpg", 50_000)
    assert journal.stills(talk) == [
        StillRow(1, 1, talk, 102.0, "a.jpg", 40_000),
        StillRow(2, None, talk, 103.0, "b.jpg", 50_000),
    ]


def test_calls_are_kept_with_what_was_asked_and_what_came_of_it(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "spoken", 101.0)
    arguments = {"on": True, "name": "ü", "deep": [{"a": None}]}
    first = journal.begin_call(talk, 1, "id-1", "torch", arguments, 102.0)
    second = journal.begin_call(talk, None, "id-2", "still", {}, 103.0)
    third = journal.begin_call(talk, None, "id-3", "still", {}, 104.0)
    journal.end_call(first, {"ok": True}, 105.0)
    journal.end_call(third, None, 106.0)
    assert journal.calls(talk) == [
        CallRow(first, 1, talk, "id-1", "torch", arguments, {"ok": True}, 102.0, 105.0),
        CallRow(second, None, talk, "id-2", "still", {}, None, 103.0, None),
        CallRow(third, None, talk, "id-3", "still", {}, None, 104.0, 106.0),
    ]


def test_a_result_that_a_failing_card_has_spoilt_does_not_hide_the_others(journal: Journal, talk: int) -> None:
    journal.end_call(journal.begin_call(talk, None, "id-1", "torch", {}, 102.0), {"ok": True}, 103.0)
    journal._database.execute("""UPDATE call SET result = '{"ok": tr', arguments = '[1, 2]'""")
    assert [(call.arguments, call.result) for call in journal.calls(talk)] == [
        ({"unreadable": "[1, 2]"}, {"unreadable": '{"ok": tr'})
    ]


def test_text_is_kept_without_what_nobody_can_see(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "typed", 101.0, text="a\ud800b\0c")
    assert columns(journal.turn(1))["text"] == "abc"
    journal._database.execute("UPDATE turn SET text = CAST(x'61ff62' AS TEXT)")
    assert columns(journal.turn(1))["text"] == "a\ufffdb"


def test_events_come_in_order_of_one_conversation_or_of_all(journal: Journal, talk: int) -> None:
    journal.add_event(101.0, "network", "away", talk)
    journal.add_event(102.0, "power", "on battery")
    journal.add_event(103.0, "network", "back", talk)
    network = [EventRow(1, 101.0, "network", "away", talk), EventRow(3, 103.0, "network", "back", talk)]
    assert journal.events(talk) == network
    assert journal.events() == [network[0], EventRow(2, 102.0, "power", "on battery", None), network[1]]
    assert [event.number for event in journal.events(limit=2)] == [2, 3]
    assert [event.number for event in journal.events(talk, limit=1)] == [3]


def test_what_is_old_is_forgotten_but_not_what_is_still_owed(journal: Journal) -> None:
    answered, owed, new = (journal.begin_conversation("a-model", at) for at in (100.0, 101.0, 500.0))
    for number, talk in enumerate((answered, owed, new), 1):
        journal.begin_turn(number, talk, "spoken", 100.0)
        journal.add_still(talk, number, 100.0, f"{number}.jpg", 1)
        journal.begin_call(talk, number, "id", "torch", {}, 100.0)
        journal.add_event(100.0, "old", "", talk)
    journal.update_turn(1, state="answered")
    journal.update_turn(3, state="answered")
    journal.add_event(500.0, "new", "", answered)
    assert journal.old(before=300.0) == [answered]
    journal.erase([answered])
    assert journal.forget_events(before=300.0) == 2
    assert [each.number for each in journal.conversations()] == [new, owed]
    assert journal.turns(answered) == journal.stills(answered) == journal.calls(answered) == []
    assert len(journal.turns(owed)) == len(journal.stills(owed)) == len(journal.calls(owed)) == 1
    assert journal.events() == []
    journal.update_turn(2, state="answered")
    assert journal.old(before=300.0) == [owed]


def test_what_came_after_something_younger_is_not_old_whatever_the_clock_said(journal: Journal) -> None:
    first, ahead, unset = (journal.begin_conversation("a-model", at) for at in (100.0, 900.0, 5.0))
    for at in (100.0, 900.0, 5.0):
        journal.add_event(at, "network", "", None)
    assert journal.old(before=50.0) == []
    assert journal.old(before=300.0) == [first]
    assert journal.old(before=1000.0) == [first, ahead, unset]
    assert journal.forget_events(before=300.0) == 1
    assert [event.at for event in journal.events()] == [900.0, 5.0]


def test_forgetting_is_all_or_nothing(journal: Journal, talk: int) -> None:
    journal.add_event(1.0, "old", "", talk)
    journal._database.execute("CREATE TRIGGER no BEFORE DELETE ON conversation BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(sqlite3.IntegrityError):
        journal.erase([talk], events=(0.0, 300.0))
    assert len(journal.events()) == 1
    assert not journal._database.in_transaction


def type_much(journal: Journal, talk: int) -> None:
    for number in range(1, 1000):
        journal.begin_turn(number, talk, "typed", 101.0, text="What is this? " * 500)


def test_a_full_disk_is_told_with_what_to_do_and_takes_nothing_along(journal: Journal, talk: int) -> None:
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match=r"full.*free some space") as failed:
        type_much(journal, talk)
    kept = len(journal.turns(talk))
    assert [turn.number for turn in journal.turns(talk)] == list(range(1, kept + 1))
    assert failed.value.path == journal.path
    assert isinstance(failed.value, AgentError)
    journal.touch(talk, 500.0)


def test_a_reader_sees_what_another_process_writes_and_cannot_write(journal: Journal, talk: int) -> None:
    script = (
        "import sys; from pathlib import Path; from agent.store.journal import Journal; "
        "from agent.store.errors import StorageError\n"
        "journal = Journal(Path(sys.argv[1]), read_only=True)\n"
        "print([turn.text for turn in journal.unsent()], flush=True)\n"
        "sys.stdin.readline()\n"
        "print([turn.text for turn in journal.unsent()])\n"
        "try: journal.touch(1, 2.0)\n"
        "except StorageError as error: print(error.problem)\n"
        "journal.close()\n"
    )
    journal.begin_turn(1, talk, "typed", 101.0, text="first")
    command = [sys.executable, "-c", script, str(journal.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert reader.stdout.readline() == "['first']\n"
        journal.begin_turn(2, talk, "typed", 102.0, text="second")
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.read().splitlines() == [
            "['first', 'second']",
            "the journal: attempt to write a readonly database",
        ]
    journal.begin_turn(3, talk, "typed", 103.0)


def test_no_column_holds_a_secret_or_something_invisible(journal: Journal, talk: int) -> None:
    learn("opensesame")
    evil, told = "opense\u200bsame\x1b[2J\u202e\nline", "[redacted][2J\nline"
    journal.begin_turn(1, talk, "typed", 101.0, text=evil)
    journal.update_turn(1, question=evil, answer=evil, played=evil, reason=evil)
    call = journal.begin_call(talk, 1, evil, evil, {evil: [evil]}, 101.0)
    journal.end_call(call, {evil: evil}, 102.0)
    journal.add_event(101.0, evil, evil, talk)
    turn = journal.turn(1)
    assert turn is not None
    assert {turn.text, turn.question, turn.answer, turn.played, turn.reason} == {told}
    (kept,) = journal.calls(talk)
    assert (kept.call_id, kept.name, kept.arguments, kept.result) == (told, told, {told: [told]}, {told: told})
    (event,) = journal.events(talk)
    assert (event.kind, event.text) == (told, told)


def test_a_handle_is_kept_as_the_service_sent_it(journal: Journal, talk: int) -> None:
    handle = "AIzaSyA-handle-that-looks-like-a-key-0123 \u200b key=x"
    journal.keep_handle(talk, handle, 101.0)
    row = journal.conversation(talk)
    assert row is not None
    assert row.handle == handle
