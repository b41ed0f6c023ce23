"""PURE: when a voice or a typed text is a question, what it interrupts; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.turn import effects, events
from agent.turn.phase import Phase

if TYPE_CHECKING:
    from agent.turn.box import Box


class Asking:
    """Handles what the technician says without the button, and types."""

    def __init__(self, box: Box) -> None:
        """Act on ``box``."""
        self._box = box

    def handle(
        self, event: events.SpeechStarted | events.SpeechEnded | events.Typed, now: float
    ) -> list[effects.Effect]:
        """Handle one event."""
        match event:
            case events.SpeechStarted():
                return self._speech_started(event.pre_roll_s, now)
            case events.SpeechEnded():
                ends = self._box.phase is Phase.HEARING and not self._box.pressed
                return self._box.end_utterance(now) if ends else []
            case events.Typed():
                return self._typed(event.text, now)
            case _:
                assert_never(event)

    def _speech_started(self, pre_roll_s: float, now: float) -> list[effects.Effect]:
        box = self._box
        hands_free = box.hands_free and not box.condition.noisy
        if not hands_free or box.phase.recording or not box.phase.listening:
            return []
        if not box.settings.local_detection and box.phase is Phase.ANSWERING:
            return []  # the service decides whether this was speech, and says so by interrupting
        cut: list[effects.Effect] = [effects.CutAnswer()] if box.phase.waiting else []
        box.hear(Phase.HEARING, now)
        return [*cut, effects.OpenUtterance(pre_roll_s)]

    def _typed(self, text: str, now: float) -> list[effects.Effect]:
        box = self._box
        wanted: list[effects.Effect] = []
        if not box.phase.listening:
            cut = [effects.CutAnswer()] if box.phase is Phase.SPEAKING else []
            wanted += [*cut, *box.wake(now)]
        if box.phase.recording:
            wanted += box.end_utterance(now)
        if box.phase.waiting:
            wanted += [effects.CutAnswer()]
        return [*wanted, effects.SendText(text), *box.expect_answer(now)]
