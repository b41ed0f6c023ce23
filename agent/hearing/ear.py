"""From a microphone chunk to the edges of speech: level meter, pre-roll ring, endpointer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.hearing.endpointer import Endpointer, Timings
from agent.hearing.evidence import Evidence
from agent.hearing.silero import SecondOpinion, silero
from agent.hearing.vad import webrtc_detector
from hardware.ports import CHUNK_S, Echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import EndpointerSettings, Settings
    from agent.hearing.endpointer import Edge
    from hardware.ports import MicChunk

RING_S = 1.0
"""Covers the longest pre-roll (900 ms) and the time from a press to its recognition as a hold (500 ms)."""
FULL_SCALE = 32768
LEVEL_STRIDE = 16
"""1000 samples a second are enough for a light and a meter."""


class Ear:
    """Finds where speech starts and ends; fed every chunk while the microphone is open."""

    def __init__(self, settings: Settings) -> None:
        """Load the voice detector now, so that the first press does not wait for it. Raises ConfigError."""
        self._deaf, self._echo = False, Echo.NONE
        self._evidence = Evidence()
        self._endpointer = Endpointer(self._detector(settings.endpointer), timings(settings))
        self._ring: deque[bytes] = deque(maxlen=round(RING_S / CHUNK_S))
        self.level = 0.0
        """About the peak of the last chunk, 0 to 1."""
        self.quiet = False
        """Whether nobody spoke in the last chunk, as far as the detector can tell."""
        self.overheard = False
        """Whether the last chunk completed what sounds like speech to a deaf ear."""

    def _detector(self, chosen: EndpointerSettings) -> Callable[[bytes], bool]:
        detect = webrtc_detector(chosen.aggressiveness, lambda: self._echo is Echo.RESIDUE)
        if not chosen.silero:
            return detect
        try:
            network = silero()
        except ImportError:
            raise ConfigError("[endpointer] silero: not installed (pip install '.[silero]')") from None
        return SecondOpinion(detect, lambda: not (self._deaf or self._endpointer.speaking), network)

    @property
    def voiced(self) -> bool:
        """The detector's verdict on the last chunk, whether or not anybody acts on it."""
        return self._endpointer.voiced

    def feed(self, heard: MicChunk, *, deaf: bool) -> Edge | None:
        """Handle one chunk of 20 ms; return its speech edge, if any. While ``deaf``, only remember the chunk."""
        self._ring.append(heard.for_model)
        samples = memoryview(heard.for_model).cast("h")[::LEVEL_STRIDE]
        self.level = max(max(samples), -min(samples)) / FULL_SCALE  # noqa: PLW3301 - flattened, it would be twice as slow
        self._deaf, self._echo = deaf, heard.echo
        edge = self._edge(heard)
        self.quiet = not (deaf or self._endpointer.voiced)
        return edge

    def _edge(self, heard: MicChunk) -> Edge | None:
        endpointer = self._endpointer
        weight = self._evidence.weigh(heard, speaking=endpointer.speaking)
        self.overheard = self._deaf and endpointer.listen(heard.for_endpointer, weight)
        return None if self._deaf else endpointer.feed(heard.for_endpointer, weight)

    def pre_roll(self, seconds: float) -> bytes:
        """Return the last ``seconds`` of audio (s16le), or as much as the ring holds."""
        count = min(round(seconds / CHUNK_S), len(self._ring))
        return b"".join(list(self._ring)[len(self._ring) - count :])

    def forget(self) -> None:
        """Start afresh, so that nothing from before the microphone opened can be sent."""
        self._ring.clear()
        self._endpointer.reset()
        self._evidence = Evidence()
        self.level = 0.0

    def restart(self) -> None:
        """Require fresh speech before the next utterance begins."""
        self._endpointer.reset()


def timings(settings: Settings) -> Timings:
    """Return the endpointer's timings, converted from the settings to frames."""
    chosen = settings.endpointer

    def frames(milliseconds: float) -> int:
        return max(1, round(milliseconds / 1000 / CHUNK_S))

    return Timings(
        start_voiced=frames(chosen.start_voiced_ms),
        start_window=frames(chosen.start_window_ms),
        end_window=frames(chosen.end_silence_ms),
        end_voiced_share=chosen.end_voiced_percent / 100,
        minimum=frames(chosen.minimum_ms),
        maximum=frames(settings.turn.max_utterance_s * 1000),
    )
