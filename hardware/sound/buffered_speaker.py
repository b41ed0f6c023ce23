"""What every speaker with a playback buffer has in common: all of the port but starting, waking and releasing."""

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
        """Play from ``buffer``, which may be pulled from even before ``start``; nothing is reported before that."""
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
        """A number that each flush raises."""
        return self.buffer.epoch

    @property
    def audible(self) -> bool:
        """Whether anything plays or is about to."""
        return self.buffer.audible

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report from now on; what was written before plays now at the latest."""
        self._on_drained = on_drained
        self._on_fault = on_fault
        self._wake()

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        """Append answer audio; return False if its answer was cut. Never waits."""
        taken = self.buffer.write(pcm, epoch)
        self._wake()
        return taken

    def finish(self) -> None:
        """Mark the answer as complete."""
        self.buffer.finish()
        self._wake()

    def flush(self) -> float:
        """Silence the answer; return the seconds that were played."""
        return self.buffer.flush()

    def repeat(self) -> float:
        """Play the last answer again; return its seconds."""
        seconds = self.buffer.repeat()
        self._wake()
        return seconds

    def pause(self) -> None:
        """Silence the answer until :meth:`resume`."""
        self.buffer.pause()

    def resume(self) -> None:
        """Play the paused answer on."""
        self.buffer.resume()
        self._wake()

    def say(self, pcm: bytes) -> None:
        """Play words of the box when nobody else is speaking."""
        self.buffer.say(pcm)
        self._wake()

    def hush(self) -> None:
        """Silence the words of the box."""
        self.buffer.hush()

    def chime(self, pcm: bytes) -> None:
        """Mix a short sound over whatever plays."""
        self.buffer.chime(pcm)
        self._wake()

    def health(self) -> DeviceHealth:
        """Return what the buffer lost so far."""
        lost = self.buffer
        return DeviceHealth(underruns=lost.underruns, dropped_s=lost.dropped_s, refused_s=lost.refused_s)

    def _wake(self) -> None:
        """Make sure that the buffer is pulled from soon, since something may wait in it."""
