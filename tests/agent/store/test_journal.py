from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import AgentError
from agent.store import database
from agent.store.database import MIGRATIONS, migrate
from agent.store.errors import StorageError
from agent.store.journal import Journal
from agent.store.rows import CallRow, EventRow, StillRow, TurnRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RELEASED = {1: "661ecd", 2: "1c8d66"}
"""By version the beginning of the SHA-256 of its schema; what a release has had is not changed any more."""
NEXT = "ALTER TABLE event ADD COLUMN level TEXT NOT NULL DEFAULT 'info'; CREATE TABLE more (a TEXT) STRICT;"
SPOILT = "CREATE TABLE half (a TEXT) STRICT; CREATE TABLE half (a TEXT) STRICT;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


@pytest.fixture
def talk(journal: Journal) -> int:
    return journal.begin_conversation("a-model", 100.0)


def again(journal: Journal) -> Journal:
    """The same journal after a restart."""
    journal.close()
    return Journal(journal.path)


def columns(turn: TurnRow | None) -> dict[str, Any]:
    assert turn is not None
    return asdict(turn)


def test_a_journal_its_log_and_its_folders_are_this_users_alone(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "a" / "b" / "journal.db")) as journal:
        journal.begin_conversation("a-model", 1.0)
        assert {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "a" / "b").iterdir()} == {
            "journal.db": 0o600,
            "journal.db-wal": 0o600,
            "journal.db-shm": 0o600,
        }
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_closing_leaves_one_file_and_may_be_done_twice(journal: Journal, talk: int) -> None:
    journal.close()
    journal.close()
    assert [each.name for each in journal.path.parent.iterdir()] == ["journal.db"]
    with closing(Journal(journal.path)) as later:
        assert later.conversation(talk) is not None


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
    assert journal.forget(1000.0) == 1
    with closing(again(journal)) as later:
        assert later.turn(7) is None
        assert later.next_turn() == 8


def test_stills_are_kept_until_they_are_dropped(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "spoken", 101.0)
    journal.add_still(talk, 1, 102.0, "a.jpg", 40_000)
    journal.add_still(talk, None, 103.0, "b.jpg", 50_000)
    assert journal.stills(talk) == [
        StillRow(1, 1, talk, 102.0, "a.jpg", 40_000),
        StillRow(2, None, talk, 103.0, "b.jpg", 50_000),
    ]
    journal.drop_still("a.jpg")
    assert [still.file for still in journal.stills(talk)] == ["b.jpg"]


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


def test_text_that_is_no_unicode_is_kept_as_far_as_it_is(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "typed", 101.0, text="a\ud800b\0c")
    assert columns(journal.turn(1))["text"] == "a?b\0c"
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
    assert journal.forget(before=300.0) == 3 + 1
    assert [each.number for each in journal.conversations()] == [new, owed]
    assert journal.turns(answered) == journal.stills(answered) == journal.calls(answered) == []
    assert len(journal.turns(owed)) == len(journal.stills(owed)) == len(journal.calls(owed)) == 1
    assert journal.events() == [EventRow(4, 500.0, "new", "", None)]
    journal.update_turn(2, state="answered")
    assert journal.forget(before=300.0) == 1
    assert journal.forget(before=300.0) == 0


