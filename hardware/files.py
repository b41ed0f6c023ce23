"""Files that a person names: only regular ones of a bounded size are read, and what is written is private.

A FIFO waits for its other end for ever, and a device such as ``/dev/zero`` has no end. A file that is written through a
link, or in place of a file with a second name, destroys what nobody named. Here, since drivers and the agent both open
such files, and drivers know no agent.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".part"
"""Ending of a file that is being made."""


def expanded(name: str) -> Path:
    """Return the path that ``name`` means, ``~`` and ``~user`` replaced. Raises OSError for a user without home."""
    if not name.startswith("~"):
        return Path(name)  # which makes of "./~a" a "~a" that means a file
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise OSError(errno.ENOENT, "nobody of this name has a home folder here", name) from None


def open_regular(path: Path, buffering: int = -1, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading; waits for nothing. Raises OSError, also for any other kind of file.

    ``follow``: also through a link, which a person may name.
    """
    try:
        # Nothing but a regular file minds O_NONBLOCK: without it, opening a FIFO waits for a writer.
        links = 0 if follow else os.O_NOFOLLOW
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links)
    except ValueError:
        raise _impossible(path) from None
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb", buffering)
    except BaseException:
        os.close(descriptor)
        raise


def read_whole(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes. Raises OSError. ``follow``: also of a link."""
    with open_regular(path, follow=follow) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most / 1e6:g} MB", str(path))
    return content


def same(one: Path, other: Path) -> bool:
    """Return whether two names are one file, by hard links too; what is not there is compared by its path."""
    with suppress(OSError, ValueError):
        return one.samefile(other)
    with suppress(OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        return one.resolve() == other.resolve()
    return one == other


def check_replaceable(path: Path) -> None:
    """Check that ``path`` can be written: a new file, or a writable regular one. Changes nothing. Raises OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        pass
    except ValueError:
        raise _impossible(path) from None
    else:
        if stat.S_ISLNK(mode):
            raise OSError(errno.ELOOP, "is a link (name the file itself)", str(path))
        _require_regular(mode, path)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    descriptor, partial = _partial(path)
    os.close(descriptor)
    os.unlink(partial)  # noqa: PTH108 - a name from mkstemp


def create_private(path: Path) -> BinaryIO:
    """Create ``path``, readable by this user only, and open it for writing; a regular file of that name is replaced.

    What else was known by the old file's content keeps it: a second name, a process that has it open. Raises OSError.
    """
    check_replaceable(path)
    descriptor, partial = _partial(path)
    try:
        os.replace(partial, path)  # noqa: PTH105 - a name from mkstemp
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(partial)  # noqa: PTH108 - a name from mkstemp
        raise
    return os.fdopen(descriptor, "wb")


def create_stream(path: Path) -> BinaryIO:
    """Open ``path`` for writing line by line: as :func:`create_private`, or a pipe, terminal or device as it is.

    Raises OSError, also if nobody reads from a FIFO.
    """
    try:
        mode = path.stat().st_mode  # through links: /dev/stdout is one
    except (OSError, ValueError):
        return create_private(path)
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return create_private(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(mode):
            raise OSError(errno.ENXIO, "nobody reads from it", str(path)) from None
        raise
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def _partial(path: Path) -> tuple[int, str]:
    """Create a private file beside ``path``. Raises OSError."""
    import tempfile  # noqa: PLC0415 - most commands write nothing

    return tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)


def _require_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


def _impossible(path: Path) -> OSError:
    return OSError(errno.EINVAL, "no file can have this name", repr(str(path)))
