"""Streams on sound cards at the cards' own rate: one per direction, or both directions in one.

A duplex stream calls back once per block, with the captured block and room for the block to play. The two belong
together by construction, so the delay of the echo is constant for as long as the stream runs.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from hardware.sound.cards import Unsupported, driver, translated
from hardware.sound.pcm import spread
from hardware.sound.spin import SpinWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hardware.sound.cards import Card

LATENCY_S = 0.02
"""The latency to ask the driver for: two 10 ms blocks. Less runs dry on a loaded Pi, more is audible after a flush."""
LATE_S = 0.1
"""A callback this long after the one before is a glitch: drivers hold 20 to 30 ms. Sound servers do not report it."""
BLOCK_S = 0.010
"""The echo canceller's frame, and how long a flush may take to reach the driver."""
COMMON_RATES = (48_000, 44_100, 32_000, 16_000, 24_000, 96_000)
"""The rates to try, most common first. ALSA's converter is not used: it has no filter, and aliases."""
WIDE = "int32"
DEPTHS = ("int16", WIDE)
"""16 bits suffice; some I2S microphones and amplifiers support only 32."""


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of a stream; ``channel`` counts from 1, and 0 plays on all."""

    card: Card
    channel: int

    @property
    def counts(self) -> tuple[int, ...]:
        """How many channels to ask for, in this order: few, a pair, all."""
        least = max(1, self.channel)
        some = {least, max(2, least), max(self.card.channels, least)}
        return tuple(sorted(count for count in some if count <= max(self.card.channels, 1))) or (least,)


class CardStream:
    """A stream in one or both directions of a card; satisfies :class:`hardware.sound.supervisor.Stream`.

    ``block`` is called in PortAudio's thread with the captured samples in the card's layout (empty for an output). It
    returns mono s16le to play (ignored for an input). ``stumbled`` is called before it if sound was lost or displaced.
    """

    def __init__(self, into: Side | None, out: Side | None, rate: int, shape: tuple[int, int], depth: str) -> None:
        """Open the stream; ``shape``: channels in and out; ``depth``: one of ``DEPTHS``.

        Raises Unsupported, DeviceError.
        """
        self.into, self.out, self.rate, self.depth = into, out, rate, depth
        self.channels = shape
        self.block: Callable[[bytes], bytes] = lambda _: b""
        self.stumbled: Callable[[], None] = lambda: None
        self.glitches = 0
        """How often sound was lost or displaced: the driver says so, or a callback was late, or its thread spins."""
        self._watch = SpinWatch()
        self._late_at = math.inf
        side = into or out
        assert side is not None
        self.name = f"sound card '{side.card.name}'"
        self._stream = translated(self.name, self._open)

    @property
    def duplex(self) -> bool:
        """Whether it serves both directions."""
        return self.into is not None and self.out is not None

    @property
    def spinning(self) -> bool:
        """Whether the driver's thread hogs the processor, although it still calls back."""
        return self._watch.spinning

    @property
    def wide(self) -> bool:
        """Whether its samples have 32 bits."""
        return self.depth == WIDE

    @property
    def latency_s(self) -> tuple[float, float]:
        """The latency that the driver reports, in and out, in seconds."""
        told = self._stream.latency
        return told if isinstance(told, tuple) else (told, told)

    def start(self) -> None:
        """Begin to call ``block``."""
        self._watch, self._late_at = SpinWatch(), math.inf
        translated(self.name, self._stream.start)

    def abort(self) -> None:
        """Stop at once, and discard what is pending."""
        translated(self.name, self._stream.abort)

    def close(self) -> None:
        """Release the card."""
        translated(self.name, self._stream.close)

    def _open(self) -> Any:  # noqa: ANN401 - untyped library
        common = {
            "samplerate": self.rate,
            "blocksize": round(self.rate * BLOCK_S),
            "latency": LATENCY_S,
            "dtype": self.depth,
        }
        library = driver()
        if self.into is None:
            assert self.out is not None
            return library.RawOutputStream(
                device=self.out.card.index, channels=self.channels[1], callback=self._play, **common
            )
        if self.out is None:
            return library.RawInputStream(
                device=self.into.card.index, channels=self.channels[0], callback=self._hear, **common
            )
        devices = self.into.card.index, self.out.card.index
        return library.RawStream(device=devices, channels=self.channels, callback=self._both, **common)

    def _hear(self, data: Any, frames: int, when: Any, status: Any) -> None:  # noqa: ANN401 - untyped library
        del frames, when
        self._count(status)
        self.block(bytes(data))

    def _play(self, data: Any, frames: int, when: Any, status: Any) -> None:  # noqa: ANN401 - untyped library
        del frames, when
        self._count(status)
        self._fill(data, self.block(b""))

    def _both(self, heard: Any, data: Any, frames: int, when: Any, status: Any) -> None:  # noqa: ANN401 - untyped library
        del frames, when
        self._count(status)
        self._fill(data, self.block(bytes(heard)))

    def _count(self, status: Any) -> None:  # noqa: ANN401 - untyped library
        now, spun = time.monotonic(), self._watch.spinning
        self._watch.block()
        if status or now > self._late_at or self._watch.spinning > spun:
            self.glitches += 1
            self.stumbled()
        self._late_at = now + LATE_S

    def _fill(self, data: Any, pcm: bytes) -> None:  # noqa: ANN401 - untyped library
        assert self.out is not None
        filled = spread(pcm, self.channels[1], self.out.channel, wide=self.wide)
        data[:] = filled or bytes(len(data))


def open_stream(into: Side | None, out: Side | None) -> CardStream:
    """Return a stream with the first rate, depth and channels that the hardware supports. Raises DeviceError."""
    refusal: Unsupported | None = None
    for rate, depth, shape in _attempts(into, out):
        try:
            return CardStream(into, out, rate, shape, depth)
        except Unsupported as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _attempts(into: Side | None, out: Side | None) -> Iterator[tuple[int, str, tuple[int, int]]]:
    """Return every combination of rate, depth and shape to try, the likeliest first."""
    shapes = product(into.counts if into else (0,), out.counts if out else (0,))
    return product(COMMON_RATES, DEPTHS, sorted(shapes, key=sum))
