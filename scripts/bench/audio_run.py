"""Runs chains over scenes: the product's own front end and endpointer, and what it is compared with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pywebrtc_audio
import webrtcvad
from audio_corpus import RATE
from audio_score import FRAME, FRAME_S, Score, Trace, judged, spoken

from agent.hearing.endpointer import Edge, Endpointer, Timings
from agent.hearing.noise import NoiseWatch
from agent.hearing.silero import SecondOpinion, silero
from agent.hearing.vad import SAMPLE_RATE, webrtc_detector
from hardware.sound.echo import FADE_S, NOISE_LEVEL, WebRtcCanceller
from hardware.sound.front_end import FrontEnd
from hardware.sound.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from audio_scenes import Take

    Pcm = npt.NDArray[np.int16]

CHAINS = ("none", "half duplex", "raw webrtcvad", "ours", "ours + silero")
UNGATED = ("ours, ungated", "two in a row, ungated")
"""Suppression in the canceller's own object, or in one behind it; a voice may always interrupt."""
NOTHING_S = 1.0
"""How long it takes to see that a barge-in was nothing."""


class Source(Protocol):
    """What feeds an endpointer."""

    def chunk(self, index: int) -> tuple[Pcm, Pcm, bool]:
        """Return 20 ms for the endpointer, 20 ms for the model, and whether barge-in by voice is allowed."""

    def told(self, *, speaking: bool, nothing: bool) -> None:
        """Hear of the endpointer's verdict, and of a barge-in that was nothing."""


class Ready:
    """Signals made in advance: those of the chains that nothing is fed back to."""

    def __init__(self, heard: Pcm, *, trusted: bool) -> None:
        """Pass the same to both listeners."""
        self._heard = heard
        self._trusted = trusted

    def chunk(self, index: int) -> tuple[Pcm, Pcm, bool]:
        """Return the next piece."""
        piece = self._heard[index * FRAME : (index + 1) * FRAME]
        return piece, piece, self._trusted

    def told(self, *, speaking: bool, nothing: bool) -> None:
        """Do nothing with it."""


class Ours:
    """The front end of the product, at the rate of the card."""

    def __init__(self, take: Take) -> None:
        """Begin with nothing learnt."""
        self._take = take
        self._end = FrontEnd(RATE, RATE)

    def chunk(self, index: int) -> tuple[Pcm, Pcm, bool]:
        """Run two blocks of 10 ms through it."""
        half = RATE // 100
        at = 2 * index * half
        self._end.process(self._take.heard[at : at + half], self._take.played[at : at + half])
        at += half
        heard = self._end.process(self._take.heard[at : at + half], self._take.played[at : at + half])
        assert heard is not None
        pieces = (np.frombuffer(each, dtype=np.int16) for each in (heard.for_endpointer, heard.for_model))
        return *pieces, heard.trusted

    def told(self, *, speaking: bool, nothing: bool) -> None:
        """Pass it on."""
        self._end.technician_speaks = speaking
        if nothing:
            self._end.false_alarm()


