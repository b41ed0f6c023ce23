"""The journal: the shadow log of conversations, turns, stills, calls and events, in SQLite.

What a method wrote is on the disk when it returns: the log is written ahead (WAL) and synced at every commit
(``synchronous=FULL``), the database is synced when a checkpoint has brought the log into it, and the folder when the
file is made. Each writing method is one transaction. One thread at a time may use a journal.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from agent.store.database import described, open_read_only, open_writable
from agent.store.rows import CallRow, ConversationRow, EventRow, Json, StillRow, TurnRow, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = TypeVar("Row")
TURN_COLUMNS = frozenset(field.name for field in fields(TurnRow)) - {"number"}
UNSENT = "state IN ('recording', 'waiting', 'asked')"
"""What the service has not answered yet."""
WITH_UNSENT = f"SELECT conversation FROM turn WHERE {UNSENT}"  # noqa: S608 - a constant
OVER_BEFORE = f"last_at < ? AND number NOT IN ({WITH_UNSENT})"
FIRST_STATES = {"spoken": "recording", "typed": "waiting", "unasked": "answered"}
"""The state in which a turn begins, by its kind; nothing is owed to the service for what it said unasked."""


class Journal:
    """The journal at one path."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open it, or begin it; StorageError says why not. A damaged one is renamed, and ``set_aside`` is its name."""
        self.path = path
        self.set_aside: Path | None = None
        self._read_only = read_only
        if read_only:
            self._database = open_read_only(path)
        else:
            self._database, self.set_aside = open_writable(path)

    def close(self) -> None:
        """Bring the log into the database and close it; a second time does nothing."""
        with suppress(sqlite3.Error):  # a log that cannot be brought in now is read at the next start
            if not self._read_only:
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()

    def begin_conversation(self, model: str, at: float) -> int:
        """Note a new conversation; returns its number."""
        return self._insert("INSERT INTO conversation (model, began_at, last_at) VALUES (?, ?, ?)", model, at, at)

    def touch(self, conversation: int, at: float) -> None:
        """Note that something happened in a conversation."""
        self._write("UPDATE conversation SET last_at = ? WHERE number = ?", at, conversation)

    def greeted(self, conversation: int) -> None:
        """Note that the technician was greeted."""
        self._write("UPDATE conversation SET greeted = 1 WHERE number = ?", conversation)

    def keep_handle(self, conversation: int, handle: str, at: float) -> None:
        """Keep the handle with which the service resumes the conversation; '' forgets it."""
        self._write("UPDATE conversation SET handle = ?, handle_at = ? WHERE number = ?", handle, at, conversation)

    def conversation(self, number: int) -> ConversationRow | None:
        """Return the conversation with that number."""
        return self._one(ConversationRow, "SELECT * FROM conversation WHERE number = ?", number)

    def latest_conversation(self) -> ConversationRow | None:
        """Return the conversation that began last."""
        return self._one(ConversationRow, "SELECT * FROM conversation ORDER BY number DESC LIMIT 1")

    def conversations(self, limit: int | None = None) -> list[ConversationRow]:
        """Return the newest conversations, newest first."""
        return self._all(ConversationRow, "SELECT * FROM conversation ORDER BY number DESC LIMIT ?", _most(limit))

    def begin_turn(  # noqa: PLR0913 - a turn begins with as much
        self, number: int, conversation: int, kind: str, at: float, *, audio: str = "", text: str = ""
    ) -> None:
        """Note that a turn begins; a spoken one is recording, a typed one waiting, and one unasked answered."""
        self._write(
            "INSERT INTO turn (number, conversation, kind, state, began_at, audio, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(number, conversation, kind, FIRST_STATES[kind], at, audio, text),
        )

    def update_turn(self, number: int, **columns: object) -> None:
        """Set these columns of a turn, and no other; ValueError for one there is not, LookupError for no such turn."""
        if not columns or not columns.keys() <= TURN_COLUMNS:
            raise ValueError(f"no columns of a turn: {sorted(columns.keys() - TURN_COLUMNS)}")
        changes = ", ".join(f"{name} = ?" for name in columns)
        changed = self._write(f"UPDATE turn SET {changes} WHERE number = ?", *columns.values(), number)  # noqa: S608 - the names were checked
        if not changed:
            raise LookupError(f"no turn {number}")

    def turn(self, number: int) -> TurnRow | None:
        """Return the turn with that number."""
        return self._one(TurnRow, "SELECT * FROM turn WHERE number = ?", number)

    def turns(self, conversation: int) -> list[TurnRow]:
        """Return the turns of a conversation in order."""
        return self._all(TurnRow, "SELECT * FROM turn WHERE conversation = ? ORDER BY number", conversation)

    def unsent(self) -> list[TurnRow]:
        """Return the turns that the service has still to answer, in order."""
        return self._all(TurnRow, f"SELECT * FROM turn WHERE {UNSENT} ORDER BY number")  # noqa: S608 - a constant

    def unplayed(self) -> list[TurnRow]:
        """Return the notes whose answer has come and was not yet played, in order."""
        return self._all(
            TurnRow,
            "SELECT * FROM turn WHERE state = 'answered' AND saved_at IS NOT NULL AND played_at IS NULL"
            " AND answer_audio != '' ORDER BY number",
        )

    def next_turn(self) -> int:
        """Return a number greater than any turn ever had, forgotten ones included."""
        with self._described():
            last = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'turn'").fetchone()
        return last[0] + 1 if last else 1

    def add_still(self, conversation: int, turn: int | None, at: float, file: str, size: int) -> None:
        """Note a picture."""
        self._write(
            "INSERT INTO still (conversation, turn, at, file, size) VALUES (?, ?, ?, ?, ?)",
            *(conversation, turn, at, file, size),
        )

    def drop_still(self, file: str) -> None:
        """Note that a picture's file is no more."""
        self._write("DELETE FROM still WHERE file = ?", file)

    def stills(self, conversation: int) -> list[StillRow]:
        """Return the pictures of a conversation in order."""
        return self._all(StillRow, "SELECT * FROM still WHERE conversation = ? ORDER BY number", conversation)

    def begin_call(  # noqa: PLR0913, PLR0917 - a call begins with as much
        self, conversation: int, turn: int | None, call_id: str, name: str, arguments: Json, at: float
    ) -> int:
        """Note that the model called a function; returns the call's number."""
        return self._insert(
            "INSERT INTO call (conversation, turn, call_id, name, arguments, began_at) VALUES (?, ?, ?, ?, ?, ?)",
            *(conversation, turn, call_id, name, arguments, at),
        )

    def end_call(self, number: int, result: Json | None, at: float) -> None:
        """Note what a call gave; None: it was cancelled."""
        self._write("UPDATE call SET result = ?, ended_at = ? WHERE number = ?", result, at, number)

    def calls(self, conversation: int) -> list[CallRow]:
        """Return the calls of a conversation in order."""
        return self._all(CallRow, "SELECT * FROM call WHERE conversation = ? ORDER BY number", conversation)

    def add_event(self, at: float, kind: str, text: str, conversation: int | None = None) -> None:
        """Note something that happened."""
        self._write(
            "INSERT INTO event (at, kind, text, conversation) VALUES (?, ?, ?, ?)", at, kind, text, conversation
        )

    def events(self, conversation: int | None = None, limit: int | None = None) -> list[EventRow]:
        """Return the newest events, of one conversation or of all, in order."""
        newest = self._all(
            EventRow,
            "SELECT * FROM event WHERE ?1 IS NULL OR conversation = ?1 ORDER BY number DESC LIMIT ?2",
            *(conversation, _most(limit)),
        )
        return newest[::-1]

    def stills_before(self, before: float) -> list[str]:
        """Return the files of the pictures that :meth:`forget` would forget."""
        forgotten = f"SELECT number FROM conversation WHERE {OVER_BEFORE}"  # noqa: S608 - a constant
        stills = self._all(StillRow, f"SELECT * FROM still WHERE conversation IN ({forgotten})", before)  # noqa: S608 - a constant
        return [still.file for still in stills]

    def turns_before(self, before: float) -> list[TurnRow]:
        """Return the turns that :meth:`forget` would forget."""
        forgotten = f"SELECT number FROM conversation WHERE {OVER_BEFORE}"  # noqa: S608 - a constant
        return self._all(TurnRow, f"SELECT * FROM turn WHERE conversation IN ({forgotten})", before)  # noqa: S608 - a constant

    def forget(self, before: float) -> int:
        """Delete events and conversations that ended before then, and return how many; none with an unsent turn."""
        with self._described(), self._transaction():
            events = self._database.execute("DELETE FROM event WHERE at < ?", [before])
            conversations = self._database.execute(f"DELETE FROM conversation WHERE {OVER_BEFORE}", [before])  # noqa: S608 - a constant
            return events.rowcount + conversations.rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite itself rolls back when the disk is full
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _described(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):  # the caller's mistake
            raise
        except sqlite3.Error as error:
            raise described(self.path, error) from error

    def _insert(self, sql: str, *values: object) -> int:
        with self._described():
            number = self._database.execute(sql, [encoded(value) for value in values]).lastrowid
        assert number is not None, "an insert gives a number"
        return number

    def _write(self, sql: str, *values: object) -> int:
        """Run one statement, which is a transaction of its own; returns how many rows it changed."""
        with self._described():
            return self._database.execute(sql, [encoded(value) for value in values]).rowcount

    def _all(self, kind: type[Row], sql: str, *values: object) -> list[Row]:
        with self._described():
            return [decoded(kind, row) for row in self._database.execute(sql, values)]

    def _one(self, kind: type[Row], sql: str, *values: object) -> Row | None:
        return next(iter(self._all(kind, sql, *values)), None)


def _most(limit: int | None) -> int:
    return -1 if limit is None else limit  # SQLite's word for no limit
