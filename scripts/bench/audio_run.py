"""Runs chains over scenes: the product's own front end and endpointer, and what it is compared with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pywebrtc_audio
import webrtcvad
from audio_corpus import RATE
from audio_score import FRAME, FRAME_S, Score, Trace, judged, spoken

from agent.config import EndpointerSettings, Settings
from agent.hearing.ear import Ear
from agent.hearing.endpointer import Edge, Endpointer, Timings
from agent.hearing.interruptions import Interruptions
from agent.hearing.noise import NoiseWatch
from agent.hearing.vad import SAMPLE_RATE
from hardware.ports import MicChunk
from hardware.sound.echo import FADE_S, NOISE_LEVEL, WebRtcCanceller
from hardware.sound.front_end import FrontEnd
from hardware.sound.resample import Resampler

if TYPE_CHECKING:
    import numpy.typing as npt
    from audio_scenes import Take

    Pcm = npt.NDArray[np.int16]

CHAINS = ("none", "half duplex", "raw webrtcvad", "livekit", "ours", "ours + silero")
UNGATED = ("ours, ungated", "two in a row, ungated")
"""Suppression in the canceller's own object, or in one behind it; a voice may always interrupt."""
ANSWERED = "ours, all answered"
"""With a service that answers whatever interrupted it, so that no barge-in is ever known to have been nothing."""
NOTHING_S = 1.0
"""How long it takes to see that a barge-in was nothing."""
BLOCK = RATE // 100


class Source(Protocol):
    """What feeds an endpointer."""

    def chunk(self, index: int) -> MicChunk:
        """Return 20 ms for the endpointer and for the model, with whether barge-in by voice is allowed."""

    def told(self, *, speaking: bool, interrupts: bool, nothing: bool, overheard: bool) -> None:
        """Hear of the endpointer's verdict, of a barge-in, of one that was nothing, and of a voice nobody heeds."""


class Ready:
    """Signals made in advance: those of the chains that nothing is fed back to."""

    def __init__(self, heard: Pcm, *, trusted: bool) -> None:
        """Pass the same to both listeners."""
        self._heard = heard
        self._trusted = trusted

    def chunk(self, index: int) -> MicChunk:
        """Return the next piece."""
        return MicChunk.plain(self._heard[index * FRAME : (index + 1) * FRAME].tobytes(), trusted=self._trusted)

    def told(self, *, speaking: bool, interrupts: bool, nothing: bool, overheard: bool) -> None:
        """Do nothing with it."""


class Ours:
    """The front end of the product, at the rate of the card."""

    def __init__(self, take: Take) -> None:
        """Begin with nothing learnt."""
        self._take = take
        self._end = FrontEnd(RATE, RATE)
        self._hiccups = [round(second / FRAME_S) for second in take.hiccups]

    def chunk(self, index: int) -> MicChunk:
        """Run two blocks of 10 ms through it."""
        if index in self._hiccups:
            self._end.doubt()
        first, second = (slice(at, at + BLOCK) for at in (2 * index * BLOCK, (2 * index + 1) * BLOCK))
        self._end.process(self._take.heard[first], self._take.played[first])
        heard = self._end.process(self._take.heard[second], self._take.played[second])
        assert heard is not None
        return heard

    def told(self, *, speaking: bool, interrupts: bool, nothing: bool, overheard: bool) -> None:
        """Pass it on."""
        if overheard:
            self._end.overheard()
        if interrupts:
            self._end.interrupted()
        self._end.technician_speaks = speaking
        if nothing:
            self._end.false_alarm()


