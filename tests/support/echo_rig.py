"""A box that hears its own loudspeaker: front end, ear and acoustics of the product in a room made of samples.

The service answers whatever it is sent, an echo as well. Time is counted in blocks, so nothing depends on the machine.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from agent import simulator
from agent.config import Settings
from agent.hearing.acoustics import Acoustics
from agent.hearing.ear import Ear
from agent.hearing.endpointer import Edge
from agent.metrics import TurnRecord
from agent.mic_path import ECHO_S
from agent.simulator.voice import read_answer
from hardware.ports import MICROPHONE_FORMAT, SPEAKER_FORMAT
from hardware.sound.front_end import FrontEnd
from hardware.sound.resample import Resampler

if TYPE_CHECKING:
    from hardware.ports import MicChunk

    Samples = npt.NDArray[np.int16]
    Signal = npt.NDArray[np.float64]

RATE = MICROPHONE_FORMAT.rate
BLOCK = RATE // 100
ASSETS = Path(simulator.__file__).parent / "assets"
THINKING_S = 0.8
"""From the end of a question to its answer."""
TAIL_S = 0.12


def recorded(name: str) -> Samples:
    """Return an answer of the simulator at the microphone's rate."""
    pcm = np.frombuffer(read_answer(ASSETS, name), dtype="<i2")
    whole = Resampler(SPEAKER_FORMAT.rate, RATE)
    return whole.convert(pcm[: len(pcm) // whole.unit * whole.unit])


def crowded() -> Signal:
    """Return five people talking at once, each as loud as recorded."""
    talk = np.concatenate([recorded(name) for name in ("report", "gauge", "valve", "interjection")]).astype(float)
    voices: Signal = np.sum([np.roll(talk, person * len(talk) // 5 + person * 1234) for person in range(5)], axis=0)
    return voices


class EchoRig:
    """A loudspeaker, a microphone that hears it ``delay_s`` later, and a service that always has an answer."""

    def __init__(
        self, delay_s: float, *, gain: float = 0.3, bend: float = 0.0, crowd: float = 0.0, seed: int = 1
    ) -> None:
        """Be silent; ``bend``: how far the loudspeaker saturates, 0 for not at all; ``crowd``: its voices' level."""
        self.front, self.ear = FrontEnd(RATE, RATE), Ear(Settings())
        self.acoustics = Acoustics(Settings().turn, lambda _: None, self.front.false_alarm)
        self.cuts = self.answers = self.questions = 0
        """Answers that were interrupted, answers begun, and utterances sent to the service."""
        self.trusted_s = self.played_s = 0.0
        self.delay_s, self.now = delay_s, 0.0
        self._gain, self._bend = gain, bend
        self._rng = np.random.default_rng(seed)
        tail = self._rng.normal(0, 0.1, round(TAIL_S * RATE)) * np.exp(-np.arange(TAIL_S * RATE) / (0.03 * RATE))
        self._response = np.concatenate(([1.0], tail))
        self._script = cycle([recorded(name) for name in ("valve", "report", "interjection", "gauge")])
        self._air: Signal = np.zeros(RATE * 600)
        self._crowd = crowded() * crowd if crowd else np.zeros(2 * BLOCK)
        self._answer: Samples = np.zeros(0, dtype=np.int16)
        self._at = 0
        self._asked_at = 0.0 - THINKING_S
        self._speech: Signal = np.zeros(0)
        self._echo_until = 0.0
        self._speaking: bool | None = None  # over an answer or not, None for nobody

    def ask(self) -> None:
        """Put a question by other means than the microphone."""
        self._asked_at = self.now

    def say(self, words: Samples) -> None:
        """Speak into the microphone from now on."""
        self._speech = words.astype(float)

    def run(self, seconds: float, *, asking: bool = False) -> None:
        """Let time pass; with ``asking``, a question follows each answer that ended by itself."""
        for _ in range(round(seconds * 100)):
            self._block()
            if asking and not len(self._answer) and self._speaking is None and self.now > self._asked_at + 2.0:
                self.ask()

    def _block(self) -> None:
        played = self._played()
        chunk = self.front.process(self._captured(), played)
        self.now += 0.01
        if chunk is not None:
            self._hear(chunk, playing=bool(len(self._answer)))

    def _played(self) -> Samples:
        if self._speaking is None and 0 <= self.now - self._asked_at - THINKING_S < 0.01:
            self._answer, self._at = next(self._script), 0
            self.answers += 1
        block = self._answer[self._at : self._at + BLOCK]
        self._at += BLOCK
        if not len(block):
            self._answer = self._answer[:0]
        played = np.zeros(BLOCK, dtype=np.int16)
        played[: len(block)] = block
        self._sound(played.astype(float))
        return played

    def _sound(self, played: Signal) -> None:
        if self._bend:
            played = np.tanh(played / 32768 * self._bend) / self._bend * 32768
        at = round((self.now + self.delay_s) * RATE)
        echo = np.convolve(played * self._gain, self._response)
        self._air[at : at + len(echo)] += echo

    def _captured(self) -> Samples:
        at = round(self.now * RATE)
        heard = self._air[at : at + BLOCK] + self._rng.normal(0, 10, BLOCK)
        at %= len(self._crowd) - BLOCK
        heard += self._crowd[at : at + BLOCK]
        words, self._speech = self._speech[:BLOCK], self._speech[BLOCK:]
        heard[: len(words)] += words
        return np.clip(heard, -32768, 32767).astype(np.int16)

    def _hear(self, heard: MicChunk, *, playing: bool) -> None:
        if playing:
            self._echo_until = self.now + ECHO_S
            self.played_s += 0.02
            self.trusted_s += 0.02 * heard.trusted
        deaf = self.now < self._echo_until and not heard.trusted
        edge = self.ear.feed(heard, deaf=deaf)
        if self.ear.overheard:
            self.front.overheard()
        self.acoustics.chunk(heard, self.now, voiced=self.ear.voiced, learn=self.now >= self._echo_until)
        if edge is Edge.START:
            if playing:
                self.front.interrupted()
            self._started(over_answer=playing)
        elif edge is Edge.END:
            self._ended()
        self.front.technician_speaks = self._speaking is not None

    def _started(self, *, over_answer: bool) -> None:
        self._speaking = over_answer
        self.cuts += over_answer
        self._answer = self._answer[:0]
        self.acoustics.begun(self.questions, self.now, over_answer=over_answer)

    def _ended(self) -> None:
        record = TurnRecord(self.questions, question_text="whatever it was")
        record.answer.add_audio(1.0)
        self.acoustics.came_of(record, self.now)
        self.questions += 1
        self._speaking = None
        self.ask()
