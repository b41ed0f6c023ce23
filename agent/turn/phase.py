"""PURE: the phases of the turn machine; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """What the box is doing. In ASLEEP and SPEAKING the microphone and camera are closed, in all others open."""

    ASLEEP = auto()
    LISTENING = auto()
    HEARING = auto()  # an utterance is open, the endpointer will end it
    TALKING = auto()  # an utterance is open, releasing the button will end it
    THINKING = auto()
    ANSWERING = auto()
    SPEAKING = auto()  # an answer plays while the microphone is closed: it came late, or after hanging up

    @property
    def listening(self) -> bool:
        """Whether the microphone and camera are open."""
        return self not in (Phase.ASLEEP, Phase.SPEAKING)

    @property
    def recording(self) -> bool:
        """Whether an utterance is open: the technician is being recorded for the service."""
        return self in (Phase.HEARING, Phase.TALKING)

    @property
    def waiting(self) -> bool:
        """Whether the technician waits for an answer or listens to it."""
        return self in (Phase.THINKING, Phase.ANSWERING)

    @property
    def playing(self) -> bool:
        """Whether an answer plays."""
        return self in (Phase.ANSWERING, Phase.SPEAKING)

    @property
    def busy(self) -> bool:
        """Whether the box is neither asleep nor merely listening: what it does now ends by itself."""
        return self not in (Phase.ASLEEP, Phase.LISTENING)
