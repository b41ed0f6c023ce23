"""The control plane: one event at a time, in order, and deadlines on time with one timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agent.control import Control
from agent.turn.events import Event, SpeechEnded, StillKept, Tick
from agent.turn.gestures import HOLD_S, Down, Hold, HoldEnd
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable


class Machine:
    """Handles events and has a deadline."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self.log: list[str] = []
        self.due: float | None = None
        self.stays = False
        self.causes: Callable[[Event], None] = lambda _: None
        self.control = Control(self.handle, lambda: self.log.append("shown"), self.deadlines, self.on_time)

    def handle(self, event: Event) -> None:
        self.log.append(f"{type(event).__name__}[")
        self.causes(event)
        self.log.append("]")

    def deadlines(self) -> tuple[float | None, ...]:
        return None, self.due

    def on_time(self) -> None:
        self.log.append(f"at {self._loop.time() - self._start:.2f}")
        self.due = self.due if self.stays else None

    def due_in(self, seconds: float) -> None:
        self.due = self._loop.time() + seconds


def test_an_event_that_an_effect_causes_waits_for_its_turn() -> None:
    async def scene() -> None:
        machine = Machine()
        machine.causes = lambda event: machine.control.dispatch(StillKept()) if isinstance(event, SpeechEnded) else None
        machine.control.dispatch(SpeechEnded())
        assert machine.log == ["SpeechEnded[", "]", "StillKept[", "]", "shown"]

    run_virtual(scene())


def test_what_fails_once_does_not_stop_what_comes_later() -> None:
    async def scene() -> None:
        machine = Machine()

        def fail(_: Event) -> None:
            raise ValueError("a bug")

        machine.causes = fail
        with pytest.raises(ValueError, match="a bug"):
            machine.control.dispatch(SpeechEnded())
        machine.causes = lambda _: None
        machine.control.dispatch(StillKept())
        assert machine.log[-3:] == ["StillKept[", "]", "shown"]

    run_virtual(scene())


def test_a_deadline_is_kept_even_if_it_moves_and_a_tick_follows() -> None:
    async def scene() -> None:
        machine = Machine()
        for seconds in (2.0, 1.0, 3.0):
            machine.due_in(seconds)
            machine.control.dispatch(StillKept())
        machine.stays = True
        machine.log.clear()
        await asyncio.sleep(1.1)
        assert machine.log == ["at 1.00", "Tick[", "]", "shown"], "it was moved to later, so the timer looks again"
        machine.stays = False
        await asyncio.sleep(5)
        assert machine.log[4:] == ["at 3.00", "Tick[", "]", "shown"]

    run_virtual(scene())


def test_the_button_becomes_gestures_on_time() -> None:
    async def scene() -> None:
        machine = Machine()
        seen: list[type[Event]] = []
        machine.causes = lambda event: seen.append(type(event))
        machine.control.button(down=True)
        assert seen == [Down]
        await asyncio.sleep(HOLD_S + 0.01)
        assert seen == [Down, Hold, Tick]
        machine.control.button(down=False)
        assert seen[-1] is HoldEnd

    run_virtual(scene())


def test_after_a_stop_nothing_is_due() -> None:
    async def scene() -> None:
        machine = Machine()
        machine.due_in(1.0)
        machine.control.dispatch(StillKept())
        machine.control.stop()
        machine.control.stop()
        machine.log.clear()
        await asyncio.sleep(5)
        assert machine.log == []

    run_virtual(scene())
