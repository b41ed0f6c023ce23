"""The turn machine: each gesture, each phase, and that every state comes to rest."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import TurnSettings
from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn.answering import AWAY_GRACE_S, CUT_GRACE_S
from agent.turn.button import HOLD_PRE_ROLL_S, RELEASE_TAIL_S
from agent.turn.effects import (
    CancelCatchUp,
    Connect,
    CutAnswer,
    Disconnect,
    Effect,
    EndUtterance,
    FinishAnswer,
    OpenUtterance,
    PauseAnswer,
    Play,
    PlayAnswers,
    Reconnect,
    ResumeAnswer,
    SaveNote,
    SendText,
    Sensors,
    SpeakStatus,
    TakeStill,
)
from agent.turn.events import (
    AnswerBegan,
    AnswerEnded,
    AnswerGenerated,
    AnswerInterrupted,
    AnswerMissing,
    Delivered,
    Drained,
    Event,
    FaultCleared,
    FaultRaised,
    HearsAgain,
    LagChanged,
    LinkChanged,
    NoiseChanged,
    NoteSaved,
    NotesChanged,
    SpeechEnded,
    SpeechStarted,
    StillKept,
    Tick,
    TrustChanged,
    Typed,
)
from agent.turn.gestures import HOLD_S, Down, Gesture, Gestures, Hold, HoldEnd, Settled, Tap
from agent.turn.machine import Turn
from agent.turn.offer import OFFER_MOST_S, OFFER_S
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from hardware.ports import Rhythm

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE = Path(__file__).parents[3] / "docs" / "turn-table.md"
UP = LinkChanged(LinkState.UP)
CONNECTING = LinkChanged(LinkState.CONNECTING)
OFFLINE = LinkChanged(LinkState.OFFLINE)
REFUSED = LinkChanged(LinkState.REFUSED, Fault.KEY)
SAVED = Play(Earcon.SAVED, (Phrase.SAVED_NOT_SENT,))
TOO_LOUD = Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))
SPEECH = SpeechStarted(0.4)


class Box:
    """A turn machine with a clock, a button that goes through Gestures, and a memory of effects.

    Whether the answer is paused is kept as a state, and not among the effects: every press pauses.
    """

    def __init__(self, *, answers_at_once: bool = False, **overrides: object) -> None:
        turn_settings = TurnSettings(**overrides)  # type: ignore[arg-type] # test overrides of any field
        self.turn = Turn(turn_settings, answers_at_once=answers_at_once)
        self.gestures = Gestures()
        self.now = 100.0
        self.effects: list[Effect] = []
        self.paused = False
        self.send(UP)

    def is_in(self, phase: Phase) -> bool:
        return self.turn.phase is phase

    def send(self, *events: Event) -> list[Effect]:
        fresh: list[Effect] = []
        for effect in (effect for event in events for effect in self.turn.handle(event, self.now)):
            if isinstance(effect, PauseAnswer | ResumeAnswer | CutAnswer):
                self.paused = isinstance(effect, PauseAnswer)
            if not isinstance(effect, PauseAnswer | ResumeAnswer):
                fresh.append(effect)
        self.effects += fresh
        return fresh

    def hears(self) -> None:
        """The service said something."""
        self.turn.progress(self.now)

    def press(self) -> list[Effect]:
        return self.send(*self.gestures.edge(down=True, now=self.now))

    def release(self) -> list[Effect]:
        return self.send(*self.gestures.edge(down=False, now=self.now))

    def tap(self) -> list[Effect]:
        return self.press() + self.wait(0.1) + self.release()

    def wait(self, seconds: float) -> list[Effect]:
        """Move time on, firing every deadline at its moment."""
        end = self.now + seconds
        fresh: list[Effect] = []
        while (due := self._due()) is not None and due <= end:
            self.now = max(self.now, due)
            fresh += self.send(*self.gestures.tick(self.now), Tick())
        self.now = end
        return fresh

    def _due(self) -> float | None:
        return min((at for at in (self.turn.deadline, self.gestures.deadline) if at is not None), default=None)


def awake(**overrides: Any) -> Box:
    box = Box(**overrides)
    box.tap()
    box.wait(1)
    box.effects.clear()
    return box


def hearing(**overrides: Any) -> Box:
    box = awake(**overrides)
    box.send(SPEECH)
    return box


def thinking(**overrides: Any) -> Box:
    box = hearing(**overrides)
    box.send(SpeechEnded(), Delivered())
    return box


def answering(**overrides: Any) -> Box:
    box = thinking(**overrides)
    box.hears()
    box.send(AnswerBegan())
    assert box.is_in(Phase.ANSWERING)
    box.effects.clear()
    return box


# what the phases have in common


@pytest.mark.parametrize(
    ("common", "phases"),
    [
        ("listening", "LISTENING HEARING TALKING THINKING ANSWERING"),
        ("recording", "HEARING TALKING"),
        ("waiting", "THINKING ANSWERING"),
        ("playing", "ANSWERING SPEAKING"),
        ("busy", "HEARING TALKING THINKING ANSWERING SPEAKING"),
    ],
)
def test_what_the_phases_have_in_common(common: str, phases: str) -> None:
    assert " ".join(phase.name for phase in Phase if getattr(phase, common)) == phases


# asleep


def test_the_press_wakes_before_it_is_known_what_it_will_be() -> None:
    assert Box().press() == [Sensors(on=True), Connect(), CancelCatchUp()]


def test_a_tap_from_sleep_listens_hands_free_and_says_so_at_release() -> None:
    box = Box()
    box.press()
    box.wait(0.1)
    assert box.release() == [Play(Earcon.LISTENING)]
    assert box.is_in(Phase.LISTENING)


def test_a_hold_from_sleep_records_from_the_press_on_and_release_ends_it() -> None:
    box = Box()
    box.press()
    assert box.wait(HOLD_S) == [OpenUtterance(HOLD_PRE_ROLL_S), Play(Earcon.TALK)]
    assert box.is_in(Phase.TALKING)
    box.wait(3)
    assert box.release() == []
    assert box.wait(RELEASE_TAIL_S + 0.01) == [EndUtterance(), Play(Earcon.RELEASED)]
    assert box.is_in(Phase.THINKING)


def test_a_thumb_that_slips_for_a_moment_does_not_end_the_utterance() -> None:
    box = Box()
    box.press()
    box.wait(2)
    box.release()
    box.wait(0.1)
    box.press()
    assert box.wait(2) == []
    box.release()
    assert box.wait(1) == [EndUtterance(), Play(Earcon.RELEASED)]


def test_a_tap_right_after_a_hold_ends_the_utterance_once() -> None:
    box = Box()
    box.press()
    box.wait(2)
    box.release()
    box.wait(0.1)
    assert box.tap() + box.wait(1) == [CancelCatchUp(), EndUtterance()]


def test_a_double_tap_from_sleep_wakes_and_takes_a_still() -> None:
    box = Box()
    box.tap()
    box.wait(0.1)
    assert box.tap() == []
    assert box.wait(1) == [TakeStill()]
    assert box.is_in(Phase.LISTENING)


@pytest.mark.parametrize("phase", set(Phase) - {Phase.ASLEEP, Phase.TALKING})
def test_a_double_tap_takes_a_still_and_leaves_everything_else_as_it_was(phase: Phase) -> None:
    box = in_phase(phase)
    box.effects.clear()
    for _ in range(2):
        box.tap()
        box.wait(0.1)
    assert box.paused
    box.wait(0.3)
    assert not box.paused
    assert TakeStill() in box.effects
    assert CutAnswer() not in box.effects
    assert box.is_in(Phase.ANSWERING if phase is Phase.SPEAKING else phase)


@pytest.mark.parametrize("phase", Phase)
def test_a_still_is_heard_when_it_is_safe_whatever_the_box_does_by_then(phase: Phase) -> None:
    box = in_phase(phase)
    assert box.send(StillKept()) == [Play(Earcon.STILL)]
    assert box.is_in(phase)


@pytest.mark.parametrize("phase", Phase)
def test_silence_is_the_first_thing_that_a_press_makes(phase: Phase) -> None:
    for first in (True, False):
        assert in_phase(phase).turn.handle(Down(first=first), 200.0)[0] == PauseAnswer()


@pytest.mark.parametrize("phase", set(Phase) - {Phase.THINKING, Phase.ANSWERING, Phase.SPEAKING})
def test_a_first_press_makes_way_for_what_is_said_next_and_a_second_one_does_not(phase: Phase) -> None:
    assert CancelCatchUp() in in_phase(phase).send(Down(first=True))
    assert CancelCatchUp() not in in_phase(phase).send(Down(first=False))


@pytest.mark.parametrize("phase", [Phase.THINKING, Phase.ANSWERING, Phase.SPEAKING])
def test_a_press_at_an_answer_makes_way_when_it_is_known_to_be_no_photo(phase: Phase) -> None:
    box = in_phase(phase)
    assert not {CutAnswer(), CancelCatchUp()} & {*box.press()}
    assert box.wait(HOLD_S)[:2] == [CutAnswer(), CancelCatchUp()]


def test_a_triple_tap_from_sleep_speaks_the_status_and_sleeps_again_without_a_still() -> None:
    box = Box()
    for _ in range(2):
        box.tap()
        box.wait(0.1)
    assert box.tap() == [Sensors(on=False), SpeakStatus()]
    assert box.is_in(Phase.ASLEEP)
    assert box.wait(1) == []
    assert not box.paused


# listening


def test_a_tap_hangs_up_only_when_no_second_tap_came() -> None:
    box = awake()
    assert box.tap() == [CancelCatchUp()]
    assert box.wait(0.34) == []
    assert box.wait(0.02) == [Sensors(on=False), Play(Earcon.ASLEEP)]
    assert box.is_in(Phase.ASLEEP)


def test_speech_that_begins_while_a_tap_settles_is_not_hung_up_on() -> None:
    box = awake()
    box.tap()
    box.send(SPEECH)
    assert box.wait(1) == []
    assert box.is_in(Phase.HEARING)


def test_a_triple_tap_hangs_up() -> None:
    box = awake()
    for _ in range(2):
        box.tap()
        box.wait(0.1)
    assert box.tap() == [Sensors(on=False), Play(Earcon.ASLEEP)]


def test_silence_hangs_up_after_the_idle_time_with_a_sound() -> None:
    box = awake(idle_s=20.0)
    assert box.wait(18.5) == []
    assert box.wait(0.5) == [Play(Earcon.ASLEEP), Sensors(on=False)]


# hearing and talking


def test_speech_opens_one_utterance_and_its_end_closes_it() -> None:
    box = awake()
    assert box.send(SPEECH) == [OpenUtterance(0.4)]
    assert box.send(SPEECH) == []
    assert box.send(SpeechEnded()) == [EndUtterance()]
    assert box.send(SpeechEnded()) == []


def test_a_tap_ends_the_utterance_once_it_is_sure_to_be_one_tap() -> None:
    box = hearing()
    assert box.tap() == [CancelCatchUp()]
    assert box.wait(0.36) == [EndUtterance()]
    assert box.is_in(Phase.THINKING)


def test_a_pause_while_the_button_is_down_does_not_end_the_utterance() -> None:
    box = hearing()
    box.press()
    assert box.send(SpeechEnded()) == []
    box.wait(HOLD_S)
    assert box.is_in(Phase.TALKING)
    assert box.release() + box.wait(0.2) == [EndUtterance(), Play(Earcon.RELEASED)]


def test_an_utterance_is_ended_even_if_the_microphone_stops_delivering() -> None:
    box = hearing(max_utterance_s=120.0)
    assert box.wait(121) == [EndUtterance()]


def test_hanging_up_in_mid_utterance_ends_it_and_wants_no_answer() -> None:
    box = hearing()
    for _ in range(2):
        box.tap()
        box.wait(0.1)
    assert box.tap() == [EndUtterance(), CutAnswer(), Sensors(on=False), Play(Earcon.ASLEEP)]


# thinking


def test_waiting_sounds_like_waiting_after_a_moment() -> None:
    box = thinking()
    assert box.wait(1.4) == []
    assert box.wait(0.2) == [Play(Earcon.THINKING)]


def test_a_silent_service_is_asked_once_more_and_then_the_question_is_kept_as_a_note() -> None:
    box = thinking(response_timeout_s=10.0, send_timeout_s=30.0)
    assert box.wait(10.1)[1:] == [Play(Earcon.RETRY), Reconnect()]
    box.send(LinkChanged(LinkState.CONNECTING), UP, Delivered())
    assert box.is_in(Phase.THINKING)
    assert box.wait(10.1) == [Play(Earcon.FAULT), SaveNote()]
    assert box.is_in(Phase.LISTENING)


def test_any_word_of_the_service_keeps_us_waiting() -> None:
    box = thinking(response_timeout_s=10.0)
    box.wait(9)
    box.hears()
    assert Reconnect() not in box.wait(9.5)


@pytest.mark.parametrize("state", [LinkState.OFFLINE, LinkState.REFUSED])
def test_what_is_said_while_the_link_is_known_to_be_away_is_saved_at_once(state: LinkState) -> None:
    box = hearing()
    box.send(LinkChanged(state))
    assert box.send(SpeechEnded()) == [EndUtterance(), SaveNote()]
    assert box.is_in(Phase.LISTENING)


def test_the_link_is_known_to_be_away_also_while_it_is_tried_again() -> None:
    box = hearing()
    box.send(OFFLINE, CONNECTING)
    assert box.send(SpeechEnded()) == [EndUtterance(), SaveNote()]


def test_a_link_that_is_only_being_made_is_waited_for() -> None:
    box = hearing(send_timeout_s=30.0)
    box.send(CONNECTING)
    assert box.send(SpeechEnded()) == [EndUtterance()]
    assert box.is_in(Phase.THINKING)
    assert box.wait(29.9) == [Play(Earcon.THINKING)]
    assert box.wait(0.2) == [SaveNote()]
    assert box.is_in(Phase.LISTENING)


@pytest.mark.parametrize("state", [LinkState.OFFLINE, LinkState.REFUSED])
def test_a_link_that_goes_away_while_an_answer_is_awaited_has_a_short_while_to_come_back(state: LinkState) -> None:
    box = thinking()
    box.wait(2)
    box.send(LinkChanged(state))
    assert SaveNote() not in box.wait(AWAY_GRACE_S - 0.1)
    assert box.wait(0.2) == [SaveNote()]
    assert box.is_in(Phase.LISTENING)


def test_that_short_while_is_not_longer_for_attempts_that_fail() -> None:
    box = thinking()
    box.wait(2)
    for _ in range(4):
        box.send(OFFLINE, CONNECTING)
        box.wait(AWAY_GRACE_S / 4 - 0.01)
    assert box.wait(0.1) == [SaveNote()]


def test_a_link_that_is_being_changed_over_has_as_long_as_any_question() -> None:
    box = thinking(send_timeout_s=30.0)
    box.wait(2)
    box.send(CONNECTING)
    assert SaveNote() not in box.wait(29.9)
    assert SaveNote() in box.wait(0.2)


def test_a_link_that_came_back_in_time_has_as_long_as_any_question_again() -> None:
    box = thinking(send_timeout_s=30.0)
    box.send(OFFLINE)
    box.wait(AWAY_GRACE_S - 1)
    box.send(CONNECTING, UP)
    assert not {Reconnect(), SaveNote()} & set(box.wait(2))


def test_a_question_that_was_saved_says_so_and_is_waited_for_no_longer() -> None:
    box = thinking()
    assert box.send(NotesChanged(1, 0), NoteSaved()) == [SAVED]
    assert box.is_in(Phase.LISTENING)
    box = Box(mode="push-to-talk")
    box.press()
    box.wait(2)
    box.release()
    box.wait(0.2)
    assert box.send(NotesChanged(1, 0), NoteSaved()) == [Sensors(on=False), SAVED]


def test_a_question_that_was_sent_and_not_answered_is_not_called_unsent() -> None:
    assert thinking().send(NoteSaved(delivered=True)) == [Play(Earcon.SAVED, (Phrase.NO_ANSWER,))]


def test_how_many_notes_wait_is_told_when_it_is_not_the_first() -> None:
    box = awake()
    box.send(NotesChanged(waiting=1, answered=0))
    assert box.send(NoteSaved()) == [SAVED]
    box.send(NotesChanged(waiting=2, answered=0))
    assert box.send(NoteSaved()) == [Play(Earcon.SAVED, (Phrase.SAVED_NOT_SENT, 2, Phrase.NOTES_WAITING))]


@pytest.mark.parametrize("phase", [Phase.ASLEEP, Phase.LISTENING])
def test_a_note_that_is_saved_while_nothing_is_awaited_is_only_heard(phase: Phase) -> None:
    box = in_phase(phase)
    assert box.send(NotesChanged(1, 0), NoteSaved()) == [SAVED]
    assert box.is_in(phase)


def test_where_the_service_detects_speech_there_are_no_notes() -> None:
    box = hearing(detection="server")
    box.send(OFFLINE)
    assert box.send(SpeechEnded()) == [EndUtterance()]
    assert SaveNote() not in box.wait(31)
    assert box.is_in(Phase.LISTENING)


def test_what_is_typed_while_the_link_is_away_is_saved_at_once() -> None:
    box = Box()
    box.send(OFFLINE)
    assert box.send(Typed("hi")) == [Sensors(on=True), Connect(), SendText("hi"), SaveNote()]
    assert box.is_in(Phase.LISTENING)


def test_what_is_typed_over_speech_while_the_link_is_away_shuts_the_sensors_once() -> None:
    box = Box(mode="push-to-talk")
    box.send(OFFLINE)
    box.press()
    box.wait(1)
    box.send(Typed("hi"))
    assert box.effects.count(Sensors(on=False)) == 1


def test_the_clock_for_an_answer_starts_when_the_question_is_out() -> None:
    box = hearing(response_timeout_s=10.0, send_timeout_s=30.0)
    box.send(SpeechEnded())
    assert Reconnect() not in box.wait(20)
    box.send(Delivered())
    assert Reconnect() in box.wait(10.1)


def test_no_answer_to_what_was_no_question_goes_back_to_listening() -> None:
    box = thinking(follow_up_s=8.0)
    assert box.send(AnswerEnded()) == []
    assert box.is_in(Phase.LISTENING)


@pytest.mark.parametrize("phase", [Phase.THINKING, Phase.ANSWERING])
def test_a_question_that_is_answered_with_nothing_is_asked_again_once_and_then_kept(phase: Phase) -> None:
    box = in_phase(phase)
    assert box.send(AnswerMissing()) == [Play(Earcon.RETRY), Reconnect()]
    assert box.is_in(Phase.THINKING)
    box.send(CONNECTING, UP, Delivered())
    assert box.send(AnswerMissing()) == [Play(Earcon.FAULT), SaveNote()]
    assert box.is_in(Phase.LISTENING)


@pytest.mark.parametrize("phase", set(Phase) - {Phase.THINKING, Phase.ANSWERING})
def test_an_answer_that_nobody_waits_for_is_not_missed(phase: Phase) -> None:
    box = in_phase(phase)
    assert box.send(AnswerMissing()) == []
    assert box.is_in(phase)


def test_speaking_again_before_the_answer_makes_a_new_utterance() -> None:
    assert thinking().send(SPEECH) == [CutAnswer(), OpenUtterance(0.4)]


# answering


def test_an_answer_plays_to_its_end_and_is_followed_by_listening_then_sleep() -> None:
    box = answering(follow_up_s=8.0, linger_s=120.0)
    assert box.send(AnswerGenerated()) == [FinishAnswer()]
    assert box.send(Drained()) == []
    assert box.is_in(Phase.LISTENING)
    assert box.wait(8.1) == [Play(Earcon.ASLEEP), Sensors(on=False)]
    assert box.wait(121) == [Disconnect()]
    assert box.turn.deadline is None


def test_a_press_silences_an_answer_at_once_and_a_tap_ends_it_and_listens() -> None:
    box = answering()
    assert box.press() == []
    assert box.paused
    box.wait(0.1)
    box.release()
    assert box.is_in(Phase.ANSWERING)
    assert box.wait(1) == [CutAnswer(), CancelCatchUp()]
    assert box.is_in(Phase.LISTENING)
    assert not box.paused


def test_holding_silences_and_records() -> None:
    box = answering()
    box.press()
    assert box.paused
    assert box.wait(HOLD_S) == [
        *(CutAnswer(), CancelCatchUp()),
        *(OpenUtterance(HOLD_PRE_ROLL_S), Play(Earcon.TALK)),
    ]


def test_who_speaks_right_after_the_tap_that_silences_is_heard() -> None:
    box = answering()
    box.tap()
    assert box.send(SPEECH) == [CutAnswer(), OpenUtterance(0.4)]
    assert box.wait(1) == []
    assert box.is_in(Phase.HEARING)
    assert not box.paused


def test_speaking_over_it_silences_and_records() -> None:
    assert answering().send(SPEECH) == [CutAnswer(), OpenUtterance(0.4)]


def test_an_endless_answer_is_cut() -> None:
    box = answering(max_answer_s=120.0)
    for _ in range(130):
        box.wait(1)
        box.hears()
    assert CutAnswer() in box.effects
    assert not box.is_in(Phase.ANSWERING)


def test_an_answer_that_stalls_is_played_as_far_as_it_came() -> None:
    box = answering(response_timeout_s=10.0)
    assert box.wait(10.1) == [FinishAnswer()]
    assert box.send(Drained()) == [Play(Earcon.FAULT, (Phrase.ANSWER_CUT,))]
    assert box.is_in(Phase.LISTENING)


def test_a_connection_lost_during_an_answer_leaves_it_playing_and_gives_its_rest_a_while_to_come() -> None:
    box = answering(response_timeout_s=10.0)
    box.wait(8)
    assert box.send(OFFLINE) == []
    assert box.wait(CUT_GRACE_S - 0.1) == []
    assert box.is_in(Phase.ANSWERING)
    assert box.turn.rhythm is Rhythm.ANSWERING
    assert box.wait(0.2) == [FinishAnswer(), SaveNote()]  # the rest is asked for when the line is back
    assert box.send(Drained()) == [Play(Earcon.FAULT, (Phrase.ANSWER_CUT,))]
    assert box.is_in(Phase.LISTENING)
    assert box.send(CONNECTING, UP) == [Play(Earcon.LISTENING, (Phrase.CONNECTED_AGAIN,))]
    assert box.send(CONNECTING, UP) == []


def test_an_answer_goes_on_over_another_connection() -> None:
    box = answering(response_timeout_s=10.0)
    box.wait(8)
    box.send(OFFLINE, CONNECTING, UP)
    box.wait(8)
    box.hears()
    box.send(AnswerBegan())
    assert box.wait(8) == []
    assert box.send(AnswerGenerated()) == [FinishAnswer()]


def test_an_answer_of_which_all_has_come_does_not_mind_the_connection() -> None:
    box = answering(response_timeout_s=10.0)
    box.send(AnswerGenerated(), OFFLINE)
    assert box.wait(60) == []


def test_the_rest_of_an_answer_is_not_waited_for_longer_because_attempts_to_connect_fail() -> None:
    box = answering(response_timeout_s=10.0)
    box.send(OFFLINE)
    for _ in range(10):
        box.wait(4)
        box.send(CONNECTING, OFFLINE)
    assert FinishAnswer() in box.effects


def test_of_two_deadlines_passed_at_once_the_second_does_not_strike_the_next_phase() -> None:
    box = answering(max_answer_s=10.0, response_timeout_s=10.0)
    box.now += 11
    assert box.send(Tick()) == [CutAnswer()]


def test_an_interruption_by_the_service_silences() -> None:
    assert answering().send(AnswerInterrupted()) == [CutAnswer()]


def test_an_answer_that_begins_while_the_person_speaks_stays_silent() -> None:
    assert hearing().send(AnswerBegan()) == [CutAnswer()]


def test_an_answer_for_a_sleeping_box_is_spoken_with_the_microphone_closed() -> None:
    box = Box()
    box.send(AnswerBegan())
    assert box.is_in(Phase.SPEAKING)
    assert not box.turn.phase.listening
    assert box.press() == [Sensors(on=True), Connect()]
    assert box.paused
    box.wait(0.1)
    box.release()
    assert box.wait(1) == [CutAnswer(), CancelCatchUp(), Play(Earcon.LISTENING)]
    assert box.is_in(Phase.LISTENING)


def test_a_spoken_answer_ends_in_sleep() -> None:
    box = Box()
    box.send(AnswerBegan(), AnswerEnded(), Drained())
    assert box.is_in(Phase.ASLEEP)


# notes and answers to them


def test_answers_that_wait_begin_some_silence_after_the_tap_that_wakes() -> None:
    box = Box(max_answer_s=60.0)
    assert box.send(NotesChanged(waiting=0, answered=2)) == []
    assert box.tap() == [Sensors(on=True), Connect(), CancelCatchUp(), Play(Earcon.LISTENING)]
    assert box.wait(OFFER_S - 0.2) == []
    assert box.wait(0.2) == [PlayAnswers()]
    assert box.is_in(Phase.ANSWERING)
    assert box.wait(119) == []  # as long as two answers may be
    box.send(NotesChanged(0, 0), Drained())
    assert box.is_in(Phase.LISTENING)


def test_a_question_goes_before_the_answers_that_wait_and_they_follow_its_answer() -> None:
    box = Box()
    box.send(NotesChanged(waiting=0, answered=1))
    box.tap()
    box.wait(OFFER_S - 0.3)
    assert box.send(SPEECH) == [OpenUtterance(0.4)]
    assert box.wait(3) == []
    box.send(SpeechEnded(), Delivered(), AnswerBegan(), AnswerGenerated())
    assert box.send(Drained()) == []
    assert box.wait(OFFER_S) == [PlayAnswers()]


def test_a_voice_that_may_become_a_question_holds_waiting_answers_back_for_a_while() -> None:
    box = Box()
    box.turn.voiced(box.now)  # nothing to hold back
    box.send(NotesChanged(0, 1))
    assert not box.turn.offering
    box.tap()
    assert box.turn.offering
    box.wait(OFFER_S - 0.2)
    box.turn.voiced(box.now)
    assert box.wait(OFFER_S - 0.1) == []
    assert box.wait(0.2) == [PlayAnswers()]
    assert not box.turn.offering
    box = Box()
    box.send(NotesChanged(0, 1))
    box.tap()
    for _ in range(round(OFFER_MOST_S)):
        assert PlayAnswers() not in box.effects
        box.wait(1)
        box.turn.voiced(box.now)
    assert PlayAnswers() in box.wait(0.1) + box.effects


def test_speech_silences_answers_that_wait_and_what_was_not_heard_is_offered_again() -> None:
    box = Box()
    box.send(NotesChanged(0, 1))
    box.tap()
    assert box.wait(2)[-1] == PlayAnswers()
    assert box.send(SPEECH) == [CutAnswer(), OpenUtterance(0.4)]
    box.send(NotesChanged(0, 1), SpeechEnded(), Delivered(), AnswerBegan(), AnswerGenerated(), Drained())
    assert box.wait(2) == [PlayAnswers()]


def test_answers_that_a_tap_silenced_wait_until_something_is_asked_or_the_box_is_woken() -> None:
    box = Box()
    box.send(NotesChanged(0, 1))
    box.tap()
    box.wait(2)
    box.tap()
    assert CutAnswer() in box.wait(0.4)
    box.send(NotesChanged(0, 1))
    assert box.wait(10) == []
    box.tap()
    box.wait(1)
    assert box.is_in(Phase.ASLEEP)
    box.tap()
    assert box.wait(2)[-1] == PlayAnswers()


def test_answers_do_not_begin_under_a_thumb() -> None:
    box = Box()
    box.send(NotesChanged(0, 1))
    box.press()
    box.now += 1.6  # the loop was late, and the hold is not known yet
    assert box.send(Tick()) == []
    assert box.turn.deadline is not None


def test_a_tap_from_sleep_says_that_it_listens() -> None:
    box = Box()
    box.send(NotesChanged(waiting=1, answered=1), NotesChanged(waiting=1, answered=0))
    assert box.tap()[-1] == Play(Earcon.LISTENING)


def test_in_push_to_talk_a_tap_plays_the_answers_and_is_not_corrected() -> None:
    box = Box(mode="push-to-talk")
    box.send(NotesChanged(0, 1))
    box.tap()
    assert box.wait(1) == [PlayAnswers()]
    box.send(NotesChanged(0, 0))
    assert box.send(Drained()) == [Sensors(on=False)]


def test_a_tap_that_hangs_up_plays_nothing() -> None:
    box = awake()
    box.press()
    box.send(NotesChanged(0, 1))
    assert box.release() + box.wait(1) == [Sensors(on=False), Play(Earcon.ASLEEP)]


def test_an_answer_to_a_note_is_played_while_listening_if_nobody_speaks() -> None:
    box = awake()
    assert box.send(NotesChanged(waiting=0, answered=1)) == []
    assert box.wait(OFFER_S) == [PlayAnswers()]
    assert box.is_in(Phase.ANSWERING)


def test_an_answer_to_a_note_does_not_talk_under_a_thumb() -> None:
    box = awake()
    box.press()
    assert box.send(NotesChanged(0, 1)) == []


@pytest.mark.parametrize("make", [hearing, thinking, answering])
def test_an_answer_to_a_note_waits_for_what_is_going_on(make: type[Box]) -> None:
    assert make().send(NotesChanged(0, 1)) == []


def test_answers_may_be_spoken_at_once_to_a_sleeping_box() -> None:
    box = Box(answers_at_once=True, max_answer_s=60.0)
    assert box.send(NotesChanged(waiting=0, answered=1)) == [PlayAnswers()]
    assert box.is_in(Phase.SPEAKING)
    assert not box.turn.phase.listening
    box.send(NotesChanged(0, 0), Drained())
    assert box.is_in(Phase.ASLEEP)


def test_answers_to_notes_that_never_end_are_cut() -> None:
    box = Box(answers_at_once=True, max_answer_s=60.0)
    box.send(NotesChanged(0, 2))
    assert box.wait(121) == [CutAnswer()]
    assert box.is_in(Phase.ASLEEP)


def test_an_answer_that_waited_for_another_one_is_played_after_it_and_once() -> None:
    box = answering()
    box.send(NotesChanged(0, 1), AnswerGenerated())
    assert box.send(Drained()) == []
    assert box.wait(OFFER_S) == [PlayAnswers()]
    assert box.is_in(Phase.ANSWERING)
    box.send(Drained())
    assert box.is_in(Phase.LISTENING)


def test_an_answer_that_waited_for_one_that_was_spoken_to_a_sleeping_box_is_spoken_after_it() -> None:
    box = Box(answers_at_once=True)
    box.send(AnswerBegan(), NotesChanged(0, 1), AnswerGenerated())
    assert box.is_in(Phase.SPEAKING)
    assert box.send(Drained()) == [PlayAnswers()]


def test_speech_that_begins_under_the_tap_that_wakes_is_not_talked_over() -> None:
    box = Box()
    box.send(NotesChanged(0, 1))
    box.press()
    box.send(SPEECH)
    box.release()
    assert box.turn.phase.recording == recording(box.effects)


def test_the_connection_made_at_start_up_is_let_go_of_like_any_other() -> None:
    assert Box(linger_s=120.0).wait(121) == [Disconnect()]


def test_the_connection_is_kept_while_notes_wait() -> None:
    box = Box(linger_s=120.0)
    box.send(NotesChanged(waiting=1, answered=0))
    box.tap()
    box.wait(1)
    box.tap()
    assert Disconnect() not in box.wait(1000)
    box.send(NotesChanged(0, 0))
    assert Disconnect() in box.wait(121)


def test_a_deadline_that_has_passed_is_followed_by_a_later_one_also_without_lingering() -> None:
    box = awake(linger_s=0.0)
    box.send(NotesChanged(waiting=1, answered=0), Settled(1))
    for _ in range(3):
        box.tap()
    box.send(Tick())
    assert box.is_in(Phase.ASLEEP)
    assert box.turn.deadline is None or box.turn.deadline > box.now


# the service's own speech detection


def test_with_server_detection_only_the_service_interrupts() -> None:
    box = answering(detection="server")
    assert box.send(SPEECH) == []
    assert box.send(AnswerInterrupted()) == [CutAnswer(), OpenUtterance(0.0)]
    assert box.is_in(Phase.HEARING)


def test_with_server_detection_silence_of_the_service_means_it_heard_no_speech() -> None:
    box = thinking(detection="server", response_timeout_s=10.0)
    effects = box.wait(10.1)
    assert Reconnect() not in effects
    assert box.is_in(Phase.LISTENING)


# push-to-talk


def test_in_push_to_talk_speech_alone_does_nothing_and_a_tap_is_corrected() -> None:
    box = Box(mode="push-to-talk")
    box.tap()
    assert box.send(SPEECH) == []
    assert box.wait(1) == [Play(Earcon.HOLD_TO_TALK), Sensors(on=False)]


def test_in_push_to_talk_a_tap_that_silences_an_answer_is_corrected_and_the_box_sleeps() -> None:
    box = Box(mode="push-to-talk")
    box.press()
    box.wait(2)
    box.release()
    box.wait(0.2)
    box.send(Delivered(), AnswerBegan())
    box.tap()
    assert box.wait(1) == [CutAnswer(), CancelCatchUp(), Play(Earcon.HOLD_TO_TALK), Sensors(on=False)]


def test_in_push_to_talk_the_box_sleeps_after_the_answer() -> None:
    box = Box(mode="push-to-talk")
    box.press()
    box.wait(2)
    box.release()
    box.wait(0.2)
    box.send(Delivered(), AnswerBegan(), AnswerGenerated())
    assert box.send(Drained()) == [Sensors(on=False)]


# typed text


def test_typed_text_wakes_and_asks() -> None:
    box = Box()
    assert box.send(Typed("hi")) == [Sensors(on=True), Connect(), SendText("hi")]
    assert box.is_in(Phase.THINKING)


def test_typed_text_ends_what_is_being_said_and_silences_what_plays() -> None:
    assert hearing().send(Typed("hi")) == [EndUtterance(), CutAnswer(), SendText("hi")]
    assert answering().send(Typed("hi")) == [CutAnswer(), SendText("hi")]
    box = Box()
    box.send(AnswerBegan())
    assert box.send(Typed("hi"))[0] == CutAnswer()


# the light


@pytest.mark.parametrize(
    ("make", "rhythm"),
    [
        (Box, Rhythm.READY),
        (awake, Rhythm.LISTENING),
        (hearing, Rhythm.HEARING),
        (thinking, Rhythm.THINKING),
        (answering, Rhythm.ANSWERING),
    ],
)
def test_each_phase_has_its_rhythm_and_faults_beat_it(make: type[Box], rhythm: Rhythm) -> None:
    box = make()
    assert box.turn.rhythm is rhythm
    box.send(FaultRaised("microphone"))
    assert box.turn.rhythm is Rhythm.FAULT
    box.send(FaultCleared("microphone"))
    assert box.turn.rhythm is rhythm


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (LinkState.CONNECTING, [Rhythm.CONNECTING, Rhythm.CONNECTING, Rhythm.HEARING, Rhythm.CONNECTING]),
        (LinkState.OFFLINE, [Rhythm.OFFLINE] * 4),
        (LinkState.REFUSED, [Rhythm.FAULT] * 4),
        (LinkState.IDLE, [Rhythm.READY, Rhythm.CONNECTING, Rhythm.HEARING, Rhythm.CONNECTING]),
    ],
)
def test_the_light_never_shows_a_connection_that_is_not_there(state: LinkState, expected: list[Rhythm]) -> None:
    boxes = [Box(), awake(), hearing(), thinking()]
    for box in boxes:
        box.send(LinkChanged(state))
    assert [box.turn.rhythm for box in boxes] == expected


def test_the_light_stays_offline_while_it_is_tried_again() -> None:
    box = Box()
    box.send(LinkChanged(LinkState.OFFLINE), LinkChanged(LinkState.CONNECTING))
    assert box.turn.rhythm is Rhythm.OFFLINE
    box.send(UP)
    assert box.turn.rhythm is Rhythm.READY


def test_the_light_of_a_sleeping_box_tells_of_notes_and_beats_them_with_answers() -> None:
    box = Box()
    box.send(NotesChanged(waiting=1, answered=0))
    assert box.turn.rhythm is Rhythm.OFFLINE
    box.send(NotesChanged(waiting=1, answered=1))
    assert box.turn.rhythm is Rhythm.MESSAGE
    box.press()
    assert box.turn.rhythm is Rhythm.LISTENING


def test_a_box_that_always_listens_never_falls_asleep_by_itself() -> None:
    box = awake(always_listening=True)
    box.wait(10_000)
    assert box.is_in(Phase.LISTENING)
    box.send(SPEECH, SpeechEnded(), Delivered(), AnswerBegan(), AnswerGenerated(), Drained())
    box.wait(10_000)
    assert box.is_in(Phase.LISTENING)
    box.tap()
    box.wait(1)
    assert box.is_in(Phase.ASLEEP)


def test_a_refusal_is_heard_once_with_its_reason_and_again_when_it_is_another() -> None:
    box = Box()
    assert box.send(REFUSED) == [Play(Earcon.FAULT, Fault.KEY.words)]
    assert box.send(CONNECTING, REFUSED) == []
    assert box.send(CONNECTING, LinkChanged(LinkState.REFUSED, Fault.MODEL)) == [Play(Earcon.FAULT, Fault.MODEL.words)]
    assert box.send(UP, REFUSED) == [Play(Earcon.FAULT, Fault.KEY.words)]


def test_what_needs_a_person_is_told_in_words() -> None:
    box = Box()
    assert box.turn.condition.fault_words == ()
    box.send(REFUSED, FaultRaised("storage"), FaultRaised("camera"), FaultRaised("something new"))
    assert box.turn.condition.fault_words == (*Fault.CAMERA.words, *Fault.STORAGE.words, *Fault.KEY.words)
    box.send(UP, FaultCleared("camera"), FaultCleared("storage"))
    assert box.turn.condition.fault_words == ()


# all of it

EVENTS: list[Event] = [
    Down(first=True),
    Down(first=False),
    Hold(),
    HoldEnd(),
    Tap(1),
    Tap(2),
    Tap(3),
    Settled(1),
    Settled(2),
    Settled(3),
    SPEECH,
    SpeechEnded(),
    Typed("hi"),
    AnswerBegan(),
    AnswerGenerated(),
    AnswerEnded(),
    AnswerMissing(),
    AnswerInterrupted(),
    Drained(),
    Delivered(),
    *map(LinkChanged, LinkState),
    REFUSED,
    NoteSaved(),
    NotesChanged(1, 0),
    NotesChanged(0, 1),
    NotesChanged(0, 0),
    StillKept(),
    FaultRaised("camera"),
    FaultCleared("camera"),
    LagChanged(behind=True),
    LagChanged(behind=False),
    NoiseChanged(noisy=True),
    NoiseChanged(noisy=False),
    TrustChanged(trusted=True),
    TrustChanged(trusted=False),
    HearsAgain(missed=True),
    HearsAgain(missed=False),
    Tick(),
]
MODES: list[dict[str, Any]] = [
    {"mode": mode, "detection": detection, "answers_at_once": at_once}
    for mode in ("hands-free", "push-to-talk")
    for detection in ("local", "server")
    for at_once in (False, True)
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(MODES), st.lists(st.tuples(st.sampled_from([*EVENTS, None]), st.floats(0, 30)), max_size=40))
def test_whatever_happens_the_box_comes_to_rest_and_every_gate_it_opened_is_shut(
    mode: dict[str, Any], story: list[tuple[Event | None, float]]
) -> None:
    box = Box(**mode)
    for event, pause in story:
        if event is None:
            box.hears()
        else:
            box.send(event)
        assert box.turn.phase.listening == sensing(box.effects)
        assert box.turn.phase.recording == recording(box.effects)
        box.wait(pause)
    box.send(HoldEnd())
    for _ in range(40):  # nothing but time, and a speaker that reports its end
        finished = FinishAnswer() in box.wait(130)
        if finished:
            box.send(Drained())
    assert box.is_in(Phase.ASLEEP)
    assert not sensing(box.effects)
    assert not recording(box.effects)


HAND: list[Event | str] = ["press", "release", *(event for event in EVENTS if not isinstance(event, get_args(Gesture)))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MODES), st.lists(st.tuples(st.sampled_from(HAND), st.floats(0, 2)), max_size=40))
def test_whatever_the_hand_does_no_answer_stays_paused_and_nothing_is_announced_over_anybody(
    mode: dict[str, Any], story: list[tuple[Event | str, float]]
) -> None:
    box = Box(**mode)
    for event, pause in story:
        before = len(box.effects)
        if isinstance(event, str):
            box.press() if event == "press" else box.release()
        else:
            box.send(event)
        box.wait(pause)
        if box.gestures.deadline is None and not box.gestures.pressed:
            assert not box.paused
        said = [effect for effect in box.effects[before:] if isinstance(effect, Play) and effect.words]
        assert not said or not box.turn.phase.recording
    box.release()
    box.wait(1)
    assert not box.paused


def sensing(effects: Iterable[Effect]) -> bool:
    """Whether the sensors are open after these effects; they are never opened or shut twice."""
    is_open = False
    for effect in effects:
        if isinstance(effect, Sensors):
            assert effect.on != is_open
            is_open = effect.on
    return is_open


def recording(effects: Iterable[Effect]) -> bool:
    """Whether an utterance is open after these effects; one start for each end, always."""
    is_open = False
    for effect in effects:
        if isinstance(effect, OpenUtterance | EndUtterance):
            assert isinstance(effect, OpenUtterance) != is_open
            is_open = not is_open
    return is_open


def test_every_event_is_among_those_that_are_drawn_and_printed() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


def test_the_table_in_the_docs_is_the_machine() -> None:
    table = render_table()
    if not TABLE.exists():
        TABLE.write_text(table, encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == table, f"review, then delete {TABLE.name} and run this test again"


def render_table() -> str:
    """(phase x event): what is done, and the next phase where it is another one. Link up, no fault, hands-free."""
    lines = [
        "# What the box does: phase by event",
        "",
        "Printed by `tests/agent/turn/test_machine.py`, which fails when the machine and this page differ. Connected,",
        "hands-free, the service silent. `→` is the next phase; an empty cell changes nothing.",
        "",
        "| event | " + " | ".join(phase.name.lower() for phase in Phase) + " |",
        "|---" * (len(Phase) + 1) + "|",
    ]
    for event in EVENTS:
        if event != Tick():
            cells = [cell(phase, event) for phase in Phase]
            lines.append(f"| {name(event)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def in_phase(phase: Phase) -> Box:
    if phase is Phase.TALKING:
        box = Box()
        box.press()
        box.wait(1)
        return box
    if phase is Phase.SPEAKING:
        box = Box()
        box.send(AnswerBegan())
        return box
    makers = {
        Phase.ASLEEP: Box,
        Phase.LISTENING: awake,
        Phase.HEARING: hearing,
        Phase.THINKING: thinking,
        Phase.ANSWERING: answering,
    }
    return makers[phase]()


def cell(phase: Phase, event: Event) -> str:
    box = in_phase(phase)
    if isinstance(event, Tap | Settled):  # as the end of a series that began in this phase
        box.turn.handle(Down(first=True), box.now)
        box.turn.phase = phase if isinstance(event, Settled) and phase is Phase.HEARING else box.turn.phase
    effects = box.turn.handle(event, box.now)
    parts = [name(effect) for effect in effects]
    if not box.is_in(phase):
        parts.append(f"→ {box.turn.phase.name.lower()}")
    return ", ".join(parts)


def name(move: Event | Effect) -> str:
    values = ", ".join(filter(None, (show(getattr(move, slot)) for slot in move.__slots__)))
    return f"{type(move).__name__}({values})" if values else type(move).__name__


def show(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(show, value))
    if isinstance(value, Enum):
        return value.name.lower()
    return "" if value is None else str(value)


# a loud place


def test_where_it_is_too_loud_only_the_button_begins_an_utterance_and_the_box_says_so() -> None:
    box = awake()
    assert box.send(NoiseChanged(noisy=True)) == [TOO_LOUD]
    assert box.send(SPEECH) == []
    box.press()
    box.wait(HOLD_S)
    assert box.is_in(Phase.TALKING)
    box.release()
    box.wait(1)
    assert box.is_in(Phase.THINKING)


def test_it_listens_again_when_it_is_quiet_and_noise_that_comes_and_goes_is_told_once() -> None:
    box = awake(idle_s=3600.0)
    assert box.send(NoiseChanged(noisy=True)) == [TOO_LOUD]
    for _ in range(3):
        box.wait(100)
        assert box.send(NoiseChanged(noisy=False), NoiseChanged(noisy=True)) == []
    box.wait(301)
    assert box.send(NoiseChanged(noisy=False), NoiseChanged(noisy=True)) == [TOO_LOUD]
    box.send(NoiseChanged(noisy=False), SPEECH)
    assert box.is_in(Phase.HEARING)


def test_that_it_is_too_loud_is_told_to_somebody_who_is_there_and_to_whom_it_matters() -> None:
    box = Box()
    assert box.send(NoiseChanged(noisy=True)) == []  # asleep
    assert TOO_LOUD in box.tap()
    assert awake(mode="push-to-talk").send(NoiseChanged(noisy=True)) == []


@pytest.mark.parametrize("phase", set(Phase) - {Phase.ASLEEP, Phase.LISTENING})
def test_nothing_is_announced_over_a_question_or_an_answer_nor_while_one_is_awaited(phase: Phase) -> None:
    box = in_phase(phase)
    events: list[Event] = [FaultRaised("camera"), NoiseChanged(noisy=True), NotesChanged(1, 0), NoteSaved(), REFUSED]
    if phase is Phase.THINKING:  # it would rest, now that the question is a note
        events = events[:2]
    assert not [effect for effect in box.send(*events) if isinstance(effect, Play) and effect.words]


def test_what_happened_meanwhile_is_announced_afterwards_in_order_and_only_what_is_still_true() -> None:
    box = answering()
    box.send(FaultRaised("camera"), NoiseChanged(noisy=True), FaultRaised("microphone"), FaultCleared("camera"))
    box.send(NotesChanged(1, 0), NoteSaved(), NotesChanged(0, 0), REFUSED, UP, NoiseChanged(noisy=False))
    box.send(FaultRaised("storage"), AnswerGenerated())
    assert box.send(Drained()) == [Play(Earcon.FAULT, part.words) for part in (Fault.MICROPHONE, Fault.STORAGE)]
    assert box.wait(1) == []


def test_an_answer_that_no_voice_can_stop_looks_different() -> None:
    box = thinking()
    box.send(AnswerBegan())
    box.send(TrustChanged(trusted=False))
    assert box.turn.rhythm is Rhythm.ONE_WAY
    box.send(TrustChanged(trusted=True))
    assert box.turn.rhythm is Rhythm.ANSWERING


def test_when_the_box_hears_again_is_told_after_each_one_way_answer_and_why_is_said_once_as_it_falls_asleep() -> None:
    box = awake()
    box.send(TrustChanged(trusted=False))
    for why in ((Phrase.HOLD_TO_INTERRUPT,), ()):
        for _ in range(2):
            box.send(SPEECH, SpeechEnded(), Delivered(), AnswerBegan(), AnswerGenerated())
            assert box.send(Drained()) == []
            assert box.send(HearsAgain(missed=False)) == [Play(Earcon.LISTENING)]
            assert box.wait(1) == []
        assert Play(Earcon.ASLEEP, why) in box.wait(30)
        box.tap()


@pytest.mark.parametrize("missed", [False, True])
def test_where_voices_are_told_from_the_answer_it_is_told_only_that_one_was_missed(*, missed: bool) -> None:
    box = awake()
    box.send(TrustChanged(trusted=True))
    assert box.send(HearsAgain(missed)) == [Play(Earcon.LISTENING)] * missed


def test_where_a_tap_opens_no_ear_an_answer_that_came_meanwhile_follows_at_once() -> None:
    box = Box(mode="push-to-talk")
    box.press()
    box.wait(1)
    box.release()
    box.wait(1)
    box.send(Delivered(), AnswerBegan(), NotesChanged(0, 1), AnswerGenerated())
    assert PlayAnswers() in box.send(Drained())
    assert box.is_in(Phase.ANSWERING)


def test_a_box_that_does_not_hear_without_the_button_does_not_say_that_it_does() -> None:
    loud = awake()
    loud.send(TrustChanged(trusted=False), NoiseChanged(noisy=True))
    pressed = Box(mode="push-to-talk")
    pressed.send(TrustChanged(trusted=False))
    pressed.press()
    assert pressed.is_in(Phase.LISTENING)
    for box in (loud, pressed):
        box.send(HearsAgain(missed=True))
        assert Play(Earcon.LISTENING) not in box.wait(0.1) + box.release() + box.wait(1)


def test_who_silenced_an_answer_knows_that_the_box_hears_again() -> None:
    box = answering()
    box.send(TrustChanged(trusted=False))
    box.tap()
    assert CutAnswer() in box.wait(1)
    assert box.send(HearsAgain(missed=True)) == []


@pytest.mark.parametrize("phase", set(Phase) - {Phase.LISTENING})
def test_that_the_box_hears_again_is_told_only_while_it_listens(phase: Phase) -> None:
    box = in_phase(phase)
    box.send(TrustChanged(trusted=False))
    assert box.send(HearsAgain(missed=True)) == []
    assert Play(Earcon.LISTENING) not in box.wait(0.1)


# nothing is left behind


def test_falling_asleep_without_a_connection_saves_what_is_owed() -> None:
    box = awake()
    box.send(OFFLINE)
    assert SaveNote() in box.wait(60)
    connected = awake()
    assert SaveNote() not in connected.wait(60)


def test_a_note_that_comes_to_a_sleeping_box_keeps_its_connection_for_a_while() -> None:
    box = Box(linger_s=0.0)
    box.wait(1)
    box.send(NotesChanged(1, 0))
    assert Disconnect() not in box.wait(120)
    box.send(NotesChanged(0, 0))
    assert Disconnect() in box.wait(120)
