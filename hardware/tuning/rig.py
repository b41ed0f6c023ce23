"""The box itself as a rig for tuning: blocks as its cards give them, before anything is taken out."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from hardware.bridge import Inlet
from hardware.ports import DeviceError
from hardware.settings import SoundKind
from hardware.sound.alsa import usb_port
from hardware.sound.card_sound import CardSound, ignore
from hardware.sound.cards import find
from hardware.sound.dsp_thread import mono
from hardware.sound.resample import Resampler
from hardware.sound.streams import BLOCK_S
from hardware.sound.supervisor import limited
from hardware.tuning.measure import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.settings import AudioSettings
    from hardware.sound.cards import Card
    from hardware.sound.dsp_thread import Block
    from hardware.sound.resample import Samples

PATIENCE_S = 5.0
"""How much longer to wait than asked for; opening a card takes a second on a slow box."""
BLOCKS_PER_S = round(1 / BLOCK_S)


class Recorder:
    """Replaces the DSP thread, and passes the blocks on unprocessed. Fed by the card's thread."""

    alive = True

    def __init__(self, deliver: Callable[[Block], None]) -> None:
        """Call ``deliver`` with each block, in the card's thread."""
        self._deliver = deliver

    def prepare(self, rate_in: int, rate_out: int) -> None:
        """No-op: each block has its rates with it."""

    def doubt(self) -> None:
        """No-op: nothing is cancelled here."""

    def feed(self, block: Block) -> None:
        """Pass on a block of 10 ms."""
        self._deliver(block)


class CardRig:
    """A loudspeaker and a microphone on cards, without any processing; ``speaks`` False: the microphone only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, audio: AudioSettings, *, speaks: bool) -> None:
        """Open the cards in the background. Raises DeviceError without the sound library or without cards to open."""
        fix = "name one: field-agent devices"
        if audio.microphone_kind is not SoundKind.CARD:
            raise DeviceError(f"microphone '{audio.microphone}'", "is not a sound card", fix)
        if speaks and audio.speaker_kind is not SoundKind.CARD:
            raise DeviceError(f"speaker '{audio.speaker}'", "is not a sound card", fix)
        self.device = device(audio, speaks=speaks)
        self._inlet: Inlet[Block] = Inlet(loop, self._take, BLOCKS_PER_S)
        self._faults: Inlet[DeviceError] = Inlet(loop, self._fail, 4)
        self.failed = self._faults.post
        self._sound = CardSound(audio, Recorder(self._inlet.post))
        self._sound.listen(ignore)  # so that the stream runs between the steps; only the blocks are used
        self._blocks: list[Block] = []
        self._wanted = 0
        self._speaks = speaks
        self._fault: DeviceError | None = None
        self._running, self._full = asyncio.Event(), asyncio.Event()
        self._sound.open(self, self if speaks else None)  # last: blocks and faults come from now on

    def drained(self, answer: int) -> None:
        """No-op: the length of a sound is known beforehand."""

    async def ready(self) -> None:
        """Wait until blocks come. Raises DeviceError."""
        await self._reached(self._running)

    async def play_and_record(self, pcm: bytes, seconds: float) -> Recording:
        """Play ``pcm`` and return ``seconds`` from when it was handed over. Raises DeviceError."""
        self._blocks, self._wanted = [], round(seconds * BLOCKS_PER_S)
        self._full.clear()
        if self._speaks and pcm:
            self._sound.buffer.chime(pcm)
        await self._reached(self._full, seconds)
        return await asyncio.to_thread(recording, self._blocks)

    async def aclose(self) -> None:
        """Release the cards."""
        self._sound.listen(None)
        self._inlet.close()
        self._faults.close()
        for side in (self._sound.microphone, self._sound.speaker)[: 1 + self._speaks]:
            await asyncio.to_thread(self._sound.close, side)

    async def _reached(self, event: asyncio.Event, seconds: float = 0.0) -> None:
        """Wait for ``event``, ``PATIENCE_S`` longer than ``seconds`` at most. Raises DeviceError."""
        try:
            async with asyncio.timeout(seconds + PATIENCE_S):
                await event.wait()
        except TimeoutError:
            raise DeviceError(self.device, "delivers no sound", "unplug it and plug it in again") from None
        if self._fault is not None:
            raise self._fault

    def _take(self, block: Block) -> None:
        self._running.set()
        if len(self._blocks) < self._wanted:
            self._blocks.append(block)
        else:
            self._full.set()

    def _fail(self, error: DeviceError) -> None:
        self._fault = error
        self._running.set()
        self._full.set()


def recording(blocks: list[Block]) -> Recording:
    """Return blocks as one recording at the microphone's first rate; a card may come back with another rate."""
    rate = blocks[0].capture.rate
    near, far = [], []
    for (heard_at, played_at), run in groupby(blocks, lambda each: (each.capture.rate, each.rate_out)):
        alike = list(run)
        heard = _converted(np.concatenate([mono(each) for each in alike]), heard_at, rate)
        played = np.frombuffer(b"".join(each.played for each in alike), dtype="<i2")
        out = _converted(played, played_at, rate)
        size = min(len(heard), len(out))
        near.append(heard[:size])
        far.append(out[:size])
    return Recording(np.concatenate(near), np.concatenate(far), rate)


def _converted(samples: Samples, own: int, rate: int) -> Samples:
    """Return ``samples``, any number of them, converted from the rate ``own`` to ``rate``."""
    resampler = Resampler(own, rate)
    whole = np.pad(samples, (0, -len(samples) % resampler.unit))
    return resampler.convert(whole)[: len(samples) * rate // own]


def device(audio: AudioSettings, *, speaks: bool = True) -> str:
    """Return the identity of the cards that ``audio`` names, which does not depend on the order of plugging.

    Raises DeviceError if a card is missing.
    """
    into = _identity(find(audio.microphone, "input"))
    return f"{into} > {_identity(find(audio.speaker, 'output'))}" if speaks else into


def device_soon(audio: AudioSettings) -> str:
    """Return :func:`device`, or raise a fatal DeviceError if the driver does not answer in time. Blocks."""
    return limited("sound", lambda: device(audio))


def _identity(card: Card) -> str:
    """Return kind and port of a USB card, as the ids of two cards of a kind change places; the name of other cards."""
    name = card.name.partition(": - (hw:")[0].partition(" (hw:")[0]
    port = "" if card.number is None else usb_port(card.number)
    return f"{name} at {port}" if port else name
