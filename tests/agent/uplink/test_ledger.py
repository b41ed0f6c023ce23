from __future__ import annotations

import base64
import json
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.uplink.ledger import CATCH_UP_BYTES, MAX_ATTEMPTS, Ledger
from agent.uplink.utterance import Kind, Stage, Utterance, Wants
from hardware.ports import CHUNK_BYTES

CHUNK = bytes(range(256)) * 2 + bytes(128)
START: dict[str, Any] = {"activityStart": {}}
END: dict[str, Any] = {"activityEnd": {}}
STREAM_END = {"audioStreamEnd": True}
MicChunk = tuple[list[str], bytes]
"""The texts and the sound of one utterance."""


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


def member(message: bytes) -> str:
    (name,) = read(message)
    return str(name)


def note(number: int, **given: Any) -> Utterance:
    """As it is read from the disk."""
    pcm = bytearray(given.pop("pcm", b""))
    return Utterance(number, Kind.NOTE, pcm, quiet=bytearray(len(pcm) // CHUNK_BYTES), **given)


def withdraw(ledger: Ledger, number: int) -> Utterance:
    (entry,) = (entry for entry in ledger.over if entry.number == number)
    ledger.withdraw(entry)
    return entry


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(local_detection=True)


@pytest.fixture
def stream() -> Ledger:
    return Ledger(local_detection=False)


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
    assert [len(sound(message)) for message in drain(ledger)] == [CHUNK_BYTES]
    for _ in range(25):
        ledger.append(CHUNK)
    assert [len(sound(message)) for message in drain(ledger)] == [CATCH_UP_BYTES, CATCH_UP_BYTES, 5 * CHUNK_BYTES]


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


def test_a_typed_utterance_waits_for_its_picture_and_lets_nothing_overtake_it(ledger: Ledger) -> None:
    number = ledger.add_text("what is this?", 3.0, looking=True)
    recorded(ledger)
    assert not ledger.unsent()
    assert ledger.next() is None
    assert not ledger.idle
    assert ledger.seen(b"jpeg") == number
    assert ledger.unsent()
    assert [member(message) for message in drain(ledger)] == [
        *("activityStart", "video", "text", "activityEnd"),
        *("activityStart", "audio", "activityEnd"),
    ]
    assert ledger.seen(b"too late") == 0


def test_an_open_stream_goes_on_while_a_typed_utterance_waits_for_its_picture(stream: Ledger) -> None:
    stream.add_text("what is this?", 3.0, looking=True)
    assert not stream.unsent()
    stream.open(CHUNK)
    assert stream.unsent()
    assert [member(message) for message in drain(stream)] == ["audio"]
    stream.seen(b"jpeg")
    assert [member(message) for message in drain(stream)] == ["video", "text"]


@pytest.mark.parametrize("looking", [False, True])
def test_a_typed_utterance_goes_without_its_picture_when_the_next_is_there_first(
    ledger: Ledger, *, looking: bool
) -> None:
    ledger.add_text("what is this?", 3.0, looking=True)
    ledger.add_text("and that?", 4.0, looking=looking)
    ledger.seen(b"jpeg")
    assert [member(message) for message in drain(ledger)] == [
        *("activityStart", "text", "activityEnd"),
        *("activityStart", *(["video"] if looking else []), "text", "activityEnd"),
    ]


def test_no_picture_is_sent_of_what_could_not_be_taken(ledger: Ledger) -> None:
    number = ledger.add_text("what is this?", 3.0, looking=True)
    assert ledger.seen(b"") == number
    assert [member(message) for message in drain(ledger)] == ["activityStart", "text", "activityEnd"]


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
    assert (ledger.recording, entry.ended_at) == (None, 12.5)


def test_what_is_acknowledged_is_forgotten_with_all_before_it(ledger: Ledger) -> None:
    for _ in range(3):
        recorded(ledger)
    drain(ledger)
    assert [entry.number for entry in ledger.acknowledge(2)] == [1, 2]
    assert [entry.number for entry in ledger.over] == [3]
    ledger.rewind()
    assert [entry.number for _, entry in iter(ledger.next, None)] == [3, 3, 3]


def test_what_is_not_sent_cannot_be_acknowledged(ledger: Ledger) -> None:
    number = recorded(ledger)
    assert ledger.acknowledge(number) == []
    assert len(drain(ledger)) == 3


def test_a_lost_connection_sends_everything_again_from_its_first_sample(ledger: Ledger) -> None:
    recorded(ledger, chunks=3)
    ledger.open(CHUNK[::-1])
    before = drain(ledger)
    assert ledger.rewind() == []
    assert drain(ledger) == before
    assert heard(before) == CHUNK * 3 + CHUNK[::-1]


def test_the_backlog_is_what_no_connection_has_yet(ledger: Ledger) -> None:
    ledger.open(CHUNK * 2)
    assert ledger.backlog_bytes == 2 * len(CHUNK)
    drain(ledger)
    assert ledger.backlog_bytes == 0
    ledger.rewind()
    assert ledger.backlog_bytes == 2 * len(CHUNK)


def test_an_utterance_that_no_connection_survives_leaves(ledger: Ledger) -> None:
    poison = recorded(ledger)
    for _ in range(MAX_ATTEMPTS - 1):
        drain(ledger)
        assert ledger.rewind() == []
    drain(ledger)
    innocent = recorded(ledger)
    (leaving,) = ledger.rewind()
    assert (leaving.number, bytes(leaving.pcm)) == (poison, CHUNK)
    assert {entry.number for _, entry in iter(ledger.next, None)} == {innocent}


def test_an_utterance_that_is_still_spoken_does_not_leave(ledger: Ledger) -> None:
    ledger.open(CHUNK)
    for _ in range(MAX_ATTEMPTS + 1):
        drain(ledger)
        assert ledger.rewind() == []
    assert heard(drain(ledger)) == CHUNK


def test_connections_that_carried_nothing_of_it_do_not_count_against_it(ledger: Ledger) -> None:
    recorded(ledger)
    assert [ledger.rewind() for _ in range(9)] == [[]] * 9
    assert len(drain(ledger)) == 3


def test_cutting_leaves_what_was_said_in_the_conversation_but_unwanted(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.open(CHUNK)
    ledger.cut()
    ledger.end(1.0)
    wants = {entry.number: entry.wants for _, entry in iter(ledger.next, None)}
    assert wants == {1: Wants.NOTHING, 2: Wants.ANSWER}


def test_what_is_withdrawn_before_anything_of_it_was_sent_is_as_if_it_had_never_been_said(ledger: Ledger) -> None:
    recorded(ledger)
    now = ledger.open(CHUNK)
    withdraw(ledger, 1)
    assert {entry.number for _, entry in iter(ledger.next, None)} == {now}


def test_what_is_half_sent_when_it_is_withdrawn_still_gets_its_end(ledger: Ledger) -> None:
    recorded(ledger, chunks=60)
    assert [member(message) for message, _ in islice(iter(ledger.next, None), 2)] == ["activityStart", "audio"]
    entry = withdraw(ledger, 1)
    assert ledger.over == []
    assert ledger.backlog_bytes == 0
    following = recorded(ledger)
    sent = list(iter(ledger.next, None))
    assert [member(message) for message, _ in sent] == ["activityEnd", "activityStart", "audio", "activityEnd"]
    assert [entry.number for _, entry in sent] == [1, following, following, following]
    assert (entry.stage, entry.wants) == (Stage.ENDED, Wants.NOTHING)


@pytest.mark.parametrize("messages", range(5))
def test_what_is_half_sent_when_it_is_withdrawn_says_nothing_more(ledger: Ledger, messages: int) -> None:
    ledger.add_note(note(1, pcm=CHUNK, remark="said earlier", picture=b"jpeg"))
    before = [ledger.next() for _ in range(messages)]
    withdraw(ledger, 1)
    assert [read(message) for message in drain(ledger)] == ([END] if any(before) else [])


def test_what_is_withdrawn_when_all_of_it_was_sent_is_forgotten(ledger: Ledger) -> None:
    recorded(ledger)
    drain(ledger)
    entry = withdraw(ledger, 1)
    ledger.withdraw(entry)
    assert ledger.idle


def test_what_is_withdrawn_is_not_sent_again_and_leaves_to_nobody(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.next()
    withdraw(ledger, 1)
    assert ledger.rewind() == []
    assert drain(ledger) == []
    assert ledger.idle


def test_the_end_of_what_was_withdrawn_is_acknowledged_for_nobody(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.next()
    withdraw(ledger, 1)
    drain(ledger)
    assert ledger.acknowledge(1) == []
    assert ledger.idle


def test_nothing_overtakes_the_end_of_what_was_withdrawn(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.next()
    withdraw(ledger, 1)
    assert ledger.unsent()
    assert not ledger.idle


# notes: said earlier, complete, with their old numbers


def test_a_note_goes_out_whole_behind_what_the_model_must_know_of_it(ledger: Ledger) -> None:
    ledger.add_note(note(7, pcm=CHUNK * 3, remark="said at noon", picture=b"jpeg"))
    first, picture, remark, *sound_, last = drain(ledger)
    assert read(first) == START
    assert base64.b64decode(read(picture)["video"]["data"]) == b"jpeg"
    assert read(remark) == {"text": "said at noon"}
    assert heard(sound_) == CHUNK * 3
    assert read(last) == END


def test_a_typed_note_is_text_behind_its_remark(ledger: Ledger) -> None:
    ledger.add_note(note(7, text="hello", remark="said at noon"))
    assert [read(message) for message in drain(ledger)] == [START, {"text": "said at noon"}, {"text": "hello"}, END]


def test_a_note_leaves_with_the_connection_and_is_no_failure_of_what_is_said_now(ledger: Ledger) -> None:
    earlier = note(7, pcm=CHUNK)
    ledger.add_note(earlier)
    now = recorded(ledger)
    drain(ledger)
    assert ledger.rewind() == [earlier]
    assert {entry.number for _, entry in iter(ledger.next, None)} == {now}


def test_acknowledging_a_note_leaves_what_was_said_after_it(ledger: Ledger) -> None:
    for _ in range(2):
        recorded(ledger)
    withdraw(ledger, 1)
    ledger.add_note(note(1, pcm=CHUNK))
    drain(ledger)
    assert [entry.number for entry in ledger.acknowledge(1)] == [1]
    assert [entry.number for entry in ledger.over] == [2]


def test_one_may_be_forgotten_alone(ledger: Ledger) -> None:
    for _ in range(3):
        recorded(ledger)
    ledger.forget(2)
    assert [entry.number for entry in ledger.over] == [1, 3]


def test_numbers_go_on_where_the_last_run_ended_and_may_be_used_up_for_other_things() -> None:
    ledger = Ledger(local_detection=True, first=41)
    assert (recorded(ledger), ledger.take_number(), recorded(ledger)) == (41, 42, 43)


def test_a_ledger_is_idle_when_there_is_nothing_to_say_and_no_answer_wanted(ledger: Ledger) -> None:
    assert ledger.idle
    recorded(ledger)
    assert not ledger.idle
    drain(ledger)
    assert not ledger.idle
    ledger.cut()
    assert ledger.idle
    ledger.rewind()
    assert not ledger.idle


def test_a_spoken_note_is_sent_whole_also_where_the_service_detects_speech(stream: Ledger) -> None:
    earlier = note(7, pcm=CHUNK, remark="said at noon")
    stream.add_note(earlier)
    assert heard(drain(stream)) == CHUNK


def test_what_the_camera_saw_goes_out_before_what_is_still_being_said(ledger: Ledger) -> None:
    ledger.open(b"")
    assert ledger.recording is not None
    ledger.recording.picture = b"jpeg"
    ledger.next()
    assert ledger.unsent()
    assert [member(message) for message in drain(ledger)] == ["video"]
    assert not ledger.unsent()


def test_what_the_session_missed_is_told_once_before_the_next_utterance_and_again_to_the_next_session(
    ledger: Ledger,
) -> None:
    ledger.preface = "missed"
    recorded(ledger)
    ledger.add_text("hello", 0.0)
    texts = [read(message)["text"] for message in drain(ledger) if member(message) == "text"]
    assert texts == ["missed", "hello"]
    assert ledger.preface == ""
    ledger.rewind()
    ledger.preface = "missed more"
    texts = [read(message)["text"] for message in drain(ledger) if member(message) == "text"]
    assert texts == ["missed more", "hello"]


# the rest of an answer that broke off


def test_the_rest_of_an_answer_is_asked_for_behind_the_whole_question(ledger: Ledger) -> None:
    number = recorded(ledger, chunks=3)
    drain(ledger)
    assert ledger.continue_answer(number, "It shows", "go on after this")
    ledger.rewind()
    first, remark, *middle, last = drain(ledger)
    assert (read(first), read(remark), read(last)) == (START, {"text": "go on after this"}, END)
    assert heard(middle) == CHUNK * 3


def test_a_session_that_heard_the_question_is_only_told_to_go_on(ledger: Ledger) -> None:
    number = recorded(ledger, chunks=3)
    drain(ledger)
    ledger.continue_answer(number, "It shows", "go on after this")
    ledger.rewind()
    ledger.known = number
    assert [read(message) for message in drain(ledger)] == [START, {"text": "go on after this"}, END]
    ledger.rewind()
    ledger.known = 0  # another session, which did not
    assert heard(drain(ledger)) == CHUNK * 3


def test_a_question_whose_answer_never_began_is_put_again_whole_to_a_session_that_heard_it(ledger: Ledger) -> None:
    ledger.known = recorded(ledger)
    drain(ledger)
    ledger.rewind()
    assert heard(drain(ledger)) == CHUNK


def test_there_is_no_going_on_with_what_is_not_kept(ledger: Ledger, stream: Ledger) -> None:
    assert not ledger.continue_answer(1, "It shows", "go on")
    spoken = ledger.open(CHUNK)
    assert not ledger.continue_answer(spoken, "It shows", "go on")  # it is not over
    ledger.end(0.0)
    drain(ledger)
    ledger.acknowledge(spoken)
    assert not ledger.continue_answer(spoken, "It shows", "go on")
    assert not stream.continue_answer(stream.add_text("hello", 0.0), "It shows", "go on")


def test_cutting_the_rest_of_an_answer_asks_nothing_more_about_its_question(ledger: Ledger) -> None:
    number, other = recorded(ledger), recorded(ledger)
    drain(ledger)
    ledger.continue_answer(number, "It shows", "go on")
    ledger.rewind()
    assert [entry.number for entry in ledger.cut()] == [number]
    assert {entry.number for _, entry in iter(ledger.next, None)} == {other}
    assert ledger.cut() == []


# without markers: the service detects speech, and has no word for having heard it


def test_a_stream_goes_out_without_markers_and_ends_with_its_own_message(stream: Ledger) -> None:
    stream.open(CHUNK)
    assert [next(iter(read(message))) for message in drain(stream)] == ["audio"]
    stream.append(CHUNK)
    stream.end(1.0)
    sent = drain(stream)
    assert heard(sent) == CHUNK
    assert read(sent[-1]) == STREAM_END
    assert stream.over == []


def test_a_stream_is_not_sent_twice_but_its_unsent_rest_is_not_lost(stream: Ledger) -> None:
    stream.open(CHUNK)
    drain(stream)
    stream.append(CHUNK[::-1])
    stream.rewind()
    stream.end(1.0)
    sent = drain(stream)
    assert heard(sent) == CHUNK[::-1]
    assert read(sent[-1]) == STREAM_END


def test_a_stream_that_is_withdrawn_needs_no_end(stream: Ledger) -> None:
    recorded(stream, chunks=60)
    stream.next()
    withdraw(stream, 1)
    assert stream.idle


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
    ledger, said, sent = Ledger(local_detection=False), bytearray(), list[bytes]()
    for number, step in enumerate(steps):
        chunk = number.to_bytes(2, "little") * (CHUNK_BYTES // 2)
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
            for entry in ledger.rewind():
                ledger.put_back(entry)
        assert ledger.backlog_bytes == sum(len(entry.pcm) - entry.sent for entry in ledger._entries)
        assert ledger.unsent() == (deepcopy(ledger).next() is not None)
        assert all(entry.kind in (Kind.STREAM, Kind.TYPED) and not entry.withdrawn for entry in ledger._entries)
    ledger.end(0.0)
    sent += drain(ledger)
    assert heard(sent) == said
    assert ledger.backlog_bytes == 0


@dataclass
class Said:
    """What the model of the ledger knows of one utterance."""

    sound: bytearray = field(default_factory=bytearray)
    text: str = ""
    remark: str = ""
    over: bool = False
    in_part: bool = False  # its answer was, so that a session that heard it is told the remark alone
    attempts: int = 0

    def whole(self, *, known: bool) -> MicChunk:
        """What the service must have heard when its end comes."""
        lead = [text for text in (self.remark, self.text) if text]
        return lead, b"" if self.in_part and known else bytes(self.sound)


class Exchange(RuleBasedStateMachine):
    """Any interleaving, with local detection, and a service that checks every message against what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(local_detection=True)
        self.said: dict[int, Said] = {}
        self.live: list[int] = []  # in the ledger and to be sent, in the order in which that must be
        self.notes: set[int] = set()  # of these, those that were said earlier
        self.shelf: set[int] = set()  # not in the ledger, and not answered: on disk
        self.refused: dict[int, Utterance] = {}  # of these, those that no connection survived
        self.unwanted: set[int] = set()  # nobody waits for the answer
        self.finished: set[int] = set()  # acknowledged, or cut after an answer in part: never to be seen again
        self.speaking: int | None = None
        self.connect()

    def connect(self) -> None:
        self.window: int | None = None  # the utterance between its start and its end
        self.finishing: int | None = None  # withdrawn when half sent: only its end may come
        self.got: MicChunk = ([], b"")
        self.known_at_start = False
        self.starts = self.ends = 0
        self.delivered: list[int] = []

    @property
    def over(self) -> list[int]:
        return [number for number in self.live if self.said[number].over]

    def entry(self, number: int) -> Utterance:
        (entry,) = (entry for entry in self.ledger.over if entry.number == number)
        return entry

    # the technician

    @precondition(lambda self: self.speaking is None)
    @rule(pre_roll=st.binary(max_size=2000))
    def open(self, pre_roll: bytes) -> None:
        self.speaking = self.ledger.open(pre_roll)
        assert self.speaking not in self.said
        self.said[self.speaking] = Said(bytearray(pre_roll))
        self.live.append(self.speaking)

    @rule(chunk=st.binary(max_size=1000), count=st.integers(1, 20))
    def append(self, chunk: bytes, count: int) -> None:
        self.ledger.append(chunk * count)
        if self.speaking is not None:
            self.said[self.speaking].sound += chunk * count

    @rule()
    def end(self) -> None:
        self.ledger.end(0.0)
        if self.speaking is not None:
            self.said[self.speaking].over = True
            self.speaking = None

    @rule(text=st.text(min_size=1, max_size=5))
    def type(self, text: str) -> None:
        number = self.ledger.add_text(text, 0.0)
        self.said[number] = Said(text=text, over=True)
        self.live.append(number)

    @rule()
    def cut(self) -> None:
        given = [number for number in self.over if self.said[number].in_part]
        self.unwanted |= set(self.over) - self.notes
        assert [entry.number for entry in self.ledger.cut()] == given
        for number in given:
            self.leave(number, self.finished)

    # the disk

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.over))
        self.ledger.withdraw(self.entry(number))
        self.leave(number, self.shelf)

    @precondition(lambda self: self.shelf - {self.finishing})
    @rule(data=st.data(), remark=st.sampled_from(["", "said at noon"]))
    def add_note(self, data: st.DataObject, remark: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.shelf - {self.finishing})))
        said = self.said[number]
        said.remark, said.in_part = remark, False
        self.ledger.add_note(note(number, pcm=said.sound, text=said.text, remark=remark))
        self.shelf.discard(number)
        self.refused.pop(number, None)
        self.unwanted.discard(number)
        self.notes.add(number)
        self.live.append(number)

    # the service

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
        assert self.window == (self.speaking if self.speaking in self.live[: self.reach()] else None)
        assert self.starts == self.ends + (self.window is not None)
        assert [number for number in self.live[: self.reach()] if self.said[number].over] == self.delivered

    def reach(self) -> int:
        """How many of those alive can be sent: all up to the one that is still spoken."""
        return len(self.live) if self.speaking is None else self.live.index(self.speaking) + 1

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """The answer may be to something that was withdrawn since."""
        number = data.draw(st.sampled_from(sorted(self.said)))
        done = [each for each in self.over if each <= number and each in self.delivered]
        assert [entry.number for entry in self.ledger.acknowledge(number)] == done
        for each in done:
            self.leave(each, self.finished)

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def answer_in_part(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.delivered))
        if number in self.unwanted:
            assert not self.ledger.continue_answer(number, "It shows", "go on")
            return
        assert self.ledger.continue_answer(number, "It shows", "go on")
        self.said[number].remark, self.said[number].in_part = "go on", True
        self.lose_the_connection()

    @rule()
    def lose_the_connection(self) -> None:
        leaving = [n for n in self.over if n in self.notes or self.said[n].attempts >= MAX_ATTEMPTS]
        was_notes, left = set(self.notes), {entry.number: entry for entry in self.ledger.rewind()}
        assert list(left) == leaving
        for number in leaving:
            self.said[number].attempts = 0  # as it is when it comes back from the disk
            self.leave(number, self.shelf)
            if number not in was_notes:
                self.refused[number] = left[number]
        self.connect()

    @precondition(lambda self: self.refused)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        """What no connection survived could not be kept: it goes before all that waits."""
        number = data.draw(st.sampled_from(sorted(self.refused)))
        self.ledger.put_back(self.refused.pop(number))
        self.shelf.discard(number)
        begun = [*self.delivered, *({self.window} & {*self.live})]
        assert set(self.live[: len(begun)]) == set(begun)
        self.live.insert(len(begun), number)

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        """Another connection, to a session that has heard what came before."""
        self.lose_the_connection()
        self.ledger.known = data.draw(st.integers(0, len(self.said)))

    def leave(self, number: int, where: set[int]) -> None:
        if number == self.window:
            self.finishing = number
        if number in self.delivered:
            self.delivered.remove(number)
        self.live.remove(number)
        self.notes.discard(number)
        where.add(number)

    def receive(self, message: bytes, entry: Utterance) -> None:
        content, number = read(message), entry.number
        assert number in self.live or number == self.finishing
        said = self.said[number]
        if content == START:
            assert self.window is None
            assert next(each for each in self.live if each not in self.delivered) == number
            self.starts += 1
            self.window, self.got, self.known_at_start = number, ([], b""), number <= self.ledger.known
            said.attempts += 1
            return
        assert self.window == number
        if content == END:
            whole = said.whole(known=self.known_at_start)
            assert number == self.finishing or (said.over and self.got == whole)
            self.ends += 1
            if self.finishing is None:
                self.delivered.append(number)
            self.window = self.finishing = None
            return
        assert self.finishing is None
        texts, pcm = self.got
        if "text" in content:
            assert pcm == b""
            texts.append(content["text"])
        else:
            piece = sound(message)
            assert 0 < len(piece) <= CATCH_UP_BYTES
            self.got = texts, pcm + piece
            assert said.sound.startswith(self.got[1])

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {*self.live, *self.shelf, *self.finished} == self.said.keys()
        assert [entry.number for entry in self.ledger.over] == self.over

    @invariant()
    def what_is_not_sent_is_counted(self) -> None:
        said = all(number in self.delivered and number in self.unwanted for number in self.live)
        assert self.ledger.idle == (said and self.finishing is None)
        held = [self.said[number].sound for number in self.live if number not in (*self.delivered, self.window)]
        assert self.ledger.backlog_bytes == sum(map(len, held)) + self.unsent_of_window()
        assert self.ledger.unsent() == self.something_can_be_sent()

    def unsent_of_window(self) -> int:
        """Bytes still to come of the utterance whose start has been sent."""
        if self.window is None or self.finishing is not None:
            return 0
        said = self.said[self.window]
        return 0 if said.in_part and self.known_at_start else len(said.sound) - len(self.got[1])

    def something_can_be_sent(self) -> bool:
        """Whether a message can: of the utterance whose start has been sent, else of the first that waits."""
        if self.window is None or self.finishing is not None:
            return self.finishing is not None or any(number not in self.delivered for number in self.live)
        return self.window != self.speaking or self.unsent_of_window() >= CHUNK_BYTES

    @invariant()
    def every_stage_is_a_legal_one(self) -> None:
        for number in self.live:
            (entry,) = (entry for entry in self.ledger._entries if entry.number == number and not entry.withdrawn)
            sending = Stage.SENDING if number == self.window else Stage.WAITING
            assert entry.stage is (Stage.SENT if number in self.delivered else sending)
            assert entry.kind is (Kind.NOTE if number in self.notes else Kind.TYPED if entry.text else Kind.LIVE)
            wants = Wants.REST if self.said[number].in_part else Wants.ANSWER
            assert entry.wants is (Wants.NOTHING if number in self.unwanted else wants)
        ending = [entry.number for entry in self.ledger._entries if entry.withdrawn]
        assert ending == ([] if self.finishing is None else [self.finishing])

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
    ledger.append(CHUNK[:CHUNK_BYTES])
    assert ledger.unsent()
    assert not ledger.unsent(0.040)
    ledger.end(0.0)
    assert ledger.unsent(0.040)
    assert ledger.backlog_s == pytest.approx(0.02)


def test_nothing_waits_behind_what_is_still_being_said(ledger: Ledger) -> None:
    ledger.open(CHUNK)
    drain(ledger)
    ledger.add_text("typed meanwhile", 1.0)
    assert not ledger.unsent()
    ledger.end(0.0)
    assert ledger.unsent()


def test_what_is_put_back_goes_into_the_middle_of_nothing(ledger: Ledger) -> None:
    recorded(ledger)
    for _ in range(MAX_ATTEMPTS):
        drain(ledger)
        leaving = ledger.rewind()
    recorded(ledger)
    recorded(ledger)
    assert member(ledger.next()[0]) == "activityStart"  # type: ignore[index] # there is one
    (entry,) = leaving
    ledger.put_back(entry)
    assert [entry.number for _, entry in iter(ledger.next, None)] == [2, 2, 1, 1, 1, 3, 3, 3]


def test_what_is_still_being_said_cannot_be_withdrawn(ledger: Ledger) -> None:
    ledger.open(CHUNK)
    assert ledger.recording is not None
    with pytest.raises(AssertionError, match="still being said"):
        ledger.withdraw(ledger.recording)


def test_withdrawing_twice_is_withdrawing_once(ledger: Ledger) -> None:
    recorded(ledger)
    ledger.next()
    ledger.withdraw(withdraw(ledger, 1))
    assert [read(message) for message in drain(ledger)] == [END]


def test_what_no_connection_survived_may_be_put_back_though_it_was_withdrawn_meanwhile(ledger: Ledger) -> None:
    recorded(ledger)
    for _ in range(MAX_ATTEMPTS):
        ledger.next()
        leaving = ledger.rewind()
    (entry,) = leaving
    ledger.withdraw(entry)
    ledger.put_back(entry)
    assert (ledger.over, entry.stage, entry.attempts) == ([entry], Stage.WAITING, 0)
    assert heard(drain(ledger)) == CHUNK


def test_only_a_note_is_added_as_one(ledger: Ledger) -> None:
    with pytest.raises(AssertionError):
        ledger.add_note(Utterance(7, Kind.LIVE))


def test_cutting_what_plays_leaves_a_note_as_it_is(ledger: Ledger) -> None:
    ledger.add_note(note(7, pcm=CHUNK))
    ledger.next()
    recorded(ledger)
    ledger.cut()
    assert [entry.wants for entry in ledger.over] == [Wants.ANSWER, Wants.NOTHING]
    assert not ledger.idle


def test_nobody_is_told_the_rest_of_an_answer_that_nobody_wants(ledger: Ledger) -> None:
    number = recorded(ledger)
    drain(ledger)
    ledger.cut()
    assert not ledger.continue_answer(number, "It shows", "go on")


def test_what_was_taken_out_and_could_not_be_kept_is_asked_after_all(ledger: Ledger) -> None:
    recorded(ledger)
    for _ in range(MAX_ATTEMPTS):
        drain(ledger)
        leaving = ledger.rewind()
    (entry,) = leaving
    assert ledger.idle
    recorded(ledger)
    ledger.put_back(entry)
    assert [entry.number for _, entry in iter(ledger.next, None)] == [1, 1, 1, 2, 2, 2]
