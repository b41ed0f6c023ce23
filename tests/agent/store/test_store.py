"""What the box keeps on disk, from the loop's side: how soon, in which order, stamped when, told to whom."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from agent.config import NoteSettings
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.store import WRITE_BYTES, Store
from tests.support.records import SPEECH, turn, unsent
from tests.support.stage import play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def opened(folder: Path, limit_mb: int = 100) -> AsyncIterator[tuple[Store, list[str]]]:
    problems: list[str] = []
    store = Store(folder, limit_mb=limit_mb, on_problem=problems.append)
    try:
        yield store, problems
    finally:
        await store.aclose()


async def written(store: Store) -> None:
    """Wait until all that was asked for is on disk."""
    done = asyncio.Event()
    store.load_answer(lambda _: done.set())
    await done.wait()


def test_speech_is_on_disk_at_most_half_a_second_after_it_was_spoken(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1, SPEECH[:640])
            for start in range(640, WRITE_BYTES, 640):
                store.hear(1, SPEECH[start : start + 640])
            await written(store)
            file = tmp_path / "spool" / "unsent" / "000001.wav"
            assert file.read_bytes().endswith(SPEECH[:WRITE_BYTES])
            store.hear(1, SPEECH[:640])
            await written(store)
            assert file.read_bytes().endswith(SPEECH[:WRITE_BYTES])  # and not a write per chunk

    play(scene())


def test_what_is_being_said_when_the_box_is_switched_off_is_owed_at_the_next_start(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1, SPEECH[:640])
            store.hear(1, SPEECH[640:])
            store.begin(2, typed="How hot?")
        async with opened(tmp_path) as (store, _):
            spoken, typed = store.past.owed
            assert (spoken.number, spoken.state, spoken.audio_s) == (1, "waiting", 1.0)
            assert (typed.number, typed.text) == (2, "How hot?")
            assert store.past.next_turn == 3
        assert unsent(tmp_path) == [SPEECH]

    play(scene())


def test_what_was_answered_is_owed_no_more(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1, SPEECH)
            store.end(1, 1.0)
            store.end(1, 1.0)  # nothing is open any more
            store.settled(1, "answered")
        async with opened(tmp_path) as (store, _):
            assert store.past.owed == []
            assert [row.state for row in store.past.turns] == ["answered"]
        assert not unsent(tmp_path)

    play(scene())


def test_a_time_is_that_of_the_asking_and_not_of_the_writing(tmp_path: Path) -> None:
    async def scene() -> None:
        now = 100.0
        store = Store(tmp_path, limit_mb=100, wall=lambda: now)
        store.begin_conversation("model")
        store.begin(1, SPEECH)
        now = 101.0
        store.end(1, 1.0)
        now = 102.0
        store.save(1, lambda: None)
        now = 103.0
        store.keep_answer(1, bytes(100), lambda: None)
        now = 104.0
        store.played(1)
        now = 110.0
        store.unasked(2, answer_s=2.0)
        await store.aclose()

    play(scene())
    note = turn(tmp_path, 1)
    assert (note.began_at, note.ended_at, note.saved_at) == (100.0, 101.0, 102.0)
    assert (note.answered_at, note.played_at) == (103.0, 104.0)
    assert turn(tmp_path, 2).began_at == 108.0


def test_then_is_called_when_it_is_on_disk_and_not_if_it_never_was(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, problems):
            saved: list[float | None] = []
            store.begin_conversation("model")
            store.begin(1, SPEECH)
            store.end(1, 1.0)
            store.save(1, lambda: saved.append(turn(tmp_path, 1).saved_at))
            store.save(99, lambda: saved.append(None))
            await written(store)
            assert len(saved) == 1
            assert saved[0] is not None
            assert "99" in problems[0]

    play(scene())


def test_a_note_comes_back_with_its_picture(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1, SPEECH)
            store.picture(1, b"a picture")
            store.end(1, 1.0)
            found: asyncio.Future[tuple[int, bytes, bytes]] = asyncio.get_running_loop().create_future()
            store.load(1, lambda row, pcm, jpeg: found.set_result((row.number, pcm, jpeg)))
            assert await found == (1, SPEECH, b"a picture")

    play(scene())


def test_a_problem_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, problems):
            store.begin_conversation("model")
            store.update(98, reason="no such turn")
            store.update(99, reason="no such turn")
            await written(store)
            assert [bool(each) for each in problems] == [True, False]

    play(scene())


def test_a_full_memory_is_told_and_no_note_is_deleted_for_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path, limit_mb=5) as (store, problems):
            store.begin_conversation("model")
            for number in (1, 2):
                store.begin(number, SPEECH * 60)
                store.end(number, 60.0)
                await written(store)
            assert "full" in problems[-1]
            assert len(unsent(tmp_path)) == 1
            store.settled(1, "answered")
            store.begin(3, SPEECH)
            await written(store)
            assert problems[-1] == ""
            assert len(unsent(tmp_path)) == 1

    play(scene())


@pytest.mark.parametrize(("days", "kept"), [(0, 2), (3, 1)])
def test_what_is_old_is_forgotten_if_it_is_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, days: int, kept: int
) -> None:
    async def scene() -> None:
        now = 0.0
        store = Store(tmp_path, limit_mb=100, wall=lambda: now)
        store.begin_conversation("old")
        now = 4 * 86_400.0
        store.begin_conversation("new")
        store.forget(NoteSettings(keep_days=days))
        await store.aclose()

    with caplog.at_level("INFO", "agent.store"):
        play(scene())
    with closing(Journal(Layout(tmp_path).journal, read_only=True)) as journal:
        assert len(journal.conversations()) == kept
    assert ("1 conversations older than 3 days were deleted" in caplog.text) == (kept == 1)


def test_what_nobody_waits_for_is_on_disk_as_well(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, problems):
            store.begin_conversation("model")
            store.greeted()
            store.keep_handle("resume-me")
            store.event("network", "lost")
            ticket = store.call(None, "id", "look", {}, lambda: store.call_ended(ticket, {"seen": True}))
            store.still(None, "photo.jpg", b"jpeg", lambda: None)
            await written(store)
            await written(store)  # of what was asked for meanwhile
            assert not problems

    play(scene())
    with closing(Journal(Layout(tmp_path).journal, read_only=True)) as journal:
        (conversation,) = journal.conversations()
        assert (conversation.greeted, conversation.handle) == (True, "resume-me")
        assert [(event.kind, event.text) for event in journal.events(conversation.number)] == [("network", "lost")]
        assert [call.result for call in journal.calls(conversation.number)] == [{"seen": True}]
        assert [still.file for still in journal.stills(conversation.number)] == ["photo.jpg"]


def test_a_call_and_a_photo_of_a_turn_that_could_not_be_written_are_kept_all_the_same(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, problems):
            store.begin_conversation("model")
            kept: list[str] = []
            store.call(99, "id", "look", {}, lambda: kept.append("call"))
            store.still(99, "photo.jpg", b"jpeg", lambda: kept.append("still"))
            await written(store)
            assert kept == ["call", "still"]
            assert not problems

    play(scene())


def test_what_cannot_be_written_is_told_to_whoever_waits_also_when_it_is_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        lost: list[str] = []
        async with opened(tmp_path) as (store, _):
            store.load(99, lambda *_: None, lambda: lost.append("no such note"))
            store.keep_answer(99, b"", lambda: None, lambda: lost.append("no such turn"))
            await written(store)
        store.call(None, "id", "look", {}, lambda: lost.append("closed"))
        assert lost == ["no such note", "no such turn", "closed"]

    play(scene())
