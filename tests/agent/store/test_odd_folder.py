"""A state folder in which somebody else has left things: it is private, it starts, and nothing outside is touched."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from agent.errors import ConfigError
from agent.store import tunings
from agent.store.errors import StorageError
from agent.store.layout import Layout
from agent.store.records import Records
from agent.store.tunings import Tuning
from tests.support.records import SPEECH, opened, spoken, talking, turn, unsent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_link(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("of somebody else", encoding="utf-8")
    path.symlink_to(outside)


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = [a_fifo, a_folder, a_link, a_link_to_a_device]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def test_a_folder_that_was_open_to_others_is_closed_with_all_that_is_the_agents_in_it(state: Path) -> None:
    with talking(state) as store:
        spoken(store, 1)
        store.still(None, "photo.jpg", b"jpeg", 102.0)
    for path in (state, *state.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (state / "readme").write_text("of the integrator", encoding="utf-8")
    (state / "readme").chmod(0o644)
    with opened(state):
        pass
    layout = Layout(state)
    assert [mode(each) for each in (state, *layout.written)] == [0o700] * 5
    assert [mode(each) for each in (layout.journal, layout.lock)] == [0o600] * 2
    assert mode(state / "readme") == 0o644


def test_a_folder_for_everybody_is_refused_and_left_as_it_is(state: Path) -> None:
    state.chmod(0o1777)
    with pytest.raises(ConfigError, match=r"for everybody.*one of its own"):
        Records(Layout(state), limit_bytes=1, now=0.0)
    assert mode(state) == 0o1777
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("make", ODD)
def test_a_lock_that_is_no_file_is_named(state: Path, make: Callable[[Path], None]) -> None:
    make(state / "lock")
    with pytest.raises(ConfigError, match="lock"):
        Records(Layout(state), limit_bytes=1, now=0.0)
    outside = state.parent / "outside"
    assert not outside.exists() or outside.read_text(encoding="utf-8") == "of somebody else"


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.db-shm"])
@pytest.mark.parametrize("make", ODD)
def test_a_journal_that_is_no_file_is_set_aside(
    state: Path, make: Callable[[Path], None], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with talking(state) as store:
        spoken(store, 1)
    (state / name).unlink(missing_ok=True)
    make(state / name)
    with opened(state) as store:
        assert [row.number for row in store.past.owed] == [1]
        spoken(store, 2)
    assert mode(state / "journal.db") == 0o600
    assert stat.S_ISREG((state / "journal.db").lstat().st_mode)
    assert (state / name.replace(".db", ".db.damaged-1")).lstat()
    assert caplog.text.count("is kept as") == 1
    outside = state.parent / "outside"
    assert not outside.exists() or outside.read_text(encoding="utf-8") == "of somebody else"
    with opened(state):
        assert caplog.text.count("is kept as") == 1


@pytest.mark.parametrize("name", ["spool", "spool/unsent", "spool/sent", "stills"])
def test_a_folder_that_is_a_link_or_a_file_is_set_aside_and_not_written_through(
    state: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    outside = state.parent / "elsewhere"
    outside.mkdir(mode=0o755)
    (state / name).parent.mkdir(exist_ok=True)
    (state / name).symlink_to(outside)
    for count in (1, 2):
        with talking(state) as store:
            spoken(store, count)
            store.settle(count, "answered", 103.0)
            store.still(None, f"{count}.jpg", b"jpeg", 104.0)
        assert list(outside.iterdir()) == []
        assert mode(outside) == 0o755
        assert caplog.text.count("is kept as") == count
        if count == 1:
            shutil.rmtree(state / name)
            (state / name).write_bytes(b"")


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("folder", ["unsent", "sent"])
def test_a_recording_that_is_no_file_is_left_alone(state: Path, make: Callable[[Path], None], folder: str) -> None:
    with talking(state) as store:
        spoken(store, 1)
    odd = state / "spool" / folder / "000002.wav"
    make(odd)
    with opened(state) as store:
        assert [row.number for row in store.past.owed] == [1]
        assert store.load(1)[1] == SPEECH
        spoken(store, 3)
        store.settle(3, "answered", 104.0)
    assert not stat.S_ISREG(odd.lstat().st_mode)


def test_a_recording_numbered_beyond_any_journal_is_none(state: Path) -> None:
    with talking(state) as store:
        spoken(store, 1)
    (state / "spool" / "unsent" / f"{'9' * 100}.wav").write_bytes(bytes(1000))
    with opened(state) as store:
        assert store.past.next_turn == 2


def test_a_recording_as_large_as_a_disk_is_not_read_into_memory(state: Path) -> None:
    with talking(state) as store:
        spoken(store, 1)
    os.truncate(Layout(state).unsent_recording(1), 1 << 40)
    with opened(state) as store, pytest.raises(StorageError, match="larger than"):
        store.load(1)


@pytest.mark.parametrize("make", [each for each in ODD if each is not a_folder])
@pytest.mark.parametrize("name", ["000001.jpg", "000001.jpg.part"])
def test_nothing_is_written_through_what_waits_where_a_file_is_made(
    state: Path, make: Callable[[Path], None], name: str
) -> None:
    with talking(state) as store:
        make(state / name)
        (state / name).rename(state / "spool" / name)
        spoken(store, 1)
        store.picture(1, b"a picture")
        assert store.load(1)[2] == b"a picture"
    outside = state.parent / "outside"
    assert not outside.exists() or outside.read_text(encoding="utf-8") == "of somebody else"


@pytest.mark.parametrize("make", ODD)
def test_a_picture_that_is_no_file_is_none(state: Path, make: Callable[[Path], None]) -> None:
    with talking(state) as store:
        spoken(store, 1)
        store.picture(1, b"a picture")
        (state / "spool" / "000001.jpg").unlink()
        make(state / "spool" / "000001.jpg")
        assert store.load(1)[2] == b""


@pytest.mark.parametrize("make", ODD)
def test_tunings_that_are_no_file_are_told_and_replaced(
    state: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    make(state / "devices.json")
    assert tunings.load(state, "a card") is None
    assert "devices.json: cannot be read" in caplog.text
    if make is a_folder:
        return
    tunings.save(state, Tuning("a card", "good", {}, {}))
    assert "a card" in json.loads((state / "devices.json").read_text(encoding="utf-8"))["devices"]
    outside = state.parent / "outside"
    assert not outside.exists() or outside.read_text(encoding="utf-8") == "of somebody else"


def test_a_journal_of_which_its_owner_allows_nothing_is_set_aside(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with talking(state) as store:
        spoken(store, 1)
    monkeypatch.setattr(os, "access", lambda path, *_, **__: not str(path).endswith("journal.db"))
    with opened(state) as store:
        assert [row.number for row in store.past.owed] == [1]
    assert "is kept as" in caplog.text
    assert (state / "journal.db.damaged-1").is_file()


def test_what_is_kept_of_the_past_is_read_as_before(state: Path) -> None:
    with talking(state) as store:
        spoken(store, 1)
    with opened(state):
        assert turn(state, 1).state == "waiting"
        assert unsent(state) == [SPEECH]
