"""The listener between link and dialogue: which event goes where, what a lost connection reaches, when a note is sent.

First with everything around it played by the test, then in a whole conversation.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent import config
from agent.conversation.continuity import Catchup
from agent.conversation.exchange import Exchange
from agent.conversation.notes import Notes
from agent.errors import LinkError, Refused, Unreachable
from agent.faults import Fault
from agent.link.state import LinkState
from agent.link.verdicts import Next, Verdict
from agent.metrics import Counters, TurnRecord
from agent.notices import (
    AnswerText,
    ConnectionReplaced,
    ConversationReplayed,
    Greeted,
    LinkStateChanged,
    QuestionHeard,
)
from agent.turn.events import (
    AnswerBegan,
    AnswerGenerated,
    Delivered,
    Event,
    LinkChanged,
    NotesChanged,
)
from agent.uplink.outbox import Outgoing
from agent.uplink.utterance import Kind, Utterance
from agent.wire.events import (
    AudioOut,
    FunctionCall,
    GenerationComplete,
    GoAway,
    InputTranscript,
    Interrupted,
    OutputTranscript,
    ResumptionUpdate,
    ServerEvent,
    ToolCall,
    ToolCallCancellation,
    TurnComplete,
    Unreadable,
    Usage,
)
from hardware.simulated.clock import run_virtual
from tests.support.host import ALIVE, RecordingHost
from tests.support.stage import play
from tests.support.talking import spoken, talking

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = Verdict(Next.RESUME, "connection refused", "check service.url")
LOCKED_OUT = Verdict(Next.REFUSED, "API key refused", "check the API key")
KEY_REFUSED = Verdict(Next.REFUSED, "API key refused", fault=Fault.KEY)
DONE = TurnComplete(idle=True, reason="")
LOOK = ToolCall((FunctionCall("1", "look", {}),))


class Around:
    """All that an exchange works with, down to what its parts are made of; remembers in order what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.session = self.ledger = self
        # the continuity and its session
        self.starting_over = False
        self.model = config.Settings().session.model
        self.catchup = Catchup(0, "", None)
        self.hello = ""
        self.due = False
        # the delivery and its ledger
        self.local_detection = self.idle = True
        self.preface = ""
        self.recording: Utterance | None = None
        self.notes = Notes()
        self.over: list[Utterance] = []
        self.fetched: list[Callable[[Utterance | None], None]] = []
        self.gives_up = False
        # the dialogue
        self.pending = self.incomplete = self.playing = False
        self.latest: TurnRecord | None = None
        self.answered = 4
        self.moves: list[Event] = []
        # the outbox
        self.empty = True
        # the store
        self.on_disk: list[Callable[[], None]] = []

    # the continuity and its session

    def resumption_update(self, update: ResumptionUpdate, _: float, answered: int) -> None:
        self.asked.append(("handle", update.handle, answered))

    def go_away(self, event: GoAway, _: float) -> None:
        self.asked.append(event)

    def caught_up(self) -> None:
        self.asked.append("caught up")

    def should_change_over(self, _: float, *, quiet: bool) -> bool:
        return self.due and quiet

    def closed(self, _: float, *, drop_handle: bool) -> None:
        self.due = False
        self.asked.append(("closed", drop_handle))

    def keep_handle(self, _: float) -> None:
        self.asked.append("keep handle")

    def greeting(self) -> str:
        hello, self.hello = self.hello, ""
        return hello

    # the continuity and the delivery, the dialogue and the outbox, which are told alike

    def connected(self, *known: Any) -> Catchup:
        self.asked.append(("connected", *(each for each in known[1:] if each is not None)))
        return self.catchup

    def connection_lost(self) -> list[Event]:
        self.asked.append("lost")
        return [AnswerGenerated()]

    def rewind(self) -> bool:
        self.asked.append("rewind")
        return self.gives_up

    def sent(self, utterance: Utterance, connections: int) -> None:
        self.asked.append(("sent", utterance.number, connections))

    def fetch(self, number: int, then: Callable[[Utterance | None], None]) -> None:
        self.asked.append(("fetch", number))
        self.fetched.append(then)

    def offer(self, note: Utterance) -> None:
        self.asked.append(("offer", note.number))
        self.over.append(note)

    # the dialogue

    def feed(self, event: ServerEvent, _: float) -> list[Event]:
        self.asked.append(event)
        return self.moves

    def give_up_rest(self) -> None:
        self.asked.append("give up rest")

    def repeat(self) -> tuple[float, list[Event]]:
        return 5.0, [AnswerBegan(), AnswerGenerated()]

    # the outbox

    def control(self, message: bytes) -> None:
        self.asked.append(message)

    # the store

    def event(self, kind: str, text: str) -> None:
        pass

    def call(self, turn: int | None, _: str, name: str, __: Any, then: Callable[[], None]) -> int:
        self.asked.append(("call", turn, name))
        self.on_disk.append(then)
        return len(self.on_disk)

    def call_ended(self, ticket: int, result: dict[str, Any]) -> None:
        pass


