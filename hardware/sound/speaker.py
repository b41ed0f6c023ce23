"""The real loudspeaker: a playback buffer that a sound card pulls from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hardware.bridge import Inlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import DeviceError
    from hardware.sound.card_sound import CardSound


class CardSpeaker:
    """A speaker on a sound card that may be unplugged and come back; what is written meanwhile waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sound: CardSound) -> None:
        """Sound through ``sound``."""
        self.buffer = sound.buffer
        self._sound = sound
        self._line = sound.speaker
        self._on_drained: Callable[[], None] | None = None
        self._on_fault: Callable[[DeviceError], None] | None = None
        self._drains: Inlet[int] = Inlet(loop, self._finished, 4)
        self._faults: Inlet[DeviceError] = Inlet(loop, self._report, 4)
        self.drained, self.failed = self._drains.post, self._faults.post

    @property
    def fault(self) -> DeviceError | None:
        """Why it does not work at present; None again as soon as it does."""
        return self._line.fault

    @property
    def glitches(self) -> int:
        """Underruns that the driver reported since the card was last opened."""
        return self._sound.glitches(self._line)

    @property
    def volume_db(self) -> float:
        """Gain on everything that is played; changes within 10 ms, without a click."""
        return self._sound.volume.db

    @volume_db.setter
    def volume_db(self, db: float) -> None:
        self._sound.volume.db = db

    @property
    def played_s(self) -> float:
        """Seconds of the present answer handed to the card; it sounds about 30 ms later."""
        return self.buffer.played_s

    @property
    def buffered_s(self) -> float:
        """Seconds written and not yet handed over."""
        return self.buffer.buffered_s

    @property
    def epoch(self) -> int:
        """Raised by each flush."""
        return self.buffer.epoch

    @property
    def audible(self) -> bool:
        """Whether anything is sounding or about to."""
        return self.buffer.audible

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin to report. An outage is reported once, then the card is tried every 2 s."""
        self._on_drained = on_drained
        self._on_fault = on_fault
        if self._line.fault is not None:
            self._faults.post(self._line.fault)

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        """Append answer audio, unless its answer was cut; never waits."""
        taken = self.buffer.write(pcm, epoch)
        self._sound.wake()
        return taken

    def finish(self) -> None:
        """Say that the answer is whole."""
        self.buffer.finish()
        self._sound.wake()

    def flush(self) -> float:
        """Silence the answer within one block and what the driver holds; returns the seconds that were played."""
        return self.buffer.flush()

    def repeat(self) -> float:
        """Play the last answer again; returns its seconds."""
        seconds = self.buffer.repeat()
        self._sound.wake()
        return seconds

    def chime(self, pcm: bytes) -> None:
        """Mix a short sound over whatever plays."""
        self.buffer.chime(pcm)
        self._sound.wake()

    async def aclose(self) -> None:
        """Release the card."""
        self._drains.close()
        self._faults.close()
        await asyncio.to_thread(self._sound.close, self._line)

    def _finished(self, answer: int) -> None:
        if answer == self.buffer.answer and self._on_drained is not None:  # else flushed or gone on meanwhile
            self._on_drained()

    def _report(self, error: DeviceError) -> None:
        if self._on_fault is not None:
            self._on_fault(error)
