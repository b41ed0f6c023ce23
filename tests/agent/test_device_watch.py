"""Faults and signs of life of devices: logged, kept, told, and when one of them ends the run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from agent.device_watch import PATIENCE_S, DeviceWatch
from agent.faults import Fault
from agent.store.errors import FULL, NEARLY_FULL
from agent.turn.condition import Condition
from agent.turn.events import Event, FaultCleared, FaultRaised
from hardware.ports import DeviceError, DeviceHealth
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.store.store import Store

GONE = DeviceError("microphone hw:1", "gone", "plug it in")
DARK = DeviceError("camera", "dark", "take the cap off")
HANGS = DeviceError("speaker", "hangs", "restart", fatal=True)


class Box:
    """A watch, and the condition of the turn machine, which learns from its events."""

    def __init__(self, *, keep_trying: bool = True) -> None:
        self.condition = Condition()
        self.told: list[Event] = []
        self.kept: list[tuple[str, str]] = []
        self.healths: dict[str, DeviceHealth] = {}
        self.watch = DeviceWatch(cast("Store", self), self.condition, self.dispatch, lambda: self.healths)
        self.watch.keep_trying = keep_trying

    def event(self, kind: str, text: str) -> None:
        self.kept.append((kind, text))

    def dispatch(self, event: Event) -> None:
        self.told.append(event)
        if isinstance(event, FaultRaised):
            self.condition.fault_raised(event.name)
        elif isinstance(event, FaultCleared):
            self.condition.faults.discard(event.name)

    @property
    def end(self) -> BaseException | None:
        return self.watch.failed.exception() if self.watch.failed.done() else None


def on_a_loop(scene: Callable[[], None]) -> None:
    async def played() -> None:
        scene()

    run_virtual(played())


@pytest.mark.parametrize("part", ["microphone", "speaker"])
def test_a_card_that_is_back_in_time_is_logged_and_kept_and_nobody_is_told(part: str) -> None:
    async def scene() -> None:
        box = Box()
        box.watch.fault(DeviceError(part, "gone", "plug it in"))
        box.watch.fault(DeviceError(part, "gone", "plug it in"))
        await asyncio.sleep(1.9)  # a hiccup of a second, and the time to open the card again
        box.watch.works(part)
        await asyncio.sleep(10)
        assert box.told == []
        assert [text for _, text in box.kept][1:] == [f"{part}: gone (plug it in)", f"{part} works again"]

    run_virtual(scene())


def test_a_card_that_has_nothing_to_do_is_looked_at_until_it_works_and_told_only_if_it_stays_away() -> None:
    async def scene() -> None:
        box = Box()
        for working, told in ((True, []), (False, [FaultRaised("speaker"), FaultCleared("speaker")])):
            box.told.clear()
            box.watch.fault(DeviceError("speaker", "gone", "plug it in"))
            box.healths["speaker"] = DeviceHealth(working=working)
            await asyncio.sleep(10 * PATIENCE_S)
            assert box.told == told[:1]
            box.healths["speaker"] = DeviceHealth(working=True)
            await asyncio.sleep(PATIENCE_S + 0.1)
            assert box.told == told

    run_virtual(scene())


def test_after_its_end_nothing_is_looked_at() -> None:
    async def scene() -> None:
        box = Box()
        box.watch.fault(GONE)
        box.watch.close()
        await asyncio.sleep(10)
        assert box.told == []

    run_virtual(scene())


def test_a_fault_is_logged_kept_and_told_by_the_name_of_its_part(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        box = Box()
        box.watch.fault(GONE)
        await asyncio.sleep(PATIENCE_S)
        assert box.told == [FaultRaised("microphone")]
        assert box.kept == [("device", "microphone hw:1: gone (plug it in)")]

    run_virtual(scene())
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "device: microphone hw:1: gone (plug it in)")
    ]


def test_the_first_sign_of_life_ends_a_fault_and_no_other_does_anything() -> None:
    async def scene() -> None:
        box = Box()
        box.watch.works("microphone")
        assert (box.told, box.kept) == ([], [])
        box.watch.fault(GONE)
        await asyncio.sleep(PATIENCE_S)
        box.watch.works("camera")
        assert len(box.told) == 1
        box.watch.works("microphone")
        box.watch.works("microphone")
        assert box.told[1:] == [FaultCleared("microphone")]
        assert box.kept[1:] == [("device", "microphone works again")]

    run_virtual(scene())


def test_a_patient_run_goes_on_whatever_fails() -> None:
    def scene() -> None:
        box = Box()
        box.watch.fault(GONE)
        box.watch.fail(RuntimeError("nobody there"))
        assert not box.watch.failed.done()

    on_a_loop(scene)


def test_an_impatient_run_ends_with_a_device_that_never_worked() -> None:
    def scene() -> None:
        box = Box(keep_trying=False)
        box.watch.works("microphone")
        box.watch.fault(GONE)
        assert box.end is None  # it worked before, and may again
        box.watch.fault(DARK)
        box.watch.fault(DeviceError("button", "stuck", "free it"))
        assert box.end is DARK  # the first that failed is the reason

    on_a_loop(scene)


def test_an_impatient_run_ends_with_the_first_reason_it_is_given() -> None:
    def scene() -> None:
        box = Box(keep_trying=False)
        first, second = RuntimeError("refused"), RuntimeError("unreachable")
        box.watch.fail(first)
        box.watch.fail(second)
        assert box.end is first

    on_a_loop(scene)


@pytest.mark.parametrize("keep_trying", [True, False])
def test_what_only_a_new_process_can_use_again_ends_any_run_though_it_has_worked(*, keep_trying: bool) -> None:
    def scene() -> None:
        box = Box(keep_trying=keep_trying)
        box.watch.works("speaker")
        box.watch.fault(HANGS)
        assert box.end is HANGS
        box.watch.fault(DeviceError("microphone", "hangs", "restart", fatal=True))
        assert box.end is HANGS
        assert box.told == [FaultRaised("speaker"), FaultRaised("microphone")]

    on_a_loop(scene)


def test_trouble_with_the_disk_is_a_fault_of_its_own_until_there_is_none() -> None:
    def scene() -> None:
        box = Box(keep_trying=False)
        box.watch.storage("the disk fails")
        box.watch.storage("")
        assert box.told == [FaultRaised("storage"), FaultCleared("storage")]
        assert box.kept == []  # where nothing can be written
        assert box.end is None

    on_a_loop(scene)


def test_a_memory_that_fills_up_is_no_broken_one_and_has_one_fault_at_a_time() -> None:
    def scene() -> None:
        box = Box()
        box.watch.storage(f"/state: {NEARLY_FULL} (bring the box to a network)")
        assert box.condition.fault_words == Fault.STORAGE_NEARLY_FULL.words
        box.watch.storage(f"/state: {FULL} (bring the box to a network)")
        assert box.condition.fault_words == Fault.STORAGE_FULL.words
        box.watch.storage("[Errno 28] No space left on device")
        assert box.condition.fault_words == Fault.STORAGE_FULL.words
        box.watch.storage("[Errno 5] Input/output error")
        assert box.condition.fault_words == Fault.STORAGE.words
        box.watch.storage("")
        assert box.condition.fault_words == ()

    on_a_loop(scene)
