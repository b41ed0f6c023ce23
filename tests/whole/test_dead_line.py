"""A dead line is noticed in three seconds and a slow one never taken for dead: real kernels, two network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING

import pytest

from agent import config
from agent.link.link import Link
from agent.link.state import LinkState
from agent.uplink.bandwidth import DEAD_S
from agent.uplink.ledger import Ledger
from agent.uplink.outbox import Outbox
from agent.wire.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from agent.link.verdicts import Verdict
    from agent.uplink.outbox import Outgoing
    from agent.wire.events import ServerEvent

WHY_NOT = "needs root and iproute2 for network namespaces"
pytestmark = [
    pytest.mark.real_time,
    pytest.mark.skipif((os.geteuid() != 0 or not shutil.which("ip")) and not os.environ.get("CI"), reason=WHY_NOT),
]

NOTICED_S = DEAD_S + 0.5
SPACE, NEAR, FAR = "fa-dead-line", "fa-near", "fa-far"
OUR_ADDRESS, THEIR_ADDRESS = "10.213.77.1", "10.213.77.2"
PORT = 8765
CHUNK = os.urandom(640)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def narrow(device: str) -> None:
    shape = ["rate", "200kbit", "burst", "4kb", "latency", "1000ms"]
    subprocess.run(["tc", "qdisc", "add", "dev", device, "root", "tbf", *shape], check=True)


@pytest.fixture
def line() -> Iterator[None]:
    """A cable between this machine and another one, which is a namespace."""
    remove_line()
    ip("netns", "add", SPACE)
    ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", SPACE)
    ip("addr", "add", f"{OUR_ADDRESS}/24", "dev", NEAR)
    ip("-n", SPACE, "addr", "add", f"{THEIR_ADDRESS}/24", "dev", FAR)
    ip("link", "set", NEAR, "up")
    ip("-n", SPACE, "link", "set", FAR, "up")
    ip("-n", SPACE, "link", "set", "lo", "up")
    yield
    remove_line()


def remove_line() -> None:
    for words in (["link", "del", NEAR], ["netns", "del", SPACE]):
        subprocess.run(["ip", *words], check=False, capture_output=True)


@contextlib.contextmanager
def service(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The simulator at the far end."""
    command = ["ip", "netns", "exec", SPACE, sys.executable, "-m", "agent", "simulate"]
    with subprocess.Popen([*command, "--host", THEIR_ADDRESS, *options], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening")
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


class Ears:
    """Remembers when the link was up and when not."""

    def __init__(self) -> None:
        self.states: list[tuple[float, LinkState, str]] = []

    def link_changed(self, state: LinkState, verdict: Verdict | None) -> None:
        self.states.append((asyncio.get_running_loop().time(), state, str(verdict or "")))

    def server_event(self, event: ServerEvent) -> None:
        pass

    def sent(self, outgoing: Outgoing) -> None:
        pass

    async def until(self, state: LinkState, within_s: float) -> float:
        """Wait for the next change to ``state``; returns when it came."""
        seen = len(self.states)
        async with asyncio.timeout(within_s):
            while not any(each is state for _, each, _ in self.states[seen:]):
                await asyncio.sleep(0.005)
        return next(at for at, each, _ in self.states[seen:] if each is state)


@contextlib.asynccontextmanager
async def speaking(*, speech: bool = True) -> AsyncIterator[tuple[Link, Ears]]:
    """A link over which somebody speaks all the time."""
    service = {"url": f"ws://{THEIR_ADDRESS}:{PORT}", "allow_unencrypted": True}
    settings = config.override(config.Settings(), {"service": service}, where="test")
    ears, ledger = Ears(), Ledger(local_detection=True)
    link = Link(settings, lambda: "key", Session(settings), Outbox(ledger, settings.video), ears)
    tasks = [asyncio.create_task(link.run())]
    link.want()
    await ears.until(LinkState.UP, 5)
    if speech:
        tasks.append(asyncio.create_task(talk(link, ledger)))
    await asyncio.sleep(2)
    try:
        yield link, ears
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def talk(link: Link, ledger: Ledger) -> None:
    ledger.open(b"")
    while True:
        await asyncio.sleep(0.02)
        ledger.append(CHUNK)
        link.pump()


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.usefixtures("line")
def test_a_pulled_cable_is_noticed_at_once() -> None:
    async def scene() -> None:
        with service():
            async with speaking() as (_, ears):
                ip("-n", SPACE, "link", "set", FAR, "down")
                pulled = now()
                assert await ears.until(LinkState.CONNECTING, NOTICED_S) - pulled < 0.5
                assert "interface" in ears.states[-1][2] + ears.states[-2][2]

    asyncio.run(scene())


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("speech", [True, False])
def test_a_black_hole_is_noticed_in_time_and_left_within_two_seconds_of_its_end(speech: bool) -> None:  # noqa: FBT001 - a parameter
    async def scene() -> None:
        with service():
            async with speaking(speech=speech) as (link, ears):
                ip("-n", SPACE, "addr", "del", f"{THEIR_ADDRESS}/24", "dev", FAR)
                gone = now()
                noticed = await ears.until(LinkState.CONNECTING, NOTICED_S + 2)
                heartbeat = 0.0 if speech else 1.0  # without speech, what is outstanding first has to be sent
                assert DEAD_S - 1.0 <= noticed - gone <= NOTICED_S + heartbeat
                await asyncio.sleep(2)
                ip("-n", SPACE, "addr", "add", f"{THEIR_ADDRESS}/24", "dev", FAR)
                back = now()
                assert await ears.until(LinkState.UP, 5) - back < 2.0
                assert link.connections == 2

    asyncio.run(scene())


@pytest.mark.usefixtures("line")
def test_a_peer_that_vanished_is_noticed_in_time() -> None:
    async def scene() -> None:
        with service() as process:
            async with speaking() as (_, ears):
                ip("-n", SPACE, "addr", "del", f"{THEIR_ADDRESS}/24", "dev", FAR)
                process.kill()  # nobody hears its last words
                gone = now()
                assert await ears.until(LinkState.CONNECTING, NOTICED_S + 1) - gone <= NOTICED_S

    asyncio.run(scene())


@pytest.mark.usefixtures("line")
def test_a_service_that_stops_reading_is_noticed_when_its_buffer_is_full() -> None:
    async def scene() -> None:
        with service("--scenario", "hang") as process:
            async with speaking() as (_, ears):
                process.send_signal(signal.SIGSTOP)
                stopped = now()
                # Its kernel goes on acknowledging for a while; then it is its pongs that are missed, after ten seconds.
                assert await ears.until(LinkState.CONNECTING, 12) - stopped <= 11

    asyncio.run(scene())


@pytest.mark.usefixtures("line")
def test_a_line_that_is_hopelessly_narrow_is_never_taken_for_dead() -> None:
    async def scene() -> None:
        narrow(NEAR)
        with service():
            async with speaking() as (link, ears):
                await asyncio.sleep(10)
                rates = []
                for _ in range(50):
                    await asyncio.sleep(0.1)
                    rates.append(link.uplink.rate)
                assert link.connections == 1
                assert ears.states[-1][1] is LinkState.UP
                assert 12_000 < median(rates) < 40_000

    asyncio.run(scene())
