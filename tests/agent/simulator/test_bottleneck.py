"""The thin uplink of the demo, in virtual time over real sockets."""

from __future__ import annotations

import asyncio
import socket
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import pytest

from agent.simulator.bottleneck import Bottleneck, Step, Trace, TraceError
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

ROUNDING = 0.01  # s; the pieces in which the line forwards


class Sink:
    """A server that notes when what arrives, and answers b"?" with b"!"."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[float, int]] = []
        self.ends: list[str] = []
        self.reads = asyncio.Event()
        self.reads.set()

    async def __aenter__(self) -> Self:
        self.loop = asyncio.get_running_loop()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4096)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self.reads.wait()
                self.arrivals.append((self.loop.time(), len(data)))
                if data == b"?":
                    writer.write(b"!")
            self.ends.append("end")
        except ConnectionError:
            self.ends.append("reset")
        finally:
            writer.close()

    @property
    def total(self) -> int:
        return sum(size for _, size in self.arrivals)

    def between(self, begin: float, end: float) -> int:
        return sum(size for at, size in self.arrivals if begin <= at < end)

    async def until(self, size: int) -> float:
        while self.total < size:
            await asyncio.sleep(0.005)
        return self.arrivals[-1][0]


def through(
    trace: Trace,
    work: Callable[[Sink, Bottleneck, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    queue_s: float = 1.0,
) -> None:
    async def scene() -> None:
        before = asyncio.all_tasks()
        async with Sink() as sink, Bottleneck("127.0.0.1", sink.port, trace, queue_s=queue_s) as line:
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            await work(sink, line, reader, writer)
            writer.close()
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == before

    run_virtual(scene())


@pytest.mark.parametrize("kbit", [50, 200, 500, 2000, 20_000])
def test_the_rate_is_the_traces(kbit: int) -> None:
    async def work(sink: Sink, line: Bottleneck, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began, size = asyncio.get_running_loop().time(), kbit * 1000 // 8 * 10
        writer.write(bytes(size))
        ended = await sink.until(size)
        assert ended - began == pytest.approx(10 + 0.03, rel=0.03)
        assert line.forwarded == size

    through(Trace.constant(kbit), work)


@pytest.mark.parametrize("delay_ms", [0, 30, 300])
def test_both_ways_take_the_delay(delay_ms: float) -> None:
    async def work(_: Sink, __: Bottleneck, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        for _round in range(3):
            writer.write(b"?")
            assert await reader.read(100) == b"!"
        assert asyncio.get_running_loop().time() - began == pytest.approx(3 * 2 * delay_ms / 1000, abs=ROUNDING)

    through(Trace.constant(1000, delay_ms), work)


def test_what_the_client_sends_waits_in_its_own_kernel_once_the_queue_is_full() -> None:
    async def work(_: Sink, line: Bottleneck, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        writer.write(bytes(1_000_000))
        await asyncio.sleep(0.5)
        assert line.queued == pytest.approx(62_500, abs=1400)  # one second
        assert writer.transport.get_write_buffer_size() > 850_000

    through(Trace.constant(500), work)


def test_the_queue_is_as_long_as_asked_for() -> None:
    async def work(_: Sink, line: Bottleneck, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(1_000_000))
        await asyncio.sleep(0.5)
        assert line.queued == pytest.approx(9375, abs=1400)  # 150 ms

    through(Trace.constant(500), work, queue_s=0.15)


def test_an_outage_holds_everything_and_loses_nothing() -> None:
    async def work(sink: Sink, _: Bottleneck, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        writer.write(bytes(250_000))
        ended = await sink.until(250_000)
        assert sink.between(began + 1.04, began + 4.02) == 0
        assert ended - began == pytest.approx(2 + 3 + 0.03, abs=0.05)

    through(Trace([Step(1, 1000), Step(3, 0), Step(1, 1000)]), work)


def test_a_line_that_stays_down_delivers_nothing_and_can_be_left() -> None:
    async def work(sink: Sink, line: Bottleneck, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(100))
        await asyncio.sleep(600)
        assert (sink.total, line.queued) == (0, 100)

    through(Trace.constant(0), work)


def test_a_trace_changes_rate_and_delay_on_time() -> None:
    async def work(sink: Sink, _: Bottleneck, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        writer.write(bytes(2_000_000))
        await asyncio.sleep(7)
        for begin, end, kbit in ((0.1, 2, 2000), (2.2, 4, 400), (4.4, 6.9, 1000)):
            got = sink.between(began + begin, began + end) * 8 / 1000 / (end - begin)
            assert got == pytest.approx(kbit, rel=0.03)
        assert [at for at, _ in sink.arrivals] == sorted(at for at, _ in sink.arrivals)

    through(Trace([Step(2, 2000), Step(2, 400, 100), Step(1, 1000, 0)]), work)


def test_samples_tell_rate_and_queue_over_time() -> None:
    async def work(sink: Sink, line: Bottleneck, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(125_000))
        await sink.until(125_000)
        await asyncio.sleep(1)
        samples = line.samples()
        assert sum(sample.kbit for sample in samples) / 10 == pytest.approx(1000)
        assert sum(sample.kbit for sample in samples[2:12]) / 10 == pytest.approx(500, rel=0.05)
        assert samples[2].queued == pytest.approx(62_500, abs=1400)
        assert (samples[-1].kbit, samples[-1].queued) == (0, 0)
        assert all(later.at_s - earlier.at_s == pytest.approx(0.1) for earlier, later in pairwise(samples))

    through(Trace.constant(500), work)


def test_a_server_that_does_not_read_stops_the_client() -> None:
    async def work(sink: Sink, line: Bottleneck, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sink.reads.clear()
        writer.write(bytes(100_000_000))
        await asyncio.sleep(60)
        assert line.forwarded < 30_000_000  # what kernels hold, and not what 60 s at this rate would carry
        sink.reads.set()
        writer.transport.abort()

    through(Trace.constant(100_000), work)


@pytest.mark.parametrize(("how", "seen"), [("close", "end"), ("abort", "reset")])
def test_an_end_arrives_behind_what_was_sent(how: str, seen: str) -> None:
    async def work(sink: Sink, _: Bottleneck, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(5000))
        await asyncio.sleep(0.02)
        if how == "abort":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        getattr(writer.transport, how)()
        assert not sink.ends
        await asyncio.sleep(1)
        assert (sink.total, sink.ends) == (5000, [seen])

    through(Trace.constant(200), work)


def test_a_target_that_is_not_there_is_a_reset() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        async with Bottleneck("127.0.0.1", port, Trace.constant(500)) as line:
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            writer.close()

    run_virtual(scene())


def test_a_trace_file(tmp_path: Path) -> None:
    path = tmp_path / "site.trace"
    path.write_text("# a bad corner\n\n10 2000\n2.5 0   # the lift\n5 400 120\n")
    assert Trace.read(path).steps == (Step(10, 2000), Step(2.5, 0), Step(5, 400, 120))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 2000\n10\n", "line 2: must be SECONDS KBIT"),
        ("1 2 3 4\n", "line 1: must be SECONDS KBIT"),
        ("\nten 2000\n", "line 2: must be numbers"),
        ("1 -5\n", "line 1: must be numbers of at least 0"),
        ("1 nan\n", "line 1: must be numbers of at least 0"),
        ("1 inf\n", "line 1: must be numbers of at least 0"),
        ("0 500\n", "line 1: a step must last"),
        ("# nothing\n", "no line with a rate"),
    ],
)
def test_a_bad_trace_file_names_itself_and_the_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "site.trace"
    path.write_text(text)
    with pytest.raises(TraceError, match=rf"site\.trace.*{problem}"):
        Trace.read(path)


def test_a_trace_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary"):
        with pytest.raises(TraceError, match=f"{name}: cannot be read"):
            Trace.read(tmp_path / name)


def test_a_trace_needs_a_step() -> None:
    with pytest.raises(TraceError, match="at least one step"):
        Trace([])
