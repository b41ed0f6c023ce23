"""From a microphone chunk to the edges of speech: level meter, pre-roll ring, endpointer."""

from __future__ import annotations

from collections import deque
from math import inf
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

RING_S = 2.0
"""Covers the longest pre-roll (900 ms), the time from a press to its recognition as a hold (500 ms), and what can be
told from the echo of a sentence that runs over the end of an answer."""
GAP_S = 0.3
"""Between two voiced chunks of one sentence; the ends of words, and holes that a canceller cuts."""
TOLD = (Echo.NONE, Echo.CLEAR, Echo.MIXED)
"""What a voice in a deaf stretch may be a person's in: more than the rest of an echo, and the canceller says so."""
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
        self._told: deque[bool] = deque(maxlen=round(RING_S / CHUNK_S))  # whether a person's voice, since deaf
        self._hearing = inf  # chunks since the last deaf one
        self._window = timings(settings).start_window
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

    def feed(self, heard: MicChunk, *, deaf: bool, sounding: bool = True) -> Edge | None:
        """Handle one chunk of 20 ms; return its speech edge, if any. While ``deaf``, only remember the chunk.

        ``sounding``: the box sounds, or its echo may.
        """
        self._ring.append(heard.for_model)
        samples = memoryview(heard.for_model).cast("h")[::LEVEL_STRIDE]
        self.level = max(max(samples), -min(samples)) / FULL_SCALE  # noqa: PLW3301 - flattened, it would be twice as slow
        self._deaf, self._echo = deaf, heard.echo
        edge = self._edge(heard, sounding=sounding)
        self.quiet = not (deaf or self._endpointer.voiced)
        self._tell(heard)
        return edge

    @property
    def reach_s(self) -> float:
        """Seconds since the voice that is heard now began, if that was while the ear was deaf and could be told."""
        reach = gap = 0
        for back, told in enumerate(reversed(self._told), start=1):
            reach, gap = (back, 0) if told else (reach, gap + 1)
            if gap > GAP_S / CHUNK_S:
                break
        return reach * CHUNK_S

    def _tell(self, heard: MicChunk) -> None:
        """Note whether the chunk is part of a sentence that began, or may have begun, in a deaf stretch."""
        self._hearing = 0 if self._deaf else self._hearing + 1
        if self._hearing > GAP_S / CHUNK_S + self._window:
            self._told.clear()
        else:
            self._told.append(self.voiced and (not self._deaf or heard.echo in TOLD))

    def _edge(self, heard: MicChunk, *, sounding: bool) -> Edge | None:
        endpointer = self._endpointer
        weight = self._evidence.weigh(heard, speaking=endpointer.speaking, sounding=sounding)
        self.overheard = self._deaf and endpointer.listen(heard.for_endpointer, weight)
        return None if self._deaf else endpointer.feed(heard.for_endpointer, weight)

    def pre_roll(self, seconds: float) -> bytes:
        """Return the last ``seconds`` of audio (s16le), or as much as the ring holds."""
        count = min(round(seconds / CHUNK_S), len(self._ring))
        return b"".join(list(self._ring)[len(self._ring) - count :])

    def forget(self) -> None:
        """Start afresh, so that nothing from before the microphone opened can be sent."""
        self._ring.clear()
        self._told.clear()
        self._hearing = inf
        self._endpointer.reset()
        self._evidence = Evidence()
        self.level = 0.0

    def restart(self) -> None:
        """Require fresh speech before the next utterance begins."""
        self._endpointer.reset()
        self._told.clear()


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
