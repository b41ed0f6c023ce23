"""What is deleted is in no byte of the state folder any more, and what is kept is there as before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.config import NoteSettings
from agent.errors import ConfigError
from agent.store import erasing
from agent.store.erasing import Extent, erase_in
from agent.store.errors import StorageError
from agent.store.journal import Journal
from agent.store.layout import Layout
from tests.support.log_folder import BEGAN, DAY_S, JPEG, PHOTO, SPEECH, filled
from tests.support.records import opened, talking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD = ["Wie spanne ich die Kette?", "Mit der Schraube."]
NEW = ["Which way do I turn this valve?", "Clockwise.", "11-204-7", "And the torque?", "45 newton metres."]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with closing(filled(tmp_path / "state")) as made:
        return made.path


def everything(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file())


def holds(state: Path, *texts: str) -> list[bool]:
    found = everything(state)
    return [text.encode() in found for text in texts]


def delete(state: Path, find: Callable[[Journal], Extent]) -> Extent:
    return erase_in(Layout(state), find, bool, BEGAN + DAY_S)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def events(state: Path) -> list[str]:
    with closing(Journal(Layout(state).journal, read_only=True)) as journal:
        return [event.text for event in journal.events()]


def test_a_conversation_is_gone_from_every_file_and_the_others_are_there(state: Path) -> None:
    assert all(holds(state, *OLD, *NEW))
    gone = delete(state, lambda journal: erasing.of_conversations(journal, [2]))
    assert (len(gone.turns), len(gone.stills), gone.owed) == (4, 2, 1)
    assert not any(holds(state, *NEW))
    assert all(holds(state, *OLD))
    layout = Layout(state)
    assert names(layout.unsent) == names(layout.stills) == set()
    assert names(layout.sent) == {"000001.wav"}
    assert names(layout.spool) == {"sent", "unsent"}
    assert events(state) == ["deleted: 1 conversations, 4 turns, 2 photos"]


def test_a_turn_is_gone_with_its_photos_and_its_call(state: Path) -> None:
    with closing(Journal(Layout(state).journal, read_only=True)) as journal:
        turn = journal.turn(2)
    assert turn is not None
    delete(state, lambda journal: erasing.of_turn(journal, turn))
    assert holds(state, *NEW) == [False, False, False, True, True]
    assert PHOTO not in names(Layout(state).stills)
    assert "000002.wav" not in names(Layout(state).sent)
    assert "000003.wav" in names(Layout(state).sent)


def test_a_question_that_was_still_owed_is_not_asked_after_it_was_deleted(state: Path) -> None:
    delete(state, lambda journal: erasing.of_conversations(journal, [2]))
    with opened(state) as store:
        assert store.past.owed == []
        assert store.past.next_turn == 6, "its number is not given again"


def test_a_day_is_what_began_on_it(state: Path) -> None:
    gone = delete(state, lambda journal: erasing.of_time(journal, BEGAN - 3 * DAY_S - 60, BEGAN - 2 * DAY_S))
    assert (list(gone.conversations), [turn.number for turn in gone.turns]) == ([1], [1])
    assert not any(holds(state, *OLD))
    assert all(holds(state, *NEW))
    part = delete(state, lambda journal: erasing.of_time(journal, BEGAN - 60, BEGAN + 50))
    assert (list(part.conversations), [turn.number for turn in part.turns]) == ([], [2, 3])
    assert holds(state, *NEW) == [False, False, False, True, True]


def test_everything_is_gone_with_what_a_damaged_journal_holds_and_what_nobody_knows(state: Path) -> None:
    whole = (state / "journal.db").read_bytes()
    (state / "journal.db").write_bytes(b"no database" + whole)
    with opened(state):
        assert (state / "journal.db.damaged-1").exists()
    (Layout(state).sent / "unknown.wav").write_bytes(SPEECH)
    (Layout(state).spool / "link").symlink_to("/dev/zero")
    delete(state, erasing.of_all)
    assert not any(holds(state, *OLD, *NEW))
    assert JPEG not in everything(state)
    assert {path.name for path in state.rglob("*") if path.is_file() or path.is_symlink()} == {"journal.db", "lock"}
    with talking(state) as store:
        assert store.past.turns == []


def test_words_that_an_answer_no_longer_has_are_not_left_behind_either(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.begin(1, 101.0, typed="What?")
        for length in range(100, 3000, 100):
            store.update(1, answer="a secret word " * length)
        store.update(1, answer="")
        store.settle(1, "answered", 103.0)
    delete(tmp_path, lambda journal: erasing.of_conversations(journal, [1]))
    assert b"secret" not in everything(tmp_path)


def test_nothing_is_deleted_unless_it_is_agreed_to(state: Path) -> None:
    before = everything(state)
    gone = erase_in(Layout(state), erasing.of_all, lambda _: False, BEGAN)
    assert not gone
    assert everything(state) == before


def test_nothing_is_deleted_while_an_agent_runs(state: Path) -> None:
    with opened(state), pytest.raises(ConfigError, match="another field-agent is using it"):
        delete(state, erasing.of_all)
    assert all(holds(state, *NEW))


def test_files_go_before_their_rows_so_that_nothing_comes_back(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "erase", cut)
    with pytest.raises(KeyboardInterrupt):
        delete(state, lambda journal: erasing.of_conversations(journal, [2]))
    monkeypatch.undo()
    with opened(state) as store:
        assert [row.kind for row in store.past.owed] == []


def test_what_goes_by_its_age_is_overwritten_too(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.begin(1, 101.0, typed="a secret word " * 300)
        store.settle(1, "answered", 103.0)
        store.begin_conversation("model", 3 * DAY_S)
        assert store.forget(NoteSettings(keep_days=1), 3 * DAY_S) == 1
    assert b"secret" not in everything(tmp_path)


def test_what_an_older_version_only_unlinked_is_gone_when_something_is_deleted(state: Path) -> None:
    with closing(sqlite3.connect(Layout(state).journal)) as older:
        older.execute("PRAGMA secure_delete = OFF")
        older.execute("UPDATE turn SET text = ? WHERE number = 1", ["a secret word " * 500])
        older.commit()
        older.execute("UPDATE turn SET text = '' WHERE number = 1")
        older.commit()
    assert holds(state, "a secret word") == [True]
    delete(state, lambda journal: erasing.of_conversations(journal, [1]))
    assert holds(state, "a secret word") == [False]


def test_what_was_set_aside_goes_with_everything_whatever_it_is(state: Path) -> None:
    outside = state.parent / "outside"
    outside.mkdir()
    (outside / "photo.jpg").write_bytes(JPEG)
    for name in ("journal.db.damaged-1", "spool.damaged-1", "spool/sent.damaged-2"):
        (state / name).mkdir()
        (state / name / "000001.wav").write_bytes(SPEECH)
    (state / "stills.damaged-1").symlink_to(outside)
    delete(state, erasing.of_all)
    left = {path.name for path in state.rglob("*") if not path.is_dir() or "damaged" in path.name}
    assert left == {"journal.db", "lock"}
    assert (outside / "photo.jpg").exists(), "nothing is deleted through a link"


def test_what_another_program_keeps_from_being_overwritten_is_told(state: Path) -> None:
    with closing(sqlite3.connect(Layout(state).journal, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM turn").fetchone()
        with pytest.raises(StorageError, match="still in it, because another program reads it"):
            delete(state, erasing.of_all)
    delete(state, erasing.of_all)
    assert not any(holds(state, *OLD, *NEW))