def test_forgetting_is_all_or_nothing(journal: Journal, talk: int) -> None:
    journal.add_event(1.0, "old", "", talk)
    journal._database.execute("CREATE TRIGGER no BEFORE DELETE ON conversation BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(sqlite3.IntegrityError):
        journal.forget(before=300.0)
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


def test_a_reader_opens_a_journal_that_nobody_writes_to_and_one_whose_writer_was_killed(
    journal: Journal, talk: int, tmp_path: Path
) -> None:
    (tmp_path / "killed").mkdir()
    for name in ("journal.db", "journal.db-wal"):
        (tmp_path / "killed" / name).write_bytes((journal.path.parent / name).read_bytes())
    journal.close()
    for each in (journal.path, tmp_path / "killed" / "journal.db"):
        with closing(Journal(each, read_only=True)) as reader:
            assert reader.conversation(talk) is not None


def test_a_reader_says_why_it_cannot_read(path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no journal.*the agent makes it"):
        Journal(path, read_only=True)
    assert not path.parent.exists()
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(StorageError, match=r"not a database.*sets a damaged journal aside"):
        Journal(path, read_only=True)
    assert path.read_bytes().startswith(b"no database")


def test_a_file_that_is_no_journal_is_set_aside_with_all_that_belongs_to_it(path: Path) -> None:
    path.parent.mkdir()
    for number in (1, 2):
        path.write_bytes(b"no database " * 1000)
        path.with_name("journal.db-wal").write_bytes(b"log")
        with closing(Journal(path)) as journal:
            aside = path.with_name(f"journal.db.damaged-{number}")
            assert journal.set_aside == aside
            assert aside.read_bytes() == b"no database " * 1000
            assert path.with_name(f"{aside.name}-wal").read_bytes() == b"log"
            assert journal.begin_conversation("a-model", 1.0) == 1
    with closing(Journal(path)) as journal:
        assert journal.set_aside is None
        assert journal.latest_conversation() is not None


@pytest.mark.parametrize("left", [None, b""], ids=["missing", "empty"])
def test_a_log_whose_journal_is_gone_is_not_taken_for_that_of_a_new_one(path: Path, left: bytes | None) -> None:
    with closing(Journal(path)) as journal:
        journal.begin_conversation("a-model", 1.0)
        log = path.with_name("journal.db-wal").read_bytes()
    path.unlink()
    path.with_name("journal.db-wal").write_bytes(log)
    if left is not None:
        path.write_bytes(left)
    with closing(Journal(path)) as journal:
        assert journal.set_aside is not None
        assert path.with_name(f"{journal.set_aside.name}-wal").read_bytes() == log
        assert journal.latest_conversation() is None


@pytest.mark.parametrize(
    "spoil",
    ["DROP TABLE call", "ALTER TABLE turn DROP COLUMN question", "PRAGMA user_version = 0"],
)
def test_a_database_without_the_tables_of_its_version_is_set_aside(journal: Journal, spoil: str) -> None:
    journal._database.execute(spoil)
    with closing(again(journal)) as later:
        assert later.set_aside is not None


def test_an_index_that_does_not_belong_to_its_table_is_damage(journal: Journal, talk: int) -> None:
    journal.begin_turn(1, talk, "typed", 101.0)
    journal._database.execute("PRAGMA writable_schema = ON")
    journal._database.execute("UPDATE sqlite_schema SET sql = replace(sql, '(state)', '(kind)') WHERE type = 'index'")
    with closing(again(journal)) as later:
        assert later.set_aside is not None


def test_a_table_that_somebody_added_does_no_harm(journal: Journal, talk: int) -> None:
    journal._database.execute("CREATE TABLE mine (a TEXT)")
    with closing(again(journal)) as later:
        assert later.set_aside is None
        assert later.conversation(talk) is not None


def test_what_was_half_made_when_the_power_went_is_made_again(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("journal.db.new").write_bytes(b"half")
    path.with_name("journal.db.new-wal").write_bytes(b"half")
    with closing(Journal(path)) as journal:
        assert journal.set_aside is None
    assert [each.name for each in path.parent.iterdir()] == ["journal.db"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="check its folder"):
        Journal(tmp_path / "file" / "journal.db")


def test_a_journal_that_another_process_holds_is_not_set_aside(
    journal: Journal, talk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.01)
    journal._database.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=r"locked.*end the other process"):
        Journal(journal.path)
    journal._database.execute("ROLLBACK")
    assert journal.conversation(talk) is not None


def schema(version: int) -> str:
    with closing(sqlite3.connect(":memory:")) as database:
        migrate(database, 0, version)
        made = database.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
    return hashlib.sha256("\n".join(sql for (sql,) in made).encode()).hexdigest()[:6]


def test_a_migration_is_never_edited() -> None:
    assert {version: schema(version) for version in range(1, len(MIGRATIONS) + 1)} == RELEASED


def test_an_older_journal_is_brought_up_to_date_and_keeps_what_it_holds(
    journal: Journal, talk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.add_event(101.0, "network", "away", talk)
    journal.close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, NEXT))
    with pytest.raises(StorageError, match=r"of version 2 and version 3 is needed \(start the agent once"):
        Journal(journal.path, read_only=True)
    for _ in range(2):
        with closing(Journal(journal.path)) as later:
            assert later.set_aside is None
            assert later._database.execute("PRAGMA user_version").fetchone()[0] == 3
            assert tuple(later._database.execute("SELECT text, level FROM event").fetchone()) == ("away", "info")


def test_a_migration_that_fails_leaves_the_journal_as_it_was(
    journal: Journal, talk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, NEXT, SPOILT))
    with pytest.raises(StorageError, match="already exists"):
        Journal(journal.path)
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, NEXT))
    with closing(Journal(journal.path)) as later:
        assert later.set_aside is None
        assert later._database.execute("PRAGMA user_version").fetchone()[0] == 3
        assert later.conversation(talk) is not None


def test_a_newer_journal_is_refused_and_left_alone(journal: Journal) -> None:
    journal._database.execute("PRAGMA user_version = 9")
    journal.close()
    for read_only in (False, True):
        with pytest.raises(StorageError, match="version 9 and this program knows up to 2") as refused:
            Journal(journal.path, read_only=read_only)
        assert str(journal.path) in str(refused.value)
        assert "install the newer program" in refused.value.fix
    assert [each.name for each in journal.path.parent.iterdir() if "damaged" in each.name] == []


