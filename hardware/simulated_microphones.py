"""Microphones without a sound card, in real or in virtual time, all on the event loop."""

from __future__ import annotations

import asyncio
import wave
from typing import TYPE_CHECKING

from hardware.clock import Metronome
from hardware.ports import (
    BYTES_PER_SAMPLE,
    CHUNK_BYTES,
    CHUNK_S,
    MICROPHONE_FORMAT,
    DeviceError,
)
from hardware.room import quiet_chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hardware.room import Room


class PacedMicrophone:
    """Delivers what ``hear(end)`` returns for each 20 ms that end at loop time ``end``."""

    echo_cancelled = True

    def __init__(self, loop: asyncio.AbstractEventLoop, hear: Callable[[float], bytes]) -> None:
        """``hear`` returns exactly one chunk."""
        self._loop = loop
        self._hear = hear
        self._on_chunk: Callable[[bytes], None] | None = None
        self._metronome = Metronome(loop, CHUNK_S, self._deliver)
        self._end = 0.0

    @property
    def open(self) -> bool:
        """Whether chunks are being delivered."""
        return self._metronome.running

    def start(self, on_chunk: Callable[[bytes], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Deliver from now on, the first chunk in 20 ms; may follow ``stop`` any number of times. Never faults."""
        del on_fault
        self._on_chunk = on_chunk
        if not self._metronome.running:
            self._end = self._loop.time()
            self._metronome.start()

    def stop(self) -> None:
        """No chunk after this returns. Idempotent."""
        self._metronome.stop()

    async def aclose(self) -> None:
        """Stop. Idempotent."""
        self.stop()

    def _deliver(self) -> None:
        self._end += CHUNK_S
        assert self._on_chunk is not None
        self._on_chunk(self._hear(self._end))


class RoomMicrophone(PacedMicrophone):
    """Hears a :class:`Room`."""

    def __init__(self, room: Room) -> None:
        """Stand in ``room``."""
        super().__init__(room.loop, room.hear)
        self._room = room

    @property
    def echo_cancelled(self) -> bool:  # type: ignore[override]  # a room may change its echo
        """True where the room has no echo."""
        return self._room.echo_gain == 0


class SilentMicrophone(PacedMicrophone):
    """Hears a quiet room for ever."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Need nothing but the clock."""
        super().__init__(loop, lambda end: quiet_chunk(round(end * MICROPHONE_FORMAT.rate)))


class WavMicrophone(PacedMicrophone):
    """Plays a WAV in real time, counted from the first start whether anyone listens or not; then silence goes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, on_ended: Callable[[], None] | None = None) -> None:
        """Open ``path``; raises DeviceError unless it is 16 kHz mono s16le. ``on_ended`` is called once, at its end."""
        super().__init__(loop, self._read)
        with open_microphone_wav(path) as wav:
            self._pcm = wav.readframes(wav.getnframes())
        self._on_ended = on_ended
        self._origin: float | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()
        """Set when the end of the file has passed."""
        self.seconds = MICROPHONE_FORMAT.seconds_in(len(self._pcm))
        """Length of the file."""

    def start(self, on_chunk: Callable[[bytes], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Deliver from now on; the file begins with the first call."""
        if self._origin is None:
            self._origin = self._loop.time()
            self._ending = self._loop.call_later(self.seconds, self._end_file)
        super().start(on_chunk, on_fault)

    async def aclose(self) -> None:
        """Stop and close the file. Idempotent."""
        await super().aclose()
        if self._ending is not None:
            self._ending.cancel()

    def _read(self, end: float) -> bytes:
        assert self._origin is not None
        first = round((end - CHUNK_S - self._origin) * MICROPHONE_FORMAT.rate)
        start = first * BYTES_PER_SAMPLE
        pcm = self._pcm[start : start + CHUNK_BYTES]
        return pcm + bytes(CHUNK_BYTES - len(pcm)) if pcm else quiet_chunk(first)

    def _end_file(self) -> None:
        self.ended.set()
        if self._on_ended is not None:
            self._on_ended()


def open_microphone_wav(path: Path) -> wave.Wave_read:
    """Open a 16 kHz mono s16le WAV. Raises DeviceError that says what it is instead and how to convert it."""
    try:
        wav = wave.open(str(path), "rb")  # noqa: SIM115 - the caller keeps it open
    except (OSError, EOFError, wave.Error) as error:
        raise DeviceError(f"microphone {path}", f"cannot be read: {error}", "name an existing WAV file") from error
    rate, channels, width = wav.getframerate(), wav.getnchannels(), wav.getsampwidth()
    if (rate, channels, width) == (MICROPHONE_FORMAT.rate, 1, BYTES_PER_SAMPLE):
        return wav
    wav.close()
    raise DeviceError(
        f"microphone {path}",
        f"is {rate} Hz, {channels} channels, {width * 8} bit; needed are 16000 Hz, 1 channel, 16 bit",
        f"convert it: ffmpeg -i {path.name} -ar 16000 -ac 1 -c:a pcm_s16le {path.stem}-16k.wav",
    )
