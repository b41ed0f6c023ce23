"""PURE: how an answer begins and ends, and how long it is waited for; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from agent.link.state import LinkState
from agent.turn import effects, events
from agent.turn.news import Topic
from agent.turn.phase import Phase
from agent.turn.timer import Timer
from agent.voice.earcons import Earcon

if TYPE_CHECKING:
    from agent.turn.box import Box

AWAY_GRACE_S = 5.0
"""After a failed attempt to connect, how long the box hopes for a short gap before it saves the question as a note."""
CUT_GRACE_S = 3.0
"""How long the rest of an answer is waited for without a connection: redialling takes under a second where there is a
network, and the technician sits in silence."""


class Answering:
    """Handles what comes, or does not come, of the answer to a question."""

    def __init__(self, box: Box) -> None:
        """Act on ``box``."""
        self._box = box

    def handle(
        self,
        event: events.AnswerBegan
        | events.AnswerGenerated
        | events.AnswerEnded
        | events.AnswerMissing
        | events.AnswerInterrupted
        | events.Drained,
        now: float,
    ) -> list[effects.Effect]:
        """Handle one event."""
        match event:
            case events.AnswerBegan():
                return self._began(now)
            case events.AnswerGenerated():
                return self._complete()
            case events.AnswerEnded():
                return self._box.rest_after_answer(now) if self._box.phase is Phase.THINKING else self._complete()
            case events.AnswerMissing():
                return self._missing(now)
            case events.AnswerInterrupted():
                return self._interrupted(now)
            case events.Drained():
                return self._drained(now)
            case _:
                assert_never(event)

    def _began(self, now: float) -> list[effects.Effect]:
        box = self._box
        if box.phase.recording:
            return [effects.CutAnswer()]  # the person is speaking: nothing may talk over them
        if not box.phase.playing:
            box.enter(
                Phase.ANSWERING if box.phase.listening else Phase.SPEAKING,
                {
                    Timer.ANSWER_CAP: now + box.settings.max_answer_s,
                    Timer.RESPONSE: now + box.settings.response_timeout_s,
                },
            )
        return []

    def _complete(self) -> list[effects.Effect]:
        if not self._box.phase.playing:
            return []
        self._box.timers.pop(Timer.RESPONSE, None)
        return [effects.FinishAnswer()]

    def _drained(self, now: float) -> list[effects.Effect]:
        box = self._box
        return box.rest_after_answer(now) if box.phase.playing else []

    def _interrupted(self, now: float) -> list[effects.Effect]:
        box = self._box
        if box.phase is Phase.ANSWERING and not box.settings.local_detection:
            box.hear(Phase.HEARING, now)
            return [effects.CutAnswer(), effects.OpenUtterance(0.0)]
        if box.phase.playing:
            return [effects.CutAnswer(), *box.rest_after_answer(now)]
        return []

    # silence

    def _missing(self, now: float) -> list[effects.Effect]:
        """The service answered a question with nothing that can be heard: ask it once more, then keep the question."""
        box = self._box
        if not box.phase.waiting:
            return []
        if box.asked.retried:
            return [effects.Play(Earcon.FAULT), effects.SaveNote(), *box.rest_after_answer(now)]
        box.think(now)
        return self._ask_again(now)

    def _ask_again(self, now: float) -> list[effects.Effect]:
        box = self._box
        box.asked.retried, box.asked.delivered = True, False
        box.timers[Timer.RESPONSE] = now + box.settings.send_timeout_s
        return [effects.Play(Earcon.RETRY), effects.Reconnect()]

    def overdue(self, now: float) -> list[effects.Effect]:
        """Give up waiting for the service, or ask it once more."""
        box = self._box
        if box.phase.playing:
            # What was received is played. If the connection was lost, the rest is asked for when it is back.
            box.news.add(Topic.CUT)
            return [effects.FinishAnswer(), *([] if box.up else [effects.SaveNote()])]
        if not box.settings.local_detection:
            return box.rest_after_answer(now)  # what sounded like speech to the box was none to the service
        if box.up and not box.asked.retried:
            return self._ask_again(now)
        return [*([effects.Play(Earcon.FAULT)] if box.up else []), effects.SaveNote(), *box.rest_after_answer(now)]

    # how long it is waited for

    def progress(self, now: float) -> None:
        """Push back the deadline: the service sent something, or received the whole question."""
        box = self._box
        asked = box.phase is Phase.THINKING and box.asked.delivered
        receiving = box.phase.playing and Timer.RESPONSE in box.timers
        if asked or receiving:
            box.timers[Timer.RESPONSE] = now + box.settings.response_timeout_s

    def delivered(self, now: float) -> None:
        """Take note that the service has the whole question."""
        self._box.asked.delivered = True
        self.progress(now)

    def link_changed(self, before: LinkState, now: float) -> None:
        """Wait as long as the new state of the link is worth."""
        box, state = self._box, self._box.condition.link
        if box.phase is Phase.THINKING and state is not LinkState.UP:
            box.asked.delivered = False
            due = now + (AWAY_GRACE_S if state.away else box.settings.send_timeout_s)
            known = due if before is LinkState.UP else box.timers.get(Timer.RESPONSE, due)
            box.timers[Timer.RESPONSE] = min(due, known)
        elif box.phase is Phase.THINKING:
            box.timers[Timer.RESPONSE] = now + box.settings.send_timeout_s  # it is on its way again
        # The box waits for the rest of an answer once from the drop, and once more from the reconnect.
        if box.phase.playing and Timer.RESPONSE in box.timers and LinkState.UP in (before, state):
            patience_s = box.settings.response_timeout_s if state is LinkState.UP else CUT_GRACE_S
            box.timers[Timer.RESPONSE] = now + patience_s
