"""Where a box keeps things, and that no other process does."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from agent.config import PathSettings, Settings
from agent.errors import ConfigError
from agent.store import folder
from agent.store.errors import StorageError
from agent.store.folder import folder_of, locked
from agent.store.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def test_where_things_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert folder_of(Settings()) == tmp_path / ".local" / "state" / "field-agent"
    monkeypatch.setenv("XDG_STATE_HOME", "/home/x/state")
    assert str(folder_of(Settings())) == "/home/x/state/field-agent"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/field-agent:/other")
    assert str(folder_of(Settings())) == "/var/lib/field-agent"
    assert str(folder_of(Settings(paths=PathSettings(state="/mnt/ssd")))) == "/mnt/ssd"


def test_one_folder_belongs_to_one_process(tmp_path: Path) -> None:
    with locked(Layout(tmp_path)), pytest.raises(ConfigError, match="another field-agent is using it"):
        locked(Layout(tmp_path))
    locked(Layout(tmp_path)).close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"paths\] state"):
        locked(Layout(tmp_path / "file" / "state"))


def test_the_lock_is_for_this_user_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        (tmp_path / "lock").touch(0o666)  # as an earlier version left it
        for folder in (tmp_path, tmp_path / "new"):
            locked(Layout(folder)).close()
            assert (folder / "lock").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(umask)


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 74), (errno.EIO, 74), (errno.EACCES, 78)])
def test_a_full_or_failing_disk_is_no_matter_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(folder, "private_folder", refuse)
    with pytest.raises(StorageError if code == 74 else ConfigError, match=os.strerror(number)) as caught:
        locked(Layout(tmp_path))
    assert caught.value.exit_code == code
