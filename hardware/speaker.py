"""The real loudspeaker: a playback buffer that a sound card pulls from.

The rate is converted in PortAudio's callback: a queue of converted audio would go on sounding after a flush. The output
runs until ``IDLE_S`` after the last sound, because starting it takes milliseconds and clicks on some cards, and because
a box asleep should not wake a hundred times a second.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from hardware.bridge import Inlet
from hardware.lines import Line
from hardware.microphone import converter
from hardware.playback import PlaybackBuffer
from hardware.ports import SPEAKER_FORMAT, DeviceError
from hardware.soundcard import CardStream, driver, keeper, open_stream

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_S = 0.010
"""One output period: how long a flush may take to reach the driver."""
BLOCK_BYTES = SPEAKER_FORMAT.bytes_in(BLOCK_S)
IDLE_S = 10.0
"""Longer than a follow-up window, so that a conversation starts the output once."""


class CardSpeaker:
    """A speaker on a sound card that may be unplugged and come back; what is written meanwhile waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wanted: str, buffer: PlaybackBuffer | None = None) -> None:
        """Open the card that ``wanted`` names (see :func:`hardware.soundcard.find`) with ``start``.

        Raises DeviceError if the sound library is not installed.
        """
        driver()
        self.buffer = buffer or PlaybackBuffer()
        self._wanted = wanted
        self._on_drained: Callable[[], None] | None = None
        self._on_fault: Callable[[DeviceError], None] | None = None
        self._drains: Inlet[int] = Inlet(loop, self._drained, 4)
        self._faults: Inlet[DeviceError] = Inlet(loop, self._report, 4)
        self._stream: CardStream | None = None
        self._audible_at = -math.inf
        self._line = Line(f"speaker '{wanted}'", self._open, self._should_run, self._faults.post)

    @property
    def fault(self) -> DeviceError | None:
        """Why it does not work at present; None again as soon as it does."""
        return self._line.fault

    @property
    def glitches(self) -> int:
        """Underruns that the driver reported since the card was last opened."""
        return self._stream.glitches if self._stream else 0

    @property
    def played_s(self) -> float:
        """Seconds of the present answer handed to the card; it sounds about 30 ms later."""
        return self.buffer.played_s

    @property
    def buffered_s(self) -> float:
        """Seconds written and not yet handed over."""
        return self.buffer.buffered_s

    @property
    def audible(self) -> bool:
        """Whether anything is sounding or about to."""
        return self.buffer.audible

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Open the output in the background. An outage is reported once, then the card is tried every 2 s."""
        self._on_drained = on_drained
        self._on_fault = on_fault
        keeper().add(self._line)  # adding it twice changes nothing

    def write(self, pcm: bytes) -> None:
        """Append answer audio; never waits."""
        self.buffer.write(pcm)
        keeper().poke()

    def finish(self) -> None:
        """Say that the answer is whole."""
        self.buffer.finish()
        keeper().poke()

    def flush(self) -> float:
        """Silence the answer within one block and what the driver holds; returns the seconds that were played."""
        return self.buffer.flush()

    def chime(self, pcm: bytes) -> None:
        """Mix a short sound over whatever plays."""
        self.buffer.chime(pcm)
        keeper().poke()

    async def aclose(self) -> None:
        """Release the card."""
        self._drains.close()
        self._faults.close()
        await asyncio.to_thread(keeper().remove, self._line)

    def _should_run(self) -> bool:
        now = time.monotonic()
        if self.buffer.audible:
            self._audible_at = now
        return now - self._audible_at < IDLE_S

    def _open(self) -> CardStream:
        stream = open_stream("output", self._wanted, SPEAKER_FORMAT.rate, BLOCK_S)
        convert = converter(SPEAKER_FORMAT.rate, stream.rate)

        def play(size: int) -> bytes:
            del size  # a block of the card is a block of ours
            self._line.beat()
            pcm, drained = self.buffer.pull(BLOCK_BYTES)
            if drained:
                self._drains.post(drained)
            return convert(pcm)

        stream.block = play
        self._stream = stream
        return stream

    def _drained(self, answer: int) -> None:
        if answer == self.buffer.answer and self._on_drained is not None:  # else flushed or gone on meanwhile
            self._on_drained()

    def _report(self, error: DeviceError) -> None:
        if self._on_fault is not None:
            self._on_fault(error)
