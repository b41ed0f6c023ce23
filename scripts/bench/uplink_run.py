"""The scenarios of the uplink bench, and the processes and namespaces of each run."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count, starmap
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
from uplink_ideal import Ideal
from uplink_score import Score, computed, measured, speech

from agent.simulator.bottleneck import Step, Trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HERE = Path(__file__).resolve().parent
BLOATED_MS, SHALLOW_MS = 1000, 150
CLIENT, SERVER = "10.213.0.1", "10.213.0.2"
START_S, SETTLE_S, OPEN_S, REPORT_S = 0.3, 0.5, 20.0, 10.0
MTU = 1500
_numbers = count(1)


@dataclass(frozen=True)
class Scenario:
    """A line, and what happens on it; ``event`` is when, in seconds of speech."""

    name: str
    kind: str
    steps: tuple[tuple[float, float], ...]
    queue_ms: int = BLOATED_MS
    event: float | None = None

    @property
    def kbit(self) -> float:
        """The first rate."""
        return self.steps[0][1]

    @property
    def trace(self) -> Trace:
        """The line's trace."""
        return Trace(list(starmap(Step, self.steps)))


def scenarios(rates: list[int], kinds: list[str], seconds: float) -> list[Scenario]:
    """Return those that were asked for."""
    at = round(seconds / 3)
    found = [Scenario(f"{rate}", "rates", ((inf, rate),)) for rate in rates]
    found += [Scenario("500 shallow", "shallow", ((inf, 500),), SHALLOW_MS)]
    found += [Scenario(f"{rate} split", "split", ((inf, rate),)) for rate in (500, 1000)]
    for before, after in ((2000, 400), (400, 2000)):
        found.append(Scenario(f"{before}->{after}", "steps", ((at, before), (inf, after)), event=at))
    for away in (2, 5):
        steps = ((at, 1000), (away, 0), (inf, 1000))
        found.append(Scenario(f"{away} s out", "outages", steps, event=at + away))
    return [scenario for scenario in found if scenario.kind in kinds]


