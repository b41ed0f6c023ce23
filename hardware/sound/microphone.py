"""The real microphone: chunks from a sound card, without the speaker's echo.

PortAudio's callback only copies. The thread ``sound-dsp`` makes chunks, which come onto the loop here. While the
microphone is closed, no stream runs for it, and what a playing duplex stream captures is dropped in its callback.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hardware.bridge import Inlet
from hardware.ports import CHUNK_S, DeviceError, DeviceHealth
from hardware.sound.streams import BLOCK_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import MicChunk
    from hardware.sound.card_sound import CardSound
    from hardware.sound.dsp_thread import DspThread

INLET_CHUNKS = round(2.2 / CHUNK_S)
"""If the loop stalls longer, the oldest chunks are dropped. It holds what a card kept back in a hiccup of 2 s, which
``sound-dsp`` makes faster than the loop takes it; 150 kB."""
PATIENCE_S = 10.0
"""How long zeros may follow sound: some microphones have a gate that closes in silence. A microphone that has never
delivered sound is dead at once."""
REOPEN_S = 10.0
"""Time between attempts to revive a microphone that delivers only zeros by reopening the card."""
BLOCKS = round(CHUNK_S / BLOCK_S)
"""Blocks in a chunk."""
SILENT_DBFS = -100.0
"""Zeros are reported as -101 dBFS; even the quietest converter is louder than this."""
CLIPPED_SHARE = 0.02
"""Share of samples at full scale; a shout reaches it for a word, a wrong level all the time."""
CLIPPED_S = 3.0

log = logging.getLogger(__name__)


class CardMicrophone:
    """A microphone on a sound card that may be unplugged and come back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sound: CardSound, dsp: DspThread) -> None:
        """Set up a microphone that captures through ``sound``; ``dsp`` removes echo and noise."""
        self._loop = loop
        self._sound = sound
        self._dsp = dsp
        self._stream = sound.microphone
        self._on_chunk: Callable[[MicChunk], None] | None = None
        self._on_fault: Callable[[DeviceError], None] | None = None
        self._dropped = 0
        self._watch = SignalWatch()
        self._chunks: Inlet[MicChunk] = Inlet(loop, self._deliver, INLET_CHUNKS)
        self._faults: Inlet[DeviceError] = Inlet(loop, self._report, 4)
        self.failed = self._faults.post

    @property
    def fault(self) -> DeviceError | None:
        """Why it does not work at present; None while it works."""
        return self._stream.fault

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin to capture; returns at once. An outage is reported once, then the card is retried every 2 s."""
        self._on_chunk = on_chunk
        self._on_fault = on_fault
        self._renew()
        if self._stream.fault is not None:
            self._faults.post(self._stream.fault)
        self._sound.listen(self._chunks.post)

    def stop(self) -> None:
        """Stop capturing; no chunk is delivered after this returns."""
        self._chunks.close()
        self._sound.listen(None)

    def speech(self, *, on: bool, over_answer: bool = False) -> None:
        """Tell the front end whether the technician is speaking, so that their speech is not measured as echo."""
        self._dsp.speech(on=on, over_answer=over_answer)

    def false_alarm(self) -> None:
        """Distrust voice barge-in for a while."""
        self._dsp.false_alarm()

    def overheard(self) -> None:
        """Take note of what sounds like a voice in an answer that none may interrupt."""
        self._dsp.overheard()

    def health(self) -> DeviceHealth:
        """Return whether it works, how many chunks were dropped, and how many overruns the driver reported."""
        dropped = self._dropped + self._chunks.dropped + -(-self._dsp.dropped // BLOCKS)  # a chunk begun is one lost
        working = self.fault is None and not self._watch.dead
        return DeviceHealth(dropped, self._sound.glitches(self._stream), working=working)

    async def aclose(self) -> None:
        """Release the card."""
        self.stop()
        self._faults.close()
        await asyncio.to_thread(self._sound.close, self._stream)
        await asyncio.to_thread(self._dsp.close)

    def _renew(self) -> None:
        """Make a new inlet for this start; chunks captured for an earlier start are lost in its closed inlet."""
        self._chunks.close()
        self._dropped += self._chunks.dropped
        self._chunks = Inlet(self._loop, self._deliver, INLET_CHUNKS)

    def _deliver(self, chunk: MicChunk) -> None:
        assert self._on_chunk is not None
        warning = self._watch.feed(chunk)
        if warning:
            log.warning("%s: %s", self._stream.name, warning)
        if self._watch.reopen:
            self._sound.reopen_microphone()
        if self._watch.dead:
            self._die()
        else:
            self._on_chunk(chunk)

    def _die(self) -> None:
        if self._watch.news:
            fix = "unmute it: alsamixer, F4; or set audio.capture_percent; or choose another microphone"
            self._report(DeviceError(self._stream.name, "delivers nothing but zeros", fix))

    def _report(self, error: DeviceError) -> None:
        if self._on_fault is not None:
            self._on_fault(error)


class SignalWatch:
    """Watches for a microphone that is dead or clips. Counts chunks, not the clock."""

    def __init__(self) -> None:
        """Begin with nothing known of the microphone."""
        self.dead = False
        """Whether the microphone delivers nothing but zeros."""
        self.news = self.reopen = False
        """Whether it is dead since the last chunk, and whether reopening it is worth a try now."""
        self._sounded = False
        self._zeros_s = self._clipped_s = self._reopened_s = 0.0
        self._warned = False

    def feed(self, chunk: MicChunk) -> str:
        """Judge a chunk; return a warning for the log, empty unless there is a new one."""
        was_dead = self.dead
        self._sounded |= chunk.level_dbfs > SILENT_DBFS
        self._zeros_s = self._zeros_s + CHUNK_S if chunk.dead else 0.0
        self.dead = chunk.dead and (was_dead or not self._sounded or self._zeros_s > PATIENCE_S)
        self.news = self.dead and not was_dead
        self._reopened_s = 0.0 if not self.dead or self.news else self._reopened_s + CHUNK_S
        self.reopen = self._reopened_s >= REOPEN_S
        if self.reopen:
            self._reopened_s = 0.0
        self._clipped_s = self._clipped_s + CHUNK_S if chunk.clipping >= CLIPPED_SHARE else 0.0
        if self._clipped_s < CLIPPED_S or self._warned:
            return ""
        self._warned = True
        return "is too loud and clips (lower audio.capture_percent, or use alsamixer, F4)"
