"""The state folder: where it is, and the lock that keeps two agents out of it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.store.errors import StorageError
from agent.store.files import is_own, private_folder, set_aside
from hardware.files import expanded
from hardware.ports import reason

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from agent.config import Settings
    from agent.errors import AgentError
    from agent.store.layout import Layout

OTHERS = stat.S_IRWXG | stat.S_IRWXO
log = logging.getLogger(__name__)
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
        _close_to_others(layout)
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


def _close_to_others(layout: Layout) -> None:
    """Make the state folder and what is the agent's in it readable by this user only. Raises ConfigError, OSError."""
    if layout.folder.stat().st_mode & stat.S_ISVTX:
        raise ConfigError(f"{layout.folder}: is a folder for everybody (name one of its own as [paths] state)")
    for folder in (each for each in layout.written if os.path.lexists(each)):
        if not stat.S_ISDIR(folder.lstat().st_mode):
            log.error("%s: is a link, or no folder, and is kept as %s", folder, set_aside(folder))
    for path in (layout.folder, *layout.written, layout.journal):
        if os.path.lexists(path) and (is_own(path) or path.is_dir()) and path.stat().st_mode & OTHERS:
            path.chmod(path.stat().st_mode & ~OTHERS)


def _lock_file(path: Path) -> IO[str]:
    """Open ``path`` for this user only, even if an earlier version left it readable for others."""
    # A link is not followed, and a FIFO not waited for.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w")
