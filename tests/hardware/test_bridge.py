"""The inlet: in order, bounded, one wake-up at a time, silent after close."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from hardware.bridge import Inlet

if TYPE_CHECKING:
    import pytest


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_items_from_a_thread_arrive_in_order_on_the_loop() -> None:
    async def run() -> None:
        done = asyncio.Event()
        seen: list[int] = []
        threads: set[threading.Thread] = set()

        def sink(item: int) -> None:
            seen.append(item)
            threads.add(threading.current_thread())
            if item == 9999:
                done.set()

        inlet = Inlet(asyncio.get_running_loop(), sink, 10_000)

        def work() -> None:
            for number in range(10_000):
                inlet.post(number)

        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.wait_for(done.wait(), 5)
        thread.join()
        assert seen == list(range(10_000))
        assert threads == {threading.current_thread()}
        assert inlet.dropped == 0

    asyncio.run(run())


def test_the_oldest_go_when_it_is_full_and_are_counted() -> None:
    async def run() -> None:
        seen: list[int] = []
        inlet = Inlet(asyncio.get_running_loop(), seen.append, 3)
        for number in range(10):
            inlet.post(number)
        await settle()
        assert seen == [7, 8, 9]
        assert inlet.dropped == 7
        inlet.post(10)
        await settle()
        assert seen == [7, 8, 9, 10]

    asyncio.run(run())


def test_one_wake_up_is_under_way_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        wakes: list[Any] = []
        real = loop.call_soon_threadsafe

        def counting(callback: Any, *args: Any) -> asyncio.Handle:
            wakes.append(callback)
            return real(callback, *args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
        seen: list[int] = []
        inlet = Inlet(loop, seen.append, 100)
        for round_ in (1, 2):
            for number in range(50):
                inlet.post(number)
            await settle()
            assert len(wakes) == round_
            assert len(seen) == 50 * round_

    asyncio.run(run())


def test_what_is_posted_while_delivering_comes_next_and_starves_nobody() -> None:
    async def run() -> None:
        seen: list[str] = []

        def sink(item: str) -> None:
            seen.append(item)
            if item == "first":
                inlet.post("second")
                asyncio.get_running_loop().call_soon(seen.append, "other work")

        inlet = Inlet(asyncio.get_running_loop(), sink, 10)
        inlet.post("first")
        await settle()
        await settle()
        assert sorted(seen) == ["first", "other work", "second"]

    asyncio.run(run())


def test_nothing_is_delivered_after_close() -> None:
    async def run() -> None:
        seen: list[int] = []
        inlet = Inlet(asyncio.get_running_loop(), seen.append, 10)
        inlet.post(1)
        inlet.close()
        inlet.close()
        inlet.post(2)
        await settle()
        assert seen == []

    asyncio.run(run())


def test_a_sink_may_close_it() -> None:
    async def run() -> None:
        seen: list[int] = []

        def sink(item: int) -> None:
            seen.append(item)
            inlet.close()

        inlet = Inlet(asyncio.get_running_loop(), sink, 10)
        inlet.post(1)
        inlet.post(2)
        await settle()
        assert seen == [1]

    asyncio.run(run())


def test_a_failing_sink_loses_its_item_only() -> None:
    async def run() -> None:
        seen: list[int] = []
        failures: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))

        def sink(item: int) -> None:
            if item == 1:
                raise ValueError(item)
            seen.append(item)

        inlet = Inlet(loop, sink, 10)
        for number in range(4):
            inlet.post(number)
        await settle()
        assert seen == [0, 2, 3]
        assert [type(error) for error in failures] == [ValueError]

    asyncio.run(run())


def test_a_closed_loop_is_the_end() -> None:
    loop = asyncio.new_event_loop()
    inlet: Inlet[int] = Inlet(loop, lambda _: None, 10)
    loop.close()
    inlet.post(1)
    inlet.post(2)
