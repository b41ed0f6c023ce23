"""How a run begins and ends as a process. Drivers that hang are in tests/agent/commands/test_run.py."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent.errors import ExitCode
from agent.service import process
from agent.service.process import card_away, end_once, soon_over, to_the_end, until_first
from hardware.ports import DeviceError
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from hardware.ports import Devices

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


def test_a_hang_up_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked() -> list[int]:
        loop, installed = asyncio.get_running_loop(), list[int]()
        monkeypatch.setattr(loop, "add_signal_handler", lambda number, _: installed.append(number))
        end_once(loop, loop.stop)
        return installed

    given = {signal.SIGHUP: signal.SIG_IGN, signal.SIGINT: signal.SIG_DFL}  # as nohup does
    before = {number: signal.signal(number, handler) for number, handler in given.items()}
    try:
        assert asyncio.run(asked()) == [signal.SIGTERM, signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_first_signal_ends_the_work_and_the_second_does_nothing() -> None:
    ended: list[str] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        end_once(loop, lambda: ended.append("once"))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)

    before = {number: signal.getsignal(number) for number in process.ENDS}
    try:
        asyncio.run(work())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended == ["once"]


def test_what_the_work_returns_and_raises_passes_through() -> None:
    async def fine() -> int:
        return 3

    async def failing() -> None:
        raise DeviceError("sound card", "is not there", "plug it in")

    assert to_the_end(fine()) == 3
    with pytest.raises(DeviceError, match="is not there"):
        to_the_end(failing())


def test_the_process_ends_at_once_where_a_driver_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stuck() -> None:
        raise DeviceError("sound card", "does not close", "restart", fatal=True)

    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with pytest.raises(DeviceError):  # the exit is only recorded here
        to_the_end(stuck())
    assert codes == [ExitCode.STUCK]


def test_an_end_that_takes_too_long_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(process, "PATIENCE_S", 0.05)
    with pytest.raises(asyncio.CancelledError), soon_over():
        raise asyncio.CancelledError
    assert codes == []
    deadline = time.monotonic() + 5
    while not codes and time.monotonic() < deadline:
        time.sleep(0.01)
    assert codes == [ExitCode.INTERRUPTED]


def test_the_first_end_cancels_the_rest_and_a_failure_is_raised() -> None:
    left: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            left.append("main")

    async def done() -> None:
        pass

    async def failing() -> None:
        raise ValueError("of one of them")

    asyncio.run(until_first(main(), [done()]))
    assert left == ["main"]
    with pytest.raises(ValueError, match="of one of them"):
        asyncio.run(until_first(main(), [failing()]))


class Card:
    def __init__(self, faults: list[tuple[float, float]]) -> None:
        self._faults = faults

    @property
    def fault(self) -> DeviceError | None:
        now = asyncio.get_running_loop().time()
        away = any(start < now < end for start, end in self._faults)
        return DeviceError("microphone", "not found", "plug it in") if away else None


@pytest.mark.parametrize(
    ("away", "patience_s", "at_first_s", "told_s"),
    [
        ([(0.25, 99.0)], 0.0, math.inf, 0.3),
        ([(0.25, 99.0)], 2.5, math.inf, 2.8),
        ([(0.25, 1.0), (2.0, 99.0)], 2.5, math.inf, 4.6),
        ([(1.5, 99.0)], 0.0, 2.0, 1.5),
        ([(2.5, 99.0)], 0.0, 2.0, None),  # whoever uses it then is told
        ([], 0.0, math.inf, None),
    ],
)
def test_a_card_that_stays_away_is_told_whether_or_not_anybody_uses_it(
    away: list[tuple[float, float]], patience_s: float, at_first_s: float, told_s: float | None
) -> None:
    async def scene() -> float | None:
        start = asyncio.get_running_loop().time()
        card = Card([(start + begin, start + end) for begin, end in away])
        devices = cast("Devices", SimpleNamespace(microphone=card, speaker=object()))
        try:
            async with asyncio.timeout(60):
                await card_away(devices, patience_s, at_first_s=at_first_s)
        except DeviceError:
            return asyncio.get_running_loop().time() - start
        except TimeoutError:
            return None
        raise AssertionError

    assert run_virtual(scene()) == pytest.approx(told_s, abs=2.5 * process.LOOK_S)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own Ctrl-C; in a shell's background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    restored: list[str] = []
    monkeypatch.setattr(process, "_last", [lambda: 1 / 0, lambda: restored.append("terminal")])

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            signal.raise_signal(signal.SIGINT)  # the second, while it ends
            assert codes == [ExitCode.INTERRUPTED]

    async def interrupted() -> None:
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)
        await slow()

    with pytest.raises(KeyboardInterrupt):
        to_the_end(interrupted())
    assert codes == [ExitCode.INTERRUPTED]
    assert restored == ["terminal"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_before_it_has_begun_is_not_forgotten() -> None:
    begun: list[str] = []

    async def work() -> None:
        begun.append("work")

    def run(job: Coroutine[Any, Any, None]) -> None:
        signal.raise_signal(signal.SIGINT)
        asyncio.run(job)

    with pytest.raises(KeyboardInterrupt):
        to_the_end(work(), run)
    assert begun == []


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def work() -> int:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0)
        return 3

    assert to_the_end(work()) == 3


def test_what_ends_once_may_end_at_once_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(process, "ENDS", (signal.SIGUSR1,))

    async def run() -> None:
        end_once(asyncio.get_running_loop(), lambda: ended.append("in order"), again=lambda *_: ended.append("at once"))
        for _ in range(2):
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(0.01)

    asyncio.run(run())
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert ended == ["in order", "at once"]
