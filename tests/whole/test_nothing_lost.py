"""Nothing said is lost, nothing is answered twice, all of it comes to an end: against a server that does as it likes.

The conversation with everything below it (delivery, ledger, notes, session, outbox, dialogue) on a simulated
line, disk and clock. The server reads what was sent as JSON; between any two steps the line may break, the disk may be
late and the technician may do what they please.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import re
import struct
from base64 import b64decode, b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent import config
from agent.conversation.conversation import Conversation
from agent.link.state import LinkState
from agent.link.verdicts import Next, Verdict
from agent.metrics import Counters
from agent.store.recovery import Recovered
from agent.store.rows import KeptAnswer
from agent.turn.events import AnswerBegan, AnswerGenerated, Event
from agent.uplink.bandwidth import Uplink
from agent.uplink.utterance import Wants
from agent.wire import protocol
from tests.support.host import RecordingHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.conversation.exchange import Exchange
    from agent.uplink.outbox import Outbox, Outgoing
    from agent.uplink.utterance import Utterance
    from agent.wire.session import Session

PIECES = 4
"""Of an answer."""
PCM = b64encode(b"\0\10" * 240).decode()
WIDE = 100_000
"""Messages that a line takes which nothing holds up."""
PATIENCE_S = 4000.0
"""Longer than a note waits at most, and shorter than a handle lives."""
SETTLED = ("answered", "cut")


# what the conversation stands on


class Clock:
    """As much of an event loop as is asked for: the time, and timers."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if not timer.cancelled:
                timer.callback()
        self.now = until


@dataclass
class Timer:
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Row:
    """What the disk has of a turn; the columns that are read again."""

    number: int
    began_at: float
    audio: bytearray = field(default_factory=bytearray)
    text: str = ""
    answer: str = ""
    question: str = ""
    state: str = "recording"
    settled: int = 0  # how often
    answer_audio: bytes = b""
    played: bool = False


class Disk:
    """An archive whose jobs are done when the test says so; what it was told is known at once."""

    def __init__(self, clock: Clock) -> None:
        self.past = Recovered(None, [], [], [], 0, 1)
        self.rows: dict[int, Row] = {}
        self.jobs: deque[Callable[[], None]] = deque()
        self._clock = clock

    def wall(self) -> float:
        return self._clock.now

    def begin(self, number: int, pre_roll: bytes = b"", *, typed: str = "") -> None:
        self.rows[number] = Row(number, self._clock.now, bytearray(pre_roll), typed)

    def hear(self, number: int, pcm: bytes) -> None:
        self.rows[number].audio += pcm

    def end(self, number: int, audio_s: float) -> None:
        del audio_s
        self.rows[number].state = "waiting"

    def update(self, number: int, **columns: Any) -> None:
        for name, value in columns.items():
            if name in ("answer", "question") or (name == "state" and self.rows[number].state not in SETTLED):
                setattr(self.rows[number], name, value)

    def settled(self, number: int, state: str) -> None:
        row = self.rows[number]
        row.state, row.settled = state, row.settled + 1

    def keep_answer(
        self, number: int, pcm: bytes, then: Callable[[], None], lost: object = None, **columns: Any
    ) -> None:
        del lost  # as below
        self.settled(number, "answered")
        self.update(number, **columns)
        self.rows[number].answer_audio = pcm
        self.jobs.append(then)

    def save(self, number: int, then: Callable[[], None], lost: object = None) -> None:
        del lost  # as below
        assert number in self.rows
        self.jobs.append(then)

    def load(self, number: int, then: Callable[[Any, bytes, bytes], None], lost: object = None) -> None:
        del lost  # nothing is, here
        self.jobs.append(lambda: then(self.rows[number], bytes(self.rows[number].audio), b""))

    def load_answer(self, then: Callable[[KeptAnswer | None], None]) -> None:
        found = [row for row in self.rows.values() if row.answer_audio and not row.played]
        answer = KeptAnswer(found[0].number, 0.0, found[0].answer_audio) if found else None
        self.jobs.append(lambda: then(answer))

    def played(self, number: int) -> None:
        assert not self.rows[number].played, f"the answer to {number} was played twice"
        self.rows[number].played = True

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None  # conversations, handles, events: not looked at


