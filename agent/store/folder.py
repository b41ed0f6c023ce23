"""The state folder: where it is, and the lock that keeps two agents out of it."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.store.errors import StorageError
from agent.store.files import private_folder
from hardware.files import expanded
from hardware.ports import reason

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from agent.config import Settings
    from agent.errors import AgentError
    from agent.store.layout import Layout

FAILING = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Errors of the disk and not of the configuration: at another start they may be gone."""


def folder_of(settings: Settings) -> Path:
    """Return the state folder: the setting, else systemd's ``$STATE_DIRECTORY``, else one in the user's home.

    Raises ConfigError if there is no such home.
    """
    chosen = settings.paths.state or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return expanded(chosen) if chosen else expanded(home) / "field-agent"
    except OSError as error:
        raise ConfigError(f"{error.filename}: {reason(error)} (name a folder as [paths] state)") from None


def locked(layout: Layout) -> IO[str]:
    """Lock a state folder; return its open lock file, which holds the lock.

    Raises ConfigError if another process has the lock or it cannot be written, StorageError if the disk is full or
    failing.
    """
    try:
        private_folder(layout.folder)
        file = _lock_file(layout.lock)
    except OSError as error:
        raise storage_error(layout.folder, error) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigError(
            f"{layout.folder}: another field-agent is using it (stop that one, or name another folder as [paths] state)"
        ) from None
    return file


def storage_error(path: Path, error: OSError) -> AgentError:
    """Return the error to raise if ``path`` cannot be written: StorageError if the disk failed, else ConfigError."""
    if error.errno in FAILING:
        return StorageError(path, str(error.strerror), "make room, or replace the card: see dmesg")
    return ConfigError(
        f"{path}: cannot be written: {reason(error)} (fix that, or name another folder as [paths] state)"
    )


def _lock_file(path: Path) -> IO[str]:
    """Open ``path`` for this user only, even if an earlier version left it readable for others."""
    # O_NONBLOCK: a FIFO in its place would wait for a reader.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")
