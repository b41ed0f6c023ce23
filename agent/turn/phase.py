"""PURE: the phases of the turn machine; tested in tests/agent/turn/test_machine.py."""

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

    @property
    def listening(self) -> bool:
        """Whether microphone and camera are open."""
        return self not in (Phase.ASLEEP, Phase.SPEAKING)

    @property
    def recording(self) -> bool:
        """Whether an utterance is open: the technician is being recorded for the service."""
        return self in (Phase.HEARING, Phase.TALKING)

    @property
    def waiting(self) -> bool:
        """Whether the technician waits for an answer, or listens to one."""
        return self in (Phase.THINKING, Phase.ANSWERING)

    @property
    def playing(self) -> bool:
        """Whether an answer plays."""
        return self in (Phase.ANSWERING, Phase.SPEAKING)

    @property
    def busy(self) -> bool:
        """Whether something is going on that ends by itself."""
        return self not in (Phase.ASLEEP, Phase.LISTENING)