class Speaker:
    """Plays at once what it is told is whole."""

    played_s = 0.0
    epoch = 0

    buffered_s = 0.0  # plays as fast as it is written

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        if epoch != self.epoch:
            return False
        self.played_s += len(pcm) / 48_000
        return True

    def finish(self) -> None:
        pass

    def flush(self) -> float:
        played, self.played_s = self.played_s, 0.0
        self.epoch += 1
        return played


@dataclass
class Sent:
    """One message on its way, and the utterance that it completes."""

    message: dict[str, Any]
    completes: Utterance | None = None
    withdrawn: bool = False


class Line:
    """Stands in for the link: the same order of calls, at moments that the test chooses."""

    def __init__(self, _settings: object, _key: object, session: Session, outbox: Outbox, listener: Exchange) -> None:
        self.session, self.outbox, self.listener = session, outbox, listener
        self.clock = cast("Clock", asyncio.get_running_loop())
        self.uplink = Uplink()
        self.state = LinkState.IDLE
        self.ready = False
        self.over = False  # ended, and not noticed yet
        self.failed = False
        self.connections = 0
        self.service_time: float | None = None
        self.room = WIDE
        self.pipe: deque[Sent] = deque()

    def pump(self) -> None:
        while self.ready and self.room and (outgoing := self.outbox.next(self.uplink, self.clock.now)) is not None:
            self.room -= 1
            self._hand_over(outgoing)

    def want(self) -> None:
        """The test chooses when there is an attempt."""

    def renew(self) -> None:
        if self.ready:
            self.ready, self.over, self.failed = False, True, False

    def dial(self) -> dict[str, Any]:
        """Begin an attempt: the setup that the server gets."""
        self._set(LinkState.CONNECTING)
        message: dict[str, dict[str, Any]] = json.loads(self.session.setup(self.clock.now))
        return message["setup"]

    def up(self) -> None:
        self.session.opened(self.clock.now)
        self.ready, self.over = True, False
        self.connections += 1
        self.pipe.clear()
        self._set(LinkState.UP)
        self.pump()

    def down(self, *, verdict: Verdict | None) -> None:
        """Notice the end of a connection, or of an attempt."""
        self.ready = self.over = False
        drop = verdict is not None and verdict.next is Next.FRESH
        self.session.closed(self.clock.now, drop_handle=drop, failed=verdict is not None)
        self._set(LinkState.CONNECTING if verdict is None or verdict.at_once else LinkState.OFFLINE, verdict)

    def _set(self, state: LinkState, verdict: Verdict | None = None) -> None:
        self.state = state
        self.listener.link_changed(state, verdict)

    def _hand_over(self, outgoing: Outgoing) -> None:
        entry = outgoing.completes
        self.pipe.append(Sent(json.loads(outgoing.message), entry, entry is not None and entry.withdrawn))
        self.listener.sent(outgoing)


# the other side


@dataclass
class Answer:
    """What the server owes or gives."""

    number: int  # of the question
    place: int = 0  # pieces sent
    generated: bool = False


class Server:
    """Remembers what it was asked and what it said, and forgets with the handle."""

    def __init__(self) -> None:
        self.handles: dict[str, tuple[set[int], str]] = {}
        self.known: set[int] = set()
        self.told = ""
        self.window: tuple[list[tuple[int, int]], list[str]] | None = None
        self.owed: deque[Answer] = deque()
        self.fresh = False

    def connect(self, handle: str) -> None:
        self.known, self.told = (set(self.handles[handle][0]), self.handles[handle][1]) if handle else (set(), "")
        self.window, self.fresh = None, not handle
        self.owed.clear()

    def new_handle(self) -> str:
        handle = f"handle-{len(self.handles) + 1}"
        self.handles[handle] = (set(self.known), self.told)
        return handle


def chunk(number: int, place: int) -> bytes:
    return struct.pack("<HH", number, place) * 160


def pieces(pcm: bytes) -> list[tuple[int, int]]:
    return [cast("tuple[int, int]", struct.unpack_from("<HH", pcm, at)) for at in range(0, len(pcm), 640)]


def word(number: int, place: int) -> str:
    return f"a{number}.{place} "


def whole(number: int) -> list[str]:
    return [word(number, place).strip() for place in range(PIECES)]


