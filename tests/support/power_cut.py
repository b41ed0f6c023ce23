"""What is left of a journal and a spool after a power cut, a kill or a torn write, and what ought to be."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.store.wav import HEADER
from tests.support.crash_workload import Operation, Script, opened

if TYPE_CHECKING:
    import pytest

    from agent.store.journal import Journal

ROOT = Path(__file__).parents[2]
TABLES = ("conversation", "turn", "still", "call", "event")
Tables = dict[str, list[tuple[Any, ...]]]


class State(NamedTuple):
    """All rows, and the audio in each file that has any."""

    tables: Tables
    files: dict[str, bytes]


class Outcome(NamedTuple):
    """How far a child came."""

    acknowledged: int
    done: bool


def tables(journal: Journal) -> Tables:
    return {name: [tuple(row) for row in journal._database.execute(f"SELECT * FROM {name}")] for name in TABLES}


def files(spool: Path) -> dict[str, bytes]:
    audio = {str(path.relative_to(spool)): path.read_bytes()[HEADER.size :] for path in spool.glob("*/*.wav")}
    return {name: pcm for name, pcm in audio.items() if pcm}


def states(folder: Path, operations: list[Operation]) -> list[State]:
    """What there is before the first operation, and after each, when nothing goes wrong."""
    journal, spool = opened(folder)
    found = [State(tables(journal), {})]
    for operation in operations:
        operation.on(journal, spool)
        found.append(State(tables(journal), files(folder / "spool")))
    journal.close()
    return found


class Expected:
    """What the operations of a script make, and the judge of what is found of it."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.rounds = rounds
        self.operations = Script(rounds).operations
        self.states = states(folder, self.operations)
        self.differences: set[str] = set()

    def judge(self, folder: Path, outcome: Outcome) -> None:
        """Start up again as the box does; what was acknowledged is there, what was under way is there whole or not."""
        journal, spool = opened(folder)
        assert journal.set_aside is None
        owed = spool.recover()
        assert [list(row) for row in journal._database.execute("PRAGMA quick_check")] == [["ok"]]
        before = self.states[outcome.acknowledged]
        after = self.states[min(outcome.acknowledged + 1, len(self.operations))]
        now = State(tables(journal), files(folder / "spool"))
        assert now.tables in (before.tables, after.tables)
        operation = self.operations[min(outcome.acknowledged, len(self.operations) - 1)]
        for name in before.files | after.files | now.files:
            pcm, least, most = (each.files.get(name, b"") for each in (now, before, after))
            growing = operation.method == "append" and pcm.startswith(least) and most.startswith(pcm)
            assert growing or pcm in (least, most), name
        for name in (name for name in before.files if name.startswith("unsent/")):
            assert name in now.files or name.replace("unsent", "sent") in now.files
        assert all(spool.read(number) for number in owed)
        self.differences |= differences(journal, owed, now.files)
        journal.begin_turn(spool.highest() + 100, journal.begin_conversation("next", 1.0), "typed", 1.0)
        journal.close()
        rmtree(folder)


def differences(journal: Journal, owed: list[int], audio: dict[str, bytes]) -> set[str]:
    """Return how journal and folders disagree, in the words of the test that says which of it start-up makes good."""
    found = set()
    for number in owed:
        turn = journal.turn(number)
        found.add(f"owed and {turn.state}" if turn is not None else "owed and not in the journal")
    for turn in journal.unsent():
        if turn.audio and turn.number not in owed:
            found.add(f"{turn.state} and {'sent' if f'sent/{turn.audio}' in audio else 'without audio'}")
    return found - {f"owed and {state}" for state in ("recording", "waiting", "asked")}


class Zygote:
    """The process that forks those that are killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.crash_workload"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, folder: Path, rounds: int, kill_at: int = -1, kill_after_s: float = 0, **how: object) -> Outcome:
        """Make a child work; kill it ``kill_after_s`` after ``kill_at`` operations, or when it has done all."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"folder": str(folder), "rounds": rounds, **how}).encode() + b"\n")
        self.process.stdin.flush()
        pid = int(self.line()[1])
        acknowledged, done, killed = 0, False, False
        line = ["pid"]
        while line[0] != "gone":
            done |= line[0] == "done"
            acknowledged += line[0] == "ack"
            if not killed and (done or acknowledged == kill_at):
                time.sleep(kill_after_s)
                os.kill(pid, signal.SIGKILL)  # it waits when it is done, so the number is still its own
                killed = True
            line = self.line()
        assert int(line[1]) in (-signal.SIGKILL, -signal.SIGXFSZ)
        return Outcome(acknowledged, done)

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().split()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(timeout=5)


class Disk:
    """What would be on a disk that keeps only what was synced: contents by fsync, names by that of the folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.contents: dict[int, bytes] = {}  # by inode
        self.names: dict[Path, dict[str, int]] = {}  # by folder
        self.real_open = os.open
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self.synced)
        monkeypatch.setattr(os, "open", self.made)

    def made(self, path: Path, flags: int, *rest: Any) -> int:
        existed = Path(path).exists()
        descriptor = self.real_open(path, flags, *rest)
        if not existed:  # its inode may have been another's
            self.contents[os.fstat(descriptor).st_ino] = b""
        return descriptor

    def synced(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self.names[path] = {each.name: each.stat().st_ino for each in path.iterdir()}
        else:
            self.contents[found.st_ino] = path.read_bytes()

    def after_a_power_cut(self, target: Path) -> Path:
        for folder, names in self.names.items():
            if folder.is_relative_to(self.folder):
                there = target / folder.relative_to(self.folder)
                there.mkdir(parents=True, exist_ok=True)
                for name, inode in names.items():
                    if inode in self.contents:
                        (there / name).write_bytes(self.contents[inode])
        return target


class Log(NamedTuple):
    """A journal as it lies on the disk while it is written; ``ends``: the lengths of its log after each operation."""

    database: bytes
    wal: bytes
    ends: list[tuple[int, Tables]]

    def at(self, size: int) -> Tables:
        """What was committed in the first ``size`` bytes of the log."""
        return [state for end, state in self.ends if end <= size][-1]

    @classmethod
    def of(cls, path: Path, operations: list[Operation]) -> Log:
        journal = open_journal(path)
        wal = path.with_name(f"{path.name}-wal")
        database = path.read_bytes()
        ends = [(0, tables(journal))]
        for operation in operations:
            getattr(journal, operation.method)(*operation.arguments, **operation.options)
            ends.append((wal.stat().st_size, tables(journal)))
        assert path.read_bytes() == database  # all is in the log
        log = cls(database, wal.read_bytes(), ends)
        journal.close()
        return log


def open_journal(path: Path) -> Journal:
    from agent.store.journal import Journal

    return Journal(path)


def image(folder: Path, database: bytes | None, wal: bytes | None = None) -> Path:
    """Lay down a journal and its log as a power cut may have left them."""
    folder.mkdir()
    path = folder / "journal.db"
    for name, content in ((path, database), (folder / "journal.db-wal", wal)):
        if content is not None:
            name.write_bytes(content)
    return path


def checkpointed(path: Path, operation: Operation) -> tuple[bytes, bytes, Tables]:
    """Return the database after a checkpoint, the log as one more operation then overwrites it, and what that made."""
    journal = open_journal(path)
    assert journal._database.execute("PRAGMA wal_checkpoint").fetchone()[0] == 0
    database = path.read_bytes()
    getattr(journal, operation.method)(*operation.arguments, **operation.options)
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    after = tables(journal)
    journal.close()
    return database, wal, after


def page_size(database: bytes) -> int:
    return int.from_bytes(database[16:18], "big")
