"""Nothing that was acknowledged is lost, wherever the power goes.

A process that is killed keeps what the kernel took from it, so that kills show what is done in which order, torn writes
and cut files what a half-written file does, and :class:`Disk` what was synced and what only written.
"""

from __future__ import annotations

import os
import random
from itertools import count, pairwise
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from agent.store.errors import StorageError
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.spool import Spool
from agent.store.wav import HEADER
from tests.support.crash_workload import LIMIT_BYTES, Script, speech
from tests.support.power_cut import Disk, Expected, Log, Zygote, checkpointed, image, page_size, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 500
SLOWEST_S = 0.001
"""Longer than most operations take, so that a kill falls anywhere within one."""
SIZES = 90
SECTOR = 512
WAL_HEADER = 32
VERSION = range(60, 64)
"""Where a database has its version: a wrong bit there is not told from a newer program."""
MADE_GOOD = {
    "recording and without audio": "the power went before a sample was kept: there is nothing to send",
    "owed and answered": "the journal is written first: the recording is moved to sent/",
    "owed and cut": "the same for what nobody wants any more",
}
"""How journal and folders may disagree after a power cut, and what start-up does about it."""


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def ram() -> Iterator[Path]:
    """A folder in memory where there is one: a kill and a cut need no disk, and a busy one takes its time to sync."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    operations = [each for each in Script(rounds=2).operations if each.target == "journal"]
    return Log.of(tmp_path_factory.mktemp("log") / "journal.db", operations)


def test_what_was_acknowledged_survives_a_kill_at_any_moment(zygote: Zygote, ram: Path) -> None:
    chance = random.Random(1)
    expected = Expected(ram / "expected", rounds=1)
    reached = set()
    for number in range(KILLS):
        kill_at, kill_after_s = chance.randrange(len(expected.operations)), chance.uniform(0, SLOWEST_S)
        outcome = zygote.run(ram / str(number), expected.rounds, kill_at, kill_after_s)
        expected.judge(ram / str(number), outcome)
        reached.add(outcome.acknowledged)
    assert len(reached) > len(expected.operations) / 2
    assert expected.differences <= set(MADE_GOOD)


def test_what_was_acknowledged_survives_a_kill_before_and_within_every_call_of_the_spool(
    zygote: Zygote, ram: Path
) -> None:
    expected = Expected(ram / "expected", rounds=1)
    for torn in (False, True):
        for call in count(1):
            folder = ram / f"{call}-{torn}"
            outcome = zygote.run(folder, expected.rounds, call=call, torn=torn)
            expected.judge(folder, outcome)
            if outcome.done:
                break
        assert call > 80
    assert expected.differences == set(MADE_GOOD)


def test_what_was_acknowledged_survives_a_kill_within_a_write_of_sqlite(zygote: Zygote, ram: Path) -> None:
    chance = random.Random(2)
    expected = Expected(ram / "expected", rounds=1)
    made = [chance.randrange(1, 40_000) for _ in range(SIZES // 3)]  # while the journal is made
    for number, size in enumerate(made + [chance.randrange(40_000, 300_000) for _ in range(SIZES)]):
        outcome = zygote.run(ram / str(number), expected.rounds, size=size)
        expected.judge(ram / str(number), outcome)


def test_a_log_cut_anywhere_holds_what_was_committed_before_the_cut(log: Log, ram: Path) -> None:
    chance = random.Random(3)
    frame = page_size(log.database) + 24
    edges = range(WAL_HEADER, len(log.wal) + 1, frame)
    sizes = {size + near for size in edges for near in (-1, 0, 1)} | {
        chance.randrange(len(log.wal)) for _ in range(150)
    }
    for size in sorted(sizes):
        with_log(ram / str(size), log, log.wal[:size], at=size)
    assert {end for end, _ in log.ends[1:]} <= set(edges)


def test_a_log_in_which_a_byte_is_wrong_holds_what_was_committed_before_it(log: Log, ram: Path) -> None:
    chance = random.Random(4)
    for number in range(100):
        place = chance.randrange(WAL_HEADER, len(log.wal))
        spoilt = bytearray(log.wal)
        spoilt[place] ^= 1 << chance.randrange(8)
        with_log(ram / str(number), log, bytes(spoilt), at=place)


def test_sectors_of_the_last_transaction_that_did_not_reach_the_disk_take_no_other_along(log: Log, ram: Path) -> None:
    chance = random.Random(5)
    for number, ((before, _), (after, _)) in enumerate(pairwise(log.ends)):
        written = bytearray(log.wal[:after])
        for place in range(before // SECTOR * SECTOR, after, SECTOR):
            start, end = max(place, before), min(place + SECTOR, after)
            if chance.random() < 0.3:
                written[start:end] = bytes(end - start)
        with_log(ram / str(number), log, bytes(written), at=after if written == log.wal[:after] else before)


def test_a_checkpoint_that_the_power_cut_short_is_done_again(log: Log, ram: Path) -> None:
    chance = random.Random(6)
    after, _, _ = checkpointed(image(ram / "whole", log.database, log.wal), Script(1).operations[0])
    before = log.database.ljust(len(after), b"\0")
    for number in range(80):
        mixed = b"".join(
            (after if chance.random() < number / 80 else before)[place : place + SECTOR]
            for place in range(0, len(after), SECTOR)
        )
        cut = mixed[: chance.randint(len(log.database), len(after))]
        with_log(ram / str(number), log._replace(database=cut), log.wal, at=len(log.wal))


def test_a_log_that_is_begun_anew_over_the_old_one_holds_what_the_checkpoint_took_and_what_follows(
    log: Log, ram: Path
) -> None:
    chance = random.Random(7)
    database, wal, after = checkpointed(image(ram / "whole", log.database, log.wal), Script(1).operations[0])
    assert len(wal) == len(log.wal)
    end = max(place for place in range(len(wal)) if wal[place] != log.wal[place]) + 1
    sizes = {0, 1, WAL_HEADER - 1, WAL_HEADER, end - 1, end} | {chance.randrange(end) for _ in range(60)}
    anew = log._replace(database=database, ends=[(0, log.ends[-1][1]), (end, after)])
    for size in sizes:
        with_log(ram / str(size), anew, wal[:size] + log.wal[size:], at=size)


def with_log(folder: Path, log: Log, wal: bytes, at: int) -> None:
    journal = Journal(image(folder, log.database, wal))
    assert journal.set_aside is None
    assert tables(journal) == log.at(at)
    journal.close()
    rmtree(folder)


@pytest.fixture(scope="module")
def database(log: Log, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal that was closed, and so has no log."""
    path = image(tmp_path_factory.mktemp("closed") / "it", log.database, log.wal)
    Journal(path).close()
    return path.read_bytes()


