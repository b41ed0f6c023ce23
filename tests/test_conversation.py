"""The exchange with the service: by hand where a moment matters, against the simulator where the whole does."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.conversation import Conversation
from agent.errors import LinkError, Refused, Unreachable
from agent.metrics import Counters, TurnRecord
from agent.moves import AnswerBegan, AnswerGenerated, Delivered, Event, LinkChanged, LinkState, ServerHeard
from agent.simulator import Simulator, SimulatorSettings, shipped
from agent.uplink import Uplink
from agent.verdicts import Next, Verdict
from agent.wire_events import (
    AudioOut,
    FunctionCall,
    GenerationComplete,
    GoAway,
    InputTranscript,
    OutputTranscript,
    ResumptionUpdate,
    ToolCall,
    Unreadable,
)
from hardware.simulated import SilentSpeaker
from tests.stage import play, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AWAY = Verdict(Next.RESUME, "connection refused", "check service.url")
LOCKED_OUT = Verdict(Next.REFUSED, "API key refused", "check the API key")


@dataclass
class Rig:
    """A conversation, and what it told its surroundings."""

    talk: Conversation
    counters: Counters
    events: list[Event] = field(default_factory=list)
    marks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    records: list[TurnRecord] = field(default_factory=list)
    failures: list[LinkError] = field(default_factory=list)

    def moves(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[Event], count: int = 1) -> None:
        async with asyncio.timeout(60):
            while len(self.moves(kind)) < count:
                await asyncio.sleep(0.01)

    def drain_outbox(self) -> list[dict[str, Any]]:
        """What would be sent."""
        messages = []
        while (outgoing := self.talk.outbox.next(Uplink(), 0.0)) is not None:
            messages.append(json.loads(outgoing.message))
            self.talk.sent(outgoing)
        return messages


@asynccontextmanager
async def talking(url: str | None = None, **sections: Any) -> AsyncIterator[Rig]:
    """With an address, the link runs and is wanted; without one, a test plays the link."""
    tables = {"service": {"url": url or "ws://127.0.0.1:1"}} | sections
    settings = config.override(config.Settings(), tables, where="test")
    counters, speaker = Counters(), SilentSpeaker(asyncio.get_running_loop())
    events: list[Event] = []
    marks: list[tuple[str, dict[str, Any]]] = []
    records: list[TurnRecord] = []
    failures: list[LinkError] = []
    talk = Conversation(
        settings,
        lambda: "key",
        speaker,
        counters,
        emit=events.append,
        mark=lambda name, **fields: marks.append((name, fields)),
        on_record=records.append,
        on_failure=failures.append,
    )
    speaker.start(talk.drained, lambda _: None)
    task = asyncio.create_task(talk.link.run())
    if url:
        talk.link.want()
    try:
        yield Rig(talk, counters, events, marks, records, failures)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await speaker.aclose()


def spoken(talk: Conversation, pcm: bytes = b"\1\0" * 320) -> None:
    talk.open_utterance(pcm)
    talk.end_utterance(asyncio.get_running_loop().time(), listening=True)


# out: what the technician says


def test_an_utterance_leaves_in_order_and_its_delivery_is_told() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.open_utterance(bytes(640))
            rig.talk.hear(bytes(640), quiet=False)
            assert [*map(member, rig.drain_outbox())] == ["activityStart", "audio"]
            assert rig.moves(Delivered) == []
            rig.talk.end_utterance(1.0, listening=True)
            assert [*map(member, rig.drain_outbox())] == ["activityEnd"]
            assert rig.moves(Delivered) == [Delivered()]
            assert rig.talk.dialogue.pending

    play(scene())


def member(message: dict[str, Any]) -> str:
    (name,) = message["realtimeInput"]
    return str(name)


def test_falling_asleep_ends_whatever_is_open() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.wake()
            rig.talk.open_utterance(bytes(640))
            rig.talk.sleep()
            assert member(rig.drain_outbox()[-1]) == "activityEnd"
            rig.talk.sleep()
            rig.talk.hear(bytes(640), quiet=False)
            assert rig.drain_outbox() == []

    play(scene())


def test_with_server_side_detection_the_stream_runs_from_waking_to_sleeping() -> None:
    async def scene() -> None:
        async with talking(turn={"detection": "server"}) as rig:
            rig.talk.wake()
            rig.talk.open_utterance(bytes(640))  # already in the stream
            rig.talk.hear(bytes(640), quiet=False)
            rig.talk.end_utterance(1.0, listening=True)
            rig.talk.hear(bytes(640), quiet=False)
            rig.talk.end_utterance(2.0, listening=False)
            rig.talk.hear(bytes(640), quiet=False)
            assert [*map(member, rig.drain_outbox())] == ["audio", "audioStreamEnd", "audio", "audioStreamEnd"]
            assert rig.moves(Delivered) == []  # the service alone knows when somebody spoke
            rig.talk.type("typed")
            assert [*map(member, rig.drain_outbox())] == ["text"]
            assert rig.moves(Delivered) == [Delivered()]

    play(scene())


def test_frames_are_counted_when_they_leave() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.show(b"old")
            rig.talk.show(b"jpeg")
            assert rig.counters.frames_sent == 0
            assert [*map(member, rig.drain_outbox())] == ["video"]
            assert rig.counters.frames_sent == 1
            assert rig.counters.frame_bytes > 4
            assert rig.moves(Delivered) == []

    play(scene())


def test_giving_up_is_counted() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            spoken(rig.talk)
            rig.talk.give_up()
            assert rig.counters.utterances_lost == 2
            rig.talk.give_up()
            assert rig.counters.utterances_lost == 2
            assert rig.talk.ledger.waiting == 0

    play(scene())


# in: what the service says


def test_every_message_is_a_sign_of_life_and_comes_before_what_it_means() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            rig.drain_outbox()
            rig.events.clear()
            for event in (ResumptionUpdate("h"), AudioOut(bytes(480), 24_000), GenerationComplete()):
                rig.talk.server_event(event)
            assert rig.events == [ServerHeard(), ServerHeard(), AnswerBegan(), ServerHeard(), AnswerGenerated()]

    play(scene())


def test_words_are_marked_for_displays_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene() -> None:
        async with talking() as rig:
            rig.talk.type("secret typed")
            rig.drain_outbox()
            rig.talk.server_event(InputTranscript(" secret question", finished=False))
            rig.talk.server_event(OutputTranscript(" secret answer", finished=False))
            assert rig.marks[-2:] == [("heard", {"text": " secret question"}), ("said", {"text": " secret answer"})]

    play(scene())
    assert "secret" not in caplog.text


def test_every_call_is_answered_once_though_there_are_no_tools() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.server_event(ToolCall((FunctionCall("1", "look", {}), FunctionCall("2", "point", {"x": 1}))))
            (message,) = rig.drain_outbox()
            responses = message["toolResponse"]["functionResponses"]
            assert [(r["id"], r["name"]) for r in responses] == [("1", "look"), ("2", "point")]
            assert all("error" in response["response"] for response in responses)
            assert rig.counters.tool_calls == 2

    play(scene())


def test_unreadable_messages_are_counted_and_loud_only_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene() -> None:
        async with talking() as rig:
            for _ in range(3):
                rig.talk.server_event(Unreadable("not JSON", 7))
            assert rig.counters.unreadable == 3

    play(scene())
    levels = [record.levelname for record in caplog.records if "unreadable" in record.getMessage()]
    assert levels == ["WARNING", "DEBUG", "DEBUG"]


# the link's news


def test_a_first_failure_is_loud_repeats_are_quiet_and_recovery_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="agent.conversation")

    async def scene() -> None:
        async with talking() as rig:
            for _ in range(3):
                rig.talk.link_changed(LinkState.CONNECTING, None)
                rig.talk.link_changed(LinkState.OFFLINE, AWAY)
            rig.talk.link_changed(LinkState.CONNECTING, None)
            rig.talk.link_changed(LinkState.UP, None)
            rig.talk.link_changed(LinkState.OFFLINE, AWAY)

    play(scene())
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "DEBUG", "DEBUG", "INFO", "WARNING"]


@pytest.mark.parametrize(("verdict", "error"), [(AWAY, Unreachable), (LOCKED_OUT, Refused)])
def test_failures_before_any_connection_are_reported_with_the_fix(verdict: Verdict, error: type[LinkError]) -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.link_changed(LinkState.OFFLINE, verdict)
            (failure,) = rig.failures
            assert type(failure) is error
            assert str(failure) == str(verdict)
            rig.talk.link.connections = 1
            rig.talk.link_changed(LinkState.OFFLINE, verdict)
            assert len(rig.failures) == 1

    play(scene())


def test_every_change_of_the_link_is_told_and_marked() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.link_changed(LinkState.CONNECTING, None)
            rig.talk.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.events == [LinkChanged(LinkState.CONNECTING), LinkChanged(LinkState.OFFLINE)]
            assert rig.marks == [
                ("link", {"state": "connecting", "problem": ""}),
                ("link", {"state": "offline", "problem": "connection refused (check service.url)"}),
            ]

    play(scene())


def test_what_was_not_answered_when_the_line_broke_is_sent_again_whole() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.link_changed(LinkState.UP, None)
            spoken(rig.talk)
            first = rig.drain_outbox()
            rig.talk.outbox.control(b"{}")
            rig.talk.show(b"jpeg")
            rig.talk.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.talk.outbox.frames_lost == 1
            assert not rig.talk.dialogue.pending
            assert rig.drain_outbox() == first

    play(scene())


def test_an_utterance_that_three_connections_did_not_survive_is_given_up() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            for _ in range(3):
                rig.talk.link_changed(LinkState.UP, None)
                assert rig.drain_outbox()
                rig.talk.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.counters.utterances_lost == 1
            assert rig.drain_outbox() == []

    play(scene())


def test_the_greeting_is_said_on_the_first_connection_only() -> None:
    async def scene() -> None:
        async with talking(session={"initial_message": "Hello."}) as rig:
            rig.talk.link_changed(LinkState.CONNECTING, None)
            assert rig.drain_outbox() == []
            rig.talk.link_changed(LinkState.UP, None)
            assert [
                message["realtimeInput"] for message in rig.drain_outbox() if "text" in message["realtimeInput"]
            ] == [{"text": "Hello."}]
            rig.talk.server_event(AudioOut(bytes(480), 24_000))
            rig.talk.server_event(GenerationComplete())
            rig.talk.link_changed(LinkState.OFFLINE, AWAY)
            rig.talk.link_changed(LinkState.UP, None)
            assert rig.drain_outbox() == []

    play(scene())


# changing over


def test_a_good_bye_is_followed_in_a_quiet_moment_or_at_its_deadline() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, talking(simulator.url) as rig:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(30)
            rig.talk.open_utterance(bytes(640))
            rig.talk.server_event(GoAway(60.0))
            await asyncio.sleep(1)
            assert rig.talk.link.connections == 1  # not in the middle of an utterance
            rig.talk.sleep()
            await asyncio.sleep(10)
            rig.talk.change_over_if_due()
            await asyncio.sleep(1)
            assert rig.talk.link.connections == 2
            rig.talk.server_event(GoAway(6.0))
            due = rig.talk.session.change_over_at
            assert due is not None
            await asyncio.sleep(due - loop.time())
            rig.talk.change_over_if_due()
            assert rig.talk.session.change_over_at is None  # or a timer for it would be due again at once
            await asyncio.sleep(1)
            assert rig.talk.link.connections == 3  # though it is young
            assert [name for name, _ in rig.marks].count("change_over") == 2
            assert rig.failures == []

    play(scene())


# the whole


def test_a_spoken_and_a_typed_question_are_answered_and_recorded() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, talking(simulator.url) as rig:
            rig.talk.open_utterance(question("gauge"))
            rig.talk.end_utterance(asyncio.get_running_loop().time(), listening=True)
            await rig.until(AnswerGenerated)
            rig.talk.type("What does the pressure gauge on this pump show?")
            await rig.until(AnswerGenerated, 2)
            rig.talk.cut()
            await asyncio.sleep(30)
            first, second = rig.records
            assert first.heard.strip() == "What does the pressure gauge on this pump show?"
            assert first.tokens > 0
            assert second.interrupted
            assert simulator.utterances[1].texts == ["What does the pressure gauge on this pump show?"]
            assert rig.talk.ledger.waiting == 0

    play(scene())


def test_a_service_that_refuses_the_key_is_told_with_what_to_do() -> None:
    async def scene() -> None:
        async with Simulator(SimulatorSettings(api_key="another")) as simulator, talking(simulator.url) as rig:
            await asyncio.sleep(1)
            assert rig.talk.link.state is LinkState.REFUSED
            assert isinstance(rig.failures[0], Refused)
            assert "GEMINI_API_KEY" in str(rig.failures[0])

    play(scene())


def test_a_broken_answer_is_not_asked_for_again() -> None:
    async def scene() -> None:
        async with Simulator(None, shipped("reset")) as simulator, talking(simulator.url) as rig:
            for turn in (1, 2, 3):
                rig.talk.open_utterance(question("gauge"))
                rig.talk.end_utterance(asyncio.get_running_loop().time(), listening=True)
                await rig.until(AnswerGenerated, turn)
                await asyncio.sleep(15)
            assert rig.talk.link.connections == 2
            assert [utterance.repeat_of for utterance in simulator.utterances] == [None, 1, 1]
            assert len(rig.moves(AnswerGenerated)) == 3
            assert rig.talk.ledger.waiting == 0

    play(scene())
