"""Microphones without a sound card, in real or virtual time, all on the event loop."""

from __future__ import annotations

import asyncio
import os
import shlex
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from hardware.files import open_regular
from hardware.ports import (
    BYTES_PER_SAMPLE,
    CHUNK_BYTES,
    CHUNK_S,
    MICROPHONE_FORMAT,
    DeviceError,
    DeviceHealth,
    MicChunk,
    reason,
)
from hardware.simulated.clock import Metronome
from hardware.simulated.room import quiet_chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hardware.simulated.room import Room

READ_AHEAD = MICROPHONE_FORMAT.bytes_in(4.0)
"""A WAV is read in pieces of this size: most chunks come from memory, and hours of sound need not fit into it."""


class PacedMicrophone:
    """Delivers the chunk that ``hear(end)`` returns for every 20 ms, ``end`` being the loop time at their end."""

    echo_cancelled = True
    """Whether its chunks hold no echo of a speaker; they are marked accordingly."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hear: Callable[[float], bytes]) -> None:
        """``hear`` returns exactly one chunk."""
        self._loop = loop
        self._hear = hear
        self._on_chunk: Callable[[MicChunk], None] | None = None
        self._metronome = Metronome(loop, CHUNK_S, self._deliver)
        self._end = 0.0

    @property
    def open(self) -> bool:
        """Whether chunks are being delivered."""
        return self._metronome.running

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Deliver from now on, the first chunk in 20 ms; may be called again after ``stop``. Never faults."""
        del on_fault
        self._on_chunk = on_chunk
        if not self._metronome.running:
            self._end = self._loop.time()
            self._metronome.start()

    def stop(self) -> None:
        """Stop; no chunk is delivered after this returns. Idempotent."""
        self._metronome.stop()

    def speech(self, *, on: bool, over_answer: bool = False) -> None:
        """No-op: a simulated microphone has no echo to measure."""

    def false_alarm(self) -> None:
        """No-op: there is no trust to withdraw."""

    def overheard(self) -> None:
        """No-op: there is no trust to win."""

    def health(self) -> DeviceHealth:
        """Return zeros: missed ticks are made up, and no chunk is lost."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Stop. Idempotent."""
        self.stop()

    def _deliver(self) -> None:
        self._end += CHUNK_S
        assert self._on_chunk is not None
        self._on_chunk(MicChunk.plain(self._hear(self._end), trusted=self.echo_cancelled))


class RoomMicrophone(PacedMicrophone):
    """Hears a :class:`Room`."""

    def __init__(self, room: Room) -> None:
        """Deliver what sounds in ``room``."""
        super().__init__(room.loop, room.hear)
        self._room = room

    @property
    def echo_cancelled(self) -> bool:  # type: ignore[override]  # a room may change its echo
        """Whether the room has no echo."""
        return self._room.echo_gain == 0


class SilentMicrophone(PacedMicrophone):
    """Delivers the noise of a quiet room for ever."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver in the time of ``loop``."""
        super().__init__(loop, lambda end: quiet_chunk(round(end * MICROPHONE_FORMAT.rate)))


