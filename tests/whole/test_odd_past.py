"""Nothing that one row of the past holds stops a start, the list, the story or an export."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from agent import cli
from agent.link.state import LinkState
from agent.store.database import migrate
from agent.store.layout import Layout
from tests.support.log_folder import closed
from tests.support.stage import play, stage

DEEP = 50_000
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
REALS = st.sampled_from([0.0, -1.0, 1e-300, -1e300, 1e300, float("inf"), float("-inf"), 253402300800.0])
TEXTS = st.sampled_from(
    [
        *("", " ", "\0", "a\0b", "\x1b[2J", "\u202e", "../../../../etc/passwd", "/dev/zero", ".", "..", "x" * 100_000),
        *(
            '{"a":' * DEEP,
            "[" * DEEP,
            "[]",
            "null",
            "17",
            "NaN",
            '{"a": NaN}',
            '{"a": 1e999}',
            "{",
            '{"a":' * 971 + "1",
        ),
        '{"a": ' + "9" * 5000 + "}",
    ]
)
KINDS = {"INTEGER": NUMBERS, "REAL": REALS, "TEXT": TEXTS}
KEPT = {"number", "conversation", "kind", "state", "turn"}
"""Columns that SQLite itself checks, or by which rows are found."""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return closed(tmp_path_factory.mktemp("past"))


def columns(database: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Table, column and type of what may be odd."""
    found = [
        (table, name, kind)
        for (table,) in database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        for _, name, kind, *_ in database.execute(f"PRAGMA table_info({table})")
    ]
    return [each for each in found if each[1] not in KEPT | {"greeted", "interrupted"}]


@st.composite
def spoilt(draw: st.DrawFn) -> list[tuple[str, str, Any]]:
    """Some columns, and what is put into each."""
    with closing(sqlite3.connect(":memory:")) as model:
        migrate(model, 0)
        chosen = draw(st.lists(st.sampled_from(columns(model)), min_size=1, max_size=6, unique=True))
    return [(table, name, draw(KINDS[kind])) for table, name, kind in chosen]


def put(state: Path, odd: list[tuple[str, str, Any]]) -> None:
    with closing(sqlite3.connect(Layout(state).journal, isolation_level=None)) as database:
        for table, name, value in odd:
            database.execute(f"UPDATE OR IGNORE {table} SET {name} = ?", [value])


@given(spoilt())
@example([("call", "arguments", '{"a":' * 971 + "1" + "}" * 971)])
@example([("call", "result", '{"a":' * DEEP)])
@example([("turn", "began_at", float("inf")), ("conversation", "last_at", -1e300)])
@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_odd_rows_stop_nothing(past: Path, odd: list[tuple[str, str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        shutil.copytree(past, state)
        put(state, odd)
        read(state, Path(folder))
        start(state)
        read(state, Path(folder))


def read(state: Path, out: Path) -> None:
    for arguments in (["--all"], ["show", "1"], ["show", "2"]):
        assert cli.main(["log", *arguments, "--state", str(state)]) == 0
    for kind in ("json", "html", "zip"):
        wanted = ["--format", kind, "--out", str(out / kind), "--force", "--state", str(state)]
        assert cli.main(["log", "export", "2", *wanted]) == 0
    json.loads((out / "json").read_text(encoding="utf-8"))


def start(state: Path) -> None:
    async def scene() -> None:
        async with stage(paths={"state": str(state)}) as s:
            await s.until_link(LinkState.UP)
            await s.ask("gauge")
            await asyncio.sleep(1)

    play(scene())
