"""Which moves of the turn machine are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from agent import notices
from agent.noticing import of_move
from agent.turn import effects, events
from agent.turn.effects import Effect
from agent.turn.events import Event
from agent.turn.gestures import Down, Hold, HoldEnd, Settled, Tap
from agent.voice.earcons import Earcon

if TYPE_CHECKING:
    from agent.notices import Notice


@pytest.mark.parametrize(
    ("move", "told"),
    [
        (Tap(2), notices.GestureMade("tap", 2)),
        (Settled(1), notices.GestureMade("settled", 1)),
        (Hold(), notices.GestureMade("hold", 0)),
        (HoldEnd(), notices.GestureMade("hold_end", 0)),
        (events.SpeechStarted(0.4), notices.SpeechDetected(speaking=True)),
        (events.AnswerMissing("WHY"), notices.AnswerMissed("WHY")),
        (events.SpeechEnded(), notices.SpeechDetected(speaking=False)),
        (events.NoteSaved(delivered=True), notices.NoteKept(delivered=True)),
        (events.NotesChanged(2, 1), notices.NotesCounted(2, 1)),
        (events.FaultRaised("camera"), notices.FaultBegan("camera")),
        (events.FaultCleared("camera"), notices.FaultEnded("camera")),
        (events.NoiseChanged(noisy=True), notices.NoiseJudged(noisy=True)),
        (events.TrustChanged(trusted=False), notices.EchoJudged(trusted=False)),
        (events.LagChanged(behind=True), notices.LagJudged(behind=True)),
        (events.Drained(), notices.AnswerPlayed()),
        (effects.Sensors(on=True), notices.SensorsSwitched(on=True)),
        (effects.OpenUtterance(0.6), notices.UtteranceOpened(0.6)),
        (effects.SendText("hi"), notices.UtteranceTyped("hi")),
        (effects.Play(Earcon.SAVED, (3,)), notices.EarconPlayed(Earcon.SAVED, (3,))),
        (effects.CutAnswer(), notices.AnswerSilenced()),
        (Down(first=True), None),
        (events.Typed("hi"), None),
        (events.LinkChanged, None),
        (effects.Connect(), None),
    ],
)
def test_each_move_is_told_as_one_notice_or_not_at_all(move: Event | Effect, told: Notice | None) -> None:
    assert of_move(move) == told


def test_what_is_never_told_is_nobodys_business_outside() -> None:
    quiet = {"Down", "Typed", "LinkChanged", "Tick", "Connect", "Disconnect", "FinishAnswer", "SaveNote"}
    quiet |= {"CancelCatchUp", "TakeStill", "PauseAnswer", "ResumeAnswer", "HearsAgain"}
    values = {"count": 1, "first": True, "pre_roll_s": 0.0, "text": "", "waiting": 0, "answered": 0, "state": None}
    values |= dict.fromkeys(("noisy", "trusted", "missed", "behind", "on"), True)
    values |= {"name": "camera", "earcon": Earcon.SAVED}
    for kind in (*get_args(Event), *get_args(Effect)):
        needed = [name for name in kind.__slots__ if name in values]
        assert (of_move(kind(**{name: values[name] for name in needed})) is None) is (kind.__name__ in quiet), kind
