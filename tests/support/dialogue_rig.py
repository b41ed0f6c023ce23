"""A dialogue between a speaker that plays as much as a test says, and a delivery that writes down what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from agent.conversation.dialogue import Dialogue
from agent.conversation.note_answers import NoteAnswers
from agent.conversation.notes import Notes
from agent.metrics import Counters
from agent.store.rows import KeptAnswer
from agent.uplink.ledger import Ledger
from agent.uplink.utterance import Kind, Utterance, Wants
from agent.wire.events import (
    AudioOut,
    InputTranscript,
    OutputTranscript,
)
from hardware.ports import SPEAKER_FORMAT, DeviceHealth

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.conversation.delivery import Delivery
    from agent.conversation.turn_log import TurnLog
    from agent.metrics import TurnRecord
    from agent.store.store import Store
    from agent.turn.events import Event
    from agent.wire.events import ServerEvent
    from hardware.ports import DeviceError


def audio(seconds: float, rate: int = 24_000) -> AudioOut:
    return AudioOut(b"\0\10" * round(seconds * rate), rate)


def said(text: str) -> OutputTranscript:
    return OutputTranscript(text)


def heard(text: str) -> InputTranscript:
    return InputTranscript(text)


@dataclass
class FakeSpeaker:
    """Plays as much as a test says."""

    written: bytearray = field(default_factory=bytearray)
    played_s: float = 0.0
    flushes: int = 0
    finishes: int = 0

    @property
    def buffered_s(self) -> float:
        return SPEAKER_FORMAT.seconds_in(len(self.written)) - self.played_s

    @property
    def audible(self) -> bool:
        return self.buffered_s > 0

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        pass

    def health(self) -> DeviceHealth:
        return DeviceHealth()

    @property
    def epoch(self) -> int:
        return self.flushes

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        if epoch != self.flushes:
            return False
        self.written += pcm
        return True

    def finish(self) -> None:
        self.finishes += 1

    def flush(self) -> float:
        played, self.played_s = self.played_s, 0.0
        self.written.clear()
        self.flushes += 1
        return played

    def repeat(self) -> float:
        return 0.0

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def say(self, pcm: bytes) -> None:
        pass

    def hush(self) -> None:
        pass

    def chime(self, pcm: bytes) -> None:
        pass

    async def aclose(self) -> None:
        pass


class FakeDelivery:
    """A ledger, and what would be written down; also the turn log."""

    def __init__(self, speaker: FakeSpeaker, *, local_detection: bool) -> None:
        self.ledger = Ledger(local_detection=local_detection)
        self.acknowledged: list[int] = []
        self.remembered: list[TurnRecord | None] = []
        self.reports: list[Event] = []
        self.kept: list[tuple[int, bytes, str]] = []  # answers to notes
        self.heard: list[int] = []  # of these, those that were played
        self.progressed: list[str] = []
        self.records: list[TurnRecord] = []
        self.next_answer: KeptAnswer | None = None
        self.answers = NoteAnswers(
            speaker, cast("Store", self), Notes(), 3, emit=self.reports.append, introduce=lambda _, then: then()
        )

    def remember(self, record: TurnRecord) -> None:
        self.remembered.append(record)

    def acknowledge(self, number: int, record: TurnRecord) -> None:
        assert self.remembered[-1] is record
        self.acknowledged.append(number)
        self.ledger.acknowledge(number)

    def keep_answer(self, number: int, pcm: bytes, record: TurnRecord) -> None:
        assert number not in self.acknowledged
        self.kept.append((number, pcm, record.answer.text))

    def load_answer(self, then: Callable[[KeptAnswer | None], None]) -> None:
        then(self.next_answer)

    def played(self, number: int) -> None:
        self.heard.append(number)

    def cut(self) -> None:
        self.ledger.cut()

    def continue_answer(self, number: int, heard: str) -> bool:
        return self.ledger.continue_answer(number, heard, f"go on after {heard}")

    def progress(self, record: TurnRecord) -> None:
        self.progressed.append(record.answer.text)

    def unheard(self, record: TurnRecord) -> None:
        del record
        self.progressed.append("")

    def settle(self, record: TurnRecord) -> None:
        self.records.append(record)


class Rig:
    def __init__(self, *, local_detection: bool = True) -> None:
        self.speaker, self.counters = FakeSpeaker(), Counters()
        self.delivery = FakeDelivery(self.speaker, local_detection=local_detection)
        self.ledger, self.records = self.delivery.ledger, self.delivery.records
        self.dialogue = Dialogue(
            self.speaker, cast("Delivery", self.delivery), cast("TurnLog", self.delivery), self.counters
        )

    def ask(self, ended_at: float = 1.0, now: float = 1.1, *, wanted: bool = True) -> int:
        number = self.ledger.open(bytes(640))
        self.ledger.end(ended_at)
        while (step := self.ledger.next()) is not None:
            last = step[1]
        last.wants = Wants.ANSWER if wanted else Wants.NOTHING
        self.dialogue.asked(last, now)
        return number

    def ask_note(self, number: int = 7, **given: Any) -> int:
        """Put to the service what was said earlier."""
        self.ledger.add_note(Utterance(number, Kind.NOTE, pcm=bytearray(640), **given))
        self.deliver()
        return number

    def answer_note(self, number: int) -> None:
        """Play the answer to a note, a second of it."""
        self.delivery.next_answer = KeptAnswer(number, 0.0, bytes(48_000))
        self.delivery.answers.play()

    def deliver(self, now: float = 5.0) -> None:
        """Send what waits."""
        while (step := self.ledger.next()) is not None:
            if step[1].complete:
                self.dialogue.asked(step[1], now)

    def break_line(self) -> list[Event]:
        events = self.dialogue.connection_lost()
        self.ledger.rewind()
        return events

    def feed(self, *events: ServerEvent, now: float = 2.0) -> list[Event]:
        return [move for event in events for move in self.dialogue.feed(event, now)]

    def play_out(self, now: float = 9.0) -> list[Event]:
        self.speaker.played_s = SPEAKER_FORMAT.seconds_in(len(self.speaker.written))
        events = self.dialogue.drained(now)
        self.speaker.flush()
        return events
