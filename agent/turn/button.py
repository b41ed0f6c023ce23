"""PURE: what a press, a hold and each number of taps does in each phase; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.turn import effects
from agent.turn.gestures import HOLD_S, MAX_TAPS, Down, Hold, HoldEnd, Settled, Tap
from agent.turn.phase import Phase
from agent.turn.timer import Timer
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase

if TYPE_CHECKING:
    from agent.turn.box import Box
    from agent.turn.gestures import Gesture

HOLD_PRE_ROLL_S = HOLD_S + 0.1
"""A hold is recognised HOLD_S after the press; the rest covers the edge's debouncing."""
RELEASE_TAIL_S = 0.150
"""Recording goes on this long after a release: thumbs beat tongues, and the last chunks are still on their way."""


class Presses:
    """Handles the gestures of the button."""

    def __init__(self, box: Box) -> None:
        """Act on ``box``."""
        self._box = box
        self._origin = Phase.ASLEEP  # the phase in which the present series of taps began

    def handle(self, gesture: Gesture, now: float) -> list[effects.Effect]:
        """Handle one gesture."""
        match gesture:
            case Down():
                return self._down(gesture, now)
            case Hold():
                return self._hold(now)
            case HoldEnd():
                return self._released(now)
            case Tap():
                self._box.pressed = False
                return self._tap(gesture.count, now)
            case Settled():
                return self._settled(gesture.count, now)
            case _:
                assert_never(gesture)

    # press and hold

    def _down(self, gesture: Down, now: float) -> list[effects.Effect]:
        box = self._box
        box.pressed = True
        if gesture.first:
            self._origin = box.phase
        # Silence comes before anything else that a press does. What the press means is known when the taps are over:
        # a double tap takes a photo, and the answer goes on.
        wanted: list[effects.Effect] = [effects.PauseAnswer()]
        if box.phase is Phase.ASLEEP:
            wanted += box.wake(now)
        elif box.phase is Phase.SPEAKING:
            box.phase = Phase.ANSWERING
            wanted += box.open()
        elif box.phase is Phase.LISTENING:
            box.listen(now, box.settings.idle_s)
        if gesture.first and not box.phase.waiting:
            wanted += [effects.CancelCatchUp()]
        box.timers.pop(Timer.RELEASED, None)  # pressed again at once: the utterance goes on
        return wanted

    def _hold(self, now: float) -> list[effects.Effect]:
        box = self._box
        wanted = self._cut() if box.phase.waiting or box.phase.playing else [effects.ResumeAnswer()]
        wanted += [] if box.phase.listening else box.wake(now)
        if not box.phase.recording:  # an utterance that the endpointer opened goes on under the thumb
            wanted += [effects.OpenUtterance(HOLD_PRE_ROLL_S)]
        if box.phase is not Phase.TALKING:
            wanted += [effects.Play(Earcon.TALK)]
        box.hear(Phase.TALKING, now)
        return wanted

    def _released(self, now: float) -> list[effects.Effect]:
        self._box.pressed = False
        if self._box.phase is Phase.TALKING:
            self._box.timers[Timer.RELEASED] = now + RELEASE_TAIL_S
        return []

    def hold_over(self, now: float) -> list[effects.Effect]:
        """End the utterance that was held, a moment after the release."""
        return [*self._box.end_utterance(now), effects.Play(Earcon.RELEASED)]

    # taps: at the release, and when no more of them come

    def _tap(self, count: int, now: float) -> list[effects.Effect]:
        if count == 1:
            return self._woken() if self._origin is Phase.ASLEEP else []
        if count == MAX_TAPS:
            asleep = self._origin is Phase.ASLEEP
            return [*self._box.sleep(now), effects.SpeakStatus()] if asleep else self._hang_up(now)
        return []

    def _woken(self) -> list[effects.Effect]:
        if not self._box.hands_free or self._box.phase is not Phase.LISTENING:
            return []
        if self._box.condition.noisy:  # again, in case nobody heard it
            return [effects.Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))]
        return [effects.Play(Earcon.LISTENING)]

    def _settled(self, count: int, now: float) -> list[effects.Effect]:
        phase = self._box.phase
        if count == 1 and phase.waiting and self._origin in (Phase.THINKING, Phase.ANSWERING, Phase.SPEAKING):
            return self._silenced(now)
        go_on = effects.ResumeAnswer()
        if count == 2:  # noqa: PLR2004 - the gestures are named by their number of taps
            return [effects.TakeStill(), go_on, *(self._box.end_utterance(now) if phase is Phase.TALKING else [])]
        if phase is Phase.TALKING or (count == 1 and phase is Phase.HEARING and self._origin is Phase.HEARING):
            return [go_on, *self._box.end_utterance(now)]
        if count == 1 and phase is Phase.LISTENING:
            return [go_on, *self._tapped_once(now)]
        return [go_on]

    def _silenced(self, now: float) -> list[effects.Effect]:
        """A tap while an answer was awaited or played: the box is silent, and listens."""
        box = self._box
        box.offer.decline()
        cut = self._cut()
        box.listen(now, box.settings.idle_s)
        if not box.hands_free:
            return [*cut, effects.Play(Earcon.HOLD_TO_TALK), *box.sleep(now)]
        return [*cut, *([effects.Play(Earcon.LISTENING)] if self._origin is Phase.SPEAKING else [])]

    def _tapped_once(self, now: float) -> list[effects.Effect]:
        box = self._box
        if self._origin is Phase.LISTENING:
            return self._hang_up(now)
        if box.hands_free:
            return []
        if box.condition.answers:  # where a tap opens no ear, nobody has to be listened to first
            return box.play_answers(Phase.ANSWERING, now)
        return [effects.Play(Earcon.HOLD_TO_TALK), *box.sleep(now)]

    def _hang_up(self, now: float) -> list[effects.Effect]:
        return [*self._box.sleep(now), effects.Play(Earcon.ASLEEP)]

    def _cut(self) -> list[effects.Effect]:
        return [effects.CutAnswer(), effects.CancelCatchUp()]
