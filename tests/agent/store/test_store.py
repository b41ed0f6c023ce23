"""What the box keeps on disk, from the loop's side: order, durability, what a restart finds, trouble."""

from __future__ import annotations

import asyncio
import wave
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agent.config import PathSettings, Settings
from agent.errors import ConfigError
from agent.store.folder import folder_of
from agent.store.journal import Journal
from agent.store.store import WRITE_BYTES, Store
from tests.support.stage import play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SPEECH = bytes(range(256)) * 125  # one second at 16 kHz


@asynccontextmanager
async def opened(folder: Path, limit_mb: int = 100) -> AsyncIterator[tuple[Store, list[str]]]:
    troubles: list[str] = []
    store = Store(folder, limit_mb=limit_mb, on_problem=troubles.append)
    try:
        yield store, troubles
    finally:
        await store.aclose()


async def written(store: Store) -> None:
    """Wait until all that was asked for is on disk."""
    done = asyncio.Event()
    store.load_answers(lambda _: done.set())
    await done.wait()


def unsent(folder: Path) -> list[bytes]:
    found = []
    for file in sorted((folder / "spool" / "unsent").glob("*.wav")):
        with wave.open(str(file)) as wav:
            found.append(wav.readframes(wav.getnframes()))
    return found


def lose_journal(folder: Path) -> None:
    for file in folder.glob("journal.db*"):
        file.unlink()


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


def test_what_was_being_said_when_the_power_went_is_owed_at_the_next_start(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1, SPEECH)
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
            store.settled(1, "answered")
        async with opened(tmp_path) as (store, _):
            assert store.past.owed == []
            assert [row.state for row in store.past.turns] == ["answered"]
        assert not unsent(tmp_path)

    play(scene())


def test_a_recording_whose_journal_is_lost_is_owed_all_the_same(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(7, SPEECH)
            store.end(7, 1.0)
        lose_journal(tmp_path)
        async with opened(tmp_path) as (store, _):
            (row,) = store.past.owed
            assert (row.number, row.state, row.audio_s) == (7, "waiting", 1.0)
            assert store.past.next_turn == 8

    play(scene())


@pytest.mark.parametrize("moved", [True, False])
def test_an_answer_and_the_move_of_its_recording_agree_after_a_power_cut_between_them(
    tmp_path: Path, *, moved: bool
) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1, SPEECH)
            store.end(1, 1.0)
            store.update(1, state="answered")
        if moved:
            (tmp_path / "spool" / "unsent" / "000001.wav").rename(tmp_path / "spool" / "sent" / "000001.wav")
        async with opened(tmp_path) as (store, _):
            assert store.past.owed == []
        assert not unsent(tmp_path)

    play(scene())


def test_an_utterance_of_which_nothing_was_recorded_is_not_owed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            store.begin(1)
        async with opened(tmp_path) as (store, _):
            assert store.past.owed == []
            assert store.past.turns[0].reason == "nothing was recorded"

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


def test_then_is_called_when_it_is_on_disk_and_not_if_it_never_was(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, troubles):
            saved: list[float | None] = []

            def now_on_disk() -> None:
                journal = Journal(tmp_path / "journal.db", read_only=True)
                row = journal.turn(1)
                journal.close()
                saved.append(row.saved_at if row else None)

            store.begin_conversation("model")
            store.begin(1, SPEECH)
            store.end(1, 1.0)
            store.save(1, now_on_disk)
            store.save(99, lambda: saved.append(None))
            await written(store)
            assert len(saved) == 1
            assert saved[0] is not None
            assert "99" in troubles[0]

    play(scene())


def test_trouble_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, troubles):
            store.begin_conversation("model")
            store.update(98, reason="no such turn")
            store.update(99, reason="no such turn")
            await written(store)
            assert [bool(each) for each in troubles] == [True, False]

    play(scene())


def test_a_full_memory_is_told_and_no_note_is_deleted_for_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path, limit_mb=5) as (store, troubles):
            store.begin_conversation("model")
            for number in (1, 2):
                store.begin(number, SPEECH * 60)
                store.end(number, 60.0)
                await written(store)
            assert "full" in troubles[-1]
            assert len(unsent(tmp_path)) == 1
            store.settled(1, "answered")
            store.begin(3, SPEECH)
            await written(store)
            assert troubles[-1] == ""
            assert len(unsent(tmp_path)) == 1

    play(scene())


def test_one_folder_belongs_to_one_process(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path):
            with pytest.raises(ConfigError, match="another field-agent is using it"):
                Store(tmp_path, limit_mb=100)
        async with opened(tmp_path):
            pass

    play(scene())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(ConfigError, match=r"paths\] state"):
            Store(tmp_path / "file" / "state", limit_mb=100)

    play(scene())


def test_a_damaged_journal_is_kept_and_a_new_one_begun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
        async with opened(tmp_path) as (store, _):
            assert store.past.conversation is None

    play(scene())
    assert list(tmp_path.glob("journal.db.damaged-*"))
    assert "was damaged" in caplog.text


def test_where_things_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert folder_of(Settings()) == tmp_path / ".local" / "state" / "field-agent"
    monkeypatch.setenv("XDG_STATE_HOME", "/home/x/state")
    assert str(folder_of(Settings())) == "/home/x/state/field-agent"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/field-agent:/other")
    assert str(folder_of(Settings())) == "/var/lib/field-agent"
    assert str(folder_of(Settings(paths=PathSettings(state="/mnt/ssd")))) == "/mnt/ssd"


async def answered(store: Store, number: int, seconds: float = 1.0) -> None:
    store.begin(number, SPEECH)
    store.end(number, 1.0)
    store.save(number, lambda: None)
    store.keep_answer(number, bytes(round(48_000 * seconds)), lambda: None)
    await written(store)


async def waiting(store: Store) -> list[int]:
    found: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
    store.load_answers(lambda answers: found.set_result([number for number, _ in answers]))
    return await found


def test_answers_are_read_as_many_as_the_speaker_holds_and_one_in_any_case(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            for number, seconds in ((1, 110.0), (2, 60.0), (3, 30.0), (4, 30.0)):
                await answered(store, number, seconds)
            assert await waiting(store) == [1]
            store.played([1])
            assert await waiting(store) == [2, 3]

    play(scene())


def test_an_answer_that_is_gone_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, _):
            store.begin_conversation("model")
            await answered(store, 1)
            await answered(store, 2)
            (tmp_path / "spool" / "sent" / "000001-answer.wav").unlink()
            assert await waiting(store) == [2]
            store.played([2])
            assert await waiting(store) == []

    play(scene())


def test_a_call_and_a_photo_of_a_turn_that_could_not_be_written_are_kept_all_the_same(tmp_path: Path) -> None:
    async def scene() -> None:
        async with opened(tmp_path) as (store, troubles):
            store.begin_conversation("model")
            numbers: list[int | None] = []
            store.call(99, "id", "look", {}, numbers.append)
            store.still(99, "photo.jpg", b"jpeg", lambda: numbers.append(-1))
            await written(store)
            assert numbers == [1, -1]
            assert not troubles

    play(scene())


def test_what_cannot_be_written_is_told_to_whoever_waits_also_when_it_is_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        lost: list[str] = []
        async with opened(tmp_path) as (store, _):
            store.load(99, lambda *_: None, lambda: lost.append("no such note"))
            store.keep_answer(99, b"", lambda: None, lambda: lost.append("no such turn"))
            await written(store)
        store.call(None, "id", "look", {}, lambda number: lost.append(f"closed: {number}"))
        assert lost == ["no such note", "no such turn", "closed: None"]

    play(scene())