class Dialogue:
    """The dialogue's one method that has the name of another's."""

    def __init__(self, around: Around) -> None:
        self._around = around

    def __getattr__(self, name: str) -> Any:
        return getattr(self._around, name)

    def asked(self, utterance: Utterance, _: float, frames: int, frames_dropped: int) -> None:
        self._around.asked.append(("asked", utterance.number, frames, frames_dropped))


class Line:
    """A link, as far as the exchange asks things of it."""

    def __init__(self) -> None:
        self.ready = True
        self.connections = 0
        self.service_time: float | None = None
        self.pumped = self.renewed = 0

    def pump(self) -> None:
        self.pumped += 1

    def renew(self) -> None:
        self.renewed += 1


class Played:
    """An exchange with everything around it played."""

    def __init__(self, **sections: Any) -> None:
        self.around, self.line, self.host, self.counters = Around(), Line(), RecordingHost(), Counters()
        self.typed: list[str] = []
        part: Any = self.around
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("agent.conversation.exchange.Link", lambda *_: self.line)
            self.exchange = Exchange(
                config.override(config.Settings(), sections, where="test"),
                lambda: "key",
                self.host,
                store=part,
                continuity=part,
                delivery=part,
                dialogue=cast("Any", Dialogue(self.around)),
                outbox=part,
                counters=self.counters,
                ask=self.typed.append,
            )

    def hear(self, *said: ServerEvent) -> list[Any]:
        """What is asked of those around, beside what the dialogue is fed."""
        self.around.asked.clear()
        for event in said:
            self.exchange.server_event(event)
        return [each for each in self.around.asked if not any(each is event for event in said)]

    def change(self, *changes: tuple[LinkState, Verdict | None]) -> list[Any]:
        """What is asked of those around."""
        self.around.asked.clear()
        for state, verdict in changes:
            self.exchange.link_changed(state, verdict)
        return [each for each in self.around.asked if each != "keep handle"]


UP, DOWN = (LinkState.UP, None), (LinkState.OFFLINE, AWAY)


def alone(scene: Callable[[], None]) -> None:
    """Play ``scene`` on a loop on which no time passes."""

    async def played() -> None:
        scene()

    run_virtual(played())


# which event goes where


@pytest.mark.parametrize(
    "event", [AudioOut(b"", 24_000), Interrupted(), Usage(1, 2, 3, 4), OutputTranscript("x"), LOOK]
)
def test_the_dialogue_is_fed_everything_and_first(event: ServerEvent) -> None:
    def scene() -> None:
        p = Played()
        p.around.moves = [AnswerBegan()]
        p.hear(event)
        assert p.around.asked[0] == event
        assert p.host.order == [ALIVE, AnswerBegan()]

    alone(scene)


def test_a_handle_is_kept_with_what_had_been_answered_and_brought_to_the_disk() -> None:
    def scene() -> None:
        p = Played()
        assert p.hear(ResumptionUpdate("h1")) == [("handle", "h1", 4), "keep handle"]

    alone(scene)


def test_a_handle_of_the_conversation_that_is_over_is_not_kept() -> None:
    def scene() -> None:
        p = Played()
        p.around.starting_over = True
        assert p.hear(ResumptionUpdate("h1")) == []
        assert p.host.order == [ALIVE]

    alone(scene)


def test_a_good_bye_is_for_the_session_and_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent.conversation.exchange")

    def scene() -> None:
        p = Played()
        p.hear(GoAway(60.0))
        assert p.around.asked == [GoAway(60.0)] * 2  # the dialogue is fed it, too

    alone(scene)
    assert caplog.messages == ["link: the service says good-bye in 60 s"]


@pytest.mark.parametrize("end", [GenerationComplete(), DONE])
def test_a_session_that_has_answered_has_caught_up_unless_it_must_still_be_told(end: ServerEvent) -> None:
    def scene() -> None:
        p = Played()
        assert p.hear(end) == ["caught up"]
        p.around.preface = "what it has missed"
        assert p.hear(end) == []

    alone(scene)


