"""A simulated room: what the microphone hears in it, and what the person in it hears and sees.

Everything happens on one event loop and its clock, so that the same room works in real and virtual time.
"""

from __future__ import annotations

import asyncio
from array import array
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from hardware.ports import BYTES_PER_SAMPLE, CHUNK_BYTES, CHUNK_S, MICROPHONE_FORMAT
from hardware.sound.pcm import mix, scale, two_thirds

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import Rhythm

NOISE_DBFS = -75.0
"""A quiet room through a cheap microphone; real silence is never all zeros."""
NOISE_S = 1.0
"""The noise repeats after this long, which bothers neither a voice detector nor a person."""
ECHO_DELAY_S = 0.040
"""Driver, air and driver again: about the delay of a USB speaker and microphone on one box."""
GAP_S = 0.3
"""Silence shorter than this is a pause in the answer; :meth:`Room.quiet` waits it out."""


@lru_cache(maxsize=4)
def noise_floor(seed: int = 1) -> bytes:
    """Return ``NOISE_S`` of 16 kHz noise at ``NOISE_DBFS``, twice in a row so that a chunk can begin anywhere."""
    random = Random(seed)  # noqa: S311 - noise, not a secret
    amplitude = 32768 * 10 ** (NOISE_DBFS / 20)
    count = round(NOISE_S * MICROPHONE_FORMAT.rate)
    return array("h", [round(random.gauss(0.0, amplitude)) for _ in range(count)]).tobytes() * 2


def quiet_chunk(first: int, seed: int = 1) -> bytes:
    """Return a chunk of the noise floor, beginning at sample ``first`` of its time line."""
    noise = noise_floor(seed)
    offset = first * BYTES_PER_SAMPLE % (len(noise) // 2)
    return noise[offset : offset + CHUNK_BYTES]


class Room:
    """Sound in both directions, and light. ``say`` speaks into the room; ``hear`` is what a microphone picks up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, echo_gain: float = 0.0, seed: int = 1) -> None:
        """Begin quiet; ``echo_gain`` (0..1) is how much of the speaker's sound the microphone picks up."""
        self.loop = loop
        self.echo_gain = echo_gain
        self.answer_heard_s = 0.0
        """Seconds of the present answer that were played so far; 0.0 between answers."""
        self.rhythm: Rhythm | None = None
        """The rhythm of the light."""
        self._seed = seed
        self._voices: list[tuple[int, bytes]] = []  # first sample on the room's time line, PCM
        self._sounding = False
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    # What the microphone hears

    def say(self, pcm: bytes) -> float:
        """Speak 16 kHz PCM from now on, over whatever else sounds; return its length in seconds."""
        self._add(self._sample(self.loop.time()), pcm)
        return MICROPHONE_FORMAT.seconds_in(len(pcm))

    def hear(self, end: float) -> bytes:
        """Return the chunk that ended at loop time ``end``; times must not go back by more than a chunk."""
        first = self._sample(end - CHUNK_S)
        heard: bytes | None = None
        for start, pcm in self._voices:
            piece = _cut(pcm, first - start)
            if piece:
                heard = mix(heard, piece) if heard else piece
        return heard or quiet_chunk(first, self._seed)

    def _add(self, start: int, pcm: bytes) -> None:
        past = self._sample(self.loop.time() - 2 * CHUNK_S)
        self._voices = [voice for voice in self._voices if voice[0] + len(voice[1]) // BYTES_PER_SAMPLE > past]
        self._voices.append((start, pcm))

    def _sample(self, moment: float) -> int:
        return round(moment * MICROPHONE_FORMAT.rate)

    # What the person hears and sees

    def sounds(self, pcm: bytes, *, answer_s: float) -> None:
        """Play 24 kHz PCM from now on; ``answer_s`` seconds of it are answer, not chime or silence."""
        self._sounding = True
        self.answer_heard_s += answer_s
        if self.echo_gain:
            self._add(self._sample(self.loop.time() + ECHO_DELAY_S), scale(two_thirds(pcm), self.echo_gain))
        self._notice()

    def falls_silent(self, *, answer_over: bool) -> None:
        """Note that the speaker has nothing to play."""
        self._sounding = False
        if answer_over:
            self.answer_heard_s = 0.0
        self._notice()

    def shows(self, rhythm: Rhythm) -> None:
        """Note what the light shows from now on."""
        self.rhythm = rhythm
        self._notice()

    async def hears_answer(self, after_s: float = 0.0) -> None:
        """Wait until ``after_s`` seconds of the present (or next) answer have been played."""
        await self._until(lambda: self.answer_heard_s > 0 and self.answer_heard_s >= after_s)

    async def quiet(self, for_s: float = GAP_S) -> None:
        """Wait until the speaker has been silent for ``for_s`` seconds."""
        while True:
            await self._until(lambda: not self._sounding)
            try:
                async with asyncio.timeout(for_s):
                    await self._until(lambda: self._sounding)
            except TimeoutError:
                return

    async def light(self, rhythm: Rhythm) -> None:
        """Wait until the light shows ``rhythm``; returns at once if it does."""
        await self._until(lambda: self.rhythm is rhythm)

    async def _until(self, holds: Callable[[], bool]) -> None:
        if holds():
            return
        waiter = self.loop.create_future()
        entry = (holds, waiter)
        self._waiting.append(entry)
        try:
            await waiter
        finally:
            self._waiting.remove(entry)

    def _notice(self) -> None:
        for holds, waiter in self._waiting:
            if not waiter.done() and holds():
                waiter.set_result(None)


def _cut(pcm: bytes, offset: int) -> bytes:
    """Return a chunk of ``pcm`` from sample ``offset`` (may be negative), padded with silence; empty if outside."""
    begin = offset * BYTES_PER_SAMPLE
    if begin <= -CHUNK_BYTES or begin >= len(pcm):
        return b""
    piece = bytes(max(0, -begin)) + pcm[max(0, begin) : begin + CHUNK_BYTES]
    return piece + bytes(CHUNK_BYTES - len(piece))