class Promise(RuleBasedStateMachine):
    """The technician, the line, the disk and the server, each taking any step at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.disk = Disk(self.clock)
        self.server = Server()
        self.events: deque[Event] = deque()
        self.host = RecordingHost(self.events)
        self.length: dict[int, int] = {}  # chunks of each utterance
        self.spoilt: set[int] = set()  # whose answer was cut short on purpose
        self.before: set[int] = set()  # answered when the present connection came up

    @initialize(up=st.booleans())
    def build(self, up: bool) -> None:  # noqa: FBT001 - drawn by name
        loop = cast("asyncio.AbstractEventLoop", self.clock)
        with (
            mock.patch("asyncio.get_running_loop", return_value=loop),
            mock.patch("agent.conversation.exchange.Link", Line),
        ):
            self.talk = Conversation(
                config.Settings(),
                lambda: "key",
                self.host,
                speaker=cast("Any", Speaker()),
                counters=Counters(),
                store=cast("Any", self.disk),
                wall=self.disk.wall,
            )
        self.line = cast("Line", self.talk.link)
        self.talk.begin()
        if up:
            self.connects("")

    # the technician

    @rule(count=st.integers(1, 60), ends=st.booleans(), cuts=st.booleans())
    def speaks(self, count: int, ends: bool, cuts: bool) -> None:  # noqa: FBT001 - drawn by name
        if self.talk.delivery.ledger.recording is None:
            self.begin(cuts=cuts)
        assert self.talk.delivery.ledger.recording is not None
        number = self.talk.delivery.ledger.recording.number
        self.length.setdefault(number, 0)
        for _ in range(count):
            self.talk.hear(chunk(number, self.length[number]), quiet=False)
            self.length[number] += 1
        if ends:
            self.talk.end_utterance(self.clock.now, listening=True)
        self.settle()

    @precondition(lambda self: self.talk.delivery.ledger.recording is None)
    @rule(cuts=st.booleans())
    def types(self, cuts: bool) -> None:  # noqa: FBT001 - drawn by name
        self.cut_if(cuts=cuts)
        self.talk.ask("typed")
        self.settle()

    @rule()
    def wants_no_more(self) -> None:
        self.spoil_pending()
        self.talk.cut()
        self.settle()

    @rule()
    def waits_no_longer(self) -> None:
        self.spoil_begun()
        self.talk.save()
        self.settle()

    @rule()
    def goes_first(self) -> None:
        self.talk.cancel_catch_up()
        self.settle()

    @precondition(lambda self: self.talk.delivery.answers.unplayed)
    @rule()
    def listens_to_answers(self) -> None:
        self.talk.delivery.answers.play()
        self.settle()

    @rule()
    def has_heard_it(self) -> None:
        self.talk.drained()
        self.settle()

    # disk and clock

    @precondition(lambda self: self.disk.jobs)
    @rule()
    def writes(self) -> None:
        self.disk.jobs.popleft()()
        self.settle()

    @rule(seconds=st.sampled_from([0.1, 3.0, 40.0]))
    def waits(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.settle()

    # the line

    @precondition(lambda self: not self.line.ready and not self.line.over)
    @rule(how=st.sampled_from(["", "", "", "handshake", "handle"]))
    def connects(self, how: str) -> None:
        handle = self.line.dial().get("sessionResumption", {}).get("handle", "")
        if how == "handshake":
            self.line.down(verdict=Verdict(Next.RESUME, "nobody there"))
        elif how == "handle" and handle:
            self.line.down(verdict=Verdict(Next.FRESH, "handle refused", at_once=True))
        else:
            self.server.connect(handle)
            self.before = self.answered()
            self.line.up()
            self.give_handle()  # right behind setupComplete, whatever is on its way
        self.settle()

    @rule(room=st.sampled_from([0, 3, 30]))
    def jams(self, room: int) -> None:
        self.line.room = room

    @precondition(lambda self: self.line.ready)
    @rule(arrives=st.sampled_from([1, 30, WIDE, WIDE, WIDE]))
    def carries(self, arrives: int) -> None:
        self.line.room = WIDE
        self.line.pump()
        for _ in range(min(arrives, len(self.line.pipe))):
            self.take(self.line.pipe.popleft())
        self.settle()

    @precondition(lambda self: self.line.ready or self.line.over)
    @rule()
    def breaks(self) -> None:
        failed = self.line.ready or self.line.failed
        self.line.down(verdict=Verdict(Next.RESUME, "dropped", at_once=True) if failed else None)
        self.settle()

    # the service

    @precondition(lambda self: self.line.ready and (self.server.owed or self.line.pipe))
    @rule(steps=st.sampled_from([1, 2, PIECES, PIECES + 1, PIECES + 2, PIECES + 2]), handle=st.booleans())
    def answers(self, steps: int, handle: bool) -> None:  # noqa: FBT001 - drawn by name
        self.carries(WIDE)
        for _ in range(steps):
            self.continue_answer(handle=handle)
            self.settle()

    @precondition(lambda self: self.line.ready)
    @rule()
    def gives_a_handle(self) -> None:
        if not self.server.owed:
            self.give_handle()
        self.settle()

    @precondition(lambda self: self.line.ready)
    @rule()
    def says_good_bye(self) -> None:
        self.say({"goAway": {"timeLeft": "10s"}})
        self.settle()

    # what must hold

    @invariant()
    def nothing_is_lost(self) -> None:
        kept = {entry.number for entry in self.talk.delivery.ledger._entries if not entry.withdrawn}
        notes = {number for number in self.disk.rows if number in self.talk.delivery.notes}
        for number in self.disk.rows:
            places = (number in kept) + (number in notes) + (number in self.answered())
            assert places, f"{number} is nowhere"
            assert number not in self.answered() or places == 1, f"{number} was answered and is kept for another time"

    @invariant()
    def nothing_is_answered_twice(self) -> None:
        assert all(row.settled <= 1 for row in self.disk.rows.values()), self.disk.rows

    @invariant()
    def what_was_said_is_whole(self) -> None:
        for number in self.answered() - self.spoilt:
            said = self.disk.rows[number].answer.split()
            assert said == whole(number)[: len(said)], f"{number}: {said}"

    def teardown(self) -> None:
        """A server that behaves gets everything, and has it answered."""
        if not hasattr(self, "talk"):
            return
        self.talk.delivery.end(self.clock.now)
        for _ in range(400):
            self.behave()
            if self.at_rest():
                break
        assert self.at_rest(), f"stuck: {self.talk.delivery.ledger._entries} {self.talk.delivery.notes._notes}"
        assert self.answered() == set(self.disk.rows)
        self.nothing_is_lost()
        self.nothing_is_answered_twice()
        for number in set(self.disk.rows) - self.spoilt:
            assert self.disk.rows[number].answer.split() == whole(number), f"{number}: {self.disk.rows[number].answer}"

    # parts of the above

    def answered(self) -> set[int]:
        return {row.number for row in self.disk.rows.values() if row.state in SETTLED}

    def at_rest(self) -> bool:
        return (
            self.talk.delivery.ledger.idle
            and not self.talk.delivery.notes
            and not self.disk.jobs
            and not self.server.owed
        )

    def behave(self) -> None:
        """One round of a world in which everything works."""
        while self.disk.jobs:
            self.writes()
        if self.line.over:
            self.breaks()
        if not self.line.ready:
            self.connects("")
        self.carries(WIDE)
        while self.server.owed and self.line.ready:
            self.continue_answer(handle=True)
            self.settle()
        self.has_heard_it()
        self.clock.advance(PATIENCE_S / 2)
        self.settle()

    def settle(self) -> None:
        """Do what the turn machine does about each event."""
        while self.events:
            match self.events.popleft():
                case AnswerBegan() if self.talk.delivery.ledger.recording is not None:
                    self.spoil_pending()
                    self.talk.cut()
                case AnswerGenerated():
                    self.talk.drained()  # the speaker is quick here
                case _:
                    pass

    def spoil_pending(self) -> None:
        """What was asked until now is not wanted any more: its answer need not be whole."""
        self.spoilt |= {entry.number for entry in self.talk.delivery.ledger.over} | {a.number for a in self.server.owed}

    def spoil_begun(self) -> None:
        self.spoilt |= {entry.number for entry in self.talk.delivery.ledger.over if entry.wants is Wants.REST}

    def say(self, message: dict[str, Any]) -> None:
        for event in protocol.decode(json.dumps(message).encode()):
            if self.line.ready:
                self.talk.exchange.server_event(event)

    def begin(self, *, cuts: bool) -> None:
        self.cut_if(cuts=cuts)
        self.talk.open_utterance(b"")

    def cut_if(self, *, cuts: bool) -> None:
        """Who speaks over an answer stops it; who speaks before it comes may leave it be."""
        if cuts or (self.server.owed and self.server.owed[0].place):
            self.spoil_pending()
            self.talk.cut()

    def continue_answer(self, *, handle: bool) -> None:
        """Take the next step of the present answer: a piece, all of it generated, the turn complete."""
        if not (self.server.owed and self.line.ready):
            return
        answer = self.server.owed[0]
        if answer.place < PIECES:
            self.give(answer)
        elif not answer.generated:
            answer.generated = True
            self.server.known.add(answer.number)
            self.say({"serverContent": {"generationComplete": True}})
        else:
            self.server.owed.popleft()
            self.say({"serverContent": {"turnComplete": True}})
            if handle:
                self.give_handle()

    def give(self, answer: Answer) -> None:
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": PCM}}
        text = word(answer.number, answer.place)
        answer.place += 1
        self.say({"serverContent": {"modelTurn": {"parts": [part]}}})
        self.say({"serverContent": {"outputTranscription": {"text": text}}})

    def give_handle(self) -> None:
        self.say({"sessionResumptionUpdate": {"newHandle": self.server.new_handle(), "resumable": True}})

    def take(self, sent: Sent) -> None:
        """Read one message as the service does."""
        ((kind, body),) = sent.message.items()
        if kind == "clientContent":
            assert self.server.fresh, "a resumed session is not told what it knows"
            self.server.told += json.dumps(body)
        elif kind == "realtimeInput":
            ((kind, value),) = body.items()
            self.hear(kind, value, sent)
        else:
            raise AssertionError(f"unexpected: {sent.message}")
        self.server.fresh = False

    def hear(self, kind: str, value: Any, sent: Sent) -> None:
        if kind == "activityStart":
            assert self.server.window is None, "an activity inside an activity"
            self.server.window = ([], [])
            self.interrupt()
            return
        assert self.server.window is not None, f"{kind} outside of an activity"
        audio, texts = self.server.window
        if kind == "audio":
            audio += pieces(b64decode(value["data"]))
        elif kind == "text":
            texts.append(value)
        else:
            assert kind == "activityEnd", kind
            self.server.window = None
            self.ask(audio, texts, sent)

    def interrupt(self) -> None:
        """Somebody speaks: what is under way, or owed, is over; what was asked is remembered."""
        while self.server.owed:
            answer = self.server.owed.popleft()
            self.spoilt |= set() if answer.generated else {answer.number}
            self.server.known.add(answer.number)
            self.say({"serverContent": {"interrupted": True}})
            self.say({"serverContent": {"turnComplete": True}})

    def ask(self, audio: list[tuple[int, int]], texts: list[str], sent: Sent) -> None:
        """The end of an activity: whose it is, whether it is whole, and whether all that went before is known."""
        self.server.told += " ".join(texts)
        entry = sent.completes
        assert entry is not None
        number = entry.number
        rest = re.search(r'already heard: "(.*?)"', " ".join(texts))
        if not sent.withdrawn:
            self.check_whole(number, audio, texts, rest=rest is not None)
            self.check_known(number)
        self.server.owed.append(Answer(number, len(rest[1].split()) if rest else 0))
        self.say({"serverContent": {"inputTranscription": {"text": f"q{number}"}}})

    def check_whole(self, number: int, audio: list[tuple[int, int]], texts: list[str], *, rest: bool) -> None:
        if number not in self.length:
            assert texts[-1] == "typed"
        elif audio or not rest:
            assert audio == [(number, place) for place in range(self.length[number])], f"{number} is not whole"

    def check_known(self, number: int) -> None:
        """What was answered before this connection is in the memory of its session, or it was told."""
        for earlier in self.before - self.server.known - {number}:
            said = self.disk.rows[earlier].answer.split()
            if said:
                assert said[-1] in self.server.told, f"{earlier} is forgotten when {number} is asked"


TestPromise = Promise.TestCase
TestPromise.settings = settings(
    max_examples=300, stateful_step_count=50, suppress_health_check=list(HealthCheck), deadline=None
)