def test_a_call_is_noted_with_the_turn_that_it_came_in_and_answered_when_it_is_on_disk() -> None:
    def scene() -> None:
        p = Played()
        assert p.hear(LOOK) == [("call", None, "look")]
        p.around.latest = TurnRecord(7)
        assert p.hear(LOOK) == [("call", 7, "look")]
        assert p.counters.tool_calls == 2
        p.around.asked.clear()
        p.around.on_disk[1]()
        (response,) = map(json.loads, p.around.asked)
        assert response["toolResponse"]["functionResponses"][0]["id"] == "1"
        assert p.line.pumped == 1

    alone(scene)


def test_a_call_that_the_service_cancels_is_not_answered() -> None:
    def scene() -> None:
        p = Played()
        p.hear(LOOK, ToolCallCancellation(("1",)))
        p.around.asked.clear()
        p.around.on_disk[0]()
        assert p.around.asked == []

    alone(scene)


@pytest.mark.parametrize("declared", [True, False])
def test_the_last_answer_is_repeated_where_that_was_declared(*, declared: bool) -> None:
    def scene() -> None:
        p = Played(session={"repeat": declared})
        p.hear(ToolCall((FunctionCall("1", "repeat_last_answer", {}),)))
        p.around.asked.clear()
        p.around.on_disk[0]()
        (response,) = json.loads(p.around.asked[0])["toolResponse"]["functionResponses"]
        assert ("playing 5 s again" in str(response)) is declared
        assert list(p.host.events) == ([AnswerBegan(), AnswerGenerated()] if declared else [])

    alone(scene)


def test_what_cannot_be_read_is_logged_by_its_kind_and_size_alone(caplog: pytest.LogCaptureFixture) -> None:
    def scene() -> None:
        Played().hear(Unreadable("not JSON", 7))

    alone(scene)
    assert caplog.messages == ["link: unreadable message of 7 bytes: not JSON"]


# what leaves


def outgoing(kind: Kind = Kind.LIVE, *, complete: bool = True, withdrawn: bool = False) -> Outgoing:
    utterance = Utterance(3, kind)
    utterance.begin()
    if withdrawn:
        utterance.withdraw()
    utterance.finish()
    return Outgoing(b"message", utterance if complete else None)


@pytest.mark.parametrize(
    ("left", "expected", "delivered"),
    [
        (outgoing(complete=False), False, False),
        (outgoing(Kind.LIVE), True, True),
        (outgoing(Kind.TYPED), True, True),
        (outgoing(Kind.NOTE), True, False),  # nobody waits for it
        (outgoing(Kind.LIVE, withdrawn=True), True, False),
        (outgoing(Kind.STREAM), False, False),  # the service alone knows when somebody spoke
    ],
)
def test_whoever_waits_for_an_answer_learns_what_left(left: Outgoing, *, expected: bool, delivered: bool) -> None:
    def scene() -> None:
        p = Played()
        p.line.connections = 2
        p.exchange.sent(left)
        assert p.around.asked == ([("asked", 3, 0, 0), ("sent", 3, 2)] if expected else [])
        assert list(p.host.events) == ([Delivered()] if delivered else [])

    alone(scene)


def test_frames_are_counted_for_the_question_in_which_they_left() -> None:
    def scene() -> None:
        p = Played()
        p.exchange.sent(Outgoing(b"a frame", is_frame=True))
        p.counters.frames_dropped["rate"] += 2
        p.exchange.sent(outgoing())
        p.exchange.sent(outgoing())
        assert (p.counters.frames_sent, p.counters.frame_bytes) == (1, 7)
        assert [each for each in p.around.asked if each[0] == "asked"] == [("asked", 3, 1, 2), ("asked", 3, 0, 0)]

    alone(scene)


# the connection


def test_a_lost_connection_reaches_dialogue_outbox_delivery_and_calls() -> None:
    def scene() -> None:
        p = Played()
        p.change(UP)
        p.hear(LOOK)
        p.host.order.clear()
        assert p.change(DOWN) == ["lost", "lost", "rewind"]  # the dialogue, the outbox, the delivery
        assert p.host.order == [AnswerGenerated(), LinkChanged(LinkState.OFFLINE)]
        p.around.asked.clear()
        p.around.on_disk[0]()
        assert p.around.asked == []  # the call went down with it

    alone(scene)


