"""PURE: what the light shows, from how things stand."""

from __future__ import annotations

from agent.link.state import LinkState
from agent.turn.phase import Phase
from hardware.ports import Rhythm


def rhythm(  # noqa: PLR0913 - the six things that it depends on
    phase: Phase, link: LinkState, *, fault: bool, failing: bool, notes: bool = False, answers: bool = False
) -> Rhythm:
    """Return the rhythm: faults beat states, and it never shows a connection that is not there.

    ``failing``: the last attempt to connect failed, whatever is being tried now. ``notes``: some wait to be sent;
    ``answers``: some were answered, and nobody has heard it yet.
    """
    if fault or link is LinkState.REFUSED:
        return Rhythm.FAULT
    if phase.playing:
        return Rhythm.ANSWERING
    if failing:
        return Rhythm.OFFLINE
    if phase is Phase.ASLEEP and (answers or notes):
        return Rhythm.MESSAGE if answers else Rhythm.OFFLINE
    if phase is Phase.ASLEEP:
        return Rhythm.CONNECTING if link is LinkState.CONNECTING else Rhythm.READY
    if phase.recording:
        return Rhythm.HEARING
    if link is not LinkState.UP:
        return Rhythm.CONNECTING
    return Rhythm.THINKING if phase is Phase.THINKING else Rhythm.LISTENING
