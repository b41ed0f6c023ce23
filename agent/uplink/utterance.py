"""PURE: one utterance: what was said or typed, and how much of it the present connection has.

Its stage is about sending alone. Recording goes on beside it until the ledger ends it, so that what is still being said
is WAITING or SENDING like everything else::

    WAITING -- begin() --> SENDING -- finish() --> SENT
       ^                      |                     |
       +------ rewind() ------+----- rewind() ------+
                              |
                         withdraw() --> ENDING -- finish() --> ENDED

What is WAITING or SENT when it is withdrawn just leaves the ledger. A STREAM leaves it as soon as it is SENT, since
nothing acknowledges it; where the service detects speech there is no end to owe, hence neither ENDING nor ENDED.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from agent.wire import protocol


class Kind(Enum):
    """Where an utterance comes from."""

    LIVE = auto()  # spoken now, its bounds found by the box
    STREAM = auto()  # an open microphone in which the service finds what is said
    TYPED = auto()
    NOTE = auto()  # said or typed earlier and kept on disk since; its answer is kept, too, until somebody is there


class Stage(Enum):
    """How much of an utterance the present connection has."""

    WAITING = auto()  # nothing
    SENDING = auto()  # its beginning
    SENT = auto()  # all of it; it is kept until it is acknowledged
    ENDING = auto()  # withdrawn when half sent: only its end still goes out, because the service waits for that
    ENDED = auto()  # the same, with its end; it has left the ledger


class Wants(Enum):
    """What the technician waits for."""

    ANSWER = auto()
    REST = auto()  # of an answer that broke off
    NOTHING = auto()  # the answer was cut; the utterance is delivered all the same, as part of the conversation


@dataclass(slots=True, eq=False)
class Utterance:
    """One thing the technician said (16 kHz mono s16le) or typed."""

    number: int
    kind: Kind
    pcm: bytearray = field(default_factory=bytearray)
    quiet: bytearray = field(default_factory=bytearray)  # for each CHUNK_BYTES of pcm, whether nobody speaks in it
    text: str = ""
    preface: str = ""  # what the session has missed
    remark: str = ""  # what the model must know of it: when it was said, what of its answer was given already
    picture: bytes = b""  # JPEG, of an utterance that was spoken where no frame could be streamed
    answer_text: str = ""  # what of its answer was given already, in words
    ended_at: float = 0.0  # when the last word was spoken, on the loop's clock
    recorded_at: float = 0.0  # when the first word was, on the wall's
    wants: Wants = Wants.ANSWER
    stage: Stage = Stage.WAITING
    attempts: int = 0  # connections that it was begun on
    led: int = 0  # messages of the lead that were sent
    sent: int = 0  # bytes of pcm that were sent, or left out
    pause: int = 0  # quiet chunks just sent

    @property
    def complete(self) -> bool:
        """Whether its last message has gone out over the present connection."""
        return self.stage is Stage.SENT or self.stage is Stage.ENDED

    @property
    def withdrawn(self) -> bool:
        """Whether it was withdrawn when half sent."""
        return self.stage is Stage.ENDING or self.stage is Stage.ENDED

    @property
    def unsent_bytes(self) -> int:
        """Audio that the present connection does not have yet."""
        return len(self.pcm) - self.sent

    @property
    def lead_size(self) -> int:
        """Number of messages that go out before its audio."""
        return bool(self.picture) + bool(self.preface) + bool(self.remark) + bool(self.text)

    def next_of_lead(self) -> bytes:
        """Return the next message that goes out before its audio."""
        place, self.led = self.led, self.led + 1
        if place == 0 and self.picture:
            return protocol.video(self.picture)
        lines = [line for line in (self.preface, self.remark, self.text) if line]
        return protocol.text(lines[place - bool(self.picture)])

    def begin(self) -> None:
        """Note that the present connection is given it from here on."""
        assert self.stage is Stage.WAITING, self.stage
        self.stage = Stage.SENDING
        self.attempts += 1

    def finish(self) -> None:
        """Note that its last message has gone out."""
        assert self.stage is Stage.SENDING or self.stage is Stage.ENDING, self.stage
        self.stage = Stage.SENT if self.stage is Stage.SENDING else Stage.ENDED

    def withdraw(self) -> None:
        """Send nothing more of it but its end, and forget what was said."""
        assert self.stage is Stage.SENDING, self.stage
        self.stage, self.wants = Stage.ENDING, Wants.NOTHING
        self.pcm, self.quiet, self.sent = bytearray(), bytearray(), 0

    def rewind(self) -> None:
        """Wait for another connection, which has nothing of it."""
        assert not self.withdrawn, self.stage
        self.stage = Stage.WAITING
        self.led = self.sent = self.pause = 0
        self.preface = ""
