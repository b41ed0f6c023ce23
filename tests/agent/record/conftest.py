"""A state folder of two conversations, read in Berlin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.log_folder import closed, in_berlin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with in_berlin(monkeypatch, tmp_path):
        yield


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return closed(tmp_path / "state")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"
