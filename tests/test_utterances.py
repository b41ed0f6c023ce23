import base64
import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.utterances import CATCH_UP_BYTES, LIVE_BYTES, MAX_ATTEMPTS, Ledger, Utterance

CHUNK = bytes(range(256)) * 2 + bytes(128)
START: dict[str, Any] = {"activityStart": {}}
END: dict[str, Any] = {"activityEnd": {}}
STREAM_END = {"audioStreamEnd": True}


def read(message: bytes) -> Any:
    return json.loads(message)["realtimeInput"]


def sound(message: bytes) -> bytes:
    return base64.b64decode(read(message)["audio"]["data"])


def drain(ledger: Ledger) -> list[bytes]:
    return [message for message, _ in iter(ledger.next, None)]


def heard(messages: list[bytes]) -> bytes:
    return b"".join(sound(message) for message in messages if "audio" in read(message))


def recorded(ledger: Ledger, chunks: int = 1) -> int:
    number = ledger.open(b"")
    for _ in range(chunks):
        ledger.append(CHUNK)
    ledger.end(0.0)
    return number


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(marked=True)


@pytest.fixture
def stream() -> Ledger:
    return Ledger(marked=False)


def test_an_utterance_goes_out_as_start_audio_end(ledger: Ledger) -> None:
    ledger.open(CHUNK)
    ledger.append(CHUNK[::-1])
    ledger.end(12.5)
    first, *middle, last = drain(ledger)
    assert read(first) == START
    assert heard(middle) == CHUNK + CHUNK[::-1]
    assert read(last) == END


def test_live_audio_goes_out_chunk_by_chunk_and_a_backlog_in_larger_pieces(ledger: Ledger) -> None:
    ledger.open(b"")
    drain(ledger)
    ledger.append(CHUNK)
    assert [len(sound(message)) for message in drain(ledger)] == [LIVE_BYTES]
    for _ in range(25):
        ledger.append(CHUNK)
    assert [len(sound(message)) for message in drain(ledger)] == [CATCH_UP_BYTES, CATCH_UP_BYTES, 5 * LIVE_BYTES]


def test_a_piece_shorter_than_a_chunk_goes_out_and_what_follows_is_not_skipped(ledger: Ledger) -> None:
    ledger.open(CHUNK[:100])
    said = heard(drain(ledger))
    ledger.append(CHUNK)
    ledger.end(0.0)
    said += heard(drain(ledger))
    assert said == CHUNK[:100] + CHUNK
    assert ledger.backlog_bytes == 0


def test_the_next_utterance_waits_until_the_one_before_has_ended(ledger: Ledger) -> None:
    ledger.open(CHUNK)
    ledger.add_text("typed meanwhile", 1.0)
    assert [next(iter(read(message))) for message in drain(ledger)] == ["activityStart", "audio"]
    ledger.end(2.0)
    assert [read(message) for message in drain(ledger)] == [END, START, {"text": "typed meanwhile"}, END]


def test_a_typed_utterance_holds_no_audio(ledger: Ledger) -> None:
    ledger.add_text("hello", 3.0)
    assert [read(message) for message in drain(ledger)] == [START, {"text": "hello"}, END]
    assert ledger.backlog_bytes == 0


def test_only_one_utterance_is_recorded_at_a_time(ledger: Ledger) -> None:
    ledger.open(b"")
    with pytest.raises(AssertionError, match="one utterance"):
        ledger.open(b"")


def test_audio_outside_an_utterance_is_nobodys_business(ledger: Ledger) -> None:
    ledger.append(CHUNK)
    ledger.end(1.0)
    assert ledger.recording is None
    assert drain(ledger) == []


def test_an_utterance_knows_when_its_last_word_was_spoken(ledger: Ledger) -> None:
    ledger.open(b"")
    entry = ledger.recording
    assert entry is not None
    ledger.end(12.5)
    assert (entry.ended, entry.ended_at) == (True, 12.5)


def test_what_is_acknowledged_is_forgotten_with_all_before_it(ledger: Ledger) -> None:
    for _ in range(3):
        recorded(ledger)
    drain(ledger)
    ledger.acknowledge(2)
    assert ledger.waiting == 1
    ledger.rewind()
    assert [entry.number for _, entry in iter(ledger.next, None)] == [3, 3, 3]


def test_what_is_not_sent_cannot_be_acknowledged(ledger: Ledger) -> None:
    number = recorded(ledger)
    ledger.acknowledge(number)
    assert len(drain(ledger)) == 3


def test_a_lost_connection_sends_everything_again_from_its_first_sample(ledger: Ledger) -> None:
    recorded(ledger, chunks=3)
    ledger.open(CHUNK[::-1])
    before = drain(ledger)
    assert ledger.rewind() == 0
    assert drain(ledger) == before
    assert heard(before) == CHUNK * 3 + CHUNK[::-1]


def test_the_backlog_is_what_no_connection_has_yet(ledger: Ledger) -> None:
    ledger.open(CHUNK * 2)
    assert ledger.backlog_bytes == 2 * len(CHUNK)
    drain(ledger)
    assert ledger.backlog_bytes == 0
    ledger.rewind()
    assert ledger.backlog_bytes == 2 * len(CHUNK)