class WavMicrophone(PacedMicrophone):
    """Plays a WAV in real time, counted from the first start even while stopped; after its end, silence."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, on_ended: Callable[[], None] | None = None) -> None:
        """Open ``path``; ``on_ended`` is called once, at its end. Raises DeviceError unless it is 16 kHz mono s16le."""
        super().__init__(loop, self._read)
        self._name = f"microphone {path}"
        self._wav = open_microphone_wav(path)
        self._on_fault: Callable[[DeviceError], None] | None = None
        self._on_ended = on_ended
        self._origin: float | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()
        """Set once the end of the file has passed."""
        self.seconds = MICROPHONE_FORMAT.seconds_in(self._wav.size)
        """Length of the file in seconds."""

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Deliver from now on; the file begins with the first call."""
        if self._origin is None:
            self._origin = self._loop.time()
            self._ending = self._loop.call_later(self.seconds, self._end_file)
        self._on_fault = on_fault
        super().start(on_chunk, on_fault)

    async def aclose(self) -> None:
        """Stop and close the file. Idempotent."""
        await super().aclose()
        if self._ending is not None:
            self._ending.cancel()
        self._wav.file.close()

    def _read(self, end: float) -> bytes:
        assert self._origin is not None
        first = round((end - CHUNK_S - self._origin) * MICROPHONE_FORMAT.rate)
        start = first * BYTES_PER_SAMPLE
        pcm = self._from_file(start)
        return pcm + bytes(CHUNK_BYTES - len(pcm)) if pcm else quiet_chunk(first)

    def _from_file(self, start: int) -> bytes:
        try:
            return self._wav.read(start, CHUNK_BYTES)
        except OSError as error:
            self._wav.size = 0  # the stick was pulled: from here on, deliver silence as after the end
            assert self._on_fault is not None
            self._on_fault(DeviceError(self._name, f"cannot be read: {reason(error)}", "restore the file"))
            return b""

    def _end_file(self) -> None:
        self.ended.set()
        if self._on_ended is not None:
            self._on_ended()


@dataclass(slots=True)
class OpenWav:
    """An open WAV file whose ``size`` bytes of samples begin at ``offset``."""

    file: BinaryIO
    offset: int
    size: int

    def read(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes of samples from ``start`` on, fewer or none at the end. Raises OSError."""
        if start >= self.size:
            return b""
        self.file.seek(self.offset + start)  # within what is read ahead it costs nothing
        return self.file.read(min(count, self.size - start))


def open_microphone_wav(path: Path) -> OpenWav:
    """Open a 16 kHz mono s16le WAV. Raises DeviceError, which says what it is instead and how to convert it."""
    name = f"microphone {path}"
    try:
        file = open_regular(path, READ_AHEAD)
    except OSError as error:
        raise DeviceError(name, f"cannot be read: {reason(error)}", "name an existing WAV file") from error
    try:
        wav = _checked(name, path, file)
    except BaseException:
        file.close()
        raise
    if not wav.size:
        file.close()
        raise DeviceError(
            name, "holds no sound", f"record it again: arecord -f S16_LE -r {MICROPHONE_FORMAT.rate} -c 1 FILE.wav"
        )
    return wav


def _checked(name: str, path: Path, file: BinaryIO) -> OpenWav:
    """Read the header. Raises DeviceError for any format but ours."""
    source, target = shlex.quote(path.name), shlex.quote(f"{path.stem}-16k.wav")
    convert = f"convert it: ffmpeg -i {source} -ar {MICROPHONE_FORMAT.rate} -ac 1 -c:a pcm_s16le {target}"
    try:
        header = wave.open(file)  # noqa: SIM115 - the file is kept open, and nothing else is there to close
        offset = file.tell()  # the header ends where the sound begins
        there = file.seek(0, os.SEEK_END) - offset
    except wave.Error as error:
        if "unknown" in str(error):
            raise DeviceError(name, "is not 16 bit PCM (float, 24 bit or compressed)", convert) from error
        raise DeviceError(name, f"cannot be read: {reason(error)}", convert) from error
    except EOFError as error:
        raise DeviceError(name, "cannot be read: it ends inside its header", "name a complete WAV file") from error
    except RuntimeError as error:  # a chunk that is longer than the file that says so
        raise DeviceError(name, "cannot be read: the lengths in its header are wrong", convert) from error
    except OSError as error:
        raise DeviceError(name, f"cannot be read: {reason(error)}", "name an existing WAV file") from error
    rate, channels, width = header.getframerate(), header.getnchannels(), header.getsampwidth()
    if (rate, channels, width) != (MICROPHONE_FORMAT.rate, 1, BYTES_PER_SAMPLE):
        have = f"{rate} Hz, {channels} channel{'' if channels == 1 else 's'}, {8 * width} bit"
        raise DeviceError(name, f"is {have}; {MICROPHONE_FORMAT.rate} Hz, 1 channel, 16 bit is needed", convert)
    size = min(header.getnframes() * BYTES_PER_SAMPLE, there)
    return OpenWav(file, offset, size - size % BYTES_PER_SAMPLE)
