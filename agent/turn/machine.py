"""PURE: what the box does, as one machine: events in, effects out, time as an argument.

This file knows nothing of wires, threads or devices. ``docs/turn-table.md`` is its (phase x event) table, printed by
its test. The box rests in ASLEEP, and in LISTENING if it always listens. Every other phase has a deadline, so the box
comes to rest whatever happens, or fails to happen, around it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never

from agent.link.state import LinkState
from agent.turn import effects, events, light
from agent.turn.condition import Condition
from agent.turn.gestures import HOLD_S, Down, Hold, HoldEnd, Settled, Tap
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon

if TYPE_CHECKING:
    from agent.config import TurnSettings
    from hardware.ports import Rhythm

HOLD_PRE_ROLL_S = HOLD_S + 0.1
"""A hold is recognised HOLD_S after the press; the rest covers the edge's debouncing."""
RELEASE_TAIL_S = 0.150
"""Recording goes on this long after a release: thumbs beat tongues, and the last chunks are still on their way."""
THINKING_TICK_S = 1.5
"""After this much silence a person starts to wonder, so an earcon says that the box still waits."""
NOTES_LINGER_S = 60.0
"""While notes wait, the connection is kept; this is how often the box checks whether they still do."""
AWAY_GRACE_S = 5.0
"""After a failed attempt to connect, how long the box hopes for a short gap before it saves the question as a note."""


class _Timer(Enum):
    IDLE = auto()
    UTTERANCE = auto()
    RELEASED = auto()
    TICK = auto()
    RESPONSE = auto()
    ANSWER_CAP = auto()
    LINGER = auto()


