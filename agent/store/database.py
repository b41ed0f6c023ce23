"""The journal's file: its schema, its migrations, and opening it, even after a power cut or on a failing card."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from agent.store.errors import StorageError
from agent.store.files import is_own, private_folder, set_aside, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

BUSY_S = 2.0
"""How long a write waits for another process; only the checkpoint of a closing reader takes any time."""
SIDE_FILES = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside a database; they are renamed together with a damaged database."""
FIRST = """
CREATE TABLE conversation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    began_at REAL NOT NULL,
    last_at REAL NOT NULL,
    model TEXT NOT NULL,
    greeted INTEGER NOT NULL DEFAULT 0 CHECK (greeted IN (0, 1)),
    handle TEXT NOT NULL DEFAULT '',
    handle_at REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE turn (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('spoken', 'typed', 'unasked')),
    state TEXT NOT NULL CHECK (state IN ('recording', 'waiting', 'asked', 'answered', 'unanswered', 'cut')),
    began_at REAL NOT NULL,
    ended_at REAL,
    audio_s REAL NOT NULL DEFAULT 0,
    audio TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',
    saved_at REAL,
    delivered_at REAL,
    answered_at REAL,
    spoken_at REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    heard TEXT NOT NULL DEFAULT '',
    said TEXT NOT NULL DEFAULT '',
    played TEXT NOT NULL DEFAULT '',
    answer_s REAL NOT NULL DEFAULT 0,
    played_s REAL NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0 CHECK (interrupted IN (0, 1)),
    reason TEXT NOT NULL DEFAULT '',
    ttfab_s REAL,
    tokens INTEGER NOT NULL DEFAULT 0,
    frames INTEGER NOT NULL DEFAULT 0,
    frames_dropped INTEGER NOT NULL DEFAULT 0,
    connections INTEGER NOT NULL DEFAULT 0,
    answer_audio TEXT NOT NULL DEFAULT '',
    still TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX turn_by_conversation ON turn (conversation);
CREATE INDEX turn_by_state ON turn (state);
CREATE TABLE still (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    turn INTEGER REFERENCES turn ON DELETE CASCADE,
    conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
    at REAL NOT NULL,
    file TEXT NOT NULL,
    size INTEGER NOT NULL
) STRICT;
CREATE INDEX still_by_conversation ON still (conversation);
CREATE INDEX still_by_turn ON still (turn);
CREATE TABLE call (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    turn INTEGER REFERENCES turn ON DELETE CASCADE,
    conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    result TEXT,
    began_at REAL NOT NULL,
    ended_at REAL
) STRICT;
CREATE INDEX call_by_conversation ON call (conversation);
CREATE INDEX call_by_turn ON call (turn);
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    conversation INTEGER REFERENCES conversation ON DELETE SET NULL
) STRICT;
CREATE INDEX event_by_time ON event (at);
CREATE INDEX event_by_conversation ON event (conversation);
"""
SECOND = """
ALTER TABLE turn RENAME COLUMN heard TO question;
ALTER TABLE turn RENAME COLUMN said TO answer;
ALTER TABLE turn RENAME COLUMN spoken_at TO played_at;
"""
MIGRATIONS: tuple[str, ...] = (FIRST, SECOND)
"""Migration n turns version n into version n + 1. A released migration is never edited; a new one is added."""
_COLUMNS = """
SELECT made.name, part.name FROM sqlite_schema AS made JOIN pragma_table_info(made.name) AS part
WHERE made.type = 'table'
"""
_TRIAL = "BEGIN IMMEDIATE; INSERT INTO conversation (model, began_at, last_at) VALUES ('', 0, 0); ROLLBACK"
_FIXES = {
    sqlite3.SQLITE_FULL: "free some space on its disk",
    sqlite3.SQLITE_IOERR: "its disk may be full or failing: see dmesg",
    sqlite3.SQLITE_READONLY: "make it and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "check that it and its folder exist and belong to this user",
    sqlite3.SQLITE_PERM: "make it and its folder belong to this user",
    sqlite3.SQLITE_BUSY: "end the other process that writes to it",
    sqlite3.SQLITE_CORRUPT: "start the agent anew, which sets a damaged journal aside",
    sqlite3.SQLITE_NOTADB: "start the agent anew, which sets a damaged journal aside",
}
_PASSING = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM),
}
"""SQLite's codes for a disk that may take later what it refuses now."""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""SQLite's codes for a file that it cannot read; SQLITE_ERROR if it does not know the format or the schema."""


class _Damaged(Exception):
    """The file is not a journal, or is damaged; ``database`` is the connection that found it, if there is one."""

    database: sqlite3.Connection | None = None


def described(path: Path, error: sqlite3.Error) -> StorageError:
    """Return SQLite's ``error`` about the file at ``path`` as a StorageError that says what to do about it."""
    code = _code(error)
    fix = _FIXES.get(code, "see the log, and report it")
    return StorageError(path, f"the journal: {error}", fix, passing=code in _PASSING)