def test_an_utterance_that_no_connection_survives_is_given_up(ledger: Ledger) -> None:
    recorded(ledger)
    for _ in range(MAX_ATTEMPTS - 1):
        drain(ledger)
        assert ledger.rewind() == 0
    drain(ledger)
    innocent = recorded(ledger)
    assert ledger.rewind() == 1
    assert {entry.number for _, entry in iter(ledger.next, None)} == {innocent}


def test_an_utterance_that_is_still_spoken_is_not_given_up(ledger: Ledger) -> None:
    ledger.open(CHUNK)
    for _ in range(MAX_ATTEMPTS + 1):
        drain(ledger)
        assert ledger.rewind() == 0
    assert heard(drain(ledger)) == CHUNK


def test_connections_that_carried_nothing_of_it_do_not_count_against_it(ledger: Ledger) -> None:
    recorded(ledger)
    assert [ledger.rewind() for _ in range(9)] == [0] * 9
    assert len(drain(ledger)) == 3


def test_cutting_leaves_what_was_said_in_the_conversation_but_unwanted(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.open(CHUNK)
    ledger.cut()
    ledger.end(1.0)
    assert {entry.number: entry.wanted for _, entry in iter(ledger.next, None)} == {1: False, 2: True}


def test_giving_up_forgets_what_is_over_and_not_what_is_being_said(ledger: Ledger) -> None:
    recorded(ledger)
    recorded(ledger)
    now = ledger.open(CHUNK)
    assert ledger.give_up() == 2
    assert {entry.number for _, entry in iter(ledger.next, None)} == {now}


def test_what_is_half_sent_when_it_is_given_up_still_gets_its_end(ledger: Ledger) -> None:
    recorded(ledger, chunks=60)
    begun = [message for message, _ in islice(iter(ledger.next, None), 2)]
    assert [next(iter(read(message))) for message in begun] == ["activityStart", "audio"]
    recorded(ledger)
    assert ledger.give_up() == 2
    assert ledger.give_up() == 0
    following = recorded(ledger)
    sent = list(iter(ledger.next, None))
    assert [next(iter(read(message))) for message, _ in sent] == [
        "activityEnd",
        "activityStart",
        "audio",
        "activityEnd",
    ]
    assert [entry.number for _, entry in sent] == [1, following, following, following]
    assert not sent[0][1].wanted


def test_what_is_half_sent_when_it_is_given_up_is_not_sent_again(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.next()
    ledger.give_up()
    assert ledger.rewind() == 0
    assert drain(ledger) == []
    assert ledger.waiting == 0


# without markers: the service detects speech, and has no word for having heard it


def test_a_stream_goes_out_without_markers_and_ends_with_its_own_message(stream: Ledger) -> None:
    stream.open(CHUNK)
    assert [next(iter(read(message))) for message in drain(stream)] == ["audio"]
    stream.append(CHUNK)
    stream.end(1.0)
    sent = drain(stream)
    assert heard(sent) == CHUNK
    assert read(sent[-1]) == STREAM_END
    assert stream.waiting == 0


def test_a_stream_is_not_sent_twice_but_its_unsent_rest_is_not_lost(stream: Ledger) -> None:
    stream.open(CHUNK)
    drain(stream)
    stream.append(CHUNK[::-1])
    stream.rewind()
    stream.end(1.0)
    sent = drain(stream)
    assert heard(sent) == CHUNK[::-1]
    assert read(sent[-1]) == STREAM_END


def test_typed_text_overtakes_the_stream_that_is_open_and_is_kept_until_acknowledged(stream: Ledger) -> None:
    stream.open(CHUNK)
    number = stream.add_text("hello", 1.0)
    assert [next(iter(read(message))) for message in drain(stream)] == ["audio", "text"]
    stream.rewind()
    assert [read(message) for message in drain(stream)] == [{"text": "hello"}]
    stream.acknowledge(number)
    stream.rewind()
    assert drain(stream) == []
    stream.append(CHUNK)
    assert heard(drain(stream)) == CHUNK


@given(st.lists(st.sampled_from(("open", "append", "end", "text", "send", "rewind")), max_size=60))
def test_of_a_stream_every_sample_goes_out_once_and_in_order(steps: list[str]) -> None:
    ledger, said, sent = Ledger(marked=False), bytearray(), list[bytes]()
    for number, step in enumerate(steps):
        chunk = number.to_bytes(2, "little") * (LIVE_BYTES // 2)
        if step == "open" and ledger.recording is None:
            ledger.open(chunk)
            said += chunk
        elif step == "append":
            said += chunk if ledger.recording is not None else b""
            ledger.append(chunk)
        elif step == "end":
            ledger.end(0.0)
        elif step == "text":
            ledger.add_text(str(number), 0.0)
        elif step == "send" and (message := ledger.next()) is not None:
            sent.append(message[0])
        elif step == "rewind":
            sent += drain(ledger)
            ledger.rewind()
    ledger.end(0.0)
    sent += drain(ledger)
    assert heard(sent) == said
    assert ledger.backlog_bytes == 0


class Exchange(RuleBasedStateMachine):
    """A marked ledger under any interleaving, and a service that checks every message against what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(marked=True)
        self.said: dict[int, bytearray | str] = {}
        self.attempts: dict[int, int] = {}
        self.over: set[int] = set()
        self.forgotten: set[int] = set()  # acknowledged, given up or poisoned: never to be seen again
        self.finishing: int | None = None  # given up when half sent: only its end may come
        self.speaking: int | None = None
        self.connect()

    def connect(self) -> None:
        self.window: int | None = None  # the utterance between its start and its end
        self.got: bytes | str = b""
        self.delivered: list[int] = []

    @precondition(lambda self: self.speaking is None)
    @rule(pre_roll=st.binary(max_size=2000))
    def open(self, pre_roll: bytes) -> None:
        self.speaking = self.ledger.open(pre_roll)
        self.said[self.speaking] = bytearray(pre_roll)

    @rule(chunk=st.binary(max_size=1000), count=st.integers(1, 20))
    def append(self, chunk: bytes, count: int) -> None:
        self.ledger.append(chunk * count)
        if self.speaking is not None:
            whole = self.said[self.speaking]
            assert isinstance(whole, bytearray)
            whole += chunk * count

    @rule()
    def end(self) -> None:
        self.ledger.end(0.0)
        if self.speaking is not None:
            self.over.add(self.speaking)
            self.speaking = None

    @rule(text=st.text(min_size=1, max_size=5))
    def type(self, text: str) -> None:
        number = self.ledger.add_text(text, 0.0)
        self.said[number] = text
        self.over.add(number)

    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        for _ in range(count):
            step = self.ledger.next()
            if step is not None:
                self.receive(*step)

    @rule()
    def send_all(self) -> None:
        for message, entry in iter(self.ledger.next, None):
            self.receive(message, entry)
        assert self.window == self.speaking
        assert self.ledger.backlog_bytes < LIVE_BYTES  # less than a message of the open utterance
        reachable = {number for number in self.over if self.speaking is None or number < self.speaking}
        assert reachable - self.forgotten == set(self.delivered) - self.forgotten

    @rule(data=st.data())
    @precondition(lambda self: self.delivered)
    def acknowledge(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.delivered))
        self.ledger.acknowledge(number)
        self.forgotten |= {each for each in self.delivered if each <= number}

    @rule()
    def cut(self) -> None:
        self.ledger.cut()

    @rule()
    def give_up(self) -> None:
        lost = self.over - self.forgotten
        assert self.ledger.give_up() == len(lost)
        self.forgotten |= lost
        if self.window in lost:
            self.finishing = self.window

    @rule()
    def lose_the_connection(self) -> None:
        lost = {number for number in self.over - self.forgotten if self.attempts.get(number, 0) >= MAX_ATTEMPTS}
        assert self.ledger.rewind() == len(lost)
        self.forgotten |= lost
        self.finishing = None
        self.connect()

    def receive(self, message: bytes, entry: Utterance) -> None:
        content = read(message)
        assert entry.number not in self.forgotten or entry.number == self.finishing
        if content == START:
            assert self.window is None
            assert all(number < entry.number for number in self.delivered)
            self.window, self.got = entry.number, b""
            self.attempts[entry.number] = self.attempts.get(entry.number, 0) + 1
            return
        assert self.window == entry.number
        whole = self.said[entry.number]
        if content == END:
            assert entry.number == self.finishing or (entry.number in self.over and self.got == whole)
            self.window = self.finishing = None
            self.delivered.append(entry.number)
        elif "text" in content:
            assert content["text"] == whole
            self.got = content["text"]
        else:
            assert isinstance(self.got, bytes)
            assert isinstance(whole, bytearray)
            assert self.finishing is None
            piece = sound(message)
            assert 0 < len(piece) <= CATCH_UP_BYTES
            self.got += piece
            assert whole.startswith(self.got)

    @invariant()
    def what_waits_is_what_is_over_and_not_forgotten(self) -> None:
        assert self.ledger.backlog_bytes >= 0
        half = self.finishing is not None
        ends = {number for number in self.delivered if number in self.forgotten}
        least = len(self.over - self.forgotten)
        assert least <= self.ledger.waiting <= least + half + len(ends)

    @invariant()
    def who_speaks_is_recorded(self) -> None:
        recording = self.ledger.recording
        assert (recording.number if recording is not None else None) == self.speaking


TestExchange = Exchange.TestCase


def test_there_is_something_to_send_when_a_message_of_the_wanted_length_has_come_together(ledger: Ledger) -> None:
    assert not ledger.unsent()
    ledger.open(CHUNK)
    assert ledger.unsent()  # its start marker
    drain(ledger)
    assert not ledger.unsent()
    ledger.append(CHUNK[:LIVE_BYTES])
    assert ledger.unsent()
    assert not ledger.unsent(0.040)
    ledger.end(0.0)
    assert ledger.unsent(0.040)
    assert ledger.backlog_s == pytest.approx(0.02)
