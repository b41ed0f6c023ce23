from __future__ import annotations

import errno
import os
import wave
from pathlib import Path
from typing import Any

import pytest

from agent.errors import AgentError
from agent.store.errors import StorageError
from agent.store.files import free_bytes
from agent.store.layout import Layout
from agent.store.spool import NEARLY_BYTES, RESERVE_BYTES, Spool
from agent.store.wav import HEADER, UNKNOWN

SECOND = bytes(range(256)) * 125
LIMIT = 10 * (len(SECOND) + HEADER.size)
PLENTY = 10**12


class FakeDisk:
    """What the system says is free."""

    def __init__(self) -> None:
        self.free = PLENTY
        self.grows = 0  # with every look

    def __call__(self, _: Path) -> int:
        self.free += self.grows
        return self.free


@pytest.fixture
def disk() -> FakeDisk:
    return FakeDisk()


@pytest.fixture
def spool(tmp_path: Path, disk: FakeDisk) -> Spool:
    return Spool(Layout(tmp_path), LIMIT, disk)


def recorded(spool: Spool, number: int, pcm: bytes = SECOND, *, sent: bool = False) -> None:
    spool.open(number)
    spool.append(number, pcm)
    spool.close(number)
    if sent:
        spool.sent(number)


def listed(tmp_path: Path) -> list[str]:
    spool = tmp_path / "spool"
    return sorted(str(path.relative_to(spool)) for path in spool.glob("*/*"))


def lengths(path: Path) -> tuple[int, int]:
    header = HEADER.unpack(path.read_bytes()[: HEADER.size])
    return header[1], header[12]


def test_folders_and_files_are_this_users_alone(spool: Spool, tmp_path: Path) -> None:
    recorded(spool, 1)
    spool.write_answer(1, SECOND)
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {
        "spool": 0o700,
        "spool/unsent": 0o700,
        "spool/sent": 0o700,
        "spool/unsent/000001.wav": 0o600,
        "spool/sent/000001-answer.wav": 0o600,
    }


