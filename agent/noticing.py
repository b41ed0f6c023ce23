"""PURE: which events and effects of the turn machine are told, and as which notice."""

from __future__ import annotations

from typing import Any

from agent import notices
from agent.turn import effects, events
from agent.turn.gestures import Hold, HoldEnd, Settled, Tap

_PLAIN: dict[type, type[Any]] = {
    events.AnswerBegan: notices.AnswerStarted,
    events.AnswerGenerated: notices.AnswerReceived,
    events.AnswerEnded: notices.AnswerClosed,
    events.AnswerInterrupted: notices.AnswerOverridden,
    events.Drained: notices.AnswerPlayed,
    events.Delivered: notices.UtteranceSent,
    events.StillKept: notices.StillSaved,
    effects.EndUtterance: notices.UtteranceEnded,
    effects.CutAnswer: notices.AnswerSilenced,
    effects.PlayAnswers: notices.NoteAnswersPlaying,
    effects.SpeakStatus: notices.StatusSpoken,
    effects.Reconnect: notices.QuestionRetried,
}
"""Moves that say nothing but that they happened."""


def of_move(move: events.Event | effects.Effect) -> notices.Notice | None:
    """Return what is told of an event or effect; None for what is nobody's business outside."""
    match move:
        case Tap() | Settled():
            return notices.GestureMade("tap" if isinstance(move, Tap) else "settled", move.count)
        case Hold() | HoldEnd():
            return notices.GestureMade("hold" if isinstance(move, Hold) else "hold_end", 0)
        case events.SpeechStarted() | events.SpeechEnded():
            return notices.SpeechDetected(isinstance(move, events.SpeechStarted))
        case events.AnswerMissing():
            return notices.AnswerMissed(move.reason)
        case events.NoteSaved():
            return notices.NoteKept(move.delivered)
        case events.NotesChanged():
            return notices.NotesCounted(move.waiting, move.answered)
        case _:
            return _of_condition(move)


def _of_condition(move: events.Event | effects.Effect) -> notices.Notice | None:  # noqa: PLR0911 - one line per kind
    match move:
        case events.FaultRaised():
            return notices.FaultBegan(move.name)
        case events.FaultCleared():
            return notices.FaultEnded(move.name)
        case events.NoiseChanged():
            return notices.NoiseJudged(move.noisy)
        case events.TrustChanged():
            return notices.EchoJudged(move.trusted)
        case events.LagChanged():
            return notices.LagJudged(move.behind)
        case effects.Sensors():
            return notices.SensorsSwitched(move.on)
        case effects.OpenUtterance():
            return notices.UtteranceOpened(move.pre_roll_s)
        case effects.SendText():
            return notices.UtteranceTyped(move.text)
        case effects.Play():
            return notices.EarconPlayed(move.earcon, move.words)
        case _:
            kind = _PLAIN.get(type(move))
            return None if kind is None else kind()
