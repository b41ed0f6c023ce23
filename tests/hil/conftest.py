"""One sound server for all tests on the looped sound path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardware.sound import cards
from tests.support.sound_server import SoundServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with SoundServer(tmp_path_factory.mktemp("sound")) as server:
        yield server


@pytest.fixture
def server(running: SoundServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundServer]:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    cards.rescan()
    yield running
    assert cards.supervisor()._streams == [], "every test gives its streams back"
