"""What the acoustics of the place allow: listening hands-free, and trusting a voice that talks over an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.hearing.interruptions import Interruptions
from agent.hearing.noise import NoiseWatch
from agent.turn import events
from hardware.ports import Trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import TurnSettings
    from agent.metrics import TurnRecord
    from hardware.ports import MicChunk

LAST_CHUNKS_S = 0.5
"""An utterance this close to the maximum was ended by the limit, not by silence."""


class Acoustics:
    """Watches every chunk, and the outcome of every utterance that a voice (not the button) began."""

    def __init__(
        self, settings: TurnSettings, emit: Callable[[events.Event], None], false_alarm: Callable[[], None]
    ) -> None:
        """``emit`` gets the changes; ``false_alarm()`` is called when a voice was none, or barge-ins are too many."""
        self._settings = settings
        self._emit = emit
        self._false_alarm = false_alarm
        self._watch = NoiseWatch()
        self._interruptions = Interruptions()
        self._noisy = False
        self._trusted = True
        self.echo = "no echo known"
        """How far the canceller is trusted, in words for the log."""
        self._begun: set[int] = set()  # utterances that a voice began

    def chunk(self, heard: MicChunk, now: float, *, voiced: bool, held: bool) -> None:
        """Handle one chunk of 20 ms; ``held``: the button is held, so the chunk counts as speech and not as noise."""
        if heard.trust is not Trust.ECHO_FREE:
            self.echo = f"echo {heard.erle_db:.0f} dB down, {heard.trust.value}"
        if not held:
            self._watch.frame(now, voiced=voiced)
        if self._watch.noisy is not self._noisy:
            self._noisy = self._watch.noisy
            self._emit(events.NoiseChanged(self._noisy))
        chosen = self._settings.barge_in
        trusted = chosen == "voice" or (chosen == "auto" and heard.trusted)
        if trusted is not self._trusted:
            self._trusted = trusted
            self._emit(events.TrustChanged(trusted))

    def begun(self, utterance: int, now: float, *, over_answer: bool) -> None:
        """Note that a voice began an utterance."""
        self._begun.add(utterance)
        if over_answer and self._interruptions.another(now):
            self._false_alarm()

    def ended(self, seconds: float, now: float) -> None:
        """Note that an utterance that a voice began is over."""
        if seconds >= self._settings.max_utterance_s - LAST_CHUNKS_S:
            self._watch.endless(now)

    def understood(self, now: float) -> None:
        """Note that the service understood words."""
        self._watch.confirmed(now)

    def came_of(self, record: TurnRecord, now: float) -> None:
        """Note the outcome of an utterance: without words and without an answer, it was a false start.

        What is taken for a voice in silence would interrupt the next answer, so it takes the trust away, too.
        """
        by_voice = record.utterance in self._begun
        self._begun.discard(record.utterance or 0)
        if by_voice and not record.question_text.strip() and not record.answer.audio_s:
            self._watch.false_start(now)
            self._false_alarm()