def test_a_database_cut_anywhere_is_set_aside_as_it_is_and_a_new_one_begun(database: bytes, ram: Path) -> None:
    chance = random.Random(8)
    edges = range(0, len(database), page_size(database))
    sizes = {max(size + near, 0) for size in edges for near in (-1, 0, 1)}
    for size in sizes | {chance.randrange(len(database)) for _ in range(40)}:
        journal = Journal(image(ram / str(size), database[:size]))
        assert journal.set_aside == ram / str(size) / "journal.db.damaged-1"
        assert journal.set_aside.stat().st_size == size
        assert journal.next_turn() == 1
        journal.close()


def test_a_database_in_which_a_bit_is_wrong_is_set_aside_or_read(database: bytes, ram: Path) -> None:
    chance = random.Random(9)
    aside, newer = 0, []
    for number, place in enumerate([*range(100), *(chance.randrange(len(database)) for _ in range(250))]):
        spoilt = bytearray(database)
        spoilt[place] ^= 1 << chance.randrange(8)
        try:
            journal = Journal(image(ram / str(number), bytes(spoilt)))
        except StorageError as error:
            newer.append((place, error.problem))
            continue
        aside += journal.set_aside is not None
        for row in journal.conversations():
            journal.turns(row.number), journal.stills(row.number), journal.calls(row.number), journal.events(row.number)
        journal.begin_conversation("next", 1.0)
        journal.close()
    assert aside > 20
    assert not [each for each in newer if each[0] not in VERSION or "this program knows" not in each[1]]


