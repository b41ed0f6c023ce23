"""The speaker on a card as the agent sees it; the streams behind it are faked here."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from hardware.ports import DeviceError, DeviceHealth
from hardware.sound.playback import PlaybackBuffer
from hardware.sound.speaker import CardSpeaker


class Card:
    """A CardSound that plays nothing, and the speaker on it."""

    def __init__(self) -> None:
        self.buffer = PlaybackBuffer(0.0)
        self.speaker = SimpleNamespace(fault=None)
        self.volume = SimpleNamespace(db=0.0)
        self.wakes = 0
        self.closed: list[object] = []
        self.close = self.closed.append
        self.part = CardSpeaker(asyncio.get_running_loop(), self)  # type: ignore[arg-type] # by shape
        self.drains = 0
        self.faults: list[str] = []

    def start(self) -> None:
        self.part.start(self._drained, lambda error: self.faults.append(error.problem))

    def _drained(self) -> None:
        self.drains += 1

    def wake(self) -> None:
        self.wakes += 1

    def glitches(self, stream: object) -> int:
        assert stream is self.speaker
        return 3


def test_the_card_is_woken_by_what_is_written() -> None:
    async def run() -> None:
        card = Card()
        card.part.write(bytes(2))
        assert card.wakes == 1

    asyncio.run(run())


def test_an_answer_that_was_cut_meanwhile_is_not_reported_as_played() -> None:
    async def run() -> None:
        card = Card()
        card.part.drained(card.buffer.answer)  # before anybody started
        await asyncio.sleep(0)
        card.start()
        card.part.write(bytes(2))
        answer = card.buffer.answer
        card.part.drained(answer)
        await asyncio.sleep(0)
        assert card.drains == 1
        card.part.drained(answer)
        card.part.flush()
        await asyncio.sleep(0)
        assert card.drains == 1

    asyncio.run(run())


def test_outages_are_told_and_what_was_lost_is_counted() -> None:
    async def run() -> None:
        card = Card()
        card.part.failed(DeviceError("speaker", "too early", "start it"))
        await asyncio.sleep(0)
        card.speaker.fault = DeviceError("speaker", "not found", "plug it in")
        card.start()
        await asyncio.sleep(0)
        assert card.faults == ["not found"]
        assert card.part.fault is card.speaker.fault
        card.part.write(bytes(48_000), card.part.epoch - 1)
        assert card.part.health() == DeviceHealth(glitches=3, refused_s=1.0, working=False)

    asyncio.run(run())


def test_volume_is_the_cards_and_the_card_is_released() -> None:
    async def run() -> None:
        card = Card()
        card.part.volume_db = -6.0
        assert card.volume.db == card.part.volume_db == -6.0
        await card.part.aclose()
        assert card.closed == [card.speaker]
        card.part.failed(DeviceError("speaker", "gone", "nothing"))
        await asyncio.sleep(0)
        assert not card.faults

    asyncio.run(run())
