"""PURE: what the turn machine waits for; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from enum import Enum, auto


class Timer(Enum):
    """What is due at a deadline of the machine. Entering a phase ends every timer that the new phase does not set."""

    IDLE = auto()  # nobody says anything: fall asleep
    UTTERANCE = auto()  # the longest utterance
    RELEASED = auto()  # the button is up: the utterance ends
    TICK = auto()  # say that the box still waits
    RESPONSE = auto()  # the service should have been heard by now
    ANSWER_CAP = auto()  # the longest answer
    OFFER = auto()  # waiting answers begin
    LINGER = auto()  # the connection is no longer needed
