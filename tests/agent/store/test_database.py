"""The journal's file: versions, damage, readers beside a writer."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from agent.store import database
from agent.store.database import MIGRATIONS, migrate
from agent.store.errors import StorageError
from agent.store.journal import Journal
from agent.store.rows import CallRow, EventRow, StillRow, TurnRow

if TYPE_CHECKING:
    from pathlib import Path

RELEASED = {1: "661ecd", 2: "1c8d66"}
"""By version the beginning of the SHA-256 of its schema; what a release has had is not changed any more."""
NEXT = "ALTER TABLE event ADD COLUMN level TEXT NOT NULL DEFAULT 'info'; CREATE TABLE more (a TEXT) STRICT;"
SPOILT = "CREATE TABLE half (a TEXT) STRICT; CREATE TABLE half (a TEXT) STRICT;"


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
    with pytest.raises(StorageError, match=r"there is no journal.*the agent creates it"):
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
    with pytest.raises(StorageError, match=r"has version 2, and version 3 is needed \(start the agent once"):
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
        with pytest.raises(StorageError, match="version 9, and this program knows versions up to 2") as refused:
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
    with pytest.raises(StorageError, match=r"has version 1, and version 2 is needed \(start the agent once"):
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