class Turn:
    """The turn machine. ``handle`` returns effects in the order they must be performed."""

    def __init__(self, settings: TurnSettings, *, answers_at_once: bool = False) -> None:
        """Start asleep, not connected; ``answers_at_once``: answers to notes are played even while asleep."""
        self._settings = settings
        self._answers_at_once = answers_at_once
        self._hands_free = settings.mode == "hands-free"
        self._timers: dict[_Timer, float] = {}
        self._origin = Phase.ASLEEP  # the phase in which the present series of taps began
        self._pressed = False
        self._delivered = False
        self._retried = False
        self.phase = Phase.ASLEEP
        self.condition = Condition()

    @property
    def deadline(self) -> float | None:
        """When a Tick is due, if any."""
        return min(self._timers.values(), default=None)

    @property
    def rhythm(self) -> Rhythm:
        """What the light shows."""
        return light.rhythm(self.phase, self.condition)

    @property
    def link(self) -> LinkState:
        """The state of the link to the service."""
        return self.condition.link

    def handle(self, event: events.Event, now: float) -> list[effects.Effect]:
        """Handle one event at time ``now`` (seconds, monotonic); return the effects to perform, in this order."""
        match event:
            case Down() | Hold() | HoldEnd() | Tap() | Settled():
                return self._gesture(event, now)
            case events.SpeechStarted() | events.SpeechEnded() | events.Typed():
                return self._person(event, now)
            case (
                events.AnswerBegan()
                | events.AnswerGenerated()
                | events.AnswerEnded()
                | events.AnswerInterrupted()
                | events.Drained()
            ):
                return self._answer(event, now)
            case events.Delivered():
                self._delivered = True
                self.progress(now)
                return []
            case events.LinkChanged():
                return self._link_changed(event, now)
            case events.NoteSaved() | events.NotesChanged() | events.StillKept():
                return self._kept(event, now)
            case (
                events.NoiseChanged()
                | events.TrustChanged()
                | events.LagChanged()
                | events.FaultRaised()
                | events.FaultCleared()
            ):
                return list(self._condition_changed(event))
            case events.Tick():
                return self._tick(now)
            case _:
                assert_never(event)

    # the button

    def _gesture(self, gesture: Down | Hold | HoldEnd | Tap | Settled, now: float) -> list[effects.Effect]:
        match gesture:
            case Down():
                return self._down(gesture, now)
            case Hold():
                return self._hold(now)
            case HoldEnd():
                self._pressed = False
                return self._released(now)
            case Tap():
                self._pressed = False
                return self._tap(gesture.count, now)
            case Settled():
                return self._settled(gesture.count, now)
            case _:
                assert_never(gesture)

    def _down(self, gesture: Down, now: float) -> list[effects.Effect]:
        self._pressed = True
        if gesture.first:
            self._origin = self.phase
        # Silencing the answer comes before anything else that a press does.
        wanted: list[effects.Effect] = [effects.CutAnswer()] if self.phase.waiting or self.phase.playing else []
        wanted += [effects.CancelCatchUp()] if gesture.first else []
        if not self.phase.listening:
            return wanted + self._wake(now)
        if not self.phase.recording:
            self._listen(now, self._settings.idle_s)
        self._timers.pop(_Timer.RELEASED, None)  # pressed again at once: the utterance goes on
        return wanted

    def _released(self, now: float) -> list[effects.Effect]:
        if self.phase is Phase.TALKING:
            self._timers[_Timer.RELEASED] = now + RELEASE_TAIL_S
        return []

    def _hold(self, now: float) -> list[effects.Effect]:
        cut: list[effects.Effect] = [effects.CutAnswer()] if self.phase.waiting or self.phase.playing else []
        wake = [] if self.phase.listening else self._wake(now)
        # An utterance that the endpointer opened goes on under the thumb.
        opened: list[effects.Effect] = [] if self.phase.recording else [effects.OpenUtterance(HOLD_PRE_ROLL_S)]
        self._hear(Phase.TALKING, now)
        return [*cut, *wake, *opened]

    def _tap(self, count: int, now: float) -> list[effects.Effect]:
        if count == 1:
            woken = self._origin in (Phase.ASLEEP, Phase.SPEAKING)
            if woken and self.condition.answers and self.phase is Phase.LISTENING:
                return self._play_answers(Phase.ANSWERING, now)
            if woken and self.condition.noisy and self._hands_free:
                return list(self.condition.noise_changed(noisy=True))  # once more, in case nobody heard it
            return [effects.Play(Earcon.LISTENING)] if woken and self._hands_free else []
        if count == 2:  # noqa: PLR2004 - the gestures are named by their number of taps
            return [effects.TakeStill()]
        status: list[effects.Effect] = [effects.SpeakStatus()] if self._origin is Phase.ASLEEP else []
        return [effects.DiscardStill(), *self._sleep(now), *status]

    def _settled(self, count: int, now: float) -> list[effects.Effect]:
        if count == 1 and self.phase is Phase.HEARING and self._origin is Phase.HEARING:
            return self._end_utterance(now)
        if self.phase is Phase.TALKING:
            return self._end_utterance(now)
        if count == 1 and self.phase is Phase.LISTENING:
            if self._origin is Phase.LISTENING:
                return self._sleep(now)
            if not self._hands_free:
                return [effects.Play(Earcon.HOLD_TO_TALK), *self._sleep(now)]
        return []

    # the person

    def _person(
        self, event: events.SpeechStarted | events.SpeechEnded | events.Typed, now: float
    ) -> list[effects.Effect]:
        match event:
            case events.SpeechStarted():
                return self._speech_started(event.pre_roll_s, now)
            case events.SpeechEnded():
                ends = self.phase is Phase.HEARING and not self._pressed
                return self._end_utterance(now) if ends else []
            case events.Typed():
                return self._typed(event.text, now)
            case _:
                assert_never(event)

    def _speech_started(self, pre_roll_s: float, now: float) -> list[effects.Effect]:
        hands_free = self._hands_free and not self.condition.noisy
        if not hands_free or self.phase.recording or not self.phase.listening:
            return []
        if not self._settings.local_detection and self.phase is Phase.ANSWERING:
            return []  # the service decides whether this was speech, and says so by interrupting
        cut: list[effects.Effect] = [effects.CutAnswer()] if self.phase.waiting else []
        self._hear(Phase.HEARING, now)
        return [*cut, effects.OpenUtterance(pre_roll_s)]

    def _typed(self, text: str, now: float) -> list[effects.Effect]:
        wanted: list[effects.Effect] = []
        if not self.phase.listening:
            cut = [effects.CutAnswer()] if self.phase is Phase.SPEAKING else []
            wanted += [*cut, *self._wake(now)]
        if self.phase.recording:
            wanted += self._end_utterance(now)
        if self.phase.waiting:
            wanted += [effects.CutAnswer()]
        return [*wanted, effects.SendText(text), *self._expect_answer(now)]

    # the service

    def _answer(
        self,
        event: events.AnswerBegan
        | events.AnswerGenerated
        | events.AnswerEnded
        | events.AnswerInterrupted
        | events.Drained,
        now: float,
    ) -> list[effects.Effect]:
        match event:
            case events.AnswerBegan():
                return self._answer_began(now)
            case events.AnswerGenerated():
                return self._answer_complete()
            case events.AnswerEnded():
                return self._rest_after_answer(now) if self.phase is Phase.THINKING else self._answer_complete()
            case events.AnswerInterrupted():
                return self._interrupted(now)
            case events.Drained():
                return self._rest_after_answer(now) if self.phase.playing else []
            case _:
                assert_never(event)

    def _answer_began(self, now: float) -> list[effects.Effect]:
        if self.phase.recording:
            return [effects.CutAnswer()]  # the person is speaking: nothing may talk over them
        if not self.phase.playing:
            self._enter(
                Phase.ANSWERING if self.phase.listening else Phase.SPEAKING,
                {
                    _Timer.ANSWER_CAP: now + self._settings.max_answer_s,
                    _Timer.RESPONSE: now + self._settings.response_timeout_s,
                },
            )
        return []

    def _answer_complete(self) -> list[effects.Effect]:
        if not self.phase.playing:
            return []
        self._timers.pop(_Timer.RESPONSE, None)
        return [effects.FinishAnswer()]

    def _interrupted(self, now: float) -> list[effects.Effect]:
        if self.phase is Phase.ANSWERING and not self._settings.local_detection:
            self._hear(Phase.HEARING, now)
            return [effects.CutAnswer(), effects.OpenUtterance(0.0)]
        if self.phase.playing:
            return [effects.CutAnswer(), *self._rest_after_answer(now)]
        return []

    def progress(self, now: float) -> None:
        """Push back the deadline of an answer: the service sent something, or received the whole question.

        Called for every message from the service. It is no event, because nothing else changes.
        """
        asked = self.phase is Phase.THINKING and self._delivered
        receiving = self.phase.playing and _Timer.RESPONSE in self._timers
        if asked or receiving:
            self._timers[_Timer.RESPONSE] = now + self._settings.response_timeout_s

    def _link_changed(self, event: events.LinkChanged, now: float) -> list[effects.Effect]:
        before, state = self.link, event.state
        said = self.condition.link_changed(event)
        if self.phase is Phase.ASLEEP and state is LinkState.UP:  # at start-up nobody has fallen asleep
            self._timers.setdefault(_Timer.LINGER, now + self._settings.linger_s)
        if self.phase is Phase.THINKING and state is not LinkState.UP:
            self._delivered = False
            due = now + (AWAY_GRACE_S if state.away else self._settings.send_timeout_s)
            known = due if before is LinkState.UP else self._timers.get(_Timer.RESPONSE, due)
            self._timers[_Timer.RESPONSE] = min(due, known)
        elif self.phase is Phase.THINKING:
            self._timers[_Timer.RESPONSE] = now + self._settings.send_timeout_s  # it is on its way again
        # The box waits for the rest of an answer once from the drop, and once more from the reconnect.
        if self.phase.playing and _Timer.RESPONSE in self._timers and LinkState.UP in (before, state):
            self._timers[_Timer.RESPONSE] = now + self._settings.response_timeout_s
        return list(said)

    # notes

    def _kept(
        self, event: events.NoteSaved | events.NotesChanged | events.StillKept, now: float
    ) -> list[effects.Effect]:
        match event:
            case events.NoteSaved():
                # If the box was still waiting, the service did not accept the question.
                rest = self._rest_after_answer(now) if self.phase is Phase.THINKING else []
                return [self.condition.note_saved(event), *rest]
            case events.NotesChanged():
                self.condition.notes_changed(event)
                if self.phase is Phase.ASLEEP:
                    self._timers.setdefault(_Timer.LINGER, now + NOTES_LINGER_S)
                return self._answers_came(now)
            case events.StillKept():
                return [effects.Play(Earcon.STILL)]
            case _:
                assert_never(event)

    def _answers_came(self, now: float) -> list[effects.Effect]:
        if self.condition.answers and self.phase is Phase.LISTENING and not self._pressed:
            return self._play_answers(Phase.ANSWERING, now)
        if self.condition.answers and self.phase is Phase.ASLEEP and self._answers_at_once:
            return self._play_answers(Phase.SPEAKING, now)
        return []

    def _play_answers(self, phase: Phase, now: float) -> list[effects.Effect]:
        self._enter(phase, {_Timer.ANSWER_CAP: now + self.condition.answers * self._settings.max_answer_s})
        self.condition.answers = 0  # they are about to play; if a press comes first, they are announced again
        return [effects.PlayAnswers()]

    # what the place allows

    def _condition_changed(
        self,
        event: events.NoiseChanged | events.TrustChanged | events.LagChanged | events.FaultRaised | events.FaultCleared,
    ) -> list[effects.Play]:
        match event:
            case events.NoiseChanged():
                said = self.condition.noise_changed(noisy=event.noisy)
                awaited = self._hands_free and self.phase in (Phase.LISTENING, Phase.THINKING)
                return said if awaited else []
            case events.TrustChanged():
                self.condition.trusted = event.trusted
            case events.LagChanged():
                self.condition.behind = event.behind
            case events.FaultRaised():
                return self.condition.fault_raised(event.name)
            case events.FaultCleared():
                self.condition.faults.discard(event.name)
            case _:
                assert_never(event)
        return []

    # time

    def _tick(self, now: float) -> list[effects.Effect]:
        due = [timer for timer, at in self._timers.items() if at <= now]
        wanted: list[effects.Effect] = []
        for timer in due:
            # An earlier timer may have ended the phase that a later timer belonged to.
            if self._timers.get(timer, now + 1) <= now:
                del self._timers[timer]
                wanted += self._expired(timer, now)
        return wanted

    def _expired(self, timer: _Timer, now: float) -> list[effects.Effect]:
        match timer:
            case _Timer.IDLE:
                return [effects.Play(Earcon.ASLEEP), *self._sleep(now)]
            case _Timer.UTTERANCE | _Timer.RELEASED:
                return self._end_utterance(now)
            case _Timer.TICK:
                return [effects.Play(Earcon.THINKING)]
            case _Timer.RESPONSE:
                return self._no_response(now)
            case _Timer.ANSWER_CAP:
                return [effects.CutAnswer(), *self._rest_after_answer(now)]
            case _Timer.LINGER:
                return self._lingered(now)
            case _:
                assert_never(timer)

    def _no_response(self, now: float) -> list[effects.Effect]:
        connected = self.link is LinkState.UP
        if self.phase.playing:
            # What was received is played. If the connection was lost, the rest is asked for when it is back.
            return [effects.FinishAnswer(), *([] if connected else [effects.SaveNote()])]
        if not self._settings.local_detection:
            return self._rest_after_answer(now)  # what sounded like speech to the box was none to the service
        if connected and not self._retried:
            self._retried, self._delivered = True, False
            self._timers[_Timer.RESPONSE] = now + self._settings.send_timeout_s
            return [effects.Play(Earcon.RETRY), effects.Reconnect()]
        return [*([effects.Play(Earcon.FAULT)] if connected else []), effects.SaveNote(), *self._rest_after_answer(now)]

    def _lingered(self, now: float) -> list[effects.Effect]:
        if self.condition.notes:  # they are sent as soon as there is a network, whether or not anybody is there
            self._timers[_Timer.LINGER] = now + max(self._settings.linger_s, NOTES_LINGER_S)
            return []
        return [effects.Disconnect()]

    # phases

    def _enter(self, phase: Phase, timers: dict[_Timer, float]) -> None:
        self.phase, self._timers = phase, timers

    def _wake(self, now: float) -> list[effects.Effect]:
        self._listen(now, self._settings.idle_s)
        return [effects.Sensors(on=True), effects.Connect()]

    def _listen(self, now: float, seconds: float) -> None:
        self._enter(Phase.LISTENING, {} if self._settings.always_listening else {_Timer.IDLE: now + seconds})

    def _hear(self, phase: Phase, now: float) -> None:
        # The endpointer counts audio and ends it first; this timer is for a microphone that stops delivering.
        self._enter(phase, {_Timer.UTTERANCE: now + self._settings.max_utterance_s})

    def _think(self, now: float) -> None:
        self._delivered = self._retried = False
        self._enter(
            Phase.THINKING,
            {_Timer.TICK: now + THINKING_TICK_S, _Timer.RESPONSE: now + self._settings.send_timeout_s},
        )

    def _end_utterance(self, now: float) -> list[effects.Effect]:
        return [effects.EndUtterance(), *self._expect_answer(now)]

    def _expect_answer(self, now: float) -> list[effects.Effect]:
        """Wait for the answer, or save the question as a note at once if it cannot be sent."""
        if self.condition.away and self._settings.local_detection:
            return [effects.SaveNote(), *self._rest_after_answer(now)]
        self._think(now)
        return []

    def _rest_after_answer(self, now: float) -> list[effects.Effect]:
        if self.phase is Phase.ASLEEP:
            return []
        if self.phase is Phase.SPEAKING:
            more = self.condition.answers and self._answers_at_once
            return self._play_answers(Phase.SPEAKING, now) if more else self._sleep(now)
        if self.condition.answers:  # they arrived while something else was going on
            return self._play_answers(Phase.ANSWERING, now)
        self._listen(now, self._settings.follow_up_s)
        return [] if self._hands_free else self._sleep(now)

    def _sleep(self, now: float) -> list[effects.Effect]:
        end: list[effects.Effect] = [effects.EndUtterance()] if self.phase.recording else []
        cut: list[effects.Effect] = [effects.CutAnswer()] if self.phase.recording or self.phase.waiting else []
        # An unsent question must not depend on a connection that may soon be closed.
        sent = self.link is LinkState.UP or not self._settings.local_detection
        save: list[effects.Effect] = [] if sent else [effects.SaveNote()]
        close: list[effects.Effect] = [effects.Sensors(on=False)] if self.phase.listening else []
        self._enter(Phase.ASLEEP, {_Timer.LINGER: now + self._settings.linger_s})
        return [*end, *cut, *save, *close]
