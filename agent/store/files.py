"""Files and folders of this user alone that are whole or not there, whatever a power cut takes.

What the order of the calls must be: a content is synced before it gets its name, and the folder after that.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTIAL = ".part"
"""Ending of a file that is being written; what has it after a power cut is rubbish."""


def private_folder(folder: Path) -> None:
    """Make ``folder`` and those above it that are missing, for this user alone, and for good."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Return when the names in ``folder`` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Return what this user may still write to the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def write(descriptor: int, content: bytes) -> None:
    """Write all of ``content``, in as many calls as the system wants."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_whole(file: Path, *content: bytes) -> None:
    """Write ``file``, for this user alone; on the disk, and whole, when this returns. Raises OSError."""
    partial = file.with_name(file.name + PARTIAL)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with replacing(file, partial, descriptor):
        os.fchmod(descriptor, 0o600)  # one may be left from a power cut
        for part in content:
            write(descriptor, part)
    sync_folder(file.parent)


@contextmanager
def replacing(file: Path, partial: Path, descriptor: int) -> Iterator[None]:
    """Put ``partial``, open as ``descriptor``, in the place of ``file`` when the block has written it; else remove it.

    Closes ``descriptor``. The new name is on the disk only after :func:`sync_folder`.
    """
    try:
        try:
            yield
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(partial, file)  # noqa: PTH105 - beside the other calls of os, whose order the tests record
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
