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
from agent.turn.gestures import HOLD_S, MAX_TAPS, Down, Hold, HoldEnd, Settled, Tap
from agent.turn.news import News, Topic
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase

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
CUT_GRACE_S = 3.0
"""How long the rest of an answer is waited for without a connection: redialling takes under a second where there is a
network, and the technician sits in silence."""
OFFER_S = 1.5
"""The silence after which waiting answers begin: whoever woke the box to ask something has begun by then."""
OFFER_MOST_S = 6.0
"""How long a voice from which no question comes, as in a loud place, may keep waiting answers from beginning."""


class _Timer(Enum):
    IDLE = auto()
    UTTERANCE = auto()
    RELEASED = auto()
    TICK = auto()
    RESPONSE = auto()
    ANSWER_CAP = auto()
    OFFER = auto()
    LINGER = auto()


class Turn:
    """The turn machine. ``handle`` returns effects in the order they must be performed."""

    def __init__(self, settings: TurnSettings, *, answers_at_once: bool = False) -> None:
        """Start asleep, not connected; ``answers_at_once``: answers to notes are played even while asleep."""
        self._settings = settings
        self._answers_at_once = answers_at_once
        self._hands_free = settings.mode == "hands-free"
        self._timers: dict[_Timer, float] = {}
        self.condition = Condition()
        self._news = News(self.condition)
        self._origin = Phase.ASLEEP  # the phase in which the present series of taps began
        self._pressed = False
        self._offer_until = 0.0  # when waiting answers begin at the latest
        self._declined = False  # the technician silenced an answer: those that wait do not begin by themselves
        self._delivered = False
        self._retried = False
        self.phase = Phase.ASLEEP

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
        wanted = self._handled(event, now)
        # What the box has to say of itself waits until nobody else speaks, and until then may no longer be true.
        if self._pressed or self.phase not in (Phase.ASLEEP, Phase.LISTENING):
            return wanted
        return [*wanted, *self._news.due(now, awake=self.phase.listening)]

    def _handled(self, event: events.Event, now: float) -> list[effects.Effect]:
        match event:
            case Down() | Hold() | HoldEnd() | Tap() | Settled():
                return self._gesture(event, now)
            case events.SpeechStarted() | events.SpeechEnded() | events.Typed():
                return self._person(event, now)
            case (
                events.AnswerBegan()
                | events.AnswerGenerated()
                | events.AnswerEnded()
                | events.AnswerMissing()
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
                | events.HearsAgain()
                | events.LagChanged()
                | events.FaultRaised()
                | events.FaultCleared()
            ):
                self._condition_changed(event)
                return []
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
        # Silence comes before anything else that a press does. What the press means is known when the taps are over:
        # a double tap takes a photo, and the answer goes on.
        wanted: list[effects.Effect] = [effects.PauseAnswer()]
        if self.phase is Phase.ASLEEP:
            wanted += self._wake(now)
        elif self.phase is Phase.SPEAKING:
            self.phase = Phase.ANSWERING
            wanted += self._open()
        elif self.phase is Phase.LISTENING:
            self._listen(now, self._settings.idle_s)
        if gesture.first and not self.phase.waiting:
            wanted += [effects.CancelCatchUp()]
        self._timers.pop(_Timer.RELEASED, None)  # pressed again at once: the utterance goes on
        return wanted

    def _released(self, now: float) -> list[effects.Effect]:
        if self.phase is Phase.TALKING:
            self._timers[_Timer.RELEASED] = now + RELEASE_TAIL_S
        return []

    def _hold(self, now: float) -> list[effects.Effect]:
        wanted = self._cut() if self.phase.waiting or self.phase.playing else [effects.ResumeAnswer()]
        wanted += [] if self.phase.listening else self._wake(now)
        if not self.phase.recording:  # an utterance that the endpointer opened goes on under the thumb
            wanted += [effects.OpenUtterance(HOLD_PRE_ROLL_S)]
        if self.phase is not Phase.TALKING:
            wanted += [effects.Play(Earcon.TALK)]
        self._hear(Phase.TALKING, now)
        return wanted

    def _tap(self, count: int, now: float) -> list[effects.Effect]:
        if count == 1:
            return self._woken() if self._origin is Phase.ASLEEP else []
        if count == MAX_TAPS:
            asleep = self._origin is Phase.ASLEEP
            return [*self._sleep(now), effects.SpeakStatus()] if asleep else self._hang_up(now)
        return []

    def _woken(self) -> list[effects.Effect]:
        if not self._hands_free or self.phase is not Phase.LISTENING:
            return []
        if self.condition.noisy:  # again, in case nobody heard it
            return [effects.Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))]
        return [effects.Play(Earcon.LISTENING)]

    def _settled(self, count: int, now: float) -> list[effects.Effect]:
        if count == 1 and self.phase.waiting and self._origin in (Phase.THINKING, Phase.ANSWERING, Phase.SPEAKING):
            return self._silenced(now)
        go_on = effects.ResumeAnswer()
        if count == 2:  # noqa: PLR2004 - the gestures are named by their number of taps
            return [effects.TakeStill(), go_on, *(self._end_utterance(now) if self.phase is Phase.TALKING else [])]
        if self.phase is Phase.TALKING or (
            count == 1 and self.phase is Phase.HEARING and self._origin is Phase.HEARING
        ):
            return [go_on, *self._end_utterance(now)]
        if count == 1 and self.phase is Phase.LISTENING:
            return [go_on, *self._tapped_once(now)]
        return [go_on]

    def _silenced(self, now: float) -> list[effects.Effect]:
        """A tap while an answer was awaited or played: the box is silent, and listens."""
        self._declined = True
        cut = self._cut()
        self._listen(now, self._settings.idle_s)
        if not self._hands_free:
            return [*cut, effects.Play(Earcon.HOLD_TO_TALK), *self._sleep(now)]
        return [*cut, *([effects.Play(Earcon.LISTENING)] if self._origin is Phase.SPEAKING else [])]

    def _tapped_once(self, now: float) -> list[effects.Effect]:
        if self._origin is Phase.LISTENING:
            return self._hang_up(now)
        if self._hands_free:
            return []
        if self.condition.answers:  # where a tap opens no ear, nobody has to be listened to first
            return self._play_answers(Phase.ANSWERING, now)
        return [effects.Play(Earcon.HOLD_TO_TALK), *self._sleep(now)]

    def _hang_up(self, now: float) -> list[effects.Effect]:
        return [*self._sleep(now), effects.Play(Earcon.ASLEEP)]

    def _cut(self) -> list[effects.Effect]:
        return [effects.CutAnswer(), effects.CancelCatchUp()]

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
        | events.AnswerMissing
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
                return self._answer_ended(now)
            case events.AnswerMissing():
                return self._answer_missing(now)
            case events.AnswerInterrupted():
                return self._interrupted(now)
            case events.Drained():
                return self._drained(now)
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

    def _answer_ended(self, now: float) -> list[effects.Effect]:
        return self._rest_after_answer(now) if self.phase is Phase.THINKING else self._answer_complete()

    def _answer_missing(self, now: float) -> list[effects.Effect]:
        """The service answered a question with nothing that can be heard: ask it once more, then keep the question."""
        if not self.phase.waiting:
            return []
        if self._retried:
            return [effects.Play(Earcon.FAULT), effects.SaveNote(), *self._rest_after_answer(now)]
        self._think(now)
        return self._ask_again(now)

    def _ask_again(self, now: float) -> list[effects.Effect]:
        self._retried, self._delivered = True, False
        self._timers[_Timer.RESPONSE] = now + self._settings.send_timeout_s
        return [effects.Play(Earcon.RETRY), effects.Reconnect()]

    def _drained(self, now: float) -> list[effects.Effect]:
        if not self.phase.playing:
            return []
        return self._rest_after_answer(now)

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
        if self.condition.link_changed(event):
            self._news.add(Topic.REFUSAL)
        if state is LinkState.UP and self._news.told_away:
            self._news.connected(heard=self.phase.listening)
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
            patience_s = self._settings.response_timeout_s if state is LinkState.UP else CUT_GRACE_S
            self._timers[_Timer.RESPONSE] = now + patience_s
        return []

    # notes

    def _kept(
        self, event: events.NoteSaved | events.NotesChanged | events.StillKept, now: float
    ) -> list[effects.Effect]:
        match event:
            case events.NoteSaved():
                # If the box was still waiting, the service did not accept the question.
                self._news.add(Topic.NO_ANSWER if event.delivered else Topic.SAVED)
                return self._rest_after_answer(now) if self.phase is Phase.THINKING else []
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
        if self.condition.answers and self.phase is Phase.LISTENING:
            self._offer_answers(now)
        if self.condition.answers and self.phase is Phase.ASLEEP and self._answers_at_once:
            return self._play_answers(Phase.SPEAKING, now)
        return []

    def _offer_answers(self, now: float) -> None:
        """Play the answers that wait after some silence: who presses to ask something goes first."""
        if not self._declined and _Timer.OFFER not in self._timers:
            self._timers[_Timer.OFFER], self._offer_until = now + OFFER_S, now + OFFER_MOST_S

    def voiced(self, now: float) -> None:
        """Push back the beginning of waiting answers: there is a voice, from which a question may come.

        Called for every such chunk while the box listens. It is no event, because nothing else changes.
        """
        if _Timer.OFFER in self._timers:
            self._timers[_Timer.OFFER] = min(now + OFFER_S, self._offer_until)

    def _play_answers(self, phase: Phase, now: float) -> list[effects.Effect]:
        self._enter(phase, {_Timer.ANSWER_CAP: now + self.condition.answers * self._settings.max_answer_s})
        self.condition.answers = 0  # they are about to play; if a press comes first, they are announced again
        return [effects.PlayAnswers()]

    # what the place allows

    def _condition_changed(
        self,
        event: events.NoiseChanged
        | events.TrustChanged
        | events.HearsAgain
        | events.LagChanged
        | events.FaultRaised
        | events.FaultCleared,
    ) -> None:
        match event:
            case events.NoiseChanged():
                self.condition.noisy = event.noisy
                if event.noisy and self._hands_free:
                    self._news.add(Topic.NOISE)
            case events.TrustChanged():
                self.condition.trusted = event.trusted
            case events.HearsAgain():
                self._hears_again(missed=event.missed)
            case events.LagChanged():
                self.condition.behind = event.behind
            case events.FaultRaised():
                if self.condition.fault_raised(event.name):
                    self._news.add(Topic.FAULT, event.name)
            case events.FaultCleared():
                self.condition.faults.discard(event.name)
            case _:
                assert_never(event)

    def _hears_again(self, *, missed: bool) -> None:
        """Have it told that the box hears, if it does; who silenced the answer knows."""
        hears = self.phase is Phase.LISTENING and self._hands_free and not self.condition.noisy
        if hears and not self._declined and (missed or not self.condition.trusted):
            self._news.add(Topic.ONE_WAY)

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
                return [effects.Play(Earcon.ASLEEP, self._news.parting(now)), *self._sleep(now)]
            case _Timer.UTTERANCE:
                return self._end_utterance(now)
            case _Timer.RELEASED:
                return [*self._end_utterance(now), effects.Play(Earcon.RELEASED)]
            case _Timer.TICK:
                return [effects.Play(Earcon.THINKING)]
            case _Timer.RESPONSE:
                return self._no_response(now)
            case _Timer.ANSWER_CAP:
                return [effects.CutAnswer(), *self._rest_after_answer(now)]
            case _Timer.OFFER:
                return self._offered(now)
            case _Timer.LINGER:
                return self._lingered(now)
            case _:
                assert_never(timer)

    def _no_response(self, now: float) -> list[effects.Effect]:
        connected = self.link is LinkState.UP
        if self.phase.playing:
            # What was received is played. If the connection was lost, the rest is asked for when it is back.
            self._news.add(Topic.CUT)
            return [effects.FinishAnswer(), *([] if connected else [effects.SaveNote()])]
        if not self._settings.local_detection:
            return self._rest_after_answer(now)  # what sounded like speech to the box was none to the service
        if connected and not self._retried:
            return self._ask_again(now)
        return [*([effects.Play(Earcon.FAULT)] if connected else []), effects.SaveNote(), *self._rest_after_answer(now)]

    def _offered(self, now: float) -> list[effects.Effect]:
        if self._pressed:
            self._offer_answers(now)
            return []
        return self._play_answers(Phase.ANSWERING, now)

    def _lingered(self, now: float) -> list[effects.Effect]:
        if self.condition.notes:  # they are sent as soon as there is a network, whether or not anybody is there
            self._timers[_Timer.LINGER] = now + max(self._settings.linger_s, NOTES_LINGER_S)
            return []
        return [effects.Disconnect()]

    # phases

    def _enter(self, phase: Phase, timers: dict[_Timer, float]) -> None:
        self.phase, self._timers = phase, timers

    def _wake(self, now: float) -> list[effects.Effect]:
        self._declined = False
        self._listen(now, self._settings.idle_s)
        return self._open()

    def _open(self) -> list[effects.Effect]:
        return [effects.Sensors(on=True), effects.Connect()]

    def _listen(self, now: float, seconds: float) -> None:
        self._enter(Phase.LISTENING, {} if self._settings.always_listening else {_Timer.IDLE: now + seconds})
        if self.condition.answers and self._hands_free:
            self._offer_answers(now)

    def _hear(self, phase: Phase, now: float) -> None:
        self._declined = False
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
        if self.condition.answers and not self._hands_free:  # they arrived while something else was going on
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
