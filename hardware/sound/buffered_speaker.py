"""What every speaker with a playback buffer has in common: the whole port but for starting, waking and releasing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardware.ports import DeviceHealth

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import DeviceError
    from hardware.sound.playback import PlaybackBuffer


class BufferedSpeaker:
    """Delegates to ``buffer``, and calls :meth:`_wake` whenever there may be something to pull from it."""

    def __init__(self, buffer: PlaybackBuffer) -> None:
        """``buffer`` may be pulled from before ``start``; nothing is reported before."""
        self.buffer = buffer
        self._on_drained: Callable[[], None] | None = None
        self._on_fault: Callable[[DeviceError], None] | None = None

    @property
    def played_s(self) -> float:
        """Seconds of the present answer that were pulled; on a card they sound about 30 ms later."""
        return self.buffer.played_s

    @property
    def buffered_s(self) -> float:
        """Seconds written and not yet pulled."""
        return self.buffer.buffered_s

    @property
    def epoch(self) -> int:
        """Raised by each flush."""
        return self.buffer.epoch

    @property
    def audible(self) -> bool:
        """Whether anything sounds or is about to."""
        return self.buffer.audible

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report from now on; what was written before is played now at the latest."""
        self._on_drained = on_drained
        self._on_fault = on_fault
        self._wake()

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        """Append answer audio, unless its answer was cut; never waits."""
        taken = self.buffer.write(pcm, epoch)
        self._wake()
        return taken

    def finish(self) -> None:
        """Say that the answer is whole."""
        self.buffer.finish()
        self._wake()

    def flush(self) -> float:
        """Silence the answer; returns the seconds that were played."""
        return self.buffer.flush()

    def repeat(self) -> float:
        """Play the last answer again; returns its seconds."""
        seconds = self.buffer.repeat()
        self._wake()
        return seconds

    def chime(self, pcm: bytes) -> None:
        """Mix a short sound over whatever plays."""
        self.buffer.chime(pcm)
        self._wake()

    def health(self) -> DeviceHealth:
        """Return what the buffer lost so far."""
        lost = self.buffer
        return DeviceHealth(underruns=lost.underruns, dropped_s=lost.dropped_s, refused_s=lost.refused_s)

    def _wake(self) -> None:
        """Pull from the buffer soon: something may be waiting in it."""
