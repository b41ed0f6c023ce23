"""Nothing said is lost: notes, reboots, answers the line cut, sessions that cannot be resumed. Whole agent, ring 2."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from agent import notices
from agent.faults import Fault
from agent.link.state import LinkState
from agent.simulator import Simulator, SimulatorSettings, scenario
from agent.simulator.voice import ASSETS, read_answer, read_script
from agent.store.journal import Journal
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.recordings import Recordings
from hardware.ports import Rhythm
from tests.support.stage import play, question, stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.simulator import Scenario
    from agent.store.rows import TurnRow
    from tests.support.stage import Stage

AWAY = {"url": "ws://127.0.0.1:9"}
"""Nobody listens on the discard port."""


def faulty(text: str) -> Scenario:
    return scenario.parse(text)


def rows(state: Path) -> list[TurnRow]:
    journal = Journal(state / "journal.db", read_only=True)
    found = [row for each in reversed(journal.conversations()) for row in journal.turns(each.number)]
    journal.close()
    return found


def earcons(s: Stage) -> list[Earcon]:
    return s.earcons


async def leave_note(s: Stage, name: str) -> None:
    """Speak where there is no network, and wait until the box says that it is saved."""
    await s.until_link(LinkState.OFFLINE)
    if s.agent.turn.phase is Phase.ASLEEP:
        await s.wake()
    await s.say(name)
    await s.until_told(notices.NoteKept)
    await asyncio.sleep(1)


def test_what_is_said_without_a_network_is_saved_and_the_box_says_so(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(service=AWAY, paths={"state": str(tmp_path)}) as s:
            await leave_note(s, "gauge")
            assert earcons(s)[-1] is Earcon.SAVED
            await s.until(Phase.ASLEEP)
            assert s.box.light.rhythm is Rhythm.OFFLINE
            assert s.agent.conversation.delivery.ledger.idle  # not in memory as well
        (row,) = rows(tmp_path)
        assert (row.state, row.saved_at is not None) == ("waiting", True)
        (wav,) = (tmp_path / "spool" / "unsent").glob("*.wav")
        assert question("gauge") in wav.read_bytes()

    play(scene())


def test_notes_are_delivered_in_order_after_a_reboot_and_their_answers_wait_for_the_technician(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(service=AWAY, paths={"state": str(tmp_path)}) as s:
            await leave_note(s, "gauge")
            await leave_note(s, "valve")
        async with stage(paths={"state": str(tmp_path)}, wall=lambda: time.time() + 2400) as s:
            await s.until_light(Rhythm.MESSAGE)
            await asyncio.sleep(30)
            first, second = s.simulator.utterances
            assert question("gauge") in first.pcm
            assert question("valve") in second.pcm
            assert all("note" in u.texts[0] and "40 minutes ago" in u.texts[0] for u in (first, second))
            assert not s.box.speaker.sounds  # nobody is there
            await s.box.button.tap()
            await s.until(Phase.ANSWERING)
            await s.rest()
            played = s.box.speaker.sounds
            assert sum(sound.seconds for sound in played) > 4
            await s.until(Phase.ASLEEP)
            assert s.box.light.rhythm is Rhythm.READY
        assert [row.state for row in rows(tmp_path)] == ["answered", "answered"]
        assert all(row.played_at and row.answer and row.answer_audio for row in rows(tmp_path))
        assert not list((tmp_path / "spool" / "unsent").glob("*.wav"))

    play(scene())


def test_a_box_that_is_awake_when_the_network_returns_answers_aloud(tmp_path: Path) -> None:
    async def scene() -> None:
        away = faulty('[[fault]]\nkind = "handshake"\nstatus = 503\ntimes = 5\n')
        async with stage(away, paths={"state": str(tmp_path)}, turn={"follow_up_s": 60.0}) as s:
            await leave_note(s, "gauge")
            assert s.agent.turn.phase is Phase.LISTENING
            await s.until(Phase.ANSWERING)
            await s.rest()
        (row,) = rows(tmp_path)
        assert row.played_at is not None

    play(scene())


def test_the_rest_of_an_answer_that_the_line_cut_is_asked_for_and_the_drop_is_not_heard(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage("reset", paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            await asyncio.sleep(1)
            await s.ask("valve")
            record = s.turns[-1]
            assert (record.reason, record.interrupted) == ("", False)
            _, answer = (answer for name, _, answer in read_script(ASSETS).lines if name in ("gauge", "valve"))
            assert record.answer_text == answer
            assert record.question_text.strip() == question_of("valve")
            _, _, sound = s.box.speaker.sounds  # earcon, answer, answer: without a break
            assert abs(sound.seconds - seconds_of("valve")) < 1.0  # the simulator finds the place by counting letters
        assert [(row.state, row.answer) for row in rows(tmp_path)][-1] == ("answered", answer)

    play(scene())


def seconds_of(name: str) -> float:
    return len(read_answer(ASSETS, name)) / 48_000


def history(service: Simulator, session: int) -> list[tuple[str, str]]:
    return [(entry.role, entry.text) for entry in service.sessions[session - 1].history]


async def sessions_of(
    service: Simulator, state: Path, *names: str, greeting: str = "", wall: Callable[[], float] | None = None
) -> None:
    """Switch the box on, ask, and switch it off, once for each question."""
    for name in names:
        async with stage(
            service={"url": service.url},
            paths={"state": str(state)},
            session={"initial_message": greeting},
            wall=wall,
        ) as s:
            await asyncio.sleep(8)
            await s.ask(name)
            await asyncio.sleep(5)


def test_a_restart_goes_on_with_the_session_by_its_handle_and_without_a_second_greeting(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Simulator() as service:
            await sessions_of(service, tmp_path, "gauge", "valve", greeting="Hello.")
            assert len(service.sessions) == 1
            assert [role for role, _ in history(service, 1)] == ["user", "model"] * 3
            assert sum(u.texts == ["Hello."] for u in service.utterances) == 1
        assert len(Journal(tmp_path / "journal.db", read_only=True).conversations()) == 1

    play(scene())


def test_a_dead_handle_leads_to_a_fresh_session_that_is_told_the_conversation(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Simulator(SimulatorSettings(handle_validity_s=0.0)) as service:
            await sessions_of(service, tmp_path, "gauge", "valve", "report")
            first, second, third = service.sessions
            assert [e.text for e in third.history[:4]] == [e.text for e in first.history + second.history[2:]]
            assert question_of("gauge") in third.history[0].text
            assert {each["accepted"] for each in service.report()["resumptions"]} == {False}

    play(scene())


def test_after_a_long_rest_a_new_conversation_begins(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Simulator() as service:
            await sessions_of(service, tmp_path, "gauge")
            await sessions_of(service, tmp_path, "valve", wall=lambda: time.time() + 7200)
            assert [len(each.history) for each in service.sessions] == [2, 2]
        assert len(Journal(tmp_path / "journal.db", read_only=True).conversations()) == 2

    play(scene())


def question_of(name: str) -> str:
    return next(asked for line, asked, _ in read_script(ASSETS).lines if line == name)


GAP = """
[[fault]]
kind = "reset"
turn = 1
when = "speech"
after_s = 1

