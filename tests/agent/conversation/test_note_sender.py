"""When a note is put to the service: oldest first, one at a time, in quiet moments; how long its answer may take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from agent.conversation.note_sender import NoteSender
from agent.conversation.notes import FIRST_WAIT_S, Notes
from agent.uplink.utterance import Kind, Utterance
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.conversation.delivery import Delivery

PATIENCE_S = 12.0


class Desk:
    """The notes, a disk that is done when the test says so, and the ledger of what was put to the service."""

    def __init__(self) -> None:
        self.quiet = True
        self.notes = Notes()
        self.fetching: list[tuple[int, Callable[[Utterance | None], None]]] = []
        self.over: list[Utterance] = []
        self.ledger = self
        self.sends = self.complaints = 0
        self.sender = NoteSender(
            cast("Delivery", self),
            asyncio.get_running_loop(),
            patience_s=PATIENCE_S,
            quiet=lambda: self.quiet,
            send=self.send,
            unanswered=self.complain,
        )

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.notes.add(number, 0.0)

    def fetch(self, number: int, then: Callable[[Utterance | None], None]) -> None:
        self.fetching.append((number, then))

    def offer(self, note: Utterance) -> None:
        self.over.append(note)

    def send(self) -> None:
        assert self.over
        self.sends += 1

    def complain(self) -> None:
        self.complaints += 1

    @property
    def asked_for(self) -> list[int]:
        """The notes that were fetched."""
        return [number for number, _ in self.fetching]

    @property
    def offered(self) -> list[int]:
        return [note.number for note in self.over]

    def fetched(self) -> None:
        """The disk is done with what was asked of it last."""
        number, then = self.fetching[-1]
        then(Utterance(number, Kind.NOTE))

    def put(self, number: int) -> None:
        """Bring a note as far as the service."""
        self.add(number)
        self.sender.look()
        self.fetched()

    def answered(self, number: int) -> None:
        self.notes.remove(number)
        self.over = [note for note in self.over if note.number != number]
        self.sender.look()


def at_a_desk(scene: Callable[[Desk], Awaitable[None]]) -> None:
    async def played() -> None:
        desk = Desk()
        await scene(desk)
        desk.sender.close()

    run_virtual(played())


def test_the_oldest_note_is_fetched_and_put_to_the_service() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(5, 3)
        desk.sender.look()
        assert (desk.asked_for, desk.offered) == ([3], [])
        desk.fetched()
        assert (desk.offered, desk.sends) == ([3], 1)

    at_a_desk(scene)


def test_nothing_is_fetched_while_the_line_is_not_idle() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(3)
        desk.quiet = False
        desk.sender.look()
        assert desk.asked_for == []
        desk.quiet = True
        desk.sender.look()
        assert desk.asked_for == [3]

    at_a_desk(scene)


def test_one_note_is_fetched_at_a_time() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(3, 5)
        desk.sender.look()
        desk.sender.look()
        assert desk.asked_for == [3]

    at_a_desk(scene)


def test_a_note_that_cannot_be_read_now_lets_the_next_go_first() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(3, 5)
        desk.sender.look()
        desk.notes.failed(3, asyncio.get_running_loop().time())  # as the delivery does
        desk.fetching[0][1](None)
        assert desk.asked_for == [3, 5]
        assert desk.offered == []

    at_a_desk(scene)


def test_a_note_that_is_not_due_is_looked_for_when_it_is() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(3)
        desk.notes.failed(3, asyncio.get_running_loop().time())
        desk.sender.look()
        await asyncio.sleep(FIRST_WAIT_S - 0.1)
        assert desk.asked_for == []
        await asyncio.sleep(0.2)
        assert desk.asked_for == [3]

    at_a_desk(scene)


def test_a_note_that_was_fetched_too_late_for_the_quiet_moment_is_fetched_again() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(3)
        desk.sender.look()
        desk.quiet = False  # somebody speaks
        desk.fetched()
        assert (desk.offered, desk.sends) == ([], 0)
        desk.quiet = True
        desk.sender.look()
        desk.fetched()
        assert (desk.asked_for, desk.offered) == ([3, 3], [3])

    at_a_desk(scene)


def test_a_note_that_was_answered_while_it_was_fetched_is_not_put_again() -> None:
    async def scene(desk: Desk) -> None:
        desk.add(3)
        desk.sender.look()
        desk.notes.remove(3)
        desk.fetched()
        assert (desk.offered, desk.sends) == ([], 0)

    at_a_desk(scene)


def test_a_service_that_says_nothing_about_a_note_is_given_up_once() -> None:
    async def scene(desk: Desk) -> None:
        desk.put(3)
        await asyncio.sleep(PATIENCE_S - 0.1)
        assert desk.complaints == 0
        await asyncio.sleep(10 * PATIENCE_S)
        assert desk.complaints == 1
        assert desk.asked_for == [3]  # another connection comes first, and looks
        desk.sender.progress()  # of something else
        await asyncio.sleep(10 * PATIENCE_S)
        assert desk.complaints == 1

    at_a_desk(scene)


def test_every_sign_of_life_is_waited_for_as_long_again() -> None:
    async def scene(desk: Desk) -> None:
        desk.put(3)
        for _ in range(4):
            await asyncio.sleep(PATIENCE_S - 0.1)
            desk.sender.progress()
        assert desk.complaints == 0
        await asyncio.sleep(PATIENCE_S + 0.1)
        assert desk.complaints == 1

    at_a_desk(scene)


def test_a_note_that_made_way_for_the_technician_is_no_reason_to_leave_the_service() -> None:
    async def scene(desk: Desk) -> None:
        desk.put(3)
        desk.over.clear()
        await asyncio.sleep(PATIENCE_S + 0.1)
        assert desk.complaints == 0
        assert desk.asked_for == [3, 3]  # it has its turn again

    at_a_desk(scene)


def test_after_its_answer_nothing_is_waited_for_and_the_next_has_its_turn() -> None:
    async def scene(desk: Desk) -> None:
        desk.put(3)
        desk.answered(3)
        desk.over.append(Utterance(3, Kind.NOTE))  # whatever the ledger says
        desk.sender.progress()
        await asyncio.sleep(10 * PATIENCE_S)
        assert desk.complaints == 0
        desk.add(5)
        desk.sender.look()
        assert desk.asked_for == [3, 5]

    at_a_desk(scene)


def test_progress_with_no_note_on_its_way_wakes_nobody() -> None:
    async def scene(desk: Desk) -> None:
        desk.sender.progress()
        desk.add(3)
        await asyncio.sleep(10 * PATIENCE_S)
        assert desk.asked_for == []

    at_a_desk(scene)


def test_nothing_is_looked_for_after_the_end() -> None:
    async def scene(desk: Desk) -> None:
        desk.put(3)
        desk.sender.close()
        desk.sender.close()
        await asyncio.sleep(10 * PATIENCE_S)
        assert (desk.complaints, desk.asked_for) == (0, [3])

    at_a_desk(scene)
