"""A state folder, filled by hand."""

from __future__ import annotations

import wave
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.store.rows import TurnRow

SPEECH = bytes(range(256)) * 125  # one second at 16 kHz


@contextmanager
def opened(folder: Path, limit_bytes: int = 100_000_000) -> Iterator[Records]:
    with closing(Records(Layout(folder), limit_bytes=limit_bytes, now=100.0)) as found:
        yield found


@contextmanager
def talking(folder: Path, limit_bytes: int = 100_000_000) -> Iterator[Records]:
    """The same, in a conversation that began just now."""
    with opened(folder, limit_bytes) as found:
        found.begin_conversation("model", 100.0)
        yield found


def turn(folder: Path, number: int) -> TurnRow:
    with closing(Journal(Layout(folder).journal, read_only=True)) as journal:
        row = journal.turn(number)
    assert row is not None
    return row


def spoken(store: Records, number: int, at: float = 101.0, pcm: bytes = SPEECH) -> None:
    store.record(number)
    store.append(number, pcm)
    store.begin(number, at)
    store.complete(number)
    store.end(number, len(pcm) / 32_000, at + 1)


def answered(store: Records, number: int, seconds: float = 1.0) -> None:
    spoken(store, number)
    store.update(number, saved_at=102.0)
    store.keep_answer(number, bytes(round(48_000 * seconds)), 103.0, tokens=7)


def unsent(folder: Path) -> list[bytes]:
    found = []
    for file in sorted(Layout(folder).unsent.glob("*.wav")):
        with wave.open(str(file)) as wav:
            found.append(wav.readframes(wav.getnframes()))
    return found
