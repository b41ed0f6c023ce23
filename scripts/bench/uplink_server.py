"""The far end: a WebSocket server over TLS that notes when what arrived: ``uplink_server.py HOST CERT_PEM``.

It answers the setup, reads everything and answers no turn. One line of JSON per event on standard output (``port``,
``setup``, ``end`` of speech); when standard input ends, the last line is the record.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import sys
import time
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

SAMPLE_BYTES = 2
KEEP_S = 0.7
"""How much audio of each connection is kept, to find its place in the speech."""
HEAD = 120
RATE_IN = re.compile(rb"rate=(\d+)")


class Record:
    """What came over one connection."""

    def __init__(self) -> None:
        """Begin empty."""
        self.opened = time.monotonic()
        self.audio: list[tuple[float, float, int]] = []  # arrival, seconds, rate
        self.frames: list[tuple[float, int]] = []
        self.others = 0
        self.first = bytearray()
        self.first_rate = 0

    def take(self, message: bytes, now: float) -> str:
        """Note one message; returns what the others should be told."""
        head = message[:HEAD]
        if b'"audio":{' in head:
            self._audio(message, now)
        elif b'"video":{' in head:
            self.frames.append((now, len(message) * 3 // 4))
        else:
            self.others += 1
            return "end" if b"activityEnd" in head else ""
        return ""

    def _audio(self, message: bytes, now: float) -> None:
        match = RATE_IN.search(message[:HEAD])
        rate = int(match[1]) if match else 16_000
        begin = message.index(b'"data":"') + 8
        end = message.index(b'"', begin)
        size = (end - begin) * 3 // 4 - message.count(b"=", end - 2, end)
        self.audio.append((now, size / SAMPLE_BYTES / rate, rate))
        if not self.first_rate:
            self.first_rate = rate
        if rate == self.first_rate and len(self.first) < KEEP_S * rate * SAMPLE_BYTES:
            self.first += base64.b64decode(message[begin:end])

    def report(self) -> dict[str, Any]:
        """Return all of it."""
        first = base64.b64encode(self.first).decode()
        plain = {"opened": self.opened, "audio": self.audio, "frames": self.frames, "others": self.others}
        return plain | {"first": first, "first_rate": self.first_rate}


async def main() -> None:
    """Serve until nobody holds the other end of standard input."""
    host, cert = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    records: list[Record] = []

    async def talk(socket: ServerConnection) -> None:
        try:
            await socket.recv(decode=False)
            await socket.send(b'{"setupComplete":{}}', text=False)
            records.append(Record())
            record = records[-1]
            print(json.dumps({"event": "setup"}), flush=True)
            while True:
                message = await socket.recv(decode=False)
                if event := record.take(message, time.monotonic()):
                    print(json.dumps({"event": event}), flush=True)
        except ConnectionClosed:
            return

    limits: dict[str, Any] = {"max_size": None, "max_queue": None, "compression": None, "ping_interval": None}
    async with serve(talk, host, 0, ssl=context, **limits) as server:
        print(json.dumps({"port": next(iter(server.sockets)).getsockname()[1]}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(json.dumps({"event": "record", "connections": [record.report() for record in records]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
