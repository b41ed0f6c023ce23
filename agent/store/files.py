"""Writes files that only this user can read, and that a power cut leaves whole or not at all.

The order of the calls matters: a file's content is synced before it gets its name, and its folder after that.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hardware.files import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 64_000_000
"""The largest file that is read: twenty minutes of an answer."""
ASIDE = ".damaged-"
"""In the name of what was set aside, before a number."""
PARTIAL = ".part"
"""Ending of a file that is being written; a file that still has it after a power cut is worthless."""


def private_folder(folder: Path) -> None:
    """Create ``folder`` and its missing parents, readable by this user only; they are on disk when this returns."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Sync ``folder``, so that the names in it are on disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user can still write to the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def write(descriptor: int, content: bytes) -> None:
    """Write all of ``content``, in as many system calls as that takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_whole(file: Path, *content: bytes) -> None:
    """Write ``file``, readable by this user only; it is whole and on disk when this returns. Raises OSError."""
    partial = file.with_name(file.name + PARTIAL)
    with replacing(file, partial, _new(partial)) as descriptor:
        for part in content:
            write(descriptor, part)
    sync_folder(file.parent)


def read_own(file: Path) -> bytes:
    """Return the content of a regular file of the agent's, never through a link. Raises OSError."""
    return read_whole(file, MOST_BYTES, follow=False)


def is_own(path: Path) -> bool:
    """Return whether ``path`` is a regular file, and no link to one. Raises OSError."""
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)


def set_aside(path: Path, *endings: str) -> Path:
    """Rename ``path``, then what is there of its name with each of ``endings``; return its new name. Raises OSError."""
    number = 1
    while any(os.path.lexists(f"{path}{ASIDE}{number}{end}") for end in ("", *endings)):
        number += 1
    aside = path.with_name(f"{path.name}{ASIDE}{number}")
    for end in ("", *endings):
        if os.path.lexists(f"{path}{end}"):
            os.rename(f"{path}{end}", f"{aside}{end}")  # noqa: PTH104 - of a name that is put together
    sync_folder(path.parent)
    return aside


def _new(partial: Path) -> int:
    """Create ``partial`` in place of what a power cut, or somebody else, has left there; return its descriptor."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(partial, flags, 0o600)
    except FileExistsError:
        partial.unlink()
        return os.open(partial, flags, 0o600)


@contextmanager
def replacing(file: Path, partial: Path, descriptor: int) -> Iterator[int]:
    """Rename ``partial``, open as ``descriptor``, to ``file`` after the block has written it; on an error, delete it.

    Closes ``descriptor``. The new name is on disk only after :func:`sync_folder`.
    """
    try:
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, file)  # noqa: PTH105 - beside the other calls of os, whose order the tests record
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
