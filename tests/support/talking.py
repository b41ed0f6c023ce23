"""A conversation by itself: the link played by the test, or a real link to a simulator."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import config
from agent.conversation.conversation import Conversation
from agent.link.state import LinkState
from agent.metrics import Counters
from agent.store.journal import Journal
from agent.store.store import Store
from agent.uplink.bandwidth import Uplink
from hardware.simulated.speakers import SilentSpeaker
from tests.support.host import RecordingHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableSequence

    import pytest

    from agent.errors import LinkError
    from agent.metrics import TurnRecord
    from agent.store.rows import TurnRow
    from agent.turn.events import Event


@dataclass
class Rig:
    """A conversation, and what it told its surroundings."""

    talk: Conversation
    counters: Counters
    store: Store
    speaker: SilentSpeaker
    host: RecordingHost

    @property
    def events(self) -> MutableSequence[Event]:
        return self.host.events

    @property
    def records(self) -> list[TurnRecord]:
        return self.host.records

    @property
    def failures(self) -> list[LinkError]:
        return self.host.failures

    def moves(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[Event], count: int = 1) -> None:
        async with asyncio.timeout(60):
            while len(self.moves(kind)) < count:
                await asyncio.sleep(0.01)

    async def written(self) -> None:
        """Wait until all is on the disk that was to be, and what follows from it has happened."""
        await asyncio.sleep(0.1)

    def unsent(self) -> list[TurnRow]:
        """What the service owes an answer by the journal."""
        with closing(Journal(self.store.layout.journal, read_only=True)) as journal:
            return journal.unsent()

    def drain_outbox(self) -> list[dict[str, Any]]:
        """What would be sent."""
        messages = []
        while (outgoing := self.talk.outbox.next(Uplink(), 0.0)) is not None:
            messages.append(json.loads(outgoing.message))
            self.talk.exchange.sent(outgoing)
        return messages


class Wall:
    """A clock on the wall, which a test may move."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def talking(
    url: str | None = None, *, state: Path | None = None, wall: Wall | None = None, **sections: Any
) -> AsyncIterator[Rig]:
    """With an address, the link runs and is wanted; without one, a test plays the link.

    ``state`` is the folder of a box that is started more than once.
    """
    with tempfile.TemporaryDirectory() as fresh:
        async with talking_in(state or Path(fresh), url, wall or Wall(), **sections) as rig:
            yield rig


@asynccontextmanager
async def talking_in(folder: Path, url: str | None, wall: Wall, **sections: Any) -> AsyncIterator[Rig]:
    tables = {"service": {"url": url or "ws://127.0.0.1:1"}} | sections
    settings = config.override(config.Settings(), tables, where="test")
    counters, speaker = Counters(), SilentSpeaker(asyncio.get_running_loop())
    store = Store(folder, limit_mb=settings.notes.limit_mb, wall=wall)
    host = RecordingHost()
    talk = Conversation(settings, lambda: "key", host, speaker=speaker, counters=counters, store=store, wall=wall)
    speaker.start(talk.drained, lambda _: None)
    talk.begin()
    task = asyncio.create_task(talk.link.run())
    if url:
        talk.link.want()
    try:
        yield Rig(talk, counters, store, speaker, host)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        talk.end()
        await store.aclose()
        await speaker.aclose()


class Up:
    """A link that takes whatever is sent."""

    ready, state = True, LinkState.UP
    service_time: float | None = None

    def __init__(self, talk: Conversation) -> None:
        self.uplink, self.connections, self.renewed = talk.link.uplink, 1, 0

    def pump(self) -> None:
        pass

    def renew(self) -> None:
        self.renewed += 1


def connect(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Up:
    """Play a link that is up."""
    up = Up(rig.talk)
    monkeypatch.setattr(rig.talk.exchange, "link", up)
    monkeypatch.setattr(rig.talk.exchange.note_sender, "_send", up.pump)
    monkeypatch.setattr(rig.talk.exchange.note_sender, "_unanswered", up.renew)
    rig.talk.exchange.link_changed(LinkState.UP, None)
    return up


def spoken(talk: Conversation, pcm: bytes = b"\1\0" * 320) -> None:
    talk.open_utterance(pcm)
    talk.end_utterance(asyncio.get_running_loop().time(), listening=True)
