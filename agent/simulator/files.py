"""Files that a person names: only text in a regular file of a bounded size is read."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 10_000_000
"""A trace of a week, a second a line, is shorter."""


def text_of(path: Path) -> str:
    """Return the text in a file. Raises OSError, also for a FIFO, a device, or what is not UTF-8."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would wait for a writer
    except ValueError:
        raise OSError(errno.EINVAL, "no file can have this name", repr(str(path))) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
            raise OSError(errno.EINVAL, kind, str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"is larger than {MOST_BYTES / 1e6:g} MB", str(path))
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "is not a text file", str(path)) from None