def source(chain: str, take: Take, near: Pcm, far: Pcm) -> Source:
    """Return what feeds the endpointer in a chain; all but ours begin behind the conversion of rates."""
    if chain.startswith("ours") and chain not in UNGATED:
        return Ours(take)
    if chain == "none":
        return Ready(near, trusted=True)
    canceller = WebRtcCanceller(hush=chain in ("half duplex", "ours, ungated"))
    blocks = zip(near.reshape(-1, FRAME // 2), far.reshape(-1, FRAME // 2), strict=True)
    if chain == "half duplex":  # the suppressor alone: a canceller that is told of no echo takes none out
        blocks = ((block, np.zeros_like(block)) for block, _ in blocks)
    heard = np.concatenate([canceller.process(*each) for each in blocks])
    if chain == "two in a row, ungated":
        heard = pywebrtc_audio.NoiseSuppressor(level=NOISE_LEVEL).process(heard)
    return Ready(heard, trusted=chain != "half duplex")


class Listener:
    """An endpointer with what the agent does around it: deaf to answers it may not be interrupted in."""

    def __init__(self, chain: str) -> None:
        """Begin in a quiet place."""
        self.playing = False
        self.endpointer = Endpointer(self._detector(chain), Timings())
        self.starts: list[tuple[float, bool]] = []
        self.ends: list[float] = []
        self.noisy_after_s = math.inf
        self._watch = NoiseWatch()
        self._since = 0.0
        self._judged = True
        self._somebody = False

    def _detector(self, chain: str) -> Callable[[bytes], bool]:
        if chain.startswith("ours") or chain in UNGATED:
            detector = webrtc_detector(3)
            if "silero" not in chain:
                return detector
            return SecondOpinion(detector, lambda: not (self.playing or self.endpointer.speaking), silero())
        vad: Any = webrtcvad.Vad(3)
        return lambda frame: bool(vad.is_speech(frame, SAMPLE_RATE))

    def hear(self, now: float, frame: bytes, *, playing: bool, trusted: bool, anybody: bool) -> bool:
        """Handle a frame; ``anybody``: somebody really speaks. Return whether a barge-in proved to be nothing."""
        self.playing = playing
        if playing and not trusted and not self.endpointer.speaking:
            self.endpointer.reset()
            self.endpointer.listen(frame)
            return False
        edge = self.endpointer.feed(frame)
        if edge is Edge.START:
            self.starts.append((now, playing))
            self._since, self._judged, self._somebody = now, False, False
        if edge is Edge.END:
            self.ends.append(now)
        self._somebody |= anybody
        nothing = self._nothing(now, ended=edge is Edge.END)
        self._watch_noise(now, nothing=nothing, anybody=anybody)
        if nothing and playing:
            self.endpointer.reset()
        return nothing and playing

    def _nothing(self, now: float, *, ended: bool) -> bool:
        """Whether this is the moment at which it is clear that nobody spoke."""
        if self._judged or not (ended or now - self._since >= NOTHING_S):
            return False
        self._judged = True
        return not self._somebody

    def _watch_noise(self, now: float, *, nothing: bool, anybody: bool) -> None:
        self._watch.frame(now, voiced=self.endpointer.voiced)
        if nothing:
            self._watch.false_start(now)
        elif anybody and self.endpointer.speaking:
            self._watch.confirmed(now)
        if self._watch.noisy:
            self.noisy_after_s = min(self.noisy_after_s, now)


def scores(take: Take, chains: tuple[str, ...]) -> list[Score]:
    """Run ``chains`` over a scene."""
    near = Resampler(RATE, SAMPLE_RATE).convert(take.heard)
    far = Resampler(RATE, SAMPLE_RATE).convert(take.played)
    return [judged(chain, take, run(chain, take, near, far)) for chain in chains]


def run(chain: str, take: Take, near: Pcm, far: Pcm) -> Trace:
    """Run one chain over one scene, 20 ms at a time."""
    feed, listener = source(chain, take, near, far), Listener(chain)
    loud = np.abs(far).reshape(-1, FRAME).max(axis=1) > 0
    # Until its echo has faded, an answer plays.
    playing = np.convolve(loud, np.ones(round(FADE_S / FRAME_S)))[: len(loud)] > 0
    words = spoken(take, len(playing))
    heard, model, trusted = np.zeros_like(near), np.zeros_like(near), np.ones(len(playing), dtype=bool)
    for index in range(len(playing)):
        at = slice(index * FRAME, (index + 1) * FRAME)
        heard[at], model[at], trusted[index] = feed.chunk(index)
        nothing = listener.hear(
            (index + 1) * FRAME_S,
            heard[at].tobytes(),
            playing=bool(playing[index]),
            trusted=bool(trusted[index]),
            anybody=bool(words[index]),
        )
        feed.told(speaking=listener.endpointer.speaking, nothing=nothing)
    return Trace(near, heard, model, playing, trusted, listener.starts, listener.ends, listener.noisy_after_s)
