"""A service that means harm, or is broken, against the whole agent: what the technician notices of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from agent import notices
from agent.simulator import parse, wire
from agent.store.journal import Journal
from agent.voice.earcons import Earcon
from tests.support.stage import play, stage

if TYPE_CHECKING:
    from pathlib import Path

    from agent.simulator import Scenario


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def sending(*messages: str, turn: int = 1, count: int = 1) -> Scenario:
    """A scenario in which these come in the middle of an answer."""
    fault = '[[fault]]\nkind = "send"\nwhen = "mid_answer"\n'
    return parse("".join(f"{fault}turn = {turn}\ncount = {count}\ntext = '{message}'\n" for message in messages))


CALL = '{"toolCall":{"functionCalls":[{"id":"1","name":"look","args":{"at":%s}}]}}'
ABSURD = [
    CALL % nested(971),
    CALL % nested(500),
    CALL % nested(33),
    '{"usageMetadata":{"promptTokenCount":9223372036854775808}}',
    '{"usageMetadata":{"promptTokenCount":' + "9" * 5000 + "}}",
    '{"goAway":{"timeLeft":"' + "9" * 400 + 's"}}',
    nested(50_000),
    '{"toolCall":{"functionCalls":[' + '{"name":"x"},' * 9_999 + '{"name":"x"}]}}',
]


@pytest.mark.parametrize("message", ABSURD, ids=[f"{each[:25]} {len(each)}" for each in ABSURD])
def test_what_is_absurd_costs_neither_the_answer_nor_the_next_start(message: str, tmp_path: Path) -> None:
    paths = {"state": str(tmp_path)}

    async def first() -> None:
        async with stage(sending(message), paths=paths) as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            await s.ask("valve")
            assert [turn.utterance for turn in s.turns] == [1, 2]
            assert s.agent.conversation.link.connections == 1

    async def again() -> None:
        async with stage(paths=paths) as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            assert [turn.utterance for turn in s.turns] == [3]

    play(first())
    play(again())
    journal = Journal(tmp_path / "journal.db", read_only=True)
    rows = [row for each in journal.conversations() for row in journal.turns(each.number)]
    journal.close()
    assert {row.number: row.state for row in rows} == {1: "answered", 2: "answered", 3: "answered"}
    assert all(row.answer and json.dumps(row.tokens) for row in rows)


def test_a_flood_in_an_answer_is_left_and_the_answer_goes_on_over_another_connection() -> None:
    async def scene() -> None:
        async with stage("flood") as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            await s.ask("valve")
            assert [turn.utterance for turn in s.turns] == [1, 2]
            lost = [each.problem for each in s.all(notices.LinkStateChanged) if each.problem]
            (why,) = lost
            assert "misbehaves: too many frames" in why

    play(scene())


def test_an_answer_that_cannot_be_played_is_said_to_be_missing_and_its_question_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode = wire.encode

    def as_opus(message: Any, **options: Any) -> str | bytes:
        told = encode(message, **options)
        if isinstance(told, str):
            return told.replace("audio/pcm;rate=24000", "audio/opus")
        return told.replace(b"audio/pcm;rate=24000", b"audio/opus")

    monkeypatch.setattr(wire, "encode", as_opus)

    async def scene() -> None:
        async with stage() as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            assert s.earcons.count(Earcon.RETRY) == 1, "it is asked again first"
            assert Earcon.FAULT in s.earcons
            assert len(s.agent.conversation.delivery.notes) == 1
            assert s.turns == []
            assert s.agent.counters.unplayable > 0
            assert s.agent.counters.missed >= 2
            monkeypatch.undo()
            s.agent.conversation.exchange.note_sender.look()
            async with asyncio.timeout(200):
                while s.agent.conversation.delivery.notes:
                    await asyncio.sleep(1)

    play(scene())
