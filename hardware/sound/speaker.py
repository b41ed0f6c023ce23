"""The real loudspeaker: a playback buffer that a sound card pulls from."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from hardware.bridge import Inlet
from hardware.sound.buffered_speaker import BufferedSpeaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import DeviceError, DeviceHealth
    from hardware.sound.card_sound import CardSound


class CardSpeaker(BufferedSpeaker):
    """A speaker on a sound card that may be unplugged and come back; what is written meanwhile waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sound: CardSound) -> None:
        """Set up a speaker that plays through ``sound``."""
        super().__init__(sound.buffer)
        self._sound = sound
        self._stream = sound.speaker
        self._drains: Inlet[int] = Inlet(loop, self._finished, 4)
        self._faults: Inlet[DeviceError] = Inlet(loop, self._report, 4)
        self.drained, self.failed = self._drains.post, self._faults.post

    @property
    def fault(self) -> DeviceError | None:
        """Why it does not work at present; None while it works."""
        return self._stream.fault

    @property
    def volume_db(self) -> float:
        """Gain on everything that is played; changes within 10 ms, without a click."""
        return self._sound.volume.db

    @volume_db.setter
    def volume_db(self, db: float) -> None:
        self._sound.volume.db = db

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin to report. An outage is reported once, then the card is retried every 2 s."""
        super().start(on_drained, on_fault)
        if self._stream.fault is not None:
            self._faults.post(self._stream.fault)

    def health(self) -> DeviceHealth:
        """Return whether the card is open, what the buffer lost, and the underruns that the driver reported."""
        return replace(super().health(), glitches=self._sound.glitches(self._stream), working=self.fault is None)

    async def aclose(self) -> None:
        """Release the card."""
        self._drains.close()
        self._faults.close()
        await asyncio.to_thread(self._sound.close, self._stream)

    def _wake(self) -> None:
        self._sound.wake()

    def _finished(self, answer: int) -> None:
        if answer == self.buffer.answer and self._on_drained is not None:  # else flushed or replaced meanwhile
            self._on_drained()

    def _report(self, error: DeviceError) -> None:
        if self._on_fault is not None:
            self._on_fault(error)
