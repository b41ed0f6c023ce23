"""PURE: the conversation as text, to seed a fresh session with when the old session cannot be resumed.

Text only: audio would corrupt a session and function calls would close it (Live API, history in clientContent). The
newest turns are given word for word until ``VERBATIM_SHARE`` of the budget is used. Older turns are condensed to the
first ``QUESTION_WORDS`` words of the question and the first sentence of the answer. What still does not fit is left
out, oldest first, and the model is told how many turns that were.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

VERBATIM_SHARE = 0.75
QUESTION_WORDS = 12
"""Enough to recognise what the question was about."""
CHARACTERS_PER_TOKEN = 3.0
"""A cautious estimate: English text has about four, other languages and part numbers fewer."""
OVERHEAD_TOKENS = 4
"""Cost of the role and the structure of one message."""
SILENT = "(no transcript)"
FIRST_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)

Lines = list[tuple[str, str]]
"""(role, text), role user or model, oldest first."""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """One turn as the model will be told it: the question, the part of the answer that was played, the tools used."""

    question: str
    answer: str
    tools: tuple[str, ...] = ()
    number: int = 0  # of the utterance; 0 if nobody asked

    def lines(self) -> Lines:
        """Return the turn word for word."""
        asked = "\n".join([self.question or SILENT, *(f"[{tool}]" for tool in self.tools)])
        return [("user", asked), ("model", self.answer or SILENT)]

    def condensed(self) -> Lines:
        """Return the turn in short: the first words of the question, the first sentence of the answer."""
        words = self.question.split()
        asked = " ".join(words[:QUESTION_WORDS]) + (" ..." if len(words) > QUESTION_WORDS else "")
        sentence = FIRST_SENTENCE.match(self.answer)
        return [("user", asked or SILENT), ("model", sentence.group() if sentence else self.answer or SILENT)]


class History:
    """The turns of the present conversation, as many as a seed can ever hold."""

    def __init__(self, budget_tokens: int) -> None:
        """Start empty; a seed takes ``budget_tokens`` at most."""
        self._budget = budget_tokens
        self._turns: deque[PastTurn] = deque()
        self._left_out = 0
        self.position = 0
        """How many turns were added so far."""

    def add(self, turn: PastTurn) -> None:
        """Append a turn, or replace the turn with the same number; turns that no longer fit a seed are forgotten."""
        earlier = next((i for i, each in enumerate(self._turns) if turn.number and each.number == turn.number), None)
        if earlier is not None:
            self._turns[earlier] = turn
            return
        self.position += 1
        self._turns.append(turn)
        self._left_out += self._fit()[0]
        while len(self._turns) > len(self._fit()[1]):
            self._turns.popleft()

    def clear(self) -> None:
        """Forget every turn: a new conversation begins."""
        self._turns.clear()
        self._left_out = 0

    def since(self, position: int) -> Lines:
        """Return the turns added after ``position``, word for word."""
        newer = min(self.position - position, len(self._turns))
        return [line for turn in list(self._turns)[len(self._turns) - newer :] for line in turn.lines()]

    def seed(self) -> Lines:
        """Return the lines with which to seed a fresh session; empty without turns."""
        told = [line for lines in self._fit()[1] for line in lines]
        if not told:
            return []
        if self._left_out:
            told[0] = ("user", f"[{self._left_out} earlier turns are left out]\n{told[0][1]}")
        return told

    def _fit(self) -> tuple[int, list[Lines]]:
        """Return the number of turns that do not fit, and the lines of those that do, oldest first."""
        fitting: list[Lines] = []
        told: Lines = []
        verbatim = True
        for turn in reversed(self._turns):
            whole, short = turn.lines(), turn.condensed()
            verbatim = verbatim and tokens(told + whole) <= VERBATIM_SHARE * self._budget
            lines = whole if verbatim else short
            told += lines
            if tokens(told) > self._budget:
                break
            fitting.insert(0, lines)
        return len(self._turns) - len(fitting), fitting


def tokens(lines: Lines) -> float:
    """Return an estimate of the tokens that ``lines`` cost."""
    # One division of a whole number: a sum of fractions would depend on the order of the lines.
    return OVERHEAD_TOKENS * len(lines) + sum(len(text) for _, text in lines) / CHARACTERS_PER_TOKEN


def as_one_text(lines: Lines) -> Lines:
    """Return ``lines`` as a single message of the user, for models that take no initial history."""
    return [("user", f"(What was said in this conversation so far)\n{_as_script(lines)}")] if lines else []


def missed_text(lines: Lines) -> str:
    """Return what a resumed session that has missed ``lines`` is told before the next question; empty without any."""
    if not lines:
        return ""
    return (
        "(The connection broke, and this part of the conversation was lost to you. "
        f"Do not answer it, it has been answered.)\n{_as_script(lines)}"
    )


def _as_script(lines: Lines) -> str:
    names = {"user": "Technician", "model": "You"}
    return "\n".join(f"{names[role]}: {text}" for role, text in lines)
