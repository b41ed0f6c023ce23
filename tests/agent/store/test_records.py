"""What is written for each thing that happens, and what is found of it; no loop, no thread."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.config import NoteSettings
from agent.errors import ConfigError
from agent.store import records
from agent.store.errors import StorageError
from agent.store.folder import locked
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.records import DAY_S, FAILURES, Records
from agent.store.rows import KeptAnswer
from tests.support.records import SPEECH, answered, opened, spoken, talking, turn, unsent

if TYPE_CHECKING:
    from pathlib import Path


def numbers(answers: list[tuple[int, bytes]]) -> list[int]:
    return [number for number, _ in answers]


# one folder


def test_one_folder_belongs_to_one_process(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(ConfigError, match="another field-agent is using it"):
        Records(Layout(tmp_path), limit_bytes=1, now=0.0)
    with opened(tmp_path):
        pass


@pytest.mark.parametrize("name", ["Spool", "Journal", "recover"])
def test_a_folder_that_could_not_be_opened_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object) -> None:
        raise StorageError(tmp_path, "No space left on device", "make room")

    monkeypatch.setattr(records, name, refuse)
    with pytest.raises(StorageError) as caught:
        Records(Layout(tmp_path), limit_bytes=1, now=0.0)
    locked(Layout(tmp_path)).close()
    assert caught.value.exit_code == 74


# questions


def test_a_question_is_open_until_it_ends_and_then_it_waits(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.record(1)
        store.begin(1, 101.0)
        store.append(1, SPEECH[:100])
        assert Layout(tmp_path).unsent_recording(1).read_bytes().endswith(SPEECH[:100])
        assert turn(tmp_path, 1).state == "recording"
        store.append(1, SPEECH[100:])
        store.complete(1)
        store.end(1, 1.0, 102.5)
        row = turn(tmp_path, 1)
        assert (row.kind, row.state, row.began_at, row.ended_at, row.audio_s) == ("spoken", "waiting", 101.0, 102.5, 1)
        store.begin(2, 103.0, typed="How hot?")
        row = turn(tmp_path, 2)
        assert (row.kind, row.state, row.text, row.audio) == ("typed", "waiting", "How hot?", "")
    assert unsent(tmp_path) == [SPEECH]


def test_a_note_comes_back_with_its_picture(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        spoken(store, 1)
        store.picture(1, b"a picture")
        row, pcm, jpeg = store.load(1)
        assert (row.number, pcm, jpeg) == (1, SPEECH, b"a picture")
        Layout(tmp_path).picture(row.still).unlink()
        assert store.load(1)[1:] == (SPEECH, b"")
        store.begin(2, 103.0, typed="How hot?")
        assert store.load(2)[1:] == (b"", b"")
        with pytest.raises(FAILURES, match="no turn 99"):
            store.load(99)


def test_a_question_that_is_settled_is_owed_no_more_and_the_conversation_goes_on(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        spoken(store, 1)
        store.begin(2, 103.0, typed="How hot?")
        store.settle(1, "answered", 104.0)
        store.settle(2, "cut", 105.0)
        assert not unsent(tmp_path)
        assert store.load(1)[1] == SPEECH  # it is kept, while there is room
    with opened(tmp_path) as store:
        assert store.past.conversation is not None
        assert store.past.conversation.last_at == 105.0
        assert [(row.state, row.answered_at) for row in store.past.turns] == [("answered", 104.0), ("cut", 105.0)]
        assert store.past.owed == []


def test_what_nobody_asked_for_is_noted_as_answered(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.unasked(1, 101.0, answer="Hello.")
        row = turn(tmp_path, 1)
        assert (row.kind, row.state, row.began_at, row.answer) == ("unasked", "answered", 101.0, "Hello.")


def test_a_full_memory_is_told_and_no_note_is_deleted_for_it(tmp_path: Path) -> None:
    with talking(tmp_path, limit_bytes=5_000_000) as store:
        spoken(store, 1, pcm=SPEECH * 60)
        assert store.warning == ""
        with pytest.raises(FAILURES, match="storage for notes is full"):
            store.record(2)
        assert "storage for notes is full" in store.warning
        store.begin(3, 101.0, typed="How hot?")  # which needs no room, and makes none
        assert "storage for notes is full" in store.warning
        assert len(unsent(tmp_path)) == 1
        store.settle(1, "answered", 102.0)
        store.record(4)
        assert store.warning == ""


def test_a_memory_that_is_nearly_full_is_told_while_there_is_still_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "ROOM_BYTES", 1000)
    with talking(tmp_path, limit_bytes=100_000) as store:
        spoken(store, 1, pcm=SPEECH * 3)
        store.record(2)
        assert "nearly full (bring the box to a network)" in store.warning
        store.settle(1, "answered", 102.0)
        store.record(3)
        assert store.warning == ""


# answers


def test_the_answer_to_a_note_is_kept_until_it_is_played(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        answered(store, 1)
        row = turn(tmp_path, 1)
        assert (row.state, row.answered_at, row.tokens) == ("answered", 103.0, 7)
        assert not unsent(tmp_path)
        assert store.load_answer(104.0) == KeptAnswer(1, 101.0, bytes(48_000))
        store.played(1, 105.0)
        assert store.load_answer(106.0) is None
        assert turn(tmp_path, 1).played_at == 105.0


def test_answers_are_read_one_by_one_oldest_first(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        for number in (1, 2, 3):
            answered(store, number)
        for number in (1, 2, 3):
            answer = store.load_answer(104.0)
            assert answer is not None
            assert answer.number == number
            store.played(number, 105.0)


def test_an_answer_that_is_gone_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        answered(store, 1)
        answered(store, 2)
        Layout(tmp_path).answer(1).unlink()
        answer = store.load_answer(104.0)
        assert answer is not None
        assert answer.number == 2
        assert turn(tmp_path, 1).reason == "its recording is lost"
        store.played(2, 105.0)
        assert store.load_answer(106.0) is None


# conversations, photos, calls


def test_what_is_noted_belongs_to_the_conversation_that_began_last_also_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.event("power", "before any conversation", 99.0)
        store.begin_conversation("model", 100.0)
        store.begin_conversation("model", 101.0)
    with opened(tmp_path) as store:
        store.greeted()
        store.keep_handle("resume-me", 102.0)
        store.event("network", "lost", 103.0)
    with closing(Journal(Layout(tmp_path).journal, read_only=True)) as journal:
        second, first = journal.conversations()
        assert (second.greeted, second.handle, second.handle_at) == (True, "resume-me", 102.0)
        assert (first.greeted, first.handle) == (False, "")
        assert [(event.text, event.conversation) for event in journal.events()] == [
            ("before any conversation", None),
            ("lost", second.number),
        ]


def test_a_photo_is_kept(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.begin(1, 101.0, typed="How hot?")
        store.still(1, "photo.jpg", b"jpeg", 102.0)
        assert Layout(tmp_path).still("photo.jpg").read_bytes() == b"jpeg"
    with closing(Journal(Layout(tmp_path).journal, read_only=True)) as journal:
        assert [still.file for still in journal.stills(1)] == ["photo.jpg"]


def test_a_call_and_a_photo_of_a_turn_that_could_not_be_written_are_kept_all_the_same(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.begin_call(7, 99, "id", "look", {}, 101.0)
        store.still(99, "photo.jpg", b"jpeg", 102.0)
        store.end_call(7, {"seen": True}, 103.0)
    with closing(Journal(Layout(tmp_path).journal, read_only=True)) as journal:
        assert [(call.turn, call.result, call.ended_at) for call in journal.calls(1)] == [(None, {"seen": True}, 103.0)]
        assert [(still.turn, still.size) for still in journal.stills(1)] == [(None, 4)]


def test_what_is_old_is_forgotten_with_all_its_files(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with talking(tmp_path) as store:
        answered(store, 1)
        store.picture(1, b"a picture")
        store.still(1, "photo.jpg", b"jpeg", 104.0)
        store.begin_conversation("model", 500.0)
        spoken(store, 2, at=500.0)
        notes = NoteSettings(keep_days=1)
        assert store.forget(notes, 300.0 + DAY_S) == 1
        assert store.forget(notes, 300.0 + DAY_S) == 0
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"journal.db", "lock", "spool/unsent/000002.wav"}
    assert layout.unsent_recording(2).is_file()


@pytest.mark.parametrize(
    ("notes", "left"),
    [
        (NoteSettings(keep_days=0, keep_recordings_days=1), {"spool/000001.jpg", "stills/photo.jpg"}),
        (NoteSettings(keep_days=0, keep_photos_days=1), {"spool/sent/000001.wav", "spool/sent/000001-answer.wav"}),
    ],
)
def test_recordings_and_photos_may_be_kept_for_less_long_than_words(
    tmp_path: Path, notes: NoteSettings, left: set[str]
) -> None:
    with talking(tmp_path) as store:
        answered(store, 1)
        store.picture(1, b"a picture")
        store.still(1, "photo.jpg", b"jpeg", 104.0)
        store.forget(notes, 200.0 + DAY_S)
        assert Layout(tmp_path).answer(1).is_file(), "it was not played yet"
        store.played(1, 105.0)
        assert store.forget(notes, 200.0 + DAY_S) == 0
        assert turn(tmp_path, 1).tokens == 7
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"journal.db", "lock", *left}


def test_a_damaged_journal_is_kept_as_long_as_a_conversation(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
    with talking(tmp_path) as store:
        now = (tmp_path / "journal.db.damaged-1").stat().st_mtime
        store.forget(NoteSettings(keep_days=2), now + DAY_S)
        assert (tmp_path / "journal.db.damaged-1").exists()
        store.forget(NoteSettings(keep_days=2), now + 3 * DAY_S)
        assert not (tmp_path / "journal.db.damaged-1").exists()
