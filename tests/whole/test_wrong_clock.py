"""Ring 2: a clock that is wrong erases nothing that was said."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent.link.state import LinkState
from agent.store.journal import Journal
from agent.store.layout import Layout
from tests.support.stage import play, stage

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

DAY_S = 86_400.0


@pytest.mark.parametrize(("ahead_days", "age_days", "left"), [(60, 1, 2), (0, 1, 2), (0, 40, 1), (60, 40, 2)])
def test_conversations_go_by_their_age_and_not_by_a_clock_that_runs_ahead(
    tmp_path: Path, tls: ssl.SSLContext, ahead_days: int, age_days: int, left: int
) -> None:
    journal = Journal(Layout(tmp_path).journal)
    journal.begin_conversation("of the past", time.time() - age_days * DAY_S)
    journal.close()

    async def scene() -> None:
        began = time.time() - asyncio.get_running_loop().time() + ahead_days * DAY_S
        kept: dict[str, Any] = {"paths": {"state": str(tmp_path)}, "notes": {"keep_days": 30}}
        async with stage(tls=tls, wall=lambda: began + asyncio.get_running_loop().time(), **kept) as s:
            await s.until_link(LinkState.UP)
            await s.ask("gauge")

    play(scene())
    journal = Journal(Layout(tmp_path).journal, read_only=True)
    assert len(journal.conversations()) == left
    journal.close()
