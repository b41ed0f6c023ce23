"""PURE: decides what the light shows; no other module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.link.state import LinkState
from agent.turn.phase import Phase
from hardware.ports import Rhythm

if TYPE_CHECKING:
    from agent.turn.condition import Condition


def rhythm(phase: Phase, condition: Condition) -> Rhythm:
    """Return the light's rhythm. Faults take precedence over phases; a lost connection is never shown as a good one."""
    if condition.faults or condition.link is LinkState.REFUSED:
        return Rhythm.FAULT
    if phase.playing:
        return Rhythm.ANSWERING if condition.trusted else Rhythm.ONE_WAY
    if condition.failing:
        return Rhythm.OFFLINE
    return _asleep(condition) if phase is Phase.ASLEEP else _awake(phase, condition)


def _asleep(condition: Condition) -> Rhythm:
    if condition.answers or condition.notes:
        return Rhythm.MESSAGE if condition.answers else Rhythm.OFFLINE
    return Rhythm.CONNECTING if condition.link is LinkState.CONNECTING else Rhythm.READY


def _awake(phase: Phase, condition: Condition) -> Rhythm:
    if phase.recording:
        return Rhythm.OFFLINE if condition.behind else Rhythm.HEARING  # behind: connected, but speech arrives late
    if condition.link is not LinkState.UP:
        return Rhythm.CONNECTING
    if phase is Phase.THINKING:
        return Rhythm.OFFLINE if condition.behind else Rhythm.THINKING
    return Rhythm.LOUD if condition.noisy else Rhythm.LISTENING
