"""Speakers without a sound card, in real or virtual time, all on the event loop."""

from __future__ import annotations

import contextlib
import struct
import wave
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from hardware.files import check_replaceable, create_private
from hardware.ports import BYTES_PER_SAMPLE, CHUNK_S, SPEAKER_FORMAT, DeviceError, reason
from hardware.simulated.clock import Metronome
from hardware.sound.buffered_speaker import BufferedSpeaker
from hardware.sound.playback import PlaybackBuffer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from hardware.simulated.room import Room

PERIOD_BYTES = SPEAKER_FORMAT.bytes_in(CHUNK_S)
"""What a simulated sound card asks for at a time."""
MEMORY_S = 600.0
"""How much sound a room's speaker remembers: ten minutes, 28 MB."""
FILL_BYTES = SPEAKER_FORMAT.bytes_in(1.0)
"""Silence is written to a file in pieces of this size."""
SAVE_S = 1.0
"""A file's header is brought up to date after this much sound."""
SAVE_BYTES = SPEAKER_FORMAT.bytes_in(SAVE_S)
WRITE_ERRORS = (OSError, struct.error)
"""What writing a WAV raises: struct.error beyond 4 GB, which is a day of sound."""


class PacedSpeaker(BufferedSpeaker):
    """Plays a :class:`PlaybackBuffer` in periods of 20 ms while it has anything to play, and discards the sound.

    Subclasses use the sound in :meth:`_play` and learn of silence in :meth:`_rest`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer: PlaybackBuffer | None = None) -> None:
        """Use ``buffer``, or one with the default prebuffer."""
        super().__init__(buffer or PlaybackBuffer())
        self._loop = loop
        self._metronome = Metronome(loop, CHUNK_S, self._period)
        self._silent = True

    def flush(self) -> float:
        """Silence the answer; return the seconds that were played."""
        played = super().flush()
        if not self.buffer.audible:
            self._fall_silent()
        return played

    async def aclose(self) -> None:
        """Stop. Idempotent."""
        self._metronome.stop()

    def _wake(self) -> None:
        """Begin to pull at once, as a card that always runs would within a period; not before ``start``."""
        if self._on_drained is not None and not self._metronome.running:
            self._metronome.start()

    def _period(self) -> None:
        before = self.buffer.played_s
        pcm, drained = self.buffer.pull(PERIOD_BYTES)
        self._sound(pcm, self.buffer.played_s - before)
        if drained:
            assert self._on_drained is not None
            self._on_drained()
        if not self.buffer.audible:
            self._fall_silent()
        if self.buffer.over and not self.buffer.audible:  # if the answer only ran dry, go on pulling, as a card would
            self._metronome.stop()

    def _sound(self, pcm: bytes, answer_s: float) -> None:
        if self._silent:
            if not pcm.strip(b"\0"):
                return  # the buffer is still collecting
            self._silent = False
            self._begin()
        self._play(pcm, answer_s)

    def _fall_silent(self) -> None:
        if not self._silent:
            self._silent = True
            self._rest()

    def _begin(self) -> None:
        """Handle the first sound after silence; :meth:`_play` follows."""

    def _play(self, pcm: bytes, answer_s: float) -> None:
        """Handle a period of sound, of which ``answer_s`` seconds are answer."""

    def _rest(self) -> None:
        """Handle the beginning of silence."""


class SilentSpeaker(PacedSpeaker):
    """Takes as long to play as a real speaker, without a sound."""


@dataclass(slots=True)
class Sound:
    """An unbroken stretch of playing: loop time of its first sample, and 24 kHz PCM as it left the speaker."""

    at: float
    pcm: bytearray = field(default_factory=bytearray)

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return SPEAKER_FORMAT.seconds_in(len(self.pcm))


class RoomSpeaker(PacedSpeaker):
    """Plays into a :class:`Room` and remembers what it played."""

    def __init__(self, room: Room, buffer: PlaybackBuffer | None = None) -> None:
        """Play into ``room``."""
        super().__init__(room.loop, buffer)
        self._room = room
        self.sounds: deque[Sound] = deque()
        """What was played, oldest first, at most ``MEMORY_S`` in all."""

    @property
    def pcm(self) -> bytes:
        """All sounds in a row, without the silence in between."""
        return b"".join(bytes(sound.pcm) for sound in self.sounds)

    def _begin(self) -> None:
        self.sounds.append(Sound(self._loop.time()))

    def _play(self, pcm: bytes, answer_s: float) -> None:
        self.sounds[-1].pcm += pcm
        while len(self.sounds) > 1 and sum(sound.seconds for sound in self.sounds) > MEMORY_S:
            self.sounds.popleft()
        self._room.sounds(pcm, answer_s=answer_s)

    def _rest(self) -> None:
        self._room.falls_silent(answer_over=self.buffer.over)


class WavSpeaker(PacedSpeaker):
    """Writes what it plays to a WAV, each sound at its time after ``start``, with silence in between.

    The file is created at the first sound, for this user only; from then on its header is at most ``SAVE_S`` behind.
    An old file of that name is replaced, not written over: what else is known by another name keeps its content.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, buffer: PlaybackBuffer | None = None) -> None:
        """Check that ``path`` (24 kHz mono s16le) can be written; an old file is kept until the first sound.

        Raises DeviceError if it cannot.
        """
        super().__init__(loop, buffer)
        self._path = path
        self._name = f"speaker {path}"
        try:
            check_replaceable(path)
        except OSError as error:
            raise DeviceError(self._name, f"cannot be written: {reason(error)}", "name another file") from error
        self._file: BinaryIO | None = None
        self._wav: wave.Wave_write | None = None
        self._origin: float | None = None
        self._written = 0
        self._saved = 0

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin the file's time line."""
        if self._origin is None:
            self._origin = self._loop.time()
        super().start(on_drained, on_fault)

    async def aclose(self) -> None:
        """Fill the file with silence up to now and complete it. Idempotent."""
        await super().aclose()
        if self._wav is not None and self._file is not None and not self._file.closed:
            self._attempt(self._fill)
            self._attempt(self._wav.close)
            with contextlib.suppress(*WRITE_ERRORS):
                self._file.close()

    def _begin(self) -> None:
        self._attempt(self._fill)

    def _play(self, pcm: bytes, answer_s: float) -> None:
        del answer_s
        self._attempt(lambda: self._append(pcm))
        if self._written - self._saved >= SAVE_BYTES:
            self._attempt(self._save)

    def _rest(self) -> None:
        self._attempt(self._save)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except WRITE_ERRORS as error:
            self._metronome.stop()
            assert self._on_fault is not None
            self._on_fault(DeviceError(self._name, f"cannot be written: {reason(error)}", "make room on the disk"))

    def _append(self, pcm: bytes) -> None:
        if self._wav is None:
            self._file = create_private(self._path)
            self._wav = wave.open(self._file, "wb")  # noqa: SIM115 - ends with the file, closed by aclose
            self._wav.setparams((1, BYTES_PER_SAMPLE, SPEAKER_FORMAT.rate, 0, "NONE", ""))
        self._wav.writeframesraw(pcm)
        self._written += len(pcm)

    def _save(self) -> None:
        """Update the header, so that a process killed now leaves a readable file."""
        if self._wav is not None and self._file is not None and self._saved < self._written:
            self._saved = self._written
            self._wav.writeframes(b"")
            self._file.flush()

    def _fill(self) -> None:
        """Write silence up to the present moment."""
        if self._origin is None:
            return
        missing = SPEAKER_FORMAT.bytes_in(self._loop.time() - self._origin) - self._written
        while missing > 0:
            self._append(bytes(min(missing, FILL_BYTES)))
            missing -= FILL_BYTES