class Child:
    """A process that talks in lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Listen from now on."""
        self.process = process
        self._lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            await self._lines.put(json.loads(line))
        await self._lines.put({"ended": True})

    def say(self, text: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")

    async def until(self, key: str, value: object = None, patience_s: float = OPEN_S) -> dict[str, Any]:
        """Return the next line that has ``key`` (and this value)."""
        async with asyncio.timeout(patience_s):
            while True:
                line = await self._lines.get()
                if key in line and value in (None, line[key]):
                    return line
                if "ended" in line:
                    raise RuntimeError(f"{self.process.pid} ended while {key} was waited for")

    async def end(self) -> list[dict[str, Any]]:
        """Close its standard input and return what it still said."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(REPORT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
        await self._reader
        return [self._lines.get_nowait() for _ in range(self._lines.qsize())]


class Place:
    """Where the processes of one run live: namespaces, or none."""

    def __init__(self, names: tuple[str, str] | None) -> None:
        """Store the names of the client's and the server's namespace."""
        self.names = names

    @asynccontextmanager
    async def child(self, script: str, *words: object, side: int | None = None) -> AsyncIterator[Child]:
        """Start one of our scripts; it is ended with the block."""
        inside = ["ip", "netns", "exec", self.names[side]] if self.names and side is not None else []
        command = [*inside, sys.executable, HERE / script, *words]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=pipe,
            stdout=pipe,
            limit=1 << 26,
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        )
        child = Child(process)
        try:
            yield child
        finally:
            await child.end()


def ip(*words: str) -> None:
    """Run one command of iproute2."""
    subprocess.run(["ip", *words], check=True)  # noqa: S603, S607 - fixed words


@contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """Make two network namespaces, and remove them."""
    number = next(_numbers)
    names = (f"uplink-{os.getpid()}-{number}-c", f"uplink-{os.getpid()}-{number}-s")
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)  # noqa: S603, S607 - fixed words


def connect(names: tuple[str, str]) -> None:
    """Assign the shaper's devices their addresses."""
    for name, own, peer in ((names[0], CLIENT, SERVER), (names[1], SERVER, CLIENT)):
        ip("-n", name, "addr", "add", own, "peer", peer, "dev", "tun0")
        ip("-n", name, "link", "set", "tun0", "mtu", str(MTU), "up")
        ip("-n", name, "route", "replace", peer, "dev", "tun0", "congctl", "cubic")  # what a Pi has


def possible() -> bool:
    """Whether namespaces can be made here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which("ip")) and Path("/dev/net/tun").exists()


class Bench:
    """Everything that the runs share."""

    def __init__(self, folder: Path, seconds: float, drain_s: float, *, proxy: bool) -> None:
        """Write speech and certificates into ``folder``."""
        self.folder, self.seconds, self.drain_s = folder, seconds, drain_s
        self.packets = not proxy and possible()
        self.source = speech(seconds)
        (folder / "speech").write_bytes(self.source)
        authority = trustme.CA()
        authority.issue_cert(SERVER, "127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
            str(folder / "server.pem")
        )
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        os.environ["SSL_CERT_FILE"] = str(folder / "ca.pem")
        self.late_ms = 0.0
        """How late the shaper was, p99 of the worst run."""

    async def all(self, chosen: list[Scenario], policies: list[str], jobs: int) -> list[Score]:
        """Run every policy through every scenario, a few at a time."""
        room = asyncio.Semaphore(jobs)

        async def one(scenario: Scenario, policy: str) -> Score:
            score = Score(scenario.name, policy)
            if policy == "ideal":
                return computed(score, Ideal(scenario.trace, self.seconds).run(), scenario.event)
            async with room:
                try:
                    await self.run(scenario, policy, score)
                except (RuntimeError, TimeoutError) as error:
                    score.verdicts.append(f"did not work: {error or type(error).__name__}")
            print(f"{scenario.name:12} {policy:7} p99 {score.p99:6.0f} ms", file=sys.stderr, flush=True)
            return score

        return list(await asyncio.gather(*(one(scenario, policy) for scenario in chosen for policy in policies)))

    async def run(self, scenario: Scenario, policy: str, score: Score) -> None:
        """Run one policy through one scenario."""
        async with AsyncExitStack() as stack:
            names = stack.enter_context(namespaces()) if self.packets else None
            server, shaper, url = await self.line(scenario, Place(names), stack)
            script = "uplink_agent.py" if policy == "ours" else "uplink_client.py"
            words = (policy, url, self.folder / "speech", self.seconds)
            client = await stack.enter_async_context(Place(names).child(script, *words, side=0))
            await server.until("event", "setup")
            await asyncio.sleep(SETTLE_S)
            begin = time.monotonic() + START_S
            for child in (client, shaper):
                child.say(f"start {begin}")
            t0 = (await client.until("t0"))["t0"]
            try:
                await server.until("event", "end", self.seconds + self.drain_s + START_S)
            except TimeoutError:
                score.details["drained"] = False
            stopped = time.monotonic()
            if client.process.returncode is not None:
                score.verdicts.append("did not work: the client ended early")
            score.details["client"] = [line for line in await client.end() if "ended" not in line]
            record = next(line for line in await server.end() if line.get("event") == "record")
            self.exactness(score, await shaper.end())
        run = {"t0": t0, "seconds": self.seconds, "stopped": stopped}
        measured(score, record, self.source, run if scenario.event is None else run | {"event": scenario.event})

    async def line(self, scenario: Scenario, place: Place, stack: AsyncExitStack) -> tuple[Child, Child, str]:
        """Build server, bottleneck and splitting proxy; returns the first two and the address for the client."""
        steps = [(None if seconds == inf else seconds, kbit) for seconds, kbit in scenario.steps]
        trace = json.dumps(steps)
        host, words = (SERVER, place.names) if place.names else ("127.0.0.1", None)
        if words:
            shaper = await stack.enter_async_context(place.child("uplink_shaper.py", *words, scenario.queue_ms))
            shaper.say(trace)
            await shaper.until("event", "open")
            connect(words)
        server = await stack.enter_async_context(
            place.child("uplink_server.py", host, self.folder / "server.pem", side=1)
        )
        port = (await server.until("port"))["port"]
        if not words:
            shaper = await stack.enter_async_context(place.child("uplink_shaper.py", "proxy", port, scenario.queue_ms))
            shaper.say(trace)
            port = (await shaper.until("port"))["port"]
        if scenario.kind == "split":
            split = await stack.enter_async_context(place.child("uplink_split.py", host, port, side=0))
            host, port = "127.0.0.1", (await split.until("port"))["port"]
        return server, shaper, f"wss://{host}:{port}"

    def exactness(self, score: Score, lines: list[dict[str, Any]]) -> None:
        """Keep what the shaper says of itself."""
        for line in lines:
            if "ended" not in line:
                score.details["line"] = line
                self.late_ms = max(self.late_ms, line.get("late_ms_p99", 0.0))