def test_where_a_question_is_given_up_the_rest_of_its_answer_is_too() -> None:
    def scene() -> None:
        p = Played()
        p.around.gives_up = True
        assert p.change(UP, DOWN)[-2:] == ["rewind", "give up rest"]

    alone(scene)


def test_only_a_connection_that_was_up_can_be_lost() -> None:
    def scene() -> None:
        p = Played()
        connecting = (LinkState.CONNECTING, None)
        assert p.change(connecting, DOWN, connecting, DOWN, (LinkState.IDLE, None)) == []

    alone(scene)


def test_a_new_connection_is_told_what_its_session_must_know_and_the_next_note_is_looked_for() -> None:
    def scene() -> None:
        p = Played()
        p.around.catchup = Catchup(4, "what it has missed", b"the conversation")
        assert p.change(UP) == [("connected",), ("connected", "what it has missed"), b"the conversation"]
        assert p.host.notices[-1] == ConversationReplayed(16)
        assert p.typed == []
        p.around.catchup = Catchup(4, "", None)
        p.around.notes.add(3, 0.0)
        assert p.change((LinkState.IDLE, None), UP)[-2:] == [("connected", ""), ("fetch", 3)]

    alone(scene)


def test_a_greeting_is_asked_for_as_if_it_had_been_typed() -> None:
    def scene() -> None:
        p = Played()
        p.around.hello = "Hello."
        p.change(UP, DOWN, UP)
        assert p.typed == ["Hello."]
        assert p.host.notices.count(Greeted()) == 1

    alone(scene)


def test_the_handle_is_brought_to_the_disk_with_every_change() -> None:
    def scene() -> None:
        p = Played()
        p.change((LinkState.CONNECTING, None), UP, DOWN)
        assert p.around.asked.count("keep handle") == 3

    alone(scene)


def test_the_turn_machine_learns_why_the_service_refuses_us() -> None:
    def scene() -> None:
        p = Played()
        p.change((LinkState.REFUSED, KEY_REFUSED))
        assert list(p.host.events) == [LinkChanged(LinkState.REFUSED, Fault.KEY)]

    alone(scene)


def test_a_handle_that_is_refused_before_any_connection_is_no_failure() -> None:
    def scene() -> None:
        p = Played()
        p.change((LinkState.CONNECTING, Verdict(Next.FRESH, "handle refused")))
        assert p.host.failures == []

    alone(scene)


def test_a_connection_that_is_about_to_end_is_replaced_in_a_quiet_moment() -> None:
    def scene() -> None:
        p = Played()
        p.around.due = True
        for name, busy, free in (("recording", Utterance(3, Kind.LIVE), None), ("pending", True, False)):
            setattr(p.around, name, busy)
            p.exchange.change_over_if_due()
            setattr(p.around, name, free)
        p.around.empty = False
        p.exchange.change_over_if_due()
        assert (p.line.renewed, p.around.asked) == (0, [])
        p.around.empty = True
        p.hear(DONE)
        assert p.around.asked[-1] == ("closed", False)
        p.exchange.change_over_if_due()
        assert p.line.renewed == 1
        assert p.host.notices == [ConnectionReplaced()]

    alone(scene)


# notes


@pytest.mark.parametrize("busy", ["", "speech", "answer", "sound", "the service detects speech", "no connection"])
def test_a_note_is_fetched_where_there_is_a_connection_and_nothing_else_is_said_answered_or_played(busy: str) -> None:
    def scene() -> None:
        p = Played()
        p.around.notes.add(3, 0.0)
        p.around.idle = busy != "speech"
        p.around.incomplete = busy == "answer"
        p.around.playing = busy == "sound"
        p.around.local_detection = busy != "the service detects speech"
        p.line.ready = busy != "no connection"
        p.exchange.note_sender.look()
        assert p.around.asked == ([] if busy else [("fetch", 3)])

    alone(scene)


def test_a_note_is_sent_when_it_was_fetched_and_a_service_that_is_silent_about_it_is_left() -> None:
    async def scene() -> None:
        p = Played(turn={"response_timeout_s": 20.0})
        p.around.notes.add(3, 0.0)
        p.exchange.note_sender.look()
        p.around.fetched[0](Utterance(3, Kind.NOTE))
        assert p.around.asked[1:] == [("offer", 3)]
        assert p.line.pumped == 1
        await asyncio.sleep(19)
        p.exchange.sent(Outgoing(b"a part of it"))  # on a slow line
        await asyncio.sleep(19)
        assert p.line.renewed == 0
        await asyncio.sleep(2)
        assert p.line.renewed == 1

    run_virtual(scene())