def test_a_recording_cut_anywhere_is_owed_and_read_up_to_the_cut(tmp_path: Path) -> None:
    spool = Spool(Layout(tmp_path), LIMIT_BYTES)
    pcm = speech(1, 0) + speech(1, 1)
    spool.open(1)
    spool.append(1, pcm)
    spool.close(1)
    path = Layout(tmp_path).unsent_recording(1)
    content = path.read_bytes()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        assert spool.recover() == ([1] if size > HEADER.size else [])
        if size > HEADER.size:
            assert spool.read(1) == pcm[: (size - HEADER.size) // 2 * 2]
            assert int.from_bytes(path.read_bytes()[40:44], "little") == len(spool.read(1))


def test_what_the_spool_promised_is_on_the_disk_and_not_only_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "box", monkeypatch)
    spool = Spool(Layout(tmp_path / "box"), LIMIT_BYTES)
    promised: dict[str, bytes] = {}
    gone: set[str] = set()
    for step, operation in enumerate(each for each in Script(rounds=1).operations if each.target == "spool"):
        getattr(spool, operation.method)(*operation.arguments)
        name = f"{operation.arguments[0]:06}"
        match operation.method:
            case "sync" | "close":
                promised[f"unsent/{name}.wav"] = spool.read(operation.arguments[0])
            case "sent":
                promised[f"sent/{name}.wav"] = promised.pop(f"unsent/{name}.wav")
                gone.add(f"unsent/{name}.wav")
            case "write_answer":
                promised[f"sent/{name}-answer.wav"] = operation.arguments[1]
            case "forget":
                promised.pop(f"sent/{name}.wav", None)
                promised.pop(f"sent/{name}-answer.wav", None)
        left = disk.after_a_power_cut(tmp_path / str(step))
        Spool(Layout(left), LIMIT_BYTES).recover()
        for path, pcm in promised.items():
            assert (left / "spool" / path).read_bytes()[HEADER.size :].startswith(pcm), (operation, path)
        assert not [path for path in gone if (left / "spool" / path).exists()]


def test_a_recording_that_was_closed_needs_no_repair_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "box", monkeypatch)
    spool = Spool(Layout(tmp_path / "box"), LIMIT_BYTES)
    spool.open(1)
    spool.append(1, speech(1, 0))
    spool.close(1)
    left = Layout(disk.after_a_power_cut(tmp_path / "left")).unsent_recording(1)
    assert left.read_bytes() == Layout(tmp_path / "box").unsent_recording(1).read_bytes()
    assert int.from_bytes(left.read_bytes()[40:44], "little") == len(speech(1, 0))


def test_an_answer_never_has_its_name_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path / "box", monkeypatch)
    spool = Spool(Layout(tmp_path / "box"), LIMIT_BYTES)
    replace = os.replace

    def on_disk(source: Path, target: Path) -> None:
        assert disk.contents[source.stat().st_ino] == source.read_bytes()
        replace(source, target)

    monkeypatch.setattr(os, "replace", on_disk)
    spool.write_answer(1, speech(1, 0))
    assert spool.read_answer(1) == speech(1, 0)


def test_what_the_journal_commits_is_on_the_disk_and_so_is_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path, monkeypatch)
    folder = tmp_path / "a" / "b"
    journal = Journal(folder / "journal.db")
    assert journal._database.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert journal._database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert "journal.db" in disk.names[folder]
    assert "b" in disk.names[tmp_path / "a"]
    assert "a" in disk.names[tmp_path]
    journal.close()