OLD_TURN = {
    "number": 7,
    "conversation": 1,
    "kind": "spoken",
    "state": "answered",
    "began_at": 101.0,
    "ended_at": 102.0,
    "audio_s": 1.5,
    "audio": "000007.wav",
    "text": "",
    "saved_at": 103.0,
    "delivered_at": 104.0,
    "answered_at": 105.0,
    "spoken_at": 106.0,
    "attempts": 2,
    "heard": "Wie heiß?",
    "said": "Vier bar. Sehr.",
    "played": "Vier bar.",
    "answer_s": 2.5,
    "played_s": 1.25,
    "interrupted": 1,
    "reason": "cut",
    "ttfab_s": 0.75,
    "tokens": 12,
    "frames": 3,
    "frames_dropped": 1,
    "connections": 2,
    "answer_audio": "000007-answer.wav",
    "still": "000007.jpg",
}
"""A turn as version 1 of the journal has it, with a value in every column."""


@pytest.fixture
def old(path: Path) -> Path:
    """A journal of version 1 that was not closed: what it holds is in its log alone."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        migrate(writer, 0, 1)
        writer.execute("INSERT INTO conversation VALUES (1, 100.0, 150.0, 'a-model', 1, 'resume-me', 149.0)")
        unheard = {"number": 8, "spoken_at": None, "said": "", "heard": "", "answer_audio": "000008-answer.wav"}
        for row in (OLD_TURN, OLD_TURN | unheard):
            marks = ", ".join("?" * len(row))
            writer.execute(f"INSERT INTO turn ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        writer.execute("INSERT INTO still VALUES (1, 7, 1, 103.0, 'a.jpg', 40000)")
        writer.execute(
            """INSERT INTO call VALUES (1, 7, 1, 'id-1', 'torch', '{"on":true}', '{"ok":true}', 102.0, 103.0)"""
        )
        writer.execute("INSERT INTO event VALUES (1, 104.0, 'network', 'away', 1)")
        for name in ("journal.db", "journal.db-wal"):
            path.with_name(f"{name}.copy").write_bytes(path.with_name(name).read_bytes())
    for name in ("journal.db", "journal.db-wal"):
        path.with_name(f"{name}.copy").replace(path.with_name(name))
    return path


def test_a_journal_of_version_1_keeps_every_row_under_the_names_of_today(old: Path) -> None:
    names = {"heard": "question", "said": "answer", "spoken_at": "played_at"}
    wanted = {names.get(name, name): value for name, value in OLD_TURN.items()} | {"interrupted": True}
    for read_only in (False, False, True):
        with closing(Journal(old, read_only=read_only)) as journal:
            assert journal.set_aside is None
            found = journal.conversation(1)
            assert found is not None
            assert (found.model, found.greeted, found.handle, found.last_at) == ("a-model", True, "resume-me", 150.0)
            assert columns(journal.turn(7)) == wanted
            assert [turn.number for turn in journal.turns(1)] == [7, 8]
            assert [turn.number for turn in journal.unplayed()] == [8]
            assert journal.stills(1) == [StillRow(1, 7, 1, 103.0, "a.jpg", 40_000)]
            assert journal.calls(1) == [CallRow(1, 7, 1, "id-1", "torch", {"on": True}, {"ok": True}, 102.0, 103.0)]
            assert journal.events() == [EventRow(1, 104.0, "network", "away", 1)]
            assert journal.next_turn() == 9
    with closing(Journal(old)) as journal:
        journal.update_turn(8, question="How hot?", played_at=110.0)
        assert journal.unplayed() == []


def test_a_journal_of_version_1_is_left_as_it_is_by_who_only_reads(old: Path) -> None:
    before = {each.name: each.read_bytes() for each in old.parent.iterdir() if not each.name.endswith("-shm")}
    with pytest.raises(StorageError, match=r"of version 1 and version 2 is needed \(start the agent once"):
        Journal(old, read_only=True)
    after = {each.name: each.read_bytes() for each in old.parent.iterdir() if not each.name.endswith("-shm")}
    assert after == before


def test_a_conversion_that_the_power_cut_short_is_done_again(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = MIGRATIONS
    monkeypatch.setattr(database, "MIGRATIONS", (first, second.replace("spoken_at TO", "spoken TO")))
    with pytest.raises(StorageError, match="spoken"):
        Journal(old)  # after two columns have their new names
    monkeypatch.undo()
    with closing(Journal(old)) as journal:
        assert journal.set_aside is None
        assert columns(journal.turn(7))["answer"] == "Vier bar. Sehr."