# in a whole conversation


def test_every_message_is_a_sign_of_life_and_comes_before_what_it_means() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            rig.drain_outbox()
            rig.host.order.clear()
            for event in (ResumptionUpdate("h"), AudioOut(b"\0\10" * 240, 24_000), GenerationComplete()):
                rig.talk.exchange.server_event(event)
            told = [event for event in rig.host.order if not isinstance(event, NotesChanged)]
            assert told == [ALIVE, ALIVE, AnswerBegan(), ALIVE, AnswerGenerated()]

    play(scene())


def test_words_are_marked_for_displays_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene() -> None:
        async with talking() as rig:
            rig.talk.ask("secret typed")
            rig.drain_outbox()
            rig.talk.exchange.server_event(InputTranscript(" secret question"))
            rig.talk.exchange.server_event(OutputTranscript(" secret answer"))
            assert rig.host.notices[-2:] == [QuestionHeard(" secret question"), AnswerText(" secret answer")]

    play(scene())
    assert "secret" not in caplog.text


def test_every_call_is_answered_once_though_there_are_no_tools() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.exchange.server_event(
                ToolCall((FunctionCall("1", "look", {}), FunctionCall("2", "point", {"x": 1})))
            )
            assert rig.drain_outbox() == []  # not before the call is on the disk
            await rig.written()
            responses = [r for each in rig.drain_outbox() for r in each["toolResponse"]["functionResponses"]]
            assert [(r["id"], r["name"]) for r in responses] == [("1", "look"), ("2", "point")]
            assert all("error" in response["response"] for response in responses)
            assert rig.counters.tool_calls == 2

    play(scene())


def test_a_call_that_went_down_with_its_connection_is_not_answered_over_the_next() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.exchange.link_changed(LinkState.UP, None)
            rig.talk.exchange.server_event(ToolCall((FunctionCall("1", "look", {}),)))
            rig.talk.exchange.link_changed(LinkState.CONNECTING, None)  # while the disk is at work
            await rig.written()
            assert rig.drain_outbox() == []

    play(scene())


def test_unreadable_messages_are_counted_and_loud_only_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene() -> None:
        async with talking() as rig:
            for _ in range(3):
                rig.talk.exchange.server_event(Unreadable("not JSON", 7))
            assert rig.counters.unreadable == 3

    play(scene())
    levels = [record.levelname for record in caplog.records if "unreadable" in record.getMessage()]
    assert levels == ["WARNING", "DEBUG", "DEBUG"]


@pytest.mark.parametrize(("verdict", "error"), [(AWAY, Unreachable), (LOCKED_OUT, Refused)])
def test_failures_before_any_connection_are_reported_with_the_fix(verdict: Verdict, error: type[LinkError]) -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.exchange.link_changed(LinkState.OFFLINE, verdict)
            (failure,) = rig.failures
            assert type(failure) is error
            assert str(failure) == str(verdict)
            rig.talk.link.connections = 1
            rig.talk.exchange.link_changed(LinkState.OFFLINE, verdict)
            assert len(rig.failures) == 1

    play(scene())


def test_every_change_of_the_link_is_told_and_marked() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.exchange.link_changed(LinkState.CONNECTING, None)
            rig.talk.exchange.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.moves(LinkChanged) == [LinkChanged(LinkState.CONNECTING), LinkChanged(LinkState.OFFLINE)]
            assert rig.host.notices == [
                LinkStateChanged(LinkState.CONNECTING, ""),
                LinkStateChanged(LinkState.OFFLINE, "connection refused (check service.url)"),
            ]

    play(scene())


def test_the_greeting_is_said_on_the_first_connection_only() -> None:
    async def scene() -> None:
        async with talking(session={"initial_message": "Hello."}) as rig:
            rig.talk.exchange.link_changed(LinkState.CONNECTING, None)
            assert rig.drain_outbox() == []
            rig.talk.exchange.link_changed(LinkState.UP, None)
            assert [
                message["realtimeInput"] for message in rig.drain_outbox() if "text" in message["realtimeInput"]
            ] == [{"text": "Hello."}]
            rig.talk.exchange.server_event(AudioOut(b"\0\10" * 240, 24_000))
            rig.talk.exchange.server_event(GenerationComplete())
            rig.talk.exchange.link_changed(LinkState.OFFLINE, AWAY)
            rig.talk.exchange.link_changed(LinkState.UP, None)
            assert rig.drain_outbox() == []

    play(scene())
