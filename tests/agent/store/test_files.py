"""A file is whole or not there, and is this user's alone; tests/whole/test_power_loss.py adds the power cuts."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from agent.store.files import free_bytes, private_folder, replacing, write, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_made_with_those_above_it_for_this_user_alone(tmp_path: Path) -> None:
    for _ in range(2):
        private_folder(tmp_path / "a" / "b")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o700, 0o700]


def test_a_file_takes_the_place_of_the_one_before_and_of_what_a_power_cut_left(tmp_path: Path) -> None:
    file = tmp_path / "it.json"
    (tmp_path / "it.json.part").write_bytes(b"half of something long")
    (tmp_path / "it.json.part").chmod(0o644)
    for content in ((b"one",), (b"tw", b"o")):
        write_whole(file, *content)
        assert file.read_bytes() == b"".join(content)
        assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["it.json"]


def test_content_then_name_then_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def recorded(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            folder = name == "fsync" and os.readlink(f"/proc/self/fd/{arguments[0]}") == str(tmp_path)  # noqa: PTH115
            calls.append("sync folder" if folder else name)
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fsync", "replace"):
        recorded(name)
    write_whole(tmp_path / "it", b"content")
    assert calls == ["write", "fsync", "replace", "sync folder"]


def test_what_the_system_takes_in_pieces_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:3]))
    with (tmp_path / "it").open("wb") as file:
        write(file.fileno(), b"0123456789")
    assert (tmp_path / "it").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_what_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "it").write_bytes(b"before")
    monkeypatch.setattr(os, call, fails)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "it", b"after")
    monkeypatch.undo()
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"it": b"before"}


def test_a_block_that_fails_replaces_nothing_and_closes_what_it_wrote_to(tmp_path: Path) -> None:
    partial = tmp_path / "any"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "it", partial, descriptor):
        raise KeyboardInterrupt
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)
    assert list(tmp_path.iterdir()) == []


def test_there_is_room_on_the_disk(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
