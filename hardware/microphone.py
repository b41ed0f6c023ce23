"""The real microphone: 20 ms blocks from a sound card, converted to 16 kHz on the event loop.

PortAudio's callback only copies and posts. A block is a chunk at every rate, so the loop wakes once per chunk, and the
conversion (one small matrix product) runs there, where being late costs nothing. While the microphone is closed its
stream stays open but stopped: a press costs a start, not an open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hardware.bridge import Inlet
from hardware.lines import Line
from hardware.ports import CHUNK_S, MICROPHONE_FORMAT, DeviceError
from hardware.soundcard import CardStream, driver, keeper, open_stream

if TYPE_CHECKING:
    from collections.abc import Callable

INLET_CHUNKS = 25
"""500 ms: a loop that stalls longer gets the newest sound."""


class CardMicrophone:
    """A microphone on a sound card that may be unplugged and come back."""

    echo_cancelled = False

    def __init__(self, loop: asyncio.AbstractEventLoop, wanted: str) -> None:
        """Open the card that ``wanted`` names (see :func:`hardware.soundcard.find`) in the background.

        Raises DeviceError if the sound library is not installed.
        """
        driver()
        self._wanted = wanted
        self._on_chunk: Callable[[bytes], None] | None = None
        self._on_fault: Callable[[DeviceError], None] | None = None
        self._chunks: Inlet[tuple[Callable[[bytes], bytes], bytes]] = Inlet(loop, self._deliver, INLET_CHUNKS)
        self._faults: Inlet[DeviceError] = Inlet(loop, self._report, 4)
        self._stream: CardStream | None = None
        self._line = Line(f"microphone '{wanted}'", self._open, lambda: self._on_chunk is not None, self._faults.post)
        keeper().add(self._line)

    @property
    def fault(self) -> DeviceError | None:
        """Why it does not work at present; None again as soon as it does."""
        return self._line.fault

    @property
    def dropped(self) -> int:
        """Chunks lost because the loop stalled."""
        return self._chunks.dropped

    @property
    def glitches(self) -> int:
        """Overruns that the driver reported since the card was last opened."""
        return self._stream.glitches if self._stream else 0

    def start(self, on_chunk: Callable[[bytes], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin capture; returns at once. An outage is reported once, then the card is tried every 2 s."""
        self._on_chunk = on_chunk
        self._on_fault = on_fault
        if self._line.fault is not None:
            self._faults.post(self._line.fault)
        keeper().poke()

    def stop(self) -> None:
        """End capture; no chunk is delivered after this returns."""
        self._on_chunk = None
        keeper().poke()

    async def aclose(self) -> None:
        """Release the card."""
        self.stop()
        self._chunks.close()
        self._faults.close()
        await asyncio.to_thread(keeper().remove, self._line)

    def _open(self) -> CardStream:
        stream = open_stream("input", self._wanted, MICROPHONE_FORMAT.rate, CHUNK_S)
        convert = converter(stream.rate, MICROPHONE_FORMAT.rate)

        def heard(pcm: bytes) -> None:
            self._line.beat()
            self._chunks.post((convert, pcm))

        stream.block = heard
        self._stream = stream
        return stream

    def _deliver(self, block: tuple[Callable[[bytes], bytes], bytes]) -> None:
        convert, pcm = block
        if self._on_chunk is not None:
            self._on_chunk(convert(pcm))

    def _report(self, error: DeviceError) -> None:
        if self._on_fault is not None:
            self._on_fault(error)


def converter(rate_in: int, rate_out: int) -> Callable[[bytes], bytes]:
    """Return what turns blocks of one rate into blocks of another; numpy is imported only if there is work for it."""
    if rate_in == rate_out:
        return bytes
    from hardware.resample import Resampler  # noqa: PLC0415 - 17 MB that a card with the right rate does not need

    return Resampler(rate_in, rate_out).process