def test_a_recording_is_a_wav_file_as_others_read_it(spool: Spool, tmp_path: Path) -> None:
    recorded(spool, 123, SECOND)
    with wave.open(str(tmp_path / "spool" / "unsent" / "000123.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(file.getnframes()) == SECOND
    assert (tmp_path / "spool" / "unsent" / "000123.wav").stat().st_size == HEADER.size + len(SECOND)


def test_while_it_is_written_its_length_is_said_to_be_unknown_and_it_can_be_read(spool: Spool, tmp_path: Path) -> None:
    spool.open(1)
    assert lengths(tmp_path / "spool" / "unsent" / "000001.wav") == (UNKNOWN, UNKNOWN)
    spool.append(1, SECOND[:100])
    spool.sync(1)
    spool.append(1, SECOND[100:201])
    assert spool.read(1) == SECOND[:200]
    spool.close(1)
    assert lengths(tmp_path / "spool" / "unsent" / "000001.wav") == (HEADER.size - 8 + 200, 200)


def test_several_recordings_may_be_open(spool: Spool) -> None:
    for number in (2, 1):
        spool.open(number)
    for number in (1, 2, 1):
        spool.append(number, bytes([number]) * 10)
    for number in (1, 2):
        spool.close(number)
    assert (spool.read(1), spool.read(2)) == (b"\1" * 20, b"\2" * 10)
    assert spool.unsent() == [1, 2]


def test_a_recording_that_was_sent_is_owed_no_more_and_still_read(spool: Spool, tmp_path: Path) -> None:
    recorded(spool, 1)
    recorded(spool, 2)
    spool.sent(1)
    spool.sent(1)
    assert spool.unsent() == [2]
    assert spool.read(1) == SECOND
    assert listed(tmp_path) == ["sent/000001.wav", "unsent/000002.wav"]


def test_sending_ends_a_recording_that_is_open(spool: Spool, tmp_path: Path) -> None:
    spool.open(1)
    spool.append(1, SECOND)
    spool.sent(1)
    assert lengths(tmp_path / "spool" / "sent" / "000001.wav")[1] == len(SECOND)
    spool.close(1)


def test_what_is_not_there_is_said_so_with_what_to_do(spool: Spool, tmp_path: Path) -> None:
    spool.sent(7)  # nothing to move
    assert spool.size(7) == 0
    for call in (spool.read, spool.read_answer):
        with pytest.raises(StorageError, match=r"No such file.*nothing, if it was deleted to make room") as missing:
            call(7)
        assert missing.value.path.parent.parent == tmp_path / "spool"
        assert isinstance(missing.value, AgentError)
        assert missing.value.exit_code == 74


def test_a_recording_is_never_written_over(spool: Spool) -> None:
    assert spool.highest() == 0
    recorded(spool, 1)
    with pytest.raises(StorageError, match=r"exists.*above the highest"):
        spool.open(1)
    assert spool.read(1) == SECOND
    assert spool.highest() == 1
    spool.write_answer(9, SECOND)
    assert spool.highest() == 9


def test_an_answer_is_kept_until_its_turn_is_forgotten(spool: Spool, tmp_path: Path) -> None:
    spool.write_answer(1, SECOND[:10])
    spool.write_answer(1, SECOND)
    with wave.open(str(tmp_path / "spool" / "sent" / "000001-answer.wav")) as file:
        assert file.getframerate() == 24_000
    assert spool.read_answer(1) == SECOND
    assert spool.unsent() == []
    for _ in range(2):
        spool.forget(1)
    assert listed(tmp_path) == []


def test_starting_up_repairs_what_was_open_and_tidies_what_was_half_written(spool: Spool, tmp_path: Path) -> None:
    for number in (3, 1, 2):
        spool.open(number, rate=8000 if number == 3 else 16_000)
    spool.append(3, SECOND[:101])
    spool.append(1, SECOND)
    recorded(spool, 4, sent=True)
    (tmp_path / "spool" / "sent" / "000004-answer.wav.part").write_bytes(b"RIFF")
    (tmp_path / "spool" / "unsent" / "notes.txt").write_bytes(b"mine")
    later = Spool(Layout(tmp_path), LIMIT)
    assert later.recover() == [1, 3]
    assert listed(tmp_path) == ["sent/000004.wav", "unsent/000001.wav", "unsent/000003.wav", "unsent/notes.txt"]
    with wave.open(str(tmp_path / "spool" / "unsent" / "000003.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 50)
    assert later.read(1) == SECOND
    before = (tmp_path / "spool" / "unsent" / "000001.wav").read_bytes()
    assert later.recover() == [1, 3]
    assert (tmp_path / "spool" / "unsent" / "000001.wav").read_bytes() == before


@pytest.mark.parametrize(("name", "rate"), [("unsent/000001.wav", 16_000), ("sent/000001-answer.wav", 24_000)])
def test_a_header_that_never_reached_the_disk_is_made_anew(spool: Spool, tmp_path: Path, name: str, rate: int) -> None:
    path = tmp_path / "spool" / name
    path.write_bytes(bytes(HEADER.size) + SECOND)
    spool.recover()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.readframes(file.getnframes())) == (rate, SECOND)


def test_room_is_made_of_the_oldest_that_is_not_owed(spool: Spool, tmp_path: Path) -> None:
    one = len(SECOND) + HEADER.size
    for number in (12, 2, 3):
        recorded(spool, number, sent=True)
        spool.write_answer(number, SECOND)
    recorded(spool, 1)
    assert spool.used_bytes == 7 * one
    assert spool.make_room(3 * one)
    assert spool.used_bytes == 7 * one
    assert spool.make_room(3 * one + 1)
    assert "sent/000002.wav" not in listed(tmp_path)
    assert spool.used_bytes == 6 * one
    assert spool.make_room(6 * one, keep={2, 12})
    assert listed(tmp_path) == [
        "sent/000002-answer.wav",
        "sent/000012-answer.wav",
        "sent/000012.wav",
        "unsent/000001.wav",
    ]


def test_what_is_owed_and_what_is_kept_is_not_deleted_for_any_room(spool: Spool, tmp_path: Path) -> None:
    recorded(spool, 1)
    spool.write_answer(2, SECOND)
    spool.write_answer(3, SECOND)
    assert not spool.make_room(LIMIT, keep=[3])
    assert listed(tmp_path) == ["sent/000003-answer.wav", "unsent/000001.wav"]
    assert spool.make_room(LIMIT - spool.used_bytes, keep=[3])


def test_room_is_made_until_the_disk_has_it_too(spool: Spool, disk: FakeDisk, tmp_path: Path) -> None:
    for number in range(1, 5):
        recorded(spool, number, sent=True)
    disk.free = RESERVE_BYTES + 1000
    assert spool.make_room(1000)
    assert len(listed(tmp_path)) == 4
    disk.free, disk.grows = RESERVE_BYTES - 1, 500
    assert spool.make_room(1000)
    assert listed(tmp_path) == ["sent/000003.wav", "sent/000004.wav"]
    disk.free, disk.grows = RESERVE_BYTES - 1, 0
    assert not spool.make_room(0)


def test_it_is_nearly_full_when_little_of_the_limit_or_of_the_disk_is_left(spool: Spool, disk: FakeDisk) -> None:
    for number in range(1, 10):
        recorded(spool, number)
    assert not spool.nearly_full
    recorded(spool, 10, SECOND[:100])
    assert spool.nearly_full
    spool.sent(10)
    assert not spool.nearly_full
    disk.free = RESERVE_BYTES + NEARLY_BYTES - 1
    assert spool.nearly_full
    disk.free += 1
    assert not spool.nearly_full


def test_the_free_space_is_that_of_the_disk_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
    assert Spool(Layout(tmp_path), LIMIT)._free is free_bytes


def test_a_chunk_that_does_not_fit_is_left_out_whole_so_that_what_follows_is_in_step(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.open(1)
    spool.append(1, SECOND[:100])
    write, room = os.write, 33

    def full(descriptor: int, content: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        room -= (written := write(descriptor, content[:room]))
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match=r"No space left on device \(free some space"):
            spool.append(1, SECOND[100:200])
    assert spool.read(1) == SECOND[:100]
    spool.append(1, SECOND[200:300])
    spool.close(1)
    assert spool.read(1) == SECOND[:100] + SECOND[200:300]


def test_a_full_disk_leaves_no_half_file(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="free some space"):
            spool.open(1)
        with pytest.raises(StorageError, match="free some space"):
            spool.write_answer(1, SECOND)
        assert listed(tmp_path) == []
    spool.open(1)
    spool.close(1)


@pytest.mark.parametrize(
    ("number", "fix"), [(errno.EROFS, "mounted read-only"), (errno.EIO, "may be failing"), (errno.EMFILE, "check its")]
)
def test_a_disk_that_fails_is_told_with_what_to_do(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, number: int, fix: str
) -> None:
    spool.open(1)

    def fails(_: int) -> None:
        raise OSError(number, "it fails")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        with pytest.raises(StorageError, match=f"it fails.*{fix}"):
            spool.sync(1)
    spool.close(1)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="is in the way"):
        Spool(Layout(tmp_path / "file"), LIMIT)


def test_a_bad_sector_in_one_recording_keeps_nobody_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(Layout(tmp_path), 10_000_000)
    for number in (1, 2):
        spool.open(number)
        spool.append(number, bytes(3200))
        spool.close(number)
    read = os.read

    def unreadable(descriptor: int, size: int) -> bytes:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "000001.wav":
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", unreadable)
    assert Spool(Layout(tmp_path), 10_000_000).recover() == [1, 2]
    assert "000001.wav cannot be repaired" in caplog.text
