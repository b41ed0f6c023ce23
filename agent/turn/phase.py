"""PURE: the phases of the turn machine."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """What the box is doing. In ASLEEP and SPEAKING microphone and camera are closed, in all others open."""

    ASLEEP = auto()
    LISTENING = auto()
    HEARING = auto()  # an utterance is open, the endpointer will end it
    TALKING = auto()  # an utterance is open, releasing the button will end it
    THINKING = auto()
    ANSWERING = auto()
    SPEAKING = auto()  # an answer plays though nobody is listened to: it came late, or after hanging up
