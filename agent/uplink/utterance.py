"""PURE: one utterance: what the technician said or typed, and how much of it the present connection has.

The stage is about sending only. Recording goes on independently until the ledger ends it, so an utterance that is still
being recorded is WAITING or SENDING like any other::

    WAITING -- begin() --> SENDING -- finish() --> SENT
       ^                      |                     |
       +------ rewind() ------+----- rewind() ------+
                              |
                         withdraw() --> ENDING -- finish() --> ENDED

An utterance that is WAITING or SENT when it is withdrawn simply leaves the ledger. A STREAM leaves it as soon as it is
SENT, since nothing acknowledges it. If the service detects speech, no activityEnd is owed, hence neither ENDING nor
ENDED.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from agent.wire import protocol


class Kind(Enum):
    """Where an utterance comes from."""

    LIVE = auto()  # spoken now, its bounds found by the box
    STREAM = auto()  # an open microphone, in which the service detects speech
    TYPED = auto()
    NOTE = auto()  # spoken or typed earlier and kept on disk since; its answer is kept, too, until it can be played


class Stage(Enum):
    """How much of an utterance was sent over the present connection."""

    WAITING = auto()  # nothing
    SENDING = auto()  # its beginning
    SENT = auto()  # all of it; it is kept until acknowledged
    ENDING = auto()  # withdrawn when half sent: only its end is still sent, because the service waits for that
    ENDED = auto()  # withdrawn when half sent, and its end was sent; it has left the ledger


class Wants(Enum):
    """What the technician still wants to hear in reply."""

    ANSWER = auto()
    REST = auto()  # of an answer that broke off
    NOTHING = auto()  # the answer was cut; the utterance is still delivered, as context


@dataclass(slots=True, eq=False)
class Utterance:
    """One utterance of the technician, spoken (``pcm``, 16 kHz mono s16le) or typed (``text``)."""

    number: int
    kind: Kind
    pcm: bytearray = field(default_factory=bytearray)
    quiet: bytearray = field(default_factory=bytearray)  # for each CHUNK_BYTES of pcm, whether nobody speaks in it
    text: str = ""
    preface: str = ""  # the turns that the session has missed
    remark: str = ""  # what the model must know: when it was recorded, which part of its answer was given already
    picture: bytes = b""  # JPEG of an utterance that was typed, or recorded while no frame could be sent
    answer_text: str = ""  # the part of its answer that was given already
    ended_at: float = 0.0  # when its last word was spoken, in loop time
    recorded_at: float = 0.0  # when its recording began, in wall-clock time
    wants: Wants = Wants.ANSWER
    stage: Stage = Stage.WAITING
    attempts: int = 0  # connections on which sending it began
    led: int = 0  # messages before its audio that were sent
    sent: int = 0  # bytes of pcm that were sent or left out
    pause: int = 0  # quiet chunks in a row sent last

    @property
    def complete(self) -> bool:
        """Whether its last message was sent over the present connection."""
        return self.stage is Stage.SENT or self.stage is Stage.ENDED

    @property
    def withdrawn(self) -> bool:
        """Whether the utterance was withdrawn when half sent."""
        return self.stage is Stage.ENDING or self.stage is Stage.ENDED

    @property
    def unsent_bytes(self) -> int:
        """Bytes of audio that were not sent over the present connection yet."""
        return len(self.pcm) - self.sent

    @property
    def lead_size(self) -> int:
        """The number of messages that go before its audio."""
        return bool(self.picture) + bool(self.preface) + bool(self.remark) + bool(self.text)

    def next_of_lead(self) -> bytes:
        """Return the next message that goes before its audio, and count it as sent."""
        place, self.led = self.led, self.led + 1
        if place == 0 and self.picture:
            return protocol.video(self.picture)
        lines = [line for line in (self.preface, self.remark, self.text) if line]
        return protocol.text(lines[place - bool(self.picture)])

    def begin(self) -> None:
        """Note that sending begins on the present connection."""
        assert self.stage is Stage.WAITING, self.stage
        self.stage = Stage.SENDING
        self.attempts += 1

    def finish(self) -> None:
        """Note that its last message was sent."""
        assert self.stage is Stage.SENDING or self.stage is Stage.ENDING, self.stage
        self.stage = Stage.SENT if self.stage is Stage.SENDING else Stage.ENDED

    def withdraw(self) -> None:
        """Send nothing more but its end, and discard the audio; only while SENDING."""
        assert self.stage is Stage.SENDING, self.stage
        self.stage, self.wants = Stage.ENDING, Wants.NOTHING
        self.pcm, self.quiet, self.sent = bytearray(), bytearray(), 0

    def rewind(self) -> None:
        """Wait to be sent again from the beginning over another connection."""
        assert not self.withdrawn, self.stage
        self.stage = Stage.WAITING
        self.led = self.sent = self.pause = 0
        self.preface = ""
