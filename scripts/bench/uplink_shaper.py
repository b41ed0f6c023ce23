"""A bottleneck of packets between two network namespaces: ``uplink_shaper.py CLIENT_NS SERVER_NS QUEUE_MS < trace``.

One TUN device in each namespace, and this process between them. A packet of the client waits in a drop-tail queue,
takes its length divided by the rate on the line, and arrives 30 ms later; what the server sends takes 30 ms. Standard
input: first one line of JSON, the trace as ``[[seconds, kbit], ...]``; then ``start MONOTONIC``, before which the first
rate is in force; its end is ours. Without namespaces: ``uplink_shaper.py proxy PORT QUEUE_MS``, a TCP proxy instead,
whose own port is the first line on standard output.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import select
import struct
import sys
import time
from collections import deque
from itertools import starmap
from math import inf
from pathlib import Path
from typing import Any

from agent.simulator.bottleneck import Bottleneck, Step, Trace

DELAY_S = 0.030
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PACKET = 2048
FIRST_NIBBLE, IPV4 = 4, 4
SPIN_S = 0.0002
"""select wakes up to this late; the rest is not waited for."""


def open_tun(namespace: str) -> int:
    """Return the file descriptor of the device ``tun0`` in a namespace; the device lives as long as it."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", namespace).open("rb") as place:
        if libc.setns(place.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {namespace}")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    return tun


class Shaper:
    """Two TUN devices, a queue, and two delay lines."""

    def __init__(self, client: int, server: int, trace: Trace, queue_s: float) -> None:
        """Begin with the trace's first rate."""
        self.client, self.server = client, server
        self.coming = trace
        self.trace = Trace.constant(trace.steps[0].kbit)
        self.began = time.monotonic()
        self.queue_s = queue_s
        self.free_at = 0.0  # when the line has sent all that it took, since ``began``
        self.queued = 0
        self.leaving: deque[tuple[float, int]] = deque()
        self.up: deque[tuple[float, bytes]] = deque()
        self.down: deque[tuple[float, bytes]] = deque()
        self.packets = self.dropped = self.most_queued = 0
        self.late: list[float] = []

    def start(self, at: float) -> None:
        """Begin the trace; what is on the line stays there."""
        self.free_at -= at - self.began
        self.leaving = deque((due - (at - self.began), size) for due, size in self.leaving)
        self.began, self.trace = at, self.coming

    def enqueue(self, packet: bytes, arrived: float) -> None:
        """Queue a packet of the client, or drop it."""
        now = arrived - self.began
        while self.leaving and self.leaving[0][0] <= now:
            self.queued -= self.leaving.popleft()[1]
        limit = max(self.trace.queue_kbit(max(now, 0.0)) * 125 * self.queue_s, 2 * PACKET)
        self.packets += 1
        if self.queued + len(packet) > limit:
            self.dropped += 1
            return
        self.queued += len(packet)
        self.most_queued = max(self.most_queued, self.queued)
        self.free_at = self.trace.busy_until(max(now, self.free_at), len(packet))
        self.leaving.append((self.free_at, len(packet)))
        self.up.append((self.began + self.free_at + DELAY_S, packet))

    def take(self, ready: list[int]) -> None:
        """Read what the two devices have."""
        now = time.monotonic()
        for tun in ready:
            while True:
                try:
                    packet = os.read(tun, PACKET)
                except BlockingIOError:
                    break
                if packet[0] >> FIRST_NIBBLE != IPV4:
                    continue
                if tun == self.client:
                    self.enqueue(packet, now)
                else:
                    self.down.append((now + DELAY_S, packet))

    def deliver(self) -> float:
        """Write what is due; returns when the next packet is."""
        due = inf
        for line, tun in ((self.up, self.server), (self.down, self.client)):
            while line and line[0][0] <= time.monotonic() + SPIN_S:
                at, packet = line.popleft()
                self.late.append(time.monotonic() - at)
                os.write(tun, packet)
            if line:
                due = min(due, line[0][0])
        return due

    def run(self, control: int) -> None:
        """Work until standard input ends."""
        os.set_blocking(control, False)
        while True:
            wait = min(max(self.deliver() - SPIN_S - time.monotonic(), 0), 1)
            ready = select.select([self.client, self.server, control], [], [], wait)[0]
            if control in ready:
                ready.remove(control)
                line = os.read(control, PACKET)
                if not line:
                    return
                self.start(float(line.split()[1]))
            self.take(ready)

    def report(self) -> dict[str, Any]:
        """Return what happened, and how exact this was."""
        late = sorted(self.late) or [0.0]
        return {
            "packets": self.packets,
            "dropped": self.dropped,
            "most_queued": self.most_queued,
            "late_ms_p99": round(late[int(len(late) * 0.99)] * 1000, 2),
            "late_ms_max": round(late[-1] * 1000, 2),
        }


async def proxy(port: int, trace: Trace, queue_s: float) -> dict[str, Any]:
    """Do without namespaces: a TCP proxy, whose trace begins with ``start``."""
    first = Trace.constant(trace.steps[0].kbit)
    async with Bottleneck("127.0.0.1", port, first, queue_s=queue_s) as line:
        print(json.dumps({"port": line.port}), flush=True)
        read = sys.stdin.readline
        while words := (await line.loop.run_in_executor(None, read)).split():
            begins = float(words[1]) - line.began
            line.trace = Trace([Step(max(begins, 0.001), first.steps[0].kbit), *trace.steps])
        return {"samples": [[sample.at_s, sample.kbit, sample.queued] for sample in line.samples()]}


def main() -> None:
    """Shape until standard input ends, then tell how it went."""
    where, target, queue_ms = sys.argv[1:]
    line = b""
    while not line.endswith(b"\n"):  # unbuffered: the rest belongs to whoever reads next
        line += os.read(0, 1)
    steps = [(inf if seconds is None else seconds, kbit) for seconds, kbit in json.loads(line)]
    trace = Trace(list(starmap(Step, steps)))
    if where == "proxy":
        print(json.dumps(asyncio.run(proxy(int(target), trace, float(queue_ms) / 1000))), flush=True)
        return
    shaper = Shaper(open_tun(where), open_tun(target), trace, float(queue_ms) / 1000)
    print(json.dumps({"event": "open"}), flush=True)
    shaper.run(0)
    print(json.dumps(shaper.report()), flush=True)


if __name__ == "__main__":
    main()