[[fault]]
kind = "handshake"
status = 503
connection = [2, 3, 4, 5]
times = 4
"""
"""The line breaks in the first question, and stays away for some seconds."""


def test_a_press_cancels_a_catch_up_and_what_waited_is_delivered_when_the_technician_is_done(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(faulty(GAP), paths={"state": str(tmp_path)}, turn={"follow_up_s": 60.0}) as s:
            await asyncio.sleep(1)
            await s.wake()
            await s.say("gauge")
            await s.until_told(notices.NoteKept)
            s.box.button.press()
            await asyncio.sleep(0.2)
            await s.say("valve")
            s.box.button.release()
            await s.until_told(notices.TurnEnded, within_s=120)
            await asyncio.sleep(60)
            asked = [u for u in s.simulator.utterances if u.outcome == "complete"]
            order = [name for u in asked for name in ("gauge", "valve") if question(name) in bytes(u.pcm)]
            assert sorted(order) == ["gauge", "valve"]
        assert [row.state for row in rows(tmp_path)] == ["answered", "answered"]

    play(scene())


def test_a_question_before_the_answer_to_the_last_keeps_its_order_and_nothing_is_answered_twice(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage("slow_answer", paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(1)
            await s.wake()
            await s.say("gauge")
            await s.until(Phase.THINKING)
            await s.say("valve")
            await s.until(Phase.ANSWERING)
            await s.rest()
            await asyncio.sleep(10)
            first, second = s.simulator.utterances
            assert question("gauge") in bytes(first.pcm)
            assert question("valve") in bytes(second.pcm)
            assert (first.outcome, second.outcome) == ("interrupted", "complete")
            assert [record.utterance for record in s.turns if record.played_s] == [2]
        assert [row.state for row in rows(tmp_path)] == ["cut", "answered"]

    play(scene())


def test_a_refused_key_is_said_with_its_code(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage("handshake_401", paths={"state": str(tmp_path)}) as s:
            await s.until_link(LinkState.REFUSED)
            await asyncio.sleep(6)
            assert s.box.light.rhythm is Rhythm.FAULT
            said = Recordings("en").say(*Fault.KEY.words)
            sounded = b"".join(bytes(sound.pcm) for sound in s.box.speaker.sounds)
            assert said[4800:48_000] in sounded

    play(scene())


def test_frames_and_lost_lines_are_in_the_log(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage("reset", paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            await asyncio.sleep(1)
            await s.ask("valve")
        assert all(row.frames for row in rows(tmp_path))
        journal = Journal(tmp_path / "journal.db", read_only=True)
        lost, back = [event.text for event in journal.events() if event.kind == "network"]
        journal.close()
        assert lost.startswith("no connection: connection dropped")
        assert back == "connected again after 0 s"

    play(scene())


def test_a_recording_that_a_bad_card_has_spoilt_does_not_keep_the_box_from_starting(tmp_path: Path) -> None:
    async def scene() -> None:
        async with stage(service=AWAY, paths={"state": str(tmp_path)}) as s:
            await leave_note(s, "gauge")
        spoil(tmp_path)
        async with stage(paths={"state": str(tmp_path)}) as s:
            await s.until_light(Rhythm.MESSAGE)
            assert question("gauge") in bytes(s.simulator.utterances[0].pcm)

    play(scene())


def spoil(state: Path) -> None:
    """Flip the rate and what follows from it in the header."""
    (recording,) = (state / "spool" / "unsent").glob("*.wav")
    content = bytearray(recording.read_bytes())
    content[24:32] = b"\xff" * 8
    recording.write_bytes(content)


def test_repeat_that_plays_the_last_answer_again_word_for_word(tmp_path: Path) -> None:
    asked = faulty('[[call]]\nturn = 2\nname = "repeat_last_answer"\nargs = {}\n[[turn]]\nnumber = 2\nempty = false\n')

    async def scene() -> None:
        async with stage(asked, paths={"state": str(tmp_path)}) as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            await asyncio.sleep(1)
            first = bytes(s.box.speaker.sounds[-1].pcm)
            await s.say("interjection")
            await s.until(Phase.ANSWERING)
            await s.rest()
            again = b"".join(bytes(sound.pcm) for sound in list(s.box.speaker.sounds)[2:])
            assert first[9600:96_000] in again
            (response,) = s.simulator.report()["tool_responses"]
            assert "playing" in str(response)
        journal = Journal(tmp_path / "journal.db", read_only=True)
        (call,) = journal.calls(1)
        journal.close()
        assert (call.name, call.result) == ("repeat_last_answer", {"output": "playing 5 s again"})

    play(scene())
