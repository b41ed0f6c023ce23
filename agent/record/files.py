"""Writes a job record, atomically to a file or to standard output, and recordings as complete WAVs."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import wave
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from agent.errors import ConfigError
from agent.outside.text import cleaned
from agent.record.html import data_uri, page
from agent.record.record import NotKeptError, as_json, local
from agent.store import wav
from agent.store.files import PARTIAL, read_own, replacing
from agent.store.layout import sound_of
from hardware.files import check_replaceable
from hardware.ports import reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from agent.record.record import Record

STDOUT = Path("-")
FIRST_OF_ZIP = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold; a box without a clock starts earlier."""
LAST_OF_ZIP = (2107, 12, 31, 23, 59, 58)
"""The latest; a clock may be wrong by a century."""


# recordings


def sound(path: Path) -> tuple[bytes, int]:
    """Return the samples and the rate of a recording, which may still be open. Raises NotKeptError."""
    try:
        content = read_own(path)
    except FileNotFoundError:
        raise NotKeptError(f"{path}: was deleted to make room for newer recordings") from None
    except OSError as error:
        raise NotKeptError(f"{path}: cannot be read: {reason(error)}") from None
    named = sound_of(path.name)
    return wav.read(content, wav.ANSWER_RATE if named is not None and named.answer else wav.SPEECH_RATE)


def whole_wav(pcm: bytes, rate: int) -> bytes:
    """Return a WAV of ``pcm`` (16-bit mono) with its length in the header, which the file on disk may still lack."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return made.getvalue()


# the three formats


def write_json(record: Record, out: BinaryIO, made_at: float) -> None:
    """Write the record as JSON, for programs."""
    out.write(_told(record, record.files(), made_at))


def write_html(record: Record, out: BinaryIO, made_at: float, *, audio: bool) -> None:
    """Write the page, with its pictures and, if ``audio``, its recordings embedded."""
    files = record.files()

    def image(name: str) -> str:
        return _embedded("image/jpeg", files, name)

    def player(name: str) -> str:
        return _embedded("audio/wav", files, name) if audio else ""

    out.writelines(piece.encode("utf-8", "replace") for piece in page(record, image, player, made_at))


def write_zip(record: Record, out: BinaryIO, made_at: float) -> None:
    """Write an archive of the page, the JSON and every file; the page plays the recordings once unpacked."""
    kept: dict[str, Path] = {}
    with zipfile.ZipFile(out, "w") as archive:
        for name, path in record.files().items():
            content = _content(name, path)
            if content is not None:  # else it was deleted just now, to make room
                archive.writestr(_entry(name, made_at), content)
                kept[name] = path
        archive.writestr(_entry("record.json", made_at), _told(record, kept, made_at))

        def image(name: str) -> str:
            return _embedded("image/jpeg", kept, name)

        def player(name: str) -> str:
            return name if name in kept else ""

        with archive.open(_entry("record.html", made_at), "w") as html:
            for piece in page(record, image, player, made_at):
                html.write(piece.encode("utf-8", "replace"))


def _told(record: Record, kept: Collection[str], made_at: float) -> bytes:
    told = json.dumps(cleaned(as_json(record, kept, made_at)), ensure_ascii=False, indent=2)
    return told.encode() + b"\n"


def _entry(name: str, made_at: float) -> zipfile.ZipInfo:
    now = local(made_at)
    moment = FIRST_OF_ZIP if now is None else min(max(FIRST_OF_ZIP, now.timetuple()[:6]), LAST_OF_ZIP)
    entry = zipfile.ZipInfo(name, moment)
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _embedded(kind: str, files: dict[str, Path], name: str) -> str:
    content = _content(name, files[name]) if name in files else None
    return "" if content is None else data_uri(kind, content)


def _content(name: str, path: Path) -> bytes | None:
    """Return a file as it goes into a record; None if it no longer exists."""
    try:
        return whole_wav(*sound(path)) if name.endswith(".wav") else read_own(path)
    except (OSError, NotKeptError):
        return None


# where it goes


@contextmanager
def written(target: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yield a file to write, which replaces ``target`` only when it is complete. Raises ConfigError."""
    if target == STDOUT:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    try:
        check_replaceable(target)
        if target.exists() and not force:
            raise ConfigError(f"{target}: exists already (name another file with --out, or replace it with --force)")
        descriptor, partial = tempfile.mkstemp(prefix=f".{target.name}.", suffix=PARTIAL, dir=target.parent)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {reason(error)} (name another file with --out)") from None
    try:
        # Not write_whole: the content is large and made piece by piece, the partial file must not overwrite a file of
        # the user's, and a folder on a stick or a share may not support being synced.
        with replacing(target, Path(partial), descriptor), os.fdopen(descriptor, "wb", closefd=False) as file:
            yield file
    except OSError as error:
        error.filename = str(target)
        raise
