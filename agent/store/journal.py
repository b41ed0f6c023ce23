"""The journal: the shadow log of conversations, turns, stills, calls and events, in SQLite.

What a method writes is on disk when it returns: the write-ahead log (WAL) is synced at every commit
(``synchronous=FULL``), the database after a checkpoint has moved the log into it, and the folder when the file is
created. Each writing method is one transaction. Only one thread at a time may use a journal.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from agent.store.database import described, open_read_only, open_writable
from agent.store.errors import StorageError
from agent.store.rows import CallRow, ConversationRow, EventRow, Json, Opaque, StillRow, TurnRow, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

Row = TypeVar("Row")
TURN_COLUMNS = frozenset(field.name for field in fields(TurnRow)) - {"number"}
UNSENT = "state IN ('recording', 'waiting', 'asked')"
"""The turns that the service has not answered yet."""
WITH_UNSENT = f"SELECT conversation FROM turn WHERE {UNSENT}"  # noqa: S608 - a constant
LATEST = "SELECT number, max(last_at) OVER (ORDER BY number) AS latest FROM conversation"
OLD = f"SELECT number FROM ({LATEST}) WHERE latest < ? AND number NOT IN ({WITH_UNSENT}) ORDER BY number"  # noqa: S608 - constants
OLD_EVENTS = "SELECT number FROM (SELECT number, max(at) OVER (ORDER BY number) AS latest FROM event) WHERE latest < ?"
FIRST_STATES = {"spoken": "recording", "typed": "waiting", "unasked": "answered"}
"""The state in which a turn begins, by its kind; nothing is owed to the service for a turn that nobody asked for."""


class Journal:
    """The journal at ``path``. Every method may raise StorageError."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the journal, or create it unless ``read_only``.

        A damaged journal is renamed to ``set_aside`` and a new one created. Raises StorageError.
        """
        self.path = path
        self.set_aside: Path | None = None
        self._read_only = read_only
        if read_only:
            self._database = open_read_only(path)
        else:
            self._database, self.set_aside = open_writable(path)

    def close(self) -> None:
        """Move the log into the database and close it. Idempotent."""
        with suppress(sqlite3.Error):  # a log that cannot be moved now is read at the next start
            if not self._read_only:
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()

    def wait_at_most(self, seconds: float) -> None:
        """Let a write wait this long for another process that writes, before it fails."""
        with self._described():
            self._database.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def begin_conversation(self, model: str, at: float) -> int:
        """Add a new conversation; return its number."""
        return self._insert("INSERT INTO conversation (model, began_at, last_at) VALUES (?, ?, ?)", model, at, at)

    def touch(self, conversation: int, at: float) -> None:
        """Note that something happened in a conversation."""
        self._write("UPDATE conversation SET last_at = ? WHERE number = ?", at, conversation)

    def greeted(self, conversation: int) -> None:
        """Note that the initial message was sent."""
        self._write("UPDATE conversation SET greeted = 1 WHERE number = ?", conversation)

    def keep_handle(self, conversation: int, handle: str, at: float) -> None:
        """Store the handle with which the service resumes the conversation; '' deletes it."""
        self._write(
            "UPDATE conversation SET handle = ?, handle_at = ? WHERE number = ?", Opaque(handle), at, conversation
        )

    def conversation(self, number: int) -> ConversationRow | None:
        """Return the conversation with that number, None if there is none."""
        return self._one(ConversationRow, "SELECT * FROM conversation WHERE number = ?", number)

    def latest_conversation(self) -> ConversationRow | None:
        """Return the conversation that began last, None if there is none."""
        return self._one(ConversationRow, "SELECT * FROM conversation ORDER BY number DESC LIMIT 1")

    def conversations(self, limit: int | None = None) -> list[ConversationRow]:
        """Return the newest ``limit`` conversations (None: all), newest first."""
        return self._all(ConversationRow, "SELECT * FROM conversation ORDER BY number DESC LIMIT ?", _most(limit))

    def begin_turn(self, number: int, conversation: int, kind: str, at: float, **columns: object) -> None:
        """Add a turn of this ``kind``: "spoken" (state "recording"), "typed" ("waiting") or "unasked" ("answered").

        ``columns`` are set as :meth:`update_turn` does. Its conversation has something happen ``at`` that time.
        """
        values = {"state": FIRST_STATES[kind], "conversation": conversation, "kind": kind, "began_at": at} | columns
        _check(values)
        with self._described(), self._transaction():
            self._database.execute(
                f"INSERT INTO turn (number, {', '.join(values)}) VALUES (?{', ?' * len(values)})",  # noqa: S608 - the names were checked
                [number, *(encoded(value) for value in values.values())],
            )
            self._database.execute(
                "UPDATE conversation SET last_at = max(last_at, ?) WHERE number = ?", [at, conversation]
            )

    def update_turn(self, number: int, **columns: object) -> None:
        """Set these columns of a turn. Raises ValueError for an unknown column, LookupError for an unknown turn."""
        _check(columns)
        changes = ", ".join(f"{name} = ?" for name in columns)
        changed = self._write(f"UPDATE turn SET {changes} WHERE number = ?", *columns.values(), number)  # noqa: S608 - the names were checked
        if not changed:
            raise LookupError(f"no turn {number}")

    def turn(self, number: int) -> TurnRow | None:
        """Return the turn with that number, None if there is none."""
        return self._one(TurnRow, "SELECT * FROM turn WHERE number = ?", number)

    def turns(self, conversation: int) -> list[TurnRow]:
        """Return the turns of a conversation, oldest first."""
        return self._all(TurnRow, "SELECT * FROM turn WHERE conversation = ? ORDER BY number", conversation)

    def unsent(self) -> list[TurnRow]:
        """Return the turns that the service has not answered yet, oldest first."""
        return self._all(TurnRow, f"SELECT * FROM turn WHERE {UNSENT} ORDER BY number")  # noqa: S608 - a constant

    def unplayed(self) -> list[TurnRow]:
        """Return the notes whose answer is stored and was not played yet, oldest first."""
        return self._all(
            TurnRow,
            "SELECT * FROM turn WHERE state = 'answered' AND saved_at IS NOT NULL AND played_at IS NULL"
            " AND answer_audio != '' ORDER BY number",
        )

    def next_turn(self) -> int:
        """Return a number greater than that of any turn so far, deleted turns included."""
        with self._described():
            last = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'turn'").fetchone()
        return last[0] + 1 if last else 1

    def add_still(self, conversation: int, turn: int | None, at: float, file: str, size: int) -> None:
        """Add a still that was written to ``file``."""
        self._write(
            "INSERT INTO still (conversation, turn, at, file, size) VALUES (?, ?, ?, ?, ?)",
            *(conversation, turn, at, file, size),
        )

    def stills(self, conversation: int) -> list[StillRow]:
        """Return the stills of a conversation, oldest first."""
        return self._all(StillRow, "SELECT * FROM still WHERE conversation = ? ORDER BY number", conversation)

    def begin_call(  # noqa: PLR0913, PLR0917 - a call begins with as much
        self, conversation: int, turn: int | None, call_id: str, name: str, arguments: Json, at: float
    ) -> int:
        """Add a function call; return its number."""
        return self._insert(
            "INSERT INTO call (conversation, turn, call_id, name, arguments, began_at) VALUES (?, ?, ?, ?, ?, ?)",
            *(conversation, turn, call_id, name, arguments, at),
        )

    def end_call(self, number: int, result: Json | None, at: float) -> None:
        """Store the result of a call; None: it was cancelled."""
        self._write("UPDATE call SET result = ?, ended_at = ? WHERE number = ?", result, at, number)

    def calls(self, conversation: int) -> list[CallRow]:
        """Return the calls of a conversation, oldest first."""
        return self._all(CallRow, "SELECT * FROM call WHERE conversation = ? ORDER BY number", conversation)

    def add_event(self, at: float, kind: str, text: str, conversation: int | None = None) -> None:
        """Add an event."""
        self._write(
            "INSERT INTO event (at, kind, text, conversation) VALUES (?, ?, ?, ?)", at, kind, text, conversation
        )

    def events(self, conversation: int | None = None, limit: int | None = None) -> list[EventRow]:
        """Return the newest ``limit`` events (None: all) of one conversation (None: of all), oldest first."""
        newest = self._all(
            EventRow,
            "SELECT * FROM event WHERE ?1 IS NULL OR conversation = ?1 ORDER BY number DESC LIMIT ?2",
            *(conversation, _most(limit)),
        )
        return newest[::-1]

    def old(self, before: float) -> list[int]:
        """Return the conversations that ended before ``before``, oldest first, without those that are still owed.

        One that came after a younger one is not old, whatever the clock said then.
        """
        with self._described():
            rows = self._database.execute(OLD, [before]).fetchall()
        return [row[0] for row in rows]

    def erase(
        self,
        conversations: Collection[int] = (),
        turns: Collection[int] = (),
        stills: Collection[StillRow] = (),
        events: tuple[float, float] | None = None,
    ) -> None:
        """Delete these conversations with all that is in them, these turns, stills, and the events of this time."""
        with self._described(), self._transaction():
            execute = self._database.executemany
            execute("DELETE FROM event WHERE conversation = ?", [[number] for number in conversations])
            execute("DELETE FROM conversation WHERE number = ?", [[number] for number in conversations])
            execute("DELETE FROM turn WHERE number = ?", [[number] for number in turns])
            execute("DELETE FROM still WHERE number = ?", [[still.number] for still in stills])
            execute("DELETE FROM event WHERE at >= ? AND at < ?", [events] if events else [])

    def forget_events(self, before: float) -> int:
        """Delete events from before ``before``, unless younger ones came before them; return how many."""
        return self._write(f"DELETE FROM event WHERE number IN ({OLD_EVENTS})", before)  # noqa: S608 - a constant

    def scrub(self) -> None:
        """Leave nothing of what was deleted in the journal's files. Raises StorageError if another program reads it."""
        with self._described():
            self._database.execute("VACUUM")
            busy = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            problem = "what was deleted is still in it, because another program reads it"
            raise StorageError(self.path, problem, "end that program, then start the agent once")

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
        """Run one statement as a transaction of its own; return how many rows it changed."""
        with self._described():
            return self._database.execute(sql, [encoded(value) for value in values]).rowcount

    def _all(self, kind: type[Row], sql: str, *values: object) -> list[Row]:
        with self._described():
            return [decoded(kind, row) for row in self._database.execute(sql, values)]

    def _one(self, kind: type[Row], sql: str, *values: object) -> Row | None:
        return next(iter(self._all(kind, sql, *values)), None)


def _check(columns: Collection[str]) -> None:
    if not columns or not TURN_COLUMNS.issuperset(columns):
        raise ValueError(f"no columns of a turn: {sorted(set(columns) - TURN_COLUMNS)}")


def _most(limit: int | None) -> int:
    return -1 if limit is None else limit  # to SQLite, -1 means no limit
