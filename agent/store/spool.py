"""The spool: recordings and answers as WAV files, so that a power cut loses no speech.

What is still owed to the service is in ``unsent/``, the rest in ``sent/``: the folders alone tell, even without the
journal. :meth:`Spool.sync` and :meth:`Spool.close` return when the audio is on disk. A file that is created or moved is
on disk when the call returns, as its folder is synced, too. Only one thread at a time may use a spool.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agent.store import wav
from agent.store.errors import StorageError
from agent.store.files import (
    PARTIAL,
    free_bytes,
    is_own,
    private_folder,
    read_own,
    sync_folder,
    write,
    write_whole,
)
from agent.store.layout import sound_of
from agent.store.wav import ANSWER_RATE, HEADER, SPEECH_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from agent.store.layout import Layout

RESERVE_BYTES = 50_000_000
"""Left free on the disk, for the system's own logs, the journal and an update."""
NEARLY_BYTES = 20_000_000
"""A warning comes this much above the reserve: ten minutes of speech before the disk is full."""
NEARLY_FULL = 0.9
"""A warning comes when recordings still owed take more than this share of the limit."""
PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOMEM}
"""Errors of a disk that may take later what it refuses now. A bad sector (EIO) stays one."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Recording:
    """A file that is being written."""

    path: Path
    descriptor: int
    rate: int
    size: int = HEADER.size


class _Stored(NamedTuple):
    """A file; sorts in the order of deletion: the lowest number first, its recording before its answer."""

    number: int
    answer: bool
    path: Path
    size: int


class Spool:
    """Recordings and answers in one state folder; numbers are those of turns. Every method may raise StorageError."""

    def __init__(self, layout: Layout, limit_bytes: int, free: Callable[[Path], int] = free_bytes) -> None:
        """Use at most ``limit_bytes`` of the disk, and leave the reserve free; ``free(folder)`` returns free bytes."""
        self._layout, self._limit, self._free = layout, limit_bytes, free
        self._unsent, self._sent = layout.unsent, layout.sent
        self._open: dict[int, _Recording] = {}
        with _described(layout.spool):
            for each in (self._unsent, self._sent):
                private_folder(each)

    def open(self, number: int, rate: int = SPEECH_RATE) -> None:
        """Begin a recording; its file is on disk when this returns."""
        path = self._layout.unsent_recording(number)
        with _described(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            recording = _Recording(path, os.open(path, flags, 0o600), rate)
            try:
                write(recording.descriptor, wav.header(rate, None))
                os.fsync(recording.descriptor)
                sync_folder(self._unsent)
            except BaseException:
                os.close(recording.descriptor)
                path.unlink(missing_ok=True)
                raise
            self._open[number] = recording

    def recording(self, number: int) -> bool:
        """Whether a recording is open."""
        return number in self._open

    def size(self, number: int) -> int:
        """Return how many bytes of samples a recording has; 0 if there is none."""
        path = self._layout.recording(number)
        with _described(path):
            return max(0, path.stat().st_size - HEADER.size) if is_own(path) else 0

    def append(self, number: int, pcm: bytes) -> None:
        """Add audio; what does not fit is left out as a whole, so that the samples after it stay in step."""
        recording = self._open[number]
        with _described(recording.path):
            try:
                write(recording.descriptor, pcm)
            except OSError:
                os.ftruncate(recording.descriptor, recording.size)
                os.lseek(recording.descriptor, recording.size, os.SEEK_SET)
                raise
            recording.size += len(pcm)

    def sync(self, number: int) -> None:
        """Sync a recording, so that all that was appended is on disk when this returns."""
        recording = self._open[number]
        with _described(recording.path):
            _sync_data(recording.descriptor)

    def close(self, number: int) -> None:
        """End a recording: write its length into the header and sync it; does nothing if it is not open."""
        recording = self._open.pop(number, None)
        if recording is None:
            return
        with _described(recording.path):
            try:
                size = os.fstat(recording.descriptor).st_size
                _complete(recording.descriptor, wav.header(recording.rate, wav.whole(size)))
            finally:
                os.close(recording.descriptor)

    def read(self, number: int) -> bytes:
        """Return the samples of a recording, which may be open or have been cut short."""
        return _samples(self._layout.recording(number))

    def sent(self, number: int) -> None:
        """Move a recording that is no longer owed; does nothing if it was moved before, or was never made."""
        self.close(number)
        source, target = self._layout.unsent_recording(number), self._layout.sent_recording(number)
        with _described(source):
            if not is_own(source):
                return
            os.replace(source, target)  # noqa: PTH105 - beside the other calls of os, whose order the tests record
            sync_folder(self._sent)
            sync_folder(self._unsent)

    def write_answer(self, number: int, pcm: bytes, rate: int = ANSWER_RATE) -> None:
        """Store an answer; it is whole and on disk when this returns."""
        path = self._layout.answer(number)
        with _described(path):
            write_whole(path, wav.header(rate, len(pcm)), pcm)

    def read_answer(self, number: int) -> bytes:
        """Return the samples of an answer."""
        return _samples(self._layout.answer(number))

    def forget(self, number: int) -> None:
        """Delete the recording and the answer of a settled turn."""
        for path in (self._layout.sent_recording(number), self._layout.answer(number)):
            with _described(path):
                path.unlink(missing_ok=True)

    def unsent(self) -> list[int]:
        """Return the numbers of the recordings that are owed, lowest first."""
        return [each.number for each in _stored(self._unsent)]

    def recorded_at(self, number: int) -> float:
        """Return when an unsent recording was last written (wall-clock seconds); needs no journal."""
        path = self._layout.unsent_recording(number)
        with _described(path):
            return path.stat().st_mtime

    def highest(self) -> int:
        """Return the highest number in use, 0 for none; a new journal must number turns from above it."""
        return max((each.number for folder in (self._unsent, self._sent) for each in _stored(folder)), default=0)

    def recover(self) -> list[int]:
        """Repair at the start what a power cut left half done; return what is owed. No sample is ever removed.

        Half-written files are removed from every folder that is written, those of pictures and photos included.
        """
        with _described(self._layout.spool):
            for folder in self._layout.written:
                for partial in folder.glob(f"*{PARTIAL}"):
                    _remove(partial)
            for each in (*_stored(self._unsent), *_stored(self._sent)):
                _make_good(each)
            sync_folder(self._unsent)
        return self.unsent()

    @property
    def used_bytes(self) -> int:
        """The bytes that recordings and answers take."""
        return sum(each.size for folder in (self._unsent, self._sent) for each in _stored(folder))

    @property
    def nearly_full(self) -> bool:
        """Whether the spool will soon be full of recordings that must not be deleted."""
        with _described(self._layout.spool):
            free = self._free(self._layout.spool)
        owed = sum(each.size for each in _stored(self._unsent))
        return owed > NEARLY_FULL * self._limit or free < RESERVE_BYTES + NEARLY_BYTES

    def make_room(self, needed: int, keep: Collection[int] | None = ()) -> bool:
        """Delete the oldest files until ``needed`` bytes fit, but none that is owed and no answer in ``keep``.

        ``keep`` is None if nobody knows: then no answer is deleted.

        Return whether they fit.
        """
        with _described(self._layout.spool):
            for each in sorted(_stored(self._sent)):
                if self._fits(needed):
                    return True
                if not (each.answer and (keep is None or each.number in keep)):
                    each.path.unlink(missing_ok=True)
            return self._fits(needed)

    def _fits(self, needed: int) -> bool:
        return self.used_bytes + needed <= self._limit and self._free(self._layout.spool) - needed >= RESERVE_BYTES


def _stored(folder: Path) -> list[_Stored]:
    """Return the recordings and answers in ``folder``; what has the name of one and is no file is left alone."""
    with _described(folder):
        sounds = ((sound_of(path.name), path) for path in folder.iterdir() if is_own(path))
        return sorted(_Stored(*sound, path, path.stat().st_size) for sound, path in sounds if sound is not None)


def _samples(path: Path) -> bytes:
    with _described(path):
        return wav.read(read_own(path))[0]


def _complete(descriptor: int, header: bytes) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    write(descriptor, header)
    os.fsync(descriptor)


def _remove(partial: Path) -> None:
    """Remove what was half written; a file that cannot be removed must not keep the box from starting."""
    try:
        partial.unlink()
    except OSError as error:
        log.warning("spool: %s cannot be removed: %s", partial, error)


def _make_good(each: _Stored) -> None:
    """Repair one file; a bad sector in it must not keep the box from starting."""
    try:
        if each.size <= HEADER.size:
            each.path.unlink()
        else:
            _repair(each)
    except OSError as error:
        log.warning("spool: %s cannot be repaired: %s", each.path, error)


def _repair(each: _Stored) -> None:
    """Write the header that the file ought to have, if it has another."""
    descriptor = os.open(each.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        found = os.read(descriptor, HEADER.size)
        right = wav.repaired(found, each.size, ANSWER_RATE if each.answer else SPEECH_RATE)
        if found != right:
            _complete(descriptor, right)
    finally:
        os.close(descriptor)


def _sync_data(descriptor: int) -> None:
    if sys.platform == "darwin":  # a laptop
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)


@contextmanager
def _described(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fixes = {
            errno.ENOSPC: "free some space on its disk",
            errno.EDQUOT: "raise this user's quota",
            errno.EACCES: "make its folder writable for this user",
            errno.EPERM: "make its folder writable for this user",
            errno.EROFS: "the disk is mounted read-only, often because it fails: see dmesg",
            errno.EIO: "the disk may be failing: see dmesg",
            errno.ENOENT: "nothing, if it was deleted to make room",
            errno.EEXIST: "it is in the way: move it, and number turns from above the highest",
        }
        fix = fixes.get(error.errno or 0, "check its folder and its disk")
        raise StorageError(path, str(error.strerror or error), fix, passing=error.errno in PASSING) from error
