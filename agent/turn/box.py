"""PURE: the box as every part of the turn machine finds it; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.link.state import LinkState
from agent.turn import effects
from agent.turn.condition import Condition
from agent.turn.news import News
from agent.turn.offer import Offer
from agent.turn.phase import Phase
from agent.turn.timer import Timer

if TYPE_CHECKING:
    from agent.config import TurnSettings

THINKING_TICK_S = 1.5
"""After this much silence a person starts to wonder, so an earcon says that the box still waits."""


@dataclass(slots=True)
class Asked:
    """What became of the question whose answer is awaited."""

    delivered: bool = False  # the service has the whole of it
    retried: bool = False  # it was asked again


class Box:
    """Phase, timers and condition, and the moves from one phase to another that several events have in common."""

    def __init__(self, settings: TurnSettings, *, answers_at_once: bool) -> None:
        """Start asleep; ``answers_at_once``: answers to notes are played even while asleep."""
        self.settings = settings
        self.answers_at_once = answers_at_once
        self.hands_free = settings.mode == "hands-free"
        self.phase = Phase.ASLEEP
        self.timers: dict[Timer, float] = {}
        self.condition = Condition()
        self.news = News(self.condition)
        self.offer = Offer(self.timers)
        self.asked = Asked()
        self.pressed = False

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self.condition.link is LinkState.UP

    # into a phase

    def enter(self, phase: Phase, timers: dict[Timer, float]) -> None:
        """Change to ``phase``; ``timers`` replace those of the phase before."""
        self.phase = phase
        self.timers.clear()
        self.timers.update(timers)

    def wake(self, now: float) -> list[effects.Effect]:
        """Listen, with open sensors and a connection."""
        self.offer.renew()
        self.listen(now, self.settings.idle_s)
        return self.open()

    def open(self) -> list[effects.Effect]:
        """Return the effects that open sensors and connection."""
        return [effects.Sensors(on=True), effects.Connect()]

    def listen(self, now: float, seconds: float) -> None:
        """Listen for ``seconds``, then fall asleep; answers that wait begin before."""
        self.enter(Phase.LISTENING, {} if self.settings.always_listening else {Timer.IDLE: now + seconds})
        if self.condition.answers and self.hands_free:
            self.offer.begin(now)

    def hear(self, phase: Phase, now: float) -> None:
        """Record an utterance: HEARING or TALKING."""
        self.offer.renew()
        # The endpointer counts audio and ends it first; this timer is for a microphone that stops delivering.
        self.enter(phase, {Timer.UTTERANCE: now + self.settings.max_utterance_s})

    def think(self, now: float) -> None:
        """Wait for the answer to a new question."""
        self.asked = Asked()
        self.enter(
            Phase.THINKING,
            {Timer.TICK: now + THINKING_TICK_S, Timer.RESPONSE: now + self.settings.send_timeout_s},
        )

    def play_answers(self, phase: Phase, now: float) -> list[effects.Effect]:
        """Play the answers that wait: ANSWERING or SPEAKING."""
        self.enter(phase, {Timer.ANSWER_CAP: now + self.condition.answers * self.settings.max_answer_s})
        self.condition.answers = 0  # they are about to play; if a press comes first, they are announced again
        return [effects.PlayAnswers()]

    def sleep(self, now: float) -> list[effects.Effect]:
        """Fall asleep, whatever was going on; an unsent question becomes a note."""
        end: list[effects.Effect] = [effects.EndUtterance()] if self.phase.recording else []
        cut: list[effects.Effect] = [effects.CutAnswer()] if self.phase.recording or self.phase.waiting else []
        # An unsent question must not depend on a connection that may soon be closed.
        sent = self.up or not self.settings.local_detection
        save: list[effects.Effect] = [] if sent else [effects.SaveNote()]
        close: list[effects.Effect] = [effects.Sensors(on=False)] if self.phase.listening else []
        self.enter(Phase.ASLEEP, {Timer.LINGER: now + self.settings.linger_s})
        return [*end, *cut, *save, *close]

    # a question ends, an answer ends

    def end_utterance(self, now: float) -> list[effects.Effect]:
        """End the utterance that is being recorded, and wait for its answer."""
        return [effects.EndUtterance(), *self.expect_answer(now)]

    def expect_answer(self, now: float) -> list[effects.Effect]:
        """Wait for the answer, or save the question as a note at once if it cannot be sent."""
        if self.condition.away and self.settings.local_detection:
            return [effects.SaveNote(), *self.rest_after_answer(now)]
        self.think(now)
        return []

    def rest_after_answer(self, now: float) -> list[effects.Effect]:
        """Do what follows an answer, or its absence: answers that wait, a follow-up question, sleep."""
        if self.phase is Phase.ASLEEP:
            return []
        if self.phase is Phase.SPEAKING:
            more = self.condition.answers and self.answers_at_once
            return self.play_answers(Phase.SPEAKING, now) if more else self.sleep(now)
        if self.condition.answers and not self.hands_free:  # they arrived while something else was going on
            return self.play_answers(Phase.ANSWERING, now)
        self.listen(now, self.settings.follow_up_s)
        return [] if self.hands_free else self.sleep(now)
