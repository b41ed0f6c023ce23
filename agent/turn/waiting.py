"""PURE: what waits: notes for the network, their answers for silence; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.turn import effects, events
from agent.turn.news import Topic
from agent.turn.phase import Phase
from agent.turn.timer import Timer
from agent.voice.earcons import Earcon

if TYPE_CHECKING:
    from agent.turn.box import Box

NOTES_LINGER_S = 60.0
"""While notes wait, the connection is kept; this is how often the box checks whether they still do."""


class Waiting:
    """Handles what is kept: questions as notes, answers to them until somebody hears them, pictures."""

    def __init__(self, box: Box) -> None:
        """Act on ``box``."""
        self._box = box

    def handle(
        self, event: events.NoteSaved | events.NotesChanged | events.StillKept, now: float
    ) -> list[effects.Effect]:
        """Handle one event."""
        box = self._box
        match event:
            case events.NoteSaved():
                # If the box was still waiting, the service did not accept the question.
                box.news.add(Topic.NO_ANSWER if event.delivered else Topic.SAVED)
                return box.rest_after_answer(now) if box.phase is Phase.THINKING else []
            case events.NotesChanged():
                box.condition.notes_changed(event)
                if box.phase is Phase.ASLEEP:
                    box.timers.setdefault(Timer.LINGER, now + NOTES_LINGER_S)
                return self._answers_came(now) if box.condition.answers else []
            case events.StillKept():
                return [effects.Play(Earcon.STILL)]
            case _:
                assert_never(event)

    def _answers_came(self, now: float) -> list[effects.Effect]:
        box = self._box
        if box.phase is Phase.LISTENING:
            box.offer.begin(now)
        at_once = box.phase is Phase.ASLEEP and box.answers_at_once
        return box.play_answers(Phase.SPEAKING, now) if at_once else []

    def offered(self, now: float) -> list[effects.Effect]:
        """Play the answers that wait: there was silence for long enough. A press is about to become something else."""
        if self._box.pressed:
            self._box.offer.begin(now)
            return []
        return self._box.play_answers(Phase.ANSWERING, now)

    def lingered(self, now: float) -> list[effects.Effect]:
        """Give up the connection, unless notes wait for it."""
        box = self._box
        if box.condition.notes:  # they are sent as soon as there is a network, whether or not anybody is there
            box.timers[Timer.LINGER] = now + max(box.settings.linger_s, NOTES_LINGER_S)
            return []
        return [effects.Disconnect()]