def open_writable(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open or create the journal at ``path``; also returns the new name of a damaged journal found there, else None.

    Raises StorageError.
    """
    try:
        private_folder(path.parent)
        try:
            return _opened(path), None
        except _Damaged as damaged:
            try:
                aside = set_aside(path, *SIDE_FILES)  # a database without its log must not pass for a whole one
            finally:
                if damaged.database is not None:
                    damaged.database.close()  # only now: SQLite deletes a log that it cannot read
            return _opened(path), aside
    except OSError as error:
        raise StorageError(path, str(error.strerror), "check its folder's owner and its disk") from error
    except sqlite3.Error as error:
        raise described(path, error) from error
    except _Damaged as error:  # made a moment ago
        raise StorageError(
            path, f"the journal is damaged right after it was created: {error}", "replace the disk"
        ) from error


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open the journal at ``path`` for reading, even while another process writes to it. Raises StorageError."""
    try:
        there, writing = path.exists(), path.with_name(f"{path.name}-wal").exists()
    except OSError as error:
        raise StorageError(path, str(error.strerror), "run this as the user whose box it is, or as root") from error
    if not there:
        raise StorageError(path, "there is no journal", "the agent creates it when it first runs")
    if not is_own(path):
        raise StorageError(path, "is a link, or no file", "the agent sets it aside when it next starts")
    # Without a WAL nobody writes. SQLite would create one, and fail where the folder belongs to somebody else.
    still = "" if writing else "&immutable=1"
    try:
        database = _connected(f"{path.absolute().as_uri()}?mode=ro{still}")
        try:
            _version(database, path, oldest=len(MIGRATIONS))
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise described(path, error) from error
    return database


def migrate(database: sqlite3.Connection, version: int, wanted: int | None = None) -> None:
    """Migrate ``database`` from ``version`` to ``wanted`` (default: the newest), one transaction for each step."""
    for step in range(version, len(MIGRATIONS) if wanted is None else wanted):
        database.executescript(f"BEGIN IMMEDIATE;{MIGRATIONS[step]};PRAGMA user_version = {step + 1};COMMIT;")


def _code(error: sqlite3.Error) -> int:
    return error.sqlite_errorcode & 0xFF  # the other bits say where it arose


def _opened(path: Path) -> sqlite3.Connection:
    _require_own(path)
    if not path.exists():
        if any(path.with_name(path.name + end).exists() for end in SIDE_FILES):
            raise _Damaged("it is missing, but its log is there")  # SQLite would apply that log to a new journal
        _create(path)
    if not path.stat().st_size:
        raise _Damaged("it is empty")  # SQLite would take it for a new database and delete its log
    database = _connected(str(path))
    try:
        version = _checked(database, path)
        _write_ahead(database)
        migrate(database, version)
        _probe(database, path)
        with suppress(sqlite3.OperationalError):  # on a full disk, the log simply keeps what it holds
            database.execute("PRAGMA wal_checkpoint")  # less is lost if the card damages the log later
    except _Damaged as damaged:
        damaged.database = database
        raise
    except BaseException:
        database.close()
        raise
    return database


def _require_own(path: Path) -> None:
    """Raise _Damaged unless the journal and its side files, if they are there, are files that this user may write."""
    for end in ("", *SIDE_FILES):
        each = path.with_name(path.name + end)
        if os.path.lexists(each) and not is_own(each):
            raise _Damaged(f"{each.name} is a link, or no file")
        if os.path.lexists(each) and not os.access(each, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK):
            raise _Damaged(f"{each.name} is not this user's")


def _create(path: Path) -> None:
    """Create the journal under another name and rename it when it is whole, so that a partial file means damage."""
    new = path.with_name(f"{path.name}.new")
    for end in ("", *SIDE_FILES):
        new.with_name(new.name + end).unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    os.close(os.open(new, flags, 0o600))  # SQLite gives the same mode to what it puts beside it
    with closing(_connected(str(new))) as database:
        _write_ahead(database)
        migrate(database, 0)
    new.rename(path)
    sync_folder(path.parent)


def _connected(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        name, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=name.startswith("file:")
    )
    database.row_factory = sqlite3.Row
    database.text_factory = lambda stored: stored.decode("utf-8", "replace")
    return database


def _write_ahead(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    database.execute("PRAGMA journal_mode = WAL")


def _version(database: sqlite3.Connection, path: Path, oldest: int | None = None) -> int:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        problem = f"the journal has version {version}, and this program knows versions up to {len(MIGRATIONS)}"
        raise StorageError(path, problem, "install the newer program again, or move the file away")
    if oldest is not None and version < oldest:
        problem = f"the journal has version {version}, and version {oldest} is needed"
        raise StorageError(path, problem, "start the agent once, which converts it")
    return version


def _checked(database: sqlite3.Connection, path: Path) -> int:
    """Return the version if pages, rows and tables are sound for it; additional tables do no harm. Raises _Damaged."""
    try:
        version = _version(database, path)
        verdict = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        columns = {tuple(column) for column in database.execute(_COLUMNS)}
    except UnicodeDecodeError as error:  # SQLite's message about a damaged name is not UTF-8
        raise _Damaged(str(error)) from error
    except sqlite3.DatabaseError as error:
        if _code(error) not in _DAMAGE:
            raise
        raise _Damaged(str(error)) from error
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        migrate(model, 0, version)
        wanted = {tuple(column) for column in model.execute(_COLUMNS)}
    if verdict != "ok" or version < 1 or not wanted <= columns:
        raise _Damaged(f"its pages are {verdict}, its version is {version} and its tables are {columns}")
    return version


def _probe(database: sqlite3.Connection, path: Path) -> None:
    """Try to write, since some damage shows only then. Raises _Damaged, sqlite3.DatabaseError."""
    try:
        database.executescript(_TRIAL)
    except sqlite3.DatabaseError as error:
        forbidden = error.sqlite_errorcode == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK)  # by its header
        if forbidden or _code(error) in {*_DAMAGE, sqlite3.SQLITE_CONSTRAINT}:
            raise _Damaged(str(error)) from error
        raise
