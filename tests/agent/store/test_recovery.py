"""What a start finds, whatever the power cut left: what was not answered is owed, what was settled is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.store.errors import StorageError
from agent.store.layout import Layout
from agent.store.spool import Spool
from tests.support.records import SPEECH, opened, spoken, talking, unsent

if TYPE_CHECKING:
    from pathlib import Path


def lose_journal(folder: Path) -> None:
    for file in folder.glob("journal.db*"):
        file.unlink()


def test_what_was_being_said_when_the_power_went_is_owed_at_the_next_start(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.record(1)
        store.begin(1, 101.0)
        store.append(1, SPEECH)
        store.begin(2, 102.0, typed="How hot?")
    with opened(tmp_path) as store:
        recording, typed = store.past.owed
        assert (recording.number, recording.state, recording.audio_s, recording.saved_at) == (1, "waiting", 1.0, 100.0)
        assert (typed.number, typed.text) == (2, "How hot?")
        assert (store.past.number, store.past.next_turn) == (1, 3)
    assert unsent(tmp_path) == [SPEECH]


def test_what_was_answered_is_owed_no_more(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        spoken(store, 1)
        store.settle(1, "answered", 103.0)
    with opened(tmp_path) as store:
        assert store.past.owed == []
        assert [row.state for row in store.past.turns] == ["answered"]
    assert not unsent(tmp_path)


def test_a_recording_whose_journal_is_lost_is_owed_all_the_same(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        spoken(store, 7)
    lose_journal(tmp_path)
    with opened(tmp_path) as store:
        (row,) = store.past.owed
        assert (row.number, row.state, row.audio_s) == (7, "waiting", 1.0)
        assert store.past.next_turn == 8


@pytest.mark.parametrize("moved", [True, False])
def test_an_answer_and_the_move_of_its_recording_agree_after_a_power_cut_between_them(
    tmp_path: Path, *, moved: bool
) -> None:
    layout = Layout(tmp_path)
    with talking(tmp_path) as store:
        spoken(store, 1)
        store.update(1, state="answered")
    if moved:
        layout.unsent_recording(1).rename(layout.sent_recording(1))
    with opened(tmp_path) as store:
        assert store.past.owed == []
    assert not unsent(tmp_path)


def test_an_utterance_of_which_nothing_was_recorded_is_not_owed(tmp_path: Path) -> None:
    with talking(tmp_path) as store:
        store.begin(1, 101.0)
    with opened(tmp_path) as store:
        assert store.past.owed == []
        assert store.past.turns[0].reason == "nothing was recorded"


def test_a_recording_that_cannot_be_read_now_is_owed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable(_: Spool, number: int) -> bytes:
        raise StorageError(tmp_path / str(number), "Input/output error", "see dmesg")

    with talking(tmp_path) as store:
        store.record(1)
        store.begin(1, 101.0)
        store.append(1, SPEECH)
    monkeypatch.setattr(Spool, "read", unreadable)
    with opened(tmp_path) as store:
        assert [(row.number, row.audio_s) for row in store.past.owed] == [(1, 0.0)]
    assert "Input/output error" in caplog.text


def test_what_was_found_tells_what_can_be_told_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert (store.past.conversation, store.past.number, store.past.next_turn) == (None, 0, 1)
        store.begin_conversation("model", 100.0)
        store.begin_call(1, None, "id", "look", {}, 101.0)
        store.end_call(1, {"seen": True}, 102.0)
        spoken(store, 1)
        store.update(1, saved_at=103.0)
        store.keep_answer(1, bytes(100), 104.0)
    with opened(tmp_path) as store:
        assert [call.result for call in store.past.calls] == [{"seen": True}]
        assert store.past.unplayed == 1


def test_a_damaged_journal_is_kept_and_a_new_one_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
    with opened(tmp_path) as store:
        assert store.past.conversation is None
    assert list(tmp_path.glob("journal.db.damaged-*"))
    assert "was damaged" in caplog.text


def test_what_was_half_written_when_the_power_went_is_removed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with talking(tmp_path) as store:
        spoken(store, 1)
        store.picture(1, b"seen with a note")
        store.still(1, "a.jpg", b"a photo", 103.0)
    written = layout.picture("000001.jpg"), layout.still("a.jpg"), layout.answer(1), layout.unsent_recording(1)
    half = [file.with_name(f"{file.name}.part") for file in written]
    for file in half:
        file.write_bytes(b"half of it")
    not_ours = tmp_path / "download.part"
    not_ours.touch()
    with opened(tmp_path) as store:
        assert store.load(1)[2] == b"seen with a note"
    assert [file for file in half if file.exists()] == []
    assert layout.still("a.jpg").read_bytes() == b"a photo"
    assert not_ours.exists()


def test_what_was_half_written_and_cannot_be_removed_does_not_keep_the_box_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = Layout(tmp_path).still("a.jpg.part")
    stuck.mkdir(parents=True)
    with talking(tmp_path) as store:
        spoken(store, 1)
    assert f"{stuck} cannot be removed" in caplog.text
