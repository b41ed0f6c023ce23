"""A running agent as lines that can be read one by one: a time, who, what."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from agent import notices
from agent.outside.text import one_line, words
from agent.turn.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.link.state import LinkState
    from agent.metrics import TurnSummary
    from agent.notices import Notice

PHASES = {
    Phase.ASLEEP: "asleep",
    Phase.LISTENING: "listening",
    Phase.HEARING: "hearing speech",
    Phase.TALKING: "push-to-talk",
    Phase.THINKING: "thinking",
    Phase.ANSWERING: "answering",
    Phase.SPEAKING: "speaking",
}


class Lines:
    """One line per thing that happened."""

    def __init__(
        self,
        clock: Callable[[], float],
        out: TextIO | None = None,
        *,
        latest: Callable[[], TurnSummary | None] = lambda: None,
        typed: Callable[[], str] | None = None,
        aloud: bool = True,
    ) -> None:
        """Count time from now on ``clock``; print to ``out``, else to standard output.

        ``latest()`` is the turn being answered; ``typed()`` what stands in the line at which somebody types, which is
        printed anew below each line of ours; without ``aloud`` nothing is said of playing.
        """
        self._clock = clock
        self._origin = clock()
        self._out = out or sys.stdout
        self._latest = latest
        self._typed = typed
        self._aloud = aloud
        self._question = ""
        self._link: LinkState | None = None
        self._silenced = False  # the answer, just now
        self._answered: tuple[int | None, str] = (None, "")  # whose words were printed last, and the words

    def say(self, who: str, what: str) -> None:
        """Print one line."""
        line = f"{self._clock() - self._origin:7.2f}  {who:<11} {one_line(what)}\n"
        self._out.write(line if self._typed is None else f"\r\x1b[K{line}{words(self._typed())}")
        self._out.flush()

    def observe(self, notice: Notice) -> None:
        """Print what a notice says."""
        if self._silenced:  # by now it is known how much of it was played
            self._silenced = False
            self._answer_over()
        match notice:
            case notices.PhaseChanged(phase=phase):
                self.say("box", PHASES[phase])
            case notices.ButtonMoved(down=down):
                self.say("button", "down" if down else "up")
            case notices.LinkStateChanged(state=state, problem=problem):
                self._link_changed(state, problem)
            case notices.EarconPlayed(earcon=earcon):
                self.say("earcon", earcon.name.lower().replace("_", " "))
            case notices.FaultBegan(part=part):
                self.say("box", f"{part} fails")
            case notices.FaultEnded(part=part):
                self.say("box", f"{part} works again")
            case _:
                self._observe_turn(notice)

    def _observe_turn(self, notice: Notice) -> None:
        match notice:
            case notices.QuestionHeard(text=text):
                self._question += text
            case notices.AnswerStarted():
                self.say("technician", self._question.strip() or "…")
                self._question = ""
            case notices.AnswerSilenced():
                self.say("box", "silences the answer")
                self._silenced = True
            case notices.AnswerPlayed():
                self._answer_over()
            case notices.AnswerMissed(reason=reason):
                self.say("answer", f"(nothing: {reason})" if reason else "(nothing)")
            case notices.TurnEnded(turn=turn):
                self._answer(turn)
                self.say("turn", figures(turn, aloud=self._aloud))

    def _link_changed(self, state: LinkState, problem: str) -> None:
        """Print a state, but one that was printed with its problem not again without."""
        if problem or state is not self._link:
            self.say("link", f"{state.value} {problem}".rstrip())
        self._link = state

    def _answer_over(self) -> None:
        """Print an answer when it has sounded: the service may close the turn seconds later."""
        turn = self._latest()
        if turn is not None and turn.played_out:
            self._answer(turn)

    def _answer(self, turn: TurnSummary) -> None:
        words = " ".join(filter(None, (turn.played_text, "…(interrupted)" if turn.interrupted else ""))) or "(nothing)"
        if self._answered != (turn.serial, words):
            self._answered = (turn.serial, words)
            self.say("answer", words)


def figures(turn: TurnSummary, *, aloud: bool = True) -> str:
    """Return a turn's numbers in one line; without ``aloud`` nothing was played."""
    ttfab = "no audio" if turn.ttfab_s is None else f"TTFAB {turn.ttfab_s:.2f} s"
    played = f"played {turn.played_s:.1f} of {turn.answer_s:.1f} s"
    return f"{ttfab}, {played if aloud else f'{turn.answer_s:.1f} s of speech'}, {turn.tokens} tokens"
