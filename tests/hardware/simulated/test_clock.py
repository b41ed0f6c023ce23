"""Virtual time: sleeping is free, sockets are real, threads are waited for."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from hardware.simulated.clock import FIRST_MOMENT_S, Metronome, VirtualTimeLoop, run_virtual

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

PINGS = 200
HOUR_S = 3600.0


def test_an_hour_of_sleep_takes_no_time_and_measures_an_hour() -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(HOUR_S)
        return loop.time() - before

    began = time.perf_counter()
    assert run_virtual(sleep()) == pytest.approx(HOUR_S)
    assert time.perf_counter() - began < 1.0


def test_timers_fire_in_order_at_their_moment() -> None:
    async def collect() -> list[tuple[float, float]]:
        seen: list[tuple[float, float]] = []
        loop = asyncio.get_running_loop()

        def note(delay: float) -> None:
            seen.append((round(loop.time() - FIRST_MOMENT_S, 6), delay))

        for delay in (3.0, 1.0, 2.0):
            loop.call_later(delay, note, delay)
        await asyncio.sleep(5)
        return seen

    assert run_virtual(collect()) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def server_side() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_a_websocket_talks_through_an_hour_of_virtual_pauses(encrypted: bool) -> None:  # noqa: FBT001 - a parameter
    server_tls, client_tls = server_side() if encrypted else (None, None)

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await asyncio.sleep(HOUR_S / PINGS / 2)
            await connection.send(message)

    async def talk() -> float:
        loop = asyncio.get_running_loop()
        async with serve(echo, "127.0.0.1", 0, ssl=server_tls) as server:
            port = server.sockets[0].getsockname()[1]
            scheme = "wss" if encrypted else "ws"
            began = loop.time()
            async with connect(f"{scheme}://localhost:{port}", ssl=client_tls, family=2, proxy=None) as connection:
                for number in range(PINGS):
                    await connection.send(f"ping {number}")
                    await asyncio.sleep(HOUR_S / PINGS / 4)
                    assert await connection.recv() == f"ping {number}"
                    await asyncio.sleep(HOUR_S / PINGS / 2)
            return loop.time() - began

    began = time.perf_counter()
    # keepalive pings at their usual 20 s run all the while; the closing handshake costs no virtual time
    assert run_virtual(talk()) == pytest.approx(HOUR_S, abs=1e-3)
    assert time.perf_counter() - began < 5.0


def test_two_runs_see_the_same_moments() -> None:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        moments: list[float] = []

        async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                moments.append(loop.time())
                writer.write(line)
                await asyncio.sleep(0.013)
            writer.close()

        server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for _ in range(50):
                writer.write(b"line\n")
                await reader.readline()
                moments.append(loop.time())
                await asyncio.sleep(0.007)
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(1)
        return moments

    assert run_virtual(run()) == run_virtual(run())


def test_the_clock_stands_still_for_an_executor_job() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        timer = loop.call_later(60, lambda: None)
        await asyncio.to_thread(time.sleep, 0.05)
        timer.cancel()
        return loop.time() - before

    assert run_virtual(work()) == 0.0


def test_resolving_a_name_takes_no_virtual_time() -> None:
    async def resolve() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        async with asyncio.timeout(1):
            await loop.getaddrinfo("localhost", 80)
        return loop.time() - before

    assert run_virtual(resolve()) == 0.0


def test_hold_waits_for_a_thread_of_ones_own() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        done = asyncio.Event()
        before = loop.time()

        def thread() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(done.set)

        with loop.hold():
            threading.Thread(target=thread).start()
            async with asyncio.timeout(1):
                await done.wait()
        return loop.time() - before

    assert run_virtual(work()) == 0.0


def test_a_metronome_makes_up_for_a_late_loop_and_does_not_drift() -> None:
    async def beat() -> tuple[list[float], float]:
        loop = asyncio.get_running_loop()
        beats: list[float] = []
        metronome = Metronome(loop, 0.02, lambda: beats.append(loop.time()))
        began = loop.time()
        metronome.start()
        metronome.start()
        time.sleep(0.1)  # noqa: ASYNC251 - the loop is to be late
        await asyncio.sleep(0.11)
        metronome.stop()
        metronome.stop()
        return beats, loop.time() - began

    beats, passed = asyncio.run(beat())
    assert beats[4] - beats[0] < 0.01, "the missed ones came at once"
    assert len(beats) in (int(passed / 0.02) - 1, int(passed / 0.02))


def test_a_metronome_may_be_stopped_and_restarted_by_its_own_tick() -> None:
    async def beat() -> list[float]:
        loop = asyncio.get_running_loop()
        beats: list[float] = []

        def tick() -> None:
            beats.append(round(loop.time() - FIRST_MOMENT_S, 6))
            if len(beats) == 2:
                metronome.stop()
                loop.call_later(1, metronome.start)
            if len(beats) == 4:
                metronome.stop()

        metronome = Metronome(loop, 0.5, tick)
        metronome.start()
        await asyncio.sleep(10)
        assert not metronome.running
        return beats

    assert run_virtual(beat()) == [0.5, 1.0, 2.5, 3.0]
