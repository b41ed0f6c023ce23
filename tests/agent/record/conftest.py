"""A state folder of two conversations, read in Berlin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agent.commands import log
from tests.support.log_folder import closed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Berlin, no configuration, and a folder to write to."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setattr(log, "DEFAULT_PATH", tmp_path / "no-config.toml")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return closed(tmp_path / "state")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"
