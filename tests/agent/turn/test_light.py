"""What the light shows for every way that things can stand."""

from __future__ import annotations

from itertools import product

import pytest

from agent.link.state import LinkState
from agent.turn.light import rhythm
from agent.turn.phase import Phase
from hardware.ports import Rhythm

EVERYTHING = list(product(Phase, LinkState))


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_a_fault_beats_every_state(phase: Phase, link: LinkState) -> None:
    assert rhythm(phase, link, fault=True, failing=False) is Rhythm.FAULT
    assert rhythm(phase, LinkState.REFUSED, fault=False, failing=True) is Rhythm.FAULT


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_only_a_connection_that_is_up_looks_like_one(phase: Phase, link: LinkState) -> None:
    connected = {Rhythm.LISTENING, Rhythm.THINKING}
    shown = rhythm(phase, link, fault=False, failing=False)
    assert shown not in connected or link is LinkState.UP


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_the_light_is_never_off_while_microphone_and_camera_are_open(phase: Phase, link: LinkState) -> None:
    if phase not in (Phase.ASLEEP, Phase.SPEAKING):
        assert rhythm(phase, link, fault=False, failing=False) is not Rhythm.READY


@pytest.mark.parametrize(("phase", "link"), EVERYTHING)
def test_notes_and_answers_show_on_a_sleeping_box_only(phase: Phase, link: LinkState) -> None:
    shown = [
        rhythm(phase, link, fault=False, failing=False, notes=notes, answers=answers)
        for notes, answers in ((True, False), (False, True), (True, True))
    ]
    if link is LinkState.REFUSED:
        assert set(shown) == {Rhythm.FAULT}
    elif phase is Phase.ASLEEP:
        assert shown == [Rhythm.OFFLINE, Rhythm.MESSAGE, Rhythm.MESSAGE]
    else:
        assert set(shown) == {rhythm(phase, link, fault=False, failing=False)}


def test_a_connection_that_fails_beats_an_answer_that_waits() -> None:
    shown = rhythm(Phase.ASLEEP, LinkState.OFFLINE, fault=False, failing=True, notes=True, answers=True)
    assert shown is Rhythm.OFFLINE


@pytest.mark.parametrize("phase", Phase)
def test_a_connection_that_fails_shows_whatever_is_tried_meanwhile(phase: Phase) -> None:
    shown = {rhythm(phase, link, fault=False, failing=True) for link in (LinkState.OFFLINE, LinkState.CONNECTING)}
    assert shown == {Rhythm.ANSWERING if phase.playing else Rhythm.OFFLINE}


def test_recording_shows_while_the_connection_is_being_made() -> None:
    for phase in (phase for phase in Phase if phase.recording):
        assert rhythm(phase, LinkState.CONNECTING, fault=False, failing=False) is Rhythm.HEARING
    assert rhythm(Phase.LISTENING, LinkState.CONNECTING, fault=False, failing=False) is Rhythm.CONNECTING
    assert rhythm(Phase.ASLEEP, LinkState.CONNECTING, fault=False, failing=False) is Rhythm.CONNECTING
    assert rhythm(Phase.ASLEEP, LinkState.IDLE, fault=False, failing=False) is Rhythm.READY
    assert rhythm(Phase.LISTENING, LinkState.UP, fault=False, failing=False) is Rhythm.LISTENING
    assert rhythm(Phase.THINKING, LinkState.UP, fault=False, failing=False) is Rhythm.THINKING
