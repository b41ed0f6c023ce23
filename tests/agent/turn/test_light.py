"""What the light shows for every way that things can stand."""

from __future__ import annotations

from itertools import product

import pytest

from agent.link.state import LinkState
from agent.turn.condition import Condition
from agent.turn.light import rhythm
from agent.turn.phase import Phase
from hardware.ports import Rhythm


def shown(  # noqa: PLR0913 - what it depends on
    phase: Phase, link: LinkState, *, fault: bool, failing: bool, notes: bool = False, answers: bool = False
) -> Rhythm:
    faults = {"camera"} if fault else set[str]()
    condition = Condition(link=link, faults=faults, failing=failing, notes=int(notes), answers=int(answers))
    return rhythm(phase, condition)


EVERYTHING = list(product(Phase, LinkState))


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_a_fault_beats_every_state(phase: Phase, link: LinkState) -> None:
    assert shown(phase, link, fault=True, failing=False) is Rhythm.FAULT
    assert shown(phase, LinkState.REFUSED, fault=False, failing=True) is Rhythm.FAULT


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_only_a_connection_that_is_up_looks_like_one(phase: Phase, link: LinkState) -> None:
    connected = {Rhythm.LISTENING, Rhythm.THINKING}
    look = shown(phase, link, fault=False, failing=False)
    assert look not in connected or link is LinkState.UP


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_the_light_is_never_off_while_microphone_and_camera_are_open(phase: Phase, link: LinkState) -> None:
    if phase not in (Phase.ASLEEP, Phase.SPEAKING):
        assert shown(phase, link, fault=False, failing=False) is not Rhythm.READY


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_notes_and_answers_show_on_a_sleeping_box_only(phase: Phase, link: LinkState) -> None:
    looks = [
        shown(phase, link, fault=False, failing=False, notes=notes, answers=answers)
        for notes, answers in ((True, False), (False, True), (True, True))
    ]
    if link is LinkState.REFUSED:
        assert set(looks) == {Rhythm.FAULT}
    elif phase is Phase.ASLEEP:
        assert looks == [Rhythm.OFFLINE, Rhythm.MESSAGE, Rhythm.MESSAGE]
    else:
        assert set(looks) == {shown(phase, link, fault=False, failing=False)}


def test_a_connection_that_fails_beats_an_answer_that_waits() -> None:
    look = shown(Phase.ASLEEP, LinkState.OFFLINE, fault=False, failing=True, notes=True, answers=True)
    assert look is Rhythm.OFFLINE


@pytest.mark.parametrize("phase", Phase)
def test_a_connection_that_fails_shows_whatever_is_tried_meanwhile(phase: Phase) -> None:
    looks = {shown(phase, link, fault=False, failing=True) for link in (LinkState.OFFLINE, LinkState.CONNECTING)}
    assert looks == {Rhythm.ANSWERING if phase.playing else Rhythm.OFFLINE}


def test_recording_shows_while_the_connection_is_being_made() -> None:
    for phase in (phase for phase in Phase if phase.recording):
        assert shown(phase, LinkState.CONNECTING, fault=False, failing=False) is Rhythm.HEARING
    assert shown(Phase.LISTENING, LinkState.CONNECTING, fault=False, failing=False) is Rhythm.CONNECTING
    assert shown(Phase.ASLEEP, LinkState.CONNECTING, fault=False, failing=False) is Rhythm.CONNECTING
    assert shown(Phase.ASLEEP, LinkState.IDLE, fault=False, failing=False) is Rhythm.READY
    assert shown(Phase.LISTENING, LinkState.UP, fault=False, failing=False) is Rhythm.LISTENING
    assert shown(Phase.THINKING, LinkState.UP, fault=False, failing=False) is Rhythm.THINKING


@pytest.mark.parametrize("phase", Phase)
def test_lag_shows_as_a_line_that_is_away_while_somebody_speaks_or_waits_and_nowhere_else(phase: Phase) -> None:
    late, in_time = (rhythm(phase, Condition(link=LinkState.UP, behind=behind)) for behind in (True, False))
    assert (late is Rhythm.OFFLINE) is (phase.recording or phase is Phase.THINKING)
    assert late is Rhythm.OFFLINE or late is in_time
