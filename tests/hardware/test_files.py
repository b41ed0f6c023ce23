"""Files that a person names: what they must be, and what becomes of what was there before."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from hardware import files


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def why(error: pytest.ExceptionInfo[OSError]) -> str:
    return str(error.value.strerror)


# reading


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert files.read_whole(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="is larger than 4e-06 MB"):
        files.read_whole(tmp_path / "a", 4)


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/full", "/dev/null", "fifo", "."])
def test_nothing_else_is_read(name: str, fifo: Path) -> None:
    with pytest.raises(OSError, match=r"is not a regular file|is a folder"):
        files.open_regular(fifo.parent / name)


def test_opening_leaves_no_descriptor_behind(fifo: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="is not a regular file"):
            files.open_regular(fifo)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    for attempt in (files.open_regular, files.create_private, files.create_stream):
        with pytest.raises(OSError, match="no file can have this name"):
            attempt(tmp_path / name)
    assert files.same(tmp_path / name, tmp_path / name)


def test_the_home_of_nobody() -> None:
    with pytest.raises(OSError, match="nobody of this name has a home folder here"):
        files.expanded("~nosuchuser/a")
    assert files.expanded("~/a") == Path.home() / "a"
    assert files.expanded("./~nosuchuser") == Path("~nosuchuser")


# one file under two names


def test_two_names_of_one_file(tmp_path: Path) -> None:
    one = tmp_path / "a"
    one.touch()
    (tmp_path / "hard").hardlink_to(one)
    (tmp_path / "soft").symlink_to(one)
    (tmp_path / "other").touch()
    for name, is_same in (("a", True), ("hard", True), ("soft", True), ("other", False), ("missing", False)):
        assert files.same(one, tmp_path / name) is is_same
    assert files.same(tmp_path / "missing", tmp_path / "." / "missing")


# writing


def test_a_new_file_is_private(tmp_path: Path) -> None:
    with files.create_private(tmp_path / "a") as file:
        file.write(b"new")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_is_replaced_and_its_second_name_keeps_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o644)
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    with files.create_private(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "hard").read_bytes() == b"old"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_nothing_is_written_through_a_link_over_a_folder_or_into_a_device(tmp_path: Path, fifo: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    for name, problem in (
        ("link", "is a link (name the file itself)"),
        ("dangling", "is a link (name the file itself)"),
        ("folder", "is a folder"),
        ("fifo", "is not a regular file"),
        ("missing/a", "No such file or directory"),
        ("mine/a", "Not a directory"),
    ):
        for attempt in (files.check_replaceable, files.create_private):
            with pytest.raises(OSError) as caught:  # noqa: PT011 - asked below
                attempt(tmp_path / name)
            assert why(caught) == problem
    assert (tmp_path / "mine").read_text() == "mine"
    assert fifo.is_fifo()
    assert not (tmp_path / "nowhere").exists()


def test_a_write_protected_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests as root may write anything
    with pytest.raises(PermissionError):
        files.create_private(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_checking_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    files.check_replaceable(tmp_path / "a")
    files.check_replaceable(tmp_path / "new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_a_failing_replacement_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no"):
        files.create_private(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


# lines for somebody who reads along


def test_a_stream_goes_into_a_device_or_a_fifo_that_somebody_reads(fifo: Path) -> None:
    with files.create_stream(Path("/dev/null")) as file:
        file.write(b"gone")
    with pytest.raises(OSError, match="nobody reads from it"):
        files.create_stream(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with files.create_stream(fifo) as file:
        assert os.get_blocking(file.fileno())
        file.write(b"line\n")
        file.flush()
        assert os.read(reader, 9) == b"line\n"
    os.close(reader)


def test_a_stream_into_a_file_is_private_and_never_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    with pytest.raises(OSError, match="is a link"):
        files.create_stream(tmp_path / "link")
    with pytest.raises(IsADirectoryError):
        files.create_stream(tmp_path)
    files.create_stream(tmp_path / "new").close()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="No such device or address"):
            files.create_stream(tmp_path / "socket")
