"""Ring 2: a disk that is locked, full or read-only for a while. Each phase of a turn: test_fault_matrix.py."""

from __future__ import annotations

import asyncio
import shutil
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from agent import notices
from agent.link.state import LinkState
from agent.simulator import Fault, Scenario
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.records import ROOM_BYTES
from agent.store.spool import NEARLY_BYTES, RESERVE_BYTES
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from hardware.ports import Rhythm
from tests.support.moody_disk import Mood, MoodyDisk, moody
from tests.support.records import unsent
from tests.support.stage import play, question, said, stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.store.rows import TurnRow

NOWHERE: dict[str, Any] = {"service": {"url": "ws://127.0.0.1:1"}}
AWAY = Fault("handshake", at_s=0.0, times=0, options={"status": 503})
REFUSING = [Mood.BUSY, Mood.FULL, Mood.READ_ONLY]


class Usage(NamedTuple):
    """As much of shutil.disk_usage as is asked for."""

    free: int


def rows(state: Path) -> list[TurnRow]:
    with closing(Journal(Layout(state).journal, read_only=True)) as journal:
        return [row for talk in reversed(journal.conversations()) for row in journal.turns(talk.number)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[MoodyDisk]:
    with moody(tmp_path) as made:
        yield made


@pytest.mark.parametrize("mood", REFUSING)
def test_what_is_said_offline_to_a_disk_in_a_mood_is_kept_when_it_works_again(
    tmp_path: Path, disk: MoodyDisk, mood: Mood
) -> None:
    async def scene() -> None:
        async with stage(**NOWHERE, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            disk.mood = mood
            await s.say("gauge")
            await asyncio.sleep(5)
            assert s.all(notices.NoteKept) == []
            disk.mood = Mood.FINE
            await asyncio.sleep(3)
            assert len(s.all(notices.NoteKept)) == 1
            assert s.earcons.count(Earcon.SAVED) == 1
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_link(LinkState.UP)
            await asyncio.sleep(20)
            (heard,) = s.simulator.utterances
            assert question("gauge") in bytes(heard.pcm)

    play(scene())
    assert unsent(tmp_path) == []


@pytest.mark.parametrize("mood", REFUSING)
def test_an_answer_played_while_the_journal_takes_nothing_is_not_played_again(
    tmp_path: Path, disk: MoodyDisk, mood: Mood
) -> None:
    async def scene() -> None:
        async with stage(**NOWHERE, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("gauge")
            await asyncio.sleep(4)
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_light(Rhythm.MESSAGE)
            disk.mood = mood
            await s.wake()
            await s.until(Phase.ANSWERING)
            await s.rest()
            await asyncio.sleep(5)
            before = len(s.box.speaker.pcm)
            await s.wake()
            await asyncio.sleep(5)
            assert not s.box.speaker.pcm[before:].strip(b"\0") or s.agent.turn.phase is not Phase.ANSWERING
            disk.mood = Mood.FINE
            await asyncio.sleep(2)
        async with stage(paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(3)
            assert s.agent.conversation.delivery.answers.unplayed == 0

    play(scene())
    (row,) = rows(tmp_path)
    assert row.played_at is not None


@pytest.mark.parametrize("mood", REFUSING)
def test_what_waits_is_written_at_an_orderly_end_if_the_disk_works_soon(
    tmp_path: Path, disk: MoodyDisk, mood: Mood
) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_link(LinkState.UP)
            await s.wake()
            await s.say("gauge")
            await s.until(Phase.ANSWERING)
            disk.mood = mood
            await s.rest()
            threading.Timer(0.5, setattr, (disk, "mood", Mood.FINE)).start()  # while the store is being closed

    play(scene())
    (row,) = rows(tmp_path)
    assert row.state == "answered"
    assert row.answer.endswith(".")
    assert unsent(tmp_path) == []


def test_a_disk_that_never_works_again_delays_the_end_by_seconds_and_says_what_is_lost(
    tmp_path: Path, disk: MoodyDisk, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_link(LinkState.UP)
            disk.mood = Mood.READ_ONLY
            await s.wake()
            await s.say("gauge")
            await s.until(Phase.ANSWERING)
            await s.rest()

    play(scene())
    assert "changes could not be written" in caplog.text


@pytest.mark.parametrize(
    ("free", "phrase"),
    [
        (RESERVE_BYTES + ROOM_BYTES - 1, Phrase.STORAGE_FULL),
        (RESERVE_BYTES + NEARLY_BYTES - 1, Phrase.STORAGE_NEARLY_FULL),
    ],
    ids=["full", "nearly full"],
)
def test_close_to_a_full_disk_each_turn_is_in_the_log_and_the_right_words_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, phrase: Phrase
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))

    async def scene() -> None:
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_link(LinkState.UP)
            for name in ("gauge", "valve"):
                await s.ask(name)
                await asyncio.sleep(6)  # the box says so
            for each in (Phrase.STORAGE_FULL, Phrase.STORAGE_NEARLY_FULL, Phrase.STORAGE_FAULT):
                assert bool(said(s, each)) is (each is phrase), each
            assert {each.part for each in s.all(notices.FaultBegan)} == {phrase.name.lower().replace("_", " ")}

    play(scene())
    first, second = rows(tmp_path)
    for row in (first, second):
        assert (row.state, row.kind) == ("answered", "spoken")
        assert row.question
        assert row.answer
        assert row.audio_s > 1


def test_offline_with_a_full_disk_nothing_is_called_saved_and_what_was_said_is_asked_when_the_network_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(RESERVE_BYTES))

    async def scene() -> None:
        async with stage(Scenario(faults=(AWAY,)), paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("gauge")
            await asyncio.sleep(8)
            assert s.all(notices.NoteKept) == []
            s.simulator.relent()
            await s.until_link(LinkState.UP, 300)
            await asyncio.sleep(20)
            assert question("gauge") in b"".join(bytes(each.pcm) for each in s.simulator.utterances)

    play(scene())
