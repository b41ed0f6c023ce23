"""What the acoustics of the place allow: listening hands-free, and trusting a voice that talks over an answer."""

from __future__ import annotations

from dataclasses import dataclass
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

STALE_S = 60.0
"""What comes of an utterance later than this tells nothing of now: it may have waited for a connection."""


@dataclass(slots=True)
class _Begun:
    """An utterance that a voice began."""

    at: float
    seconds: float = 0.0


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
        self._begun: dict[int, _Begun] = {}

    def chunk(self, heard: MicChunk, now: float, *, voiced: bool, learn: bool) -> None:
        """Handle one chunk of 20 ms; ``learn``: it tells of the place, being no speech for sure, nor our own sound."""
        if heard.trust is not Trust.ECHO_FREE:
            self.echo = f"echo {heard.erle_db:.0f} dB down, {heard.trust.value}"
        if learn:
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
        self._begun[utterance] = _Begun(now)
        if over_answer and self._interruptions.another(now):
            self._false_alarm()

    def ended(self, utterance: int, seconds: float) -> None:
        """Note that an utterance, perhaps begun by a voice, is over and lasted ``seconds``."""
        if utterance in self._begun:
            self._begun[utterance].seconds = seconds

    def came_of(self, record: TurnRecord, now: float) -> None:
        """Note the outcome of an utterance: without words and without an answer, it was a false start.

        What is taken for a voice in silence would interrupt the next answer, so it takes the trust away, too.
        """
        begun = self._begun.pop(record.utterance or 0, None)
        nothing = not record.question_text.strip() and not record.answer.audio_s
        if begun is not None and nothing and now - begun.at - begun.seconds <= STALE_S:
            self._watch.false_start(now, begun.seconds)
            self._false_alarm()
