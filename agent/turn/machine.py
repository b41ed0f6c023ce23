"""PURE: what the box does, as one machine: events in, effects out, time as an argument.

This file says which part decides about an event; each part is a file beside it, and all act on one
:class:`~agent.turn.box.Box`. None knows anything of wires, threads or devices. ``docs/turn-table.md`` is the
(phase x event) table, printed by the test. The box rests in ASLEEP, and in LISTENING if it always listens. Every other
phase has a deadline, so the box comes to rest whatever happens, or fails to happen, around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.turn import effects, events, light
from agent.turn.answering import Answering
from agent.turn.asking import Asking
from agent.turn.box import Box
from agent.turn.button import Presses
from agent.turn.gestures import Down, Hold, HoldEnd, Settled, Tap
from agent.turn.news import Topic
from agent.turn.phase import Phase
from agent.turn.timer import Timer
from agent.turn.waiting import Waiting
from agent.voice.earcons import Earcon

if TYPE_CHECKING:
    from agent.config import TurnSettings
    from agent.link.state import LinkState
    from agent.turn.condition import Condition
    from hardware.ports import Rhythm


class Turn:
    """The turn machine. ``handle`` returns effects in the order they must be performed."""

    def __init__(self, settings: TurnSettings, *, answers_at_once: bool = False) -> None:
        """Start asleep, not connected; ``answers_at_once``: answers to notes are played even while asleep."""
        self._box = box = Box(settings, answers_at_once=answers_at_once)
        self._presses = Presses(box)
        self._asking = Asking(box)
        self._answering = Answering(box)
        self._waiting = Waiting(box)

    @property
    def phase(self) -> Phase:
        """What the box is doing."""
        return self._box.phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._box.phase = phase

    @property
    def condition(self) -> Condition:
        """What is so apart from the phase."""
        return self._box.condition

    @property
    def deadline(self) -> float | None:
        """When a Tick is due, if any."""
        return min(self._box.timers.values(), default=None)

    @property
    def rhythm(self) -> Rhythm:
        """What the light shows."""
        return light.rhythm(self.phase, self.condition)

    @property
    def link(self) -> LinkState:
        """The state of the link to the service."""
        return self.condition.link

    def progress(self, now: float) -> None:
        """Push back the deadline of an answer: the service sent something, or received the whole question.

        Called for every message from the service. It is no event, because nothing else changes.
        """
        self._answering.progress(now)

    @property
    def offering(self) -> bool:
        """Whether waiting answers are about to begin."""
        return self._box.offer.open

    def voiced(self, now: float) -> None:
        """Push back the beginning of waiting answers: there is a voice, from which a question may come.

        Called for every such chunk while :attr:`offering`. It is no event, because nothing else changes.
        """
        self._box.offer.voiced(now)

    def handle(self, event: events.Event, now: float) -> list[effects.Effect]:
        """Handle one event at time ``now`` (seconds, monotonic); return the effects to perform, in this order."""
        wanted = self._handled(event, now)
        # What the box has to say of itself waits until nobody else speaks, and until then may no longer be true.
        if self._box.pressed or self.phase not in (Phase.ASLEEP, Phase.LISTENING):
            return wanted
        return [*wanted, *self._box.news.due(now, awake=self.phase.listening)]

    def _handled(self, event: events.Event, now: float) -> list[effects.Effect]:
        match event:
            case Down() | Hold() | HoldEnd() | Tap() | Settled():
                return self._presses.handle(event, now)
            case events.SpeechStarted() | events.SpeechEnded() | events.Typed():
                return self._asking.handle(event, now)
            case (
                events.AnswerBegan()
                | events.AnswerGenerated()
                | events.AnswerEnded()
                | events.AnswerMissing()
                | events.AnswerInterrupted()
                | events.Drained()
            ):
                return self._answering.handle(event, now)
            case events.NoteSaved() | events.NotesChanged() | events.StillKept():
                return self._waiting.handle(event, now)
            case events.Tick():
                return self._tick(now)
            case _:
                self._take_note(event, now)
                return []

    # what changes how things stand, and asks for nothing

    def _take_note(
        self,
        event: events.Delivered
        | events.LinkChanged
        | events.NoiseChanged
        | events.TrustChanged
        | events.HearsAgain
        | events.LagChanged
        | events.FaultRaised
        | events.FaultCleared,
        now: float,
    ) -> None:
        box, condition = self._box, self.condition
        match event:
            case events.Delivered():
                self._answering.delivered(now)
            case events.LinkChanged():
                self._link_changed(event, now)
            case events.NoiseChanged():
                condition.noisy = event.noisy
                if event.noisy and box.hands_free:
                    box.news.add(Topic.NOISE)
            case events.TrustChanged():
                condition.trusted = event.trusted
            case events.HearsAgain():
                self._hears_again(missed=event.missed)
            case events.LagChanged():
                condition.behind = event.behind
            case events.FaultRaised():
                if condition.fault_raised(event.name):
                    box.news.add(Topic.FAULT, event.name)
            case events.FaultCleared():
                condition.faults.discard(event.name)
            case _:
                assert_never(event)

    def _link_changed(self, event: events.LinkChanged, now: float) -> None:
        box, before = self._box, self.link
        if box.condition.link_changed(event):
            box.news.add(Topic.REFUSAL)
        if box.up and box.news.told_away:
            box.news.connected(heard=box.phase.listening)
        if box.phase is Phase.ASLEEP and box.up:  # at start-up nobody has fallen asleep
            box.timers.setdefault(Timer.LINGER, now + box.settings.linger_s)
        self._answering.link_changed(before, now)

    def _hears_again(self, *, missed: bool) -> None:
        """Have it told that the box hears, if it does; who silenced the answer knows."""
        box, condition = self._box, self.condition
        hears = box.phase is Phase.LISTENING and box.hands_free and not condition.noisy
        if hears and not box.offer.declined and (missed or not condition.trusted):
            box.news.add(Topic.ONE_WAY)

    # time

    def _tick(self, now: float) -> list[effects.Effect]:
        timers = self._box.timers
        due = [timer for timer, at in timers.items() if at <= now]
        wanted: list[effects.Effect] = []
        for timer in due:
            # An earlier timer may have ended the phase that a later timer belonged to.
            if timers.get(timer, now + 1) <= now:
                del timers[timer]
                wanted += self._expired(timer, now)
        return wanted

    def _expired(self, timer: Timer, now: float) -> list[effects.Effect]:
        box = self._box
        match timer:
            case Timer.IDLE:
                return [effects.Play(Earcon.ASLEEP, box.news.parting(now)), *box.sleep(now)]
            case Timer.UTTERANCE:
                return box.end_utterance(now)
            case Timer.RELEASED:
                return self._presses.hold_over(now)
            case Timer.TICK:
                return [effects.Play(Earcon.THINKING)]
            case Timer.RESPONSE:
                return self._answering.overdue(now)
            case Timer.ANSWER_CAP:
                return [effects.CutAnswer(), *box.rest_after_answer(now)]
            case Timer.OFFER:
                return self._waiting.offered(now)
            case Timer.LINGER:
                return self._waiting.lingered(now)
            case _:
                assert_never(timer)
