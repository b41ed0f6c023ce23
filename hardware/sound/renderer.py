"""Makes the blocks that a card plays: from the playback buffer, at the card's rate and the chosen volume.

Runs in PortAudio's thread and makes each block when it is needed, since a queue of finished blocks would go on playing
after a flush. The conversion takes 20 microseconds per block on a laptop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hardware.ports import SPEAKER_FORMAT
from hardware.sound.resample import Resampler
from hardware.sound.streams import BLOCK_S

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from hardware.sound.playback import PlaybackBuffer

    Samples = npt.NDArray[np.int16]

PULL_BYTES = SPEAKER_FORMAT.bytes_in(BLOCK_S)
LOUDEST, QUIETEST = np.float32(32767), np.float32(-32768)


class Volume:
    """A gain that changes gradually within a block, so that no step clicks."""

    def __init__(self, db: float = 0.0) -> None:
        """Start at ``db`` decibels; above 0, loud passages are clipped."""
        self.db = db
        """The gain in decibels; may be set from any thread."""
        self._gain = 10 ** (db / 20)

    def apply(self, samples: Samples) -> Samples:
        """Return int16[n] at this volume."""
        before, self._gain = self._gain, 10 ** (self.db / 20)
        if before == self._gain == 1.0:
            return samples
        louder = samples * np.linspace(before, self._gain, len(samples), dtype=np.float32)
        clipped: Samples = np.clip(louder, QUIETEST, LOUDEST).astype(np.int16)
        return clipped


class Renderer:
    """Makes blocks of mono s16le at ``rate``."""

    def __init__(self, buffer: PlaybackBuffer, rate: int, volume: Volume, on_drained: Callable[[int], None]) -> None:
        """Render ``buffer``; ``on_drained(answer)`` is called with the block that holds an answer's last sample."""
        self.rate = rate
        self._buffer = buffer
        self._volume = volume
        self._on_drained = on_drained
        self._resampler = Resampler(SPEAKER_FORMAT.rate, rate)
        rng = np.random.default_rng(1)
        # One step of the converter: inaudible, and enough to keep amplifiers awake that go to sleep on zeros.
        self._hush = rng.integers(-1, 2, round(rate * BLOCK_S)).astype("<i2").tobytes()
        self.awake = False
        """Whether silence is filled with inaudible noise."""

    def block(self) -> bytes:
        """Return the next 10 ms to play, mono s16le."""
        pcm, drained = self._buffer.pull(PULL_BYTES)
        if drained:
            self._on_drained(drained)
        made = self._volume.apply(self._resampler.convert(np.frombuffer(pcm, dtype="<i2")))
        return made.tobytes() if made.any() or not self.awake else self._hush
