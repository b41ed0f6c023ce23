"""The exchange with the service: by hand where a moment matters, against the simulator where the whole does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent import config
from agent.errors import Refused
from agent.link.state import LinkState
from agent.link.verdicts import Next, Verdict
from agent.notices import ConnectionReplaced, ConversationReplayed
from agent.simulator import Simulator, SimulatorSettings, parse, shipped
from agent.turn.events import (
    AnswerBegan,
    AnswerGenerated,
    Delivered,
    Drained,
    NoteSaved,
    NotesChanged,
)
from agent.turn.phase import Phase
from agent.uplink.bandwidth import Uplink
from agent.wire.events import (
    AudioOut,
    GenerationComplete,
    GoAway,
    OutputTranscript,
    ResumptionUpdate,
    TurnComplete,
)
from agent.wire.session import HANDLE_LIFE_S
from tests.support.stage import play, question, stage
from tests.support.talking import Rig, Wall, connect, spoken, talking

if TYPE_CHECKING:
    from pathlib import Path

AWAY = Verdict(Next.RESUME, "connection refused", "check service.url")


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
            rig.talk.ask("typed")
            assert [*map(member, rig.drain_outbox())] == ["text"]
            assert rig.moves(Delivered) == [Delivered()]

    play(scene())


def test_frames_are_counted_when_they_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking() as rig:
            connect(rig, monkeypatch)
            rig.talk.show(b"old")
            rig.talk.show(b"jpeg")
            assert rig.counters.frames_sent == 0
            assert [*map(member, rig.drain_outbox())] == ["video"]
            assert rig.counters.frames_sent == 1
            assert rig.counters.frame_bytes > 4
            assert rig.moves(Delivered) == []

    play(scene())


def test_a_frame_of_what_cannot_be_sent_is_kept_with_it_and_one_is_enough() -> None:
    async def scene() -> None:
        async with talking() as rig:
            assert rig.talk.frame_budget() == (0, "offline")
            rig.talk.show(b"seen by nobody")
            rig.talk.open_utterance(bytes(640))
            size, _ = rig.talk.frame_budget()
            assert size == 1000 * config.Settings().video.max_frame_kb
            rig.talk.show(b"jpeg")
            assert rig.talk.frame_budget() == (0, "offline")
            rig.talk.show(b"another")
            rig.talk.end_utterance(1.0, listening=True)
            rig.talk.save()
            await rig.written()
            (row,) = rig.unsent()
            assert rig.store.layout.picture(row.still).read_bytes() == b"jpeg"

    play(scene())


# notes: what could not be sent


def test_what_is_saved_is_told_when_it_is_on_the_disk_and_waits_there() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            spoken(rig.talk)
            rig.talk.save()
            assert rig.moves(NoteSaved) == []
            await rig.written()
            assert rig.moves(NoteSaved) == [NoteSaved(), NoteSaved()]
            assert rig.moves(NotesChanged)[-1] == NotesChanged(waiting=2, answered=0)
            assert rig.counters.notes == 2
            assert rig.talk.delivery.ledger.idle
            rig.talk.save()
            await rig.written()
            assert rig.counters.notes == 2

    play(scene())


def test_what_is_still_being_said_is_not_saved() -> None:
    async def scene() -> None:
        async with talking() as rig:
            rig.talk.open_utterance(bytes(640))
            rig.talk.save()
            await rig.written()
            assert rig.moves(NoteSaved) == []
            assert rig.talk.delivery.ledger.recording is not None

    play(scene())


def test_what_was_sent_before_it_was_saved_is_no_note() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            rig.talk.save()
            rig.drain_outbox()  # the network was back in time
            await rig.written()
            assert rig.moves(NoteSaved) == []
            assert rig.talk.dialogue.pending

    play(scene())


def test_what_was_sent_and_not_answered_becomes_a_note_and_the_connection_that_owes_it_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        async with talking() as rig:
            up = connect(rig, monkeypatch)
            spoken(rig.talk)
            rig.drain_outbox()
            rig.talk.save()
            await rig.written()
            assert rig.moves(NoteSaved) == [NoteSaved(delivered=True)]
            assert up.renewed == 1

    play(scene())


def test_a_note_is_put_to_the_service_in_a_quiet_moment_and_its_answer_waits_to_be_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        async with talking() as rig:
            await note(rig)
            connect(rig, monkeypatch)
            await rig.written()
            sent = rig.drain_outbox()
            assert [*map(member, sent)] == ["activityStart", "text", "audio", "activityEnd"]
            assert "no connection" in sent[1]["realtimeInput"]["text"]
            assert rig.moves(Delivered) == []  # nobody waits for it
            answer(rig, seconds=0.5)
            assert rig.moves(AnswerBegan) == []
            await rig.written()
            assert rig.moves(NotesChanged)[-1] == NotesChanged(waiting=0, answered=1)
            rig.talk.delivery.answers.play()
            await asyncio.sleep(5)
            assert rig.moves(NotesChanged)[-1] == NotesChanged(waiting=0, answered=0)
            assert rig.moves(Drained) == [Drained()]
            rig.talk.delivery.answers.play()  # there are none
            await rig.written()
            assert rig.moves(Drained) == [Drained()] * 2

    play(scene())


async def note(rig: Rig, pcm: bytes = bytes(640)) -> int:
    spoken(rig.talk, pcm)
    number = rig.talk.delivery.ledger.over[-1].number
    rig.talk.save()
    await rig.written()
    assert rig.talk.delivery.ledger.idle
    return number


def answer(rig: Rig, seconds: float = 0.5) -> None:
    rig.talk.exchange.server_event(AudioOut(b"\0\10" * round(24_000 * seconds), 24_000))
    rig.talk.exchange.server_event(GenerationComplete())
    rig.talk.exchange.server_event(TurnComplete(idle=True, reason=""))


def test_a_note_makes_way_for_the_technician_and_goes_out_whole_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking() as rig:
            await note(rig, bytes(64_000))
            connect(rig, monkeypatch)
            await rig.written()
            rig.talk.open_utterance(bytes(640))  # before anything of the note was sent
            rig.talk.end_utterance(1.0, listening=True)
            assert [*map(member, rig.drain_outbox())] == ["activityStart", "audio", "activityEnd"]
            answer(rig)
            rig.talk.drained()
            await rig.written()
            sent = rig.drain_outbox()
            assert sum(len(each["realtimeInput"]["audio"]["data"]) for each in sent if member(each) == "audio") > 64_000
            answer(rig)
            assert len(rig.talk.delivery.notes) == 0

    play(scene())


def test_a_note_of_which_half_was_sent_when_the_technician_spoke_is_not_answered_by_that_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        async with talking() as rig:
            await note(rig, bytes(64_000))
            connect(rig, monkeypatch)
            await rig.written()
            for _ in range(3):
                outgoing = rig.talk.outbox.next(Uplink(), 0.0)
                assert outgoing is not None
                rig.talk.exchange.sent(outgoing)
            rig.talk.cancel_catch_up()
            rig.drain_outbox()  # its end
            answer(rig)
            await rig.written()
            assert len(rig.talk.delivery.notes) == 1
            assert len(rig.unsent()) == 1

    play(scene())


def test_a_question_that_made_way_half_sent_is_not_answered_by_that_half(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking() as rig:
            connect(rig, monkeypatch)
            spoken(rig.talk, bytes(96_000))
            outgoing = [rig.talk.outbox.next(Uplink(), 0.0) for _ in range(3)]
            for each in outgoing:
                assert each is not None
                rig.talk.exchange.sent(each)
            rig.talk.cancel_catch_up()
            await rig.written()
            assert rig.moves(NoteSaved) == [NoteSaved()]
            rig.drain_outbox()  # its end
            answer(rig)
            await rig.written()
            assert len(rig.talk.delivery.notes) == 1

    play(scene())


@pytest.mark.parametrize("sent", [0, 3])
def test_a_press_that_silences_first_saves_what_makes_way_all_the_same(
    sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with talking() as rig:
            connect(rig, monkeypatch)
            spoken(rig.talk, bytes(96_000))
            for _ in range(sent):
                outgoing = rig.talk.outbox.next(Uplink(), 0.0)
                assert outgoing is not None
                rig.talk.exchange.sent(outgoing)
            rig.talk.cut()
            rig.talk.cancel_catch_up()
            await rig.written()
            assert rig.moves(NoteSaved) == [NoteSaved()]
            rig.drain_outbox()  # its end, if its start was sent
            await rig.written()
            assert len(rig.talk.delivery.notes) == len(rig.unsent()) == 1

    play(scene())


def test_what_is_almost_sent_does_not_make_way() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk, bytes(32_000))
            rig.talk.cancel_catch_up()
            await rig.written()
            assert rig.moves(NoteSaved) == []
            spoken(rig.talk, bytes(32_640))
            rig.talk.cancel_catch_up()
            await rig.written()
            assert rig.moves(NoteSaved) == [NoteSaved()]

    play(scene())


def test_answers_that_are_cut_before_they_were_read_from_the_disk_stay_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking() as rig:
            await note(rig)
            connect(rig, monkeypatch)
            await rig.written()
            rig.drain_outbox()
            answer(rig)
            await rig.written()
            rig.talk.delivery.answers.play()
            rig.talk.cut()
            await rig.written()
            assert rig.speaker.buffered_s == 0

    play(scene())


def test_notes_and_answers_are_there_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking(state=tmp_path) as rig:
            await note(rig)
            spoken(rig.talk)
            rig.talk.open_utterance(bytes(640))  # and the power goes
        async with talking(state=tmp_path) as rig:
            assert rig.moves(NotesChanged) == [NotesChanged(waiting=3, answered=0)]
            connect(rig, monkeypatch)
            for waiting in (2, 1, 0):
                await rig.written()
                assert rig.drain_outbox()
                answer(rig)
                rig.talk.drained()
                await rig.written()
                assert rig.moves(NotesChanged)[-1] == NotesChanged(waiting, 3 - waiting)
        async with talking(state=tmp_path) as rig:
            assert rig.moves(NotesChanged) == [NotesChanged(waiting=0, answered=3)]

    play(scene())


# the conversation, taken up again


def test_a_young_conversation_goes_on_after_a_restart_with_its_handle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(wall: Wall, later_s: float) -> str:
        async with talking(state=tmp_path, wall=wall) as rig:
            connect(rig, monkeypatch)
            spoken(rig.talk)
            rig.drain_outbox()
            rig.talk.exchange.server_event(ResumptionUpdate("h1"))
            answer(rig)
            rig.talk.drained()
            await rig.written()
        wall.now += later_s
        async with talking(state=tmp_path, wall=wall) as rig:
            return rig.talk.continuity.session.handle(asyncio.get_running_loop().time())

    wall = Wall()
    assert play(scene(wall, 1700.0)) == "h1"
    assert play(scene(wall, 1900.0)) == ""
    assert wall.now < 1_000_000.0 + HANDLE_LIFE_S


def test_a_conversation_that_cannot_be_resumed_is_told_to_the_fresh_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with talking(state=tmp_path) as rig:
            connect(rig, monkeypatch)
            rig.talk.ask("What is this?")
            rig.drain_outbox()
            rig.talk.exchange.server_event(OutputTranscript(" A pump."))
            answer(rig)
            await asyncio.sleep(5)
            rig.talk.drained()
            await rig.written()
            assert len(rig.records) == 1
        async with talking(state=tmp_path) as rig:
            rig.talk.continuity.session.setup(asyncio.get_running_loop().time())
            connect(rig, monkeypatch)
            seed = rig.drain_outbox()[0]["clientContent"]
            assert [turn["parts"][0]["text"] for turn in seed["turns"]] == ["What is this?", "A pump."]
            assert ConversationReplayed in map(type, rig.host.notices)

    play(scene())


def test_waking_after_a_long_rest_begins_another_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        wall = Wall()
        async with talking(wall=wall) as rig:
            up = connect(rig, monkeypatch)
            rig.talk.exchange.server_event(ResumptionUpdate("h1"))
            wall.now += 1700
            rig.talk.wake()
            assert up.renewed == 0
            wall.now += 1900
            rig.talk.wake()
            assert up.renewed == 1
            assert rig.talk.continuity.session.handle(asyncio.get_running_loop().time()) == ""
            rig.talk.wake()
            assert up.renewed == 1

    play(scene())


# the link's news


def test_what_was_not_answered_when_the_line_broke_is_sent_again_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking() as rig:
            connect(rig, monkeypatch)
            spoken(rig.talk)
            first = rig.drain_outbox()
            rig.talk.outbox.control(b"{}")
            rig.talk.show(b"jpeg")
            rig.talk.exchange.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.talk.outbox.frames_lost == 1
            assert not rig.talk.dialogue.pending
            assert rig.drain_outbox() == first

    play(scene())


def test_an_utterance_that_three_connections_did_not_survive_is_kept_as_a_note() -> None:
    async def scene() -> None:
        async with talking() as rig:
            spoken(rig.talk)
            for _ in range(3):
                rig.talk.exchange.link_changed(LinkState.UP, None)
                assert rig.drain_outbox()
                rig.talk.exchange.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.counters.unanswered == 1
            assert rig.drain_outbox() == []
            await rig.written()
            assert rig.moves(NoteSaved) == [NoteSaved()]
            assert len(rig.talk.delivery.notes) == 1

    play(scene())


def test_an_answer_that_broke_off_is_continued_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with talking() as rig:
            connect(rig, monkeypatch)
            spoken(rig.talk)
            rig.drain_outbox()
            rig.talk.exchange.server_event(AudioOut(b"\0\10" * 24_000, 24_000))
            rig.talk.exchange.server_event(OutputTranscript(" It shows about"))
            rig.talk.exchange.link_changed(LinkState.OFFLINE, AWAY)
            assert rig.moves(AnswerGenerated) == []
            rig.talk.exchange.link_changed(LinkState.UP, None)
            sent = rig.drain_outbox()
            assert [*map(member, sent)] == ["activityStart", "text", "audio", "activityEnd"]
            assert '"It shows about"' in sent[1]["realtimeInput"]["text"]
            rig.talk.exchange.server_event(OutputTranscript("four bar."))
            answer(rig)
            await asyncio.sleep(5)
            rig.talk.drained()
            assert [record.answer.text for record in rig.records] == ["It shows about four bar."]

    play(scene())


# changing over


def test_a_good_bye_is_followed_in_a_quiet_moment_or_at_its_deadline() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, talking(simulator.url) as rig:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(30)
            rig.talk.open_utterance(bytes(640))
            rig.talk.exchange.server_event(GoAway(60.0))
            await asyncio.sleep(1)
            assert rig.talk.link.connections == 1  # not in the middle of an utterance
            rig.talk.sleep()
            await asyncio.sleep(10)
            rig.talk.exchange.change_over_if_due()
            await asyncio.sleep(1)
            assert rig.talk.link.connections == 2
            rig.talk.exchange.server_event(GoAway(6.0))
            due = rig.talk.continuity.session.change_over_at
            assert due is not None
            await asyncio.sleep(due - loop.time())
            rig.talk.exchange.change_over_if_due()
            assert rig.talk.continuity.session.change_over_at is None  # or a timer for it would be due again at once
            await asyncio.sleep(1)
            assert rig.talk.link.connections == 3  # though it is young
            assert rig.host.notices.count(ConnectionReplaced()) == 2
            assert rig.failures == []

    play(scene())


# the whole


def test_a_spoken_and_a_typed_question_are_answered_and_recorded() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, talking(simulator.url) as rig:
            rig.talk.open_utterance(question("gauge"))
            rig.talk.end_utterance(asyncio.get_running_loop().time(), listening=True)
            await rig.until(AnswerGenerated)
            rig.talk.ask("What does the pressure gauge on this pump show?")
            await rig.until(AnswerGenerated, 2)
            rig.talk.cut()
            await asyncio.sleep(30)
            first, second = rig.records
            assert first.question_text.strip() == "What does the pressure gauge on this pump show?"
            assert first.tokens > 0
            assert second.interrupted
            assert simulator.utterances[1].texts == ["What does the pressure gauge on this pump show?"]
            assert not rig.talk.delivery.ledger.over

    play(scene())


@pytest.mark.parametrize("typed", [False, True])
def test_whoever_asks_does_not_wait_for_the_next_attempt(*, typed: bool) -> None:
    refusals = parse('[[fault]]\nkind = "handshake"\nstatus = 401\ntimes = 2\n')

    async def scene() -> None:
        async with stage(refusals) as s:
            await s.until_link(LinkState.REFUSED)
            await s.wake()  # the second attempt
            await s.until_link(LinkState.REFUSED)
            assert s.agent.turn.phase is Phase.LISTENING
            began = asyncio.get_running_loop().time()
            if typed:
                s.agent.ask("What now?")
            else:
                await s.say("gauge")
            await s.until_link(LinkState.UP, within_s=1.0)
            assert asyncio.get_running_loop().time() - began < 30.0, "the next attempt would be a minute later"
            async with asyncio.timeout(30):
                while not s.agent.conversation.delivery.answers.unplayed and not s.turns:
                    await asyncio.sleep(0.1)

    play(scene())


def test_a_service_that_refuses_the_key_is_told_with_what_to_do() -> None:
    async def scene() -> None:
        async with Simulator(SimulatorSettings(api_key="another")) as simulator, talking(simulator.url) as rig:
            await asyncio.sleep(1)
            assert rig.talk.link.state is LinkState.REFUSED
            assert isinstance(rig.failures[0], Refused)
            assert "GEMINI_API_KEY" in str(rig.failures[0])

    play(scene())


def test_a_broken_answer_is_continued_and_its_question_answered_once() -> None:
    async def scene() -> None:
        async with Simulator(None, shipped("reset")) as simulator, talking(simulator.url) as rig:
            for turn in (1, 2, 3):
                rig.talk.open_utterance(question("gauge"))
                rig.talk.end_utterance(asyncio.get_running_loop().time(), listening=True)
                await rig.until(AnswerGenerated, turn)
                await asyncio.sleep(15)
            assert rig.talk.link.connections == 2
            assert len(rig.moves(AnswerGenerated)) == 3
            assert rig.talk.delivery.ledger.idle

    play(scene())
