"""A disk that has moods: for a while it is locked, full, read-only or slow, and then it works again.

    with moody(state) as disk, stage(...): ... disk.mood = Mood.FULL

A lock is a real one, of another connection. The other moods are the errors that SQLite and the system calls give.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any
from unittest import mock

from agent.store import files, records, spool
from agent.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW_S = 3.0
WRITES = ("INSERT", "UPDATE", "DELETE", "BEGIN IMMEDIATE", "COMMIT")


class Mood(Enum):
    """What the disk does; the value is what the page calls it."""

    FINE = "fine"
    BUSY = "journal locked"
    FULL = "disk full"
    READ_ONLY = "disk read-only"
    SLOW = "disk slow"


ERRORS = {
    Mood.FULL: (errno.ENOSPC, sqlite3.SQLITE_FULL, "database or disk is full"),
    Mood.READ_ONLY: (errno.EROFS, sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
}


class MoodyDisk:
    """The disk of one state folder."""

    def __init__(self, state: Path) -> None:
        self._journal = state / "journal.db"
        self._lock: sqlite3.Connection | None = None
        self._mood = Mood.FINE
        self.refused = 0
        """How many writes were refused."""
        self.done_at = 0.0
        """When the slow disk is done with what it was given (loop time)."""

    @property
    def mood(self) -> Mood:
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if mood is Mood.BUSY:
            self._lock = sqlite3.connect(self._journal, isolation_level=None, check_same_thread=False)
            self._lock.execute("BEGIN IMMEDIATE")
        self._mood = mood

    def call(self) -> None:
        """Refuse a system call that writes, if that is the mood."""
        if self.mood in ERRORS:
            self.refused += 1
            raise OSError(ERRORS[self.mood][0], os.strerror(ERRORS[self.mood][0]))

    def statement(self, sql: str) -> None:
        """Refuse an SQL statement that writes, if that is the mood."""
        if self.mood in ERRORS and sql.startswith(WRITES):
            self.refused += 1
            _, code, words = ERRORS[self.mood]
            error = sqlite3.OperationalError(words)
            error.sqlite_errorcode = code
            raise error
        self.refused += self.mood is Mood.BUSY and sql.startswith(WRITES)


@contextmanager
def moody(state: Path) -> Iterator[MoodyDisk]:
    """Give what is opened inside the block a disk with moods; it begins well."""
    disk = MoodyDisk(state)

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            disk.statement(sql)
            return super().execute(sql, *parameters)

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return real_connect(*arguments, factory=Connection, **options)

    def write(descriptor: int, content: bytes) -> None:
        disk.call()
        files_write(descriptor, content)

    def write_whole(file: Path, *content: bytes) -> None:
        disk.call()
        files_write_whole(file, *content)

    def late(writer: Writer, future: asyncio.Future[Any]) -> None:
        now = asyncio.get_running_loop().time()
        disk.done_at = max(disk.done_at, now + (SLOW_S if disk.mood is Mood.SLOW else 0.0))
        if disk.done_at > now:
            asyncio.get_running_loop().call_at(disk.done_at, visited, writer, future)
        else:
            visited(writer, future)

    real_connect, files_write, files_write_whole = sqlite3.connect, files.write, files.write_whole
    visited = Writer._visited
    with (
        mock.patch.object(sqlite3, "connect", connect),
        mock.patch.object(Writer, "_visited", late),
        mock.patch.object(spool, "write", write),
        mock.patch.object(spool, "write_whole", write_whole),
        mock.patch.object(records, "write_whole", write_whole),
        mock.patch.object(records, "BUSY_S", 0.01),
    ):
        try:
            yield disk
        finally:
            disk.mood = Mood.FINE
