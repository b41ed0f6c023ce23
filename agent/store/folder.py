"""The folder in which a box keeps things: where it is, and whose it is."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.store.errors import StorageError
from agent.store.files import private_folder

if TYPE_CHECKING:
    from typing import IO

    from agent.config import Settings
    from agent.errors import AgentError
    from agent.store.layout import Layout

FAILING = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""The disk's fault and not the configuration's: another start may find it fixed."""


def folder_of(settings: Settings) -> Path:
    """Return where this box keeps things: the setting, else what systemd says, else below the user's home."""
    chosen = settings.paths.state or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "field-agent"


def locked(layout: Layout) -> IO[str]:
    """Return the open lock file of a state folder.

    Raises ConfigError if another process has it or it cannot be written, StorageError if the disk is full or failing.
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
    """Return what to raise where ``path`` cannot be written: StorageError for the disk's fault, else ConfigError."""
    if error.errno in FAILING:
        return StorageError(path, str(error.strerror), "make room, or replace the card: see dmesg")
    return ConfigError(f"{path}: cannot be written: {error} (fix that, or name another as [paths] state)")


def _lock_file(path: Path) -> IO[str]:
    """Open ``path`` for this user alone, also where an earlier version left it readable for others."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")