def source(chain: str, take: Take, near: Pcm, far: Pcm) -> Source:
    """Return what feeds the endpointer in a chain; most begin behind the conversion of rates."""
    if chain.startswith("ours") and chain not in UNGATED:
        return Ours(take)
    if chain == "none":
        return Ready(near, trusted=True)
    if chain == "livekit":
        return Ready(Resampler(RATE, SAMPLE_RATE).convert(livekit(take)), trusted=True)
    canceller = WebRtcCanceller(hush=chain in ("half duplex", "ours, ungated"))
    blocks = zip(near.reshape(-1, FRAME // 2), far.reshape(-1, FRAME // 2), strict=True)
    if chain == "half duplex":  # the suppressor alone: a canceller that is told of no echo takes none out
        blocks = ((block, np.zeros_like(block)) for block, _ in blocks)
    heard = np.concatenate([canceller.process(*each) for each in blocks])
    if chain == "two in a row, ungated":
        heard = pywebrtc_audio.NoiseSuppressor(level=NOISE_LEVEL).process(heard)
    return Ready(heard, trusted=chain != "half duplex")


def livekit(take: Take) -> Pcm:
    """Return what livekit's audio processing leaves, at the rate of the card; it works in place."""
    from livekit.rtc import AudioFrame  # noqa: PLC0415 - only for this chain
    from livekit.rtc.apm import AudioProcessingModule  # noqa: PLC0415 - as above

    module = AudioProcessingModule(echo_cancellation=True, noise_suppression=True, high_pass_filter=True)
    cleaned = np.zeros_like(take.heard)
    for at in range(0, len(cleaned), BLOCK):
        near, far = (
            AudioFrame(sound[at : at + BLOCK].tobytes(), RATE, 1, BLOCK) for sound in (take.heard, take.played)
        )
        module.process_reverse_stream(far)
        module.process_stream(near)
        cleaned[at : at + BLOCK] = np.frombuffer(near.data, dtype=np.int16)
    return cleaned


class Listener:
    """An endpointer with what the agent does around it: deaf to answers it may not be interrupted in."""

    def __init__(self, chain: str) -> None:
        """Begin in a quiet place."""
        self.speaking = False
        self.starts: list[tuple[float, bool]] = []
        self.ends: list[float] = []
        self.noisy_after_s = math.inf
        self.asked = 0
        self._ours = chain.startswith("ours") or chain in UNGATED
        self._answered = chain == ANSWERED
        self._ear = Ear(Settings(endpointer=EndpointerSettings(silero="silero" in chain)))
        vad: Any = webrtcvad.Vad(3)
        self._endpointer = Endpointer(lambda frame: bool(vad.is_speech(frame, SAMPLE_RATE)), Timings())
        self._interruptions = Interruptions()
        self._watch = NoiseWatch()
        self._since = 0.0
        self._judged = True
        self._somebody = False

    def hear(self, now: float, heard: MicChunk, *, playing: bool, anybody: bool) -> bool:
        """Handle a chunk; ``anybody``: somebody really speaks. Return whether voices lose their credit."""
        deaf = playing and not heard.trusted and not self.speaking
        edge = self._edge(heard, deaf=deaf)
        if deaf:
            return False
        if edge is Edge.START and self._ours and self._watch.noisy:
            self._restart()  # hands-free is off
            edge = None
        too_many = False
        if edge is Edge.START:
            self.starts.append((now, playing))
            self.speaking, self._since, self._judged, self._somebody = True, now, False, False
            too_many = self._ours and playing and self._interruptions.another(now)
        if edge is Edge.END:
            self.speaking = False
            self.ends.append(now)
        self._somebody |= anybody
        nothing = self._nothing(now, ended=edge is Edge.END)
        self._watch_noise(now, nothing=nothing, playing=playing)
        if nothing and playing:
            self._restart()
        return too_many or nothing

    @property
    def overheard(self) -> bool:
        """Whether there was what sounds like a voice, while deaf."""
        return self._ours and self._ear.overheard

    def _edge(self, heard: MicChunk, *, deaf: bool) -> Edge | None:
        if self._ours:
            return self._ear.feed(heard, deaf=deaf)
        if deaf:
            self._endpointer.listen(heard.for_endpointer)
            return None
        return self._endpointer.feed(heard.for_endpointer)

    def _restart(self) -> None:
        self.speaking = False
        (self._ear.restart if self._ours else self._endpointer.reset)()

    def _nothing(self, now: float, *, ended: bool) -> bool:
        """Whether this is the moment at which it is clear that nobody spoke."""
        if self._judged or not (ended or now - self._since >= NOTHING_S):
            return False
        self._judged = True
        return not self._somebody and not self._answered

    def _watch_noise(self, now: float, *, nothing: bool, playing: bool) -> None:
        was_noisy = self._watch.noisy
        if not playing:
            self._watch.frame(now, voiced=self._ear.voiced if self._ours else self._endpointer.voiced)
        if nothing:
            self._watch.false_start(now, now - self._since)
        if self._watch.noisy:
            self.noisy_after_s = min(self.noisy_after_s, now)
            self.asked += not was_noisy


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
        chunk = feed.chunk(index)
        heard[at], model[at] = (np.frombuffer(each, dtype=np.int16) for each in (chunk.for_endpointer, chunk.for_model))
        trusted[index] = chunk.trusted
        now = (index + 1) * FRAME_S
        lost = listener.hear(now, chunk, playing=bool(playing[index]), anybody=bool(words[index]))
        interrupts = bool(playing[index]) and bool(listener.starts) and listener.starts[-1][0] == now
        feed.told(speaking=listener.speaking, interrupts=interrupts, nothing=lost, overheard=listener.overheard)
    watched = listener.noisy_after_s, listener.asked
    return Trace(near, heard, model, playing, trusted, listener.starts, listener.ends, *watched)
