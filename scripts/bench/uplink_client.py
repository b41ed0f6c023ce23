"""The usual ways to send: ``uplink_client.py none|64k|unsent URL SPEECH SECONDS``.

``none`` awaits ``send`` for audio and frames. ``64k`` leaves out a frame while the public write buffer holds more than
64 KiB. ``unsent`` also while the kernel holds more than 16 KiB that it has not sent. Standard input: ``start TIME``.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import struct
import sys
import time
from pathlib import Path

from uplink_source import CHUNK_BYTES, CHUNK_S, END, FPS, SETUP, START, audio, camera_time, frame, video
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

BUFFER_LIMIT, UNSENT_LIMIT = 64 * 1024, 16 * 1024
SIOCOUTQNSD = 0x894B


def may_send(policy: str, socket: ClientConnection) -> bool:
    """Whether a frame goes out now."""
    if policy == "none":
        return True
    if socket.transport.get_write_buffer_size() > BUFFER_LIMIT:
        return False
    if policy == "unsent":
        raw = socket.transport.get_extra_info("socket")
        unsent = struct.unpack("i", fcntl.ioctl(raw.fileno(), SIOCOUTQNSD, b"\0\0\0\0"))[0]
        return bool(unsent <= UNSENT_LIMIT)
    return True


async def speak(socket: ClientConnection, speech: bytes, begin: float, seconds: float) -> None:
    """Send every chunk in order, each as soon as it is there and the one before is sent."""
    await socket.send(START)
    for number in range(round(seconds / CHUNK_S)):
        await until(begin + (number + 1) * CHUNK_S)
        await socket.send(audio(speech[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]))
    await socket.send(END)


async def stream_frames(policy: str, socket: ClientConnection, begin: float, seconds: float) -> None:
    """Offer frames at the camera's rate; those that are due while one is being sent are not taken."""
    number = 0
    while number < seconds * FPS:
        await until(begin + camera_time(number))
        if may_send(policy, socket):
            await socket.send(video(frame(number)))
        number = max(number + 1, int((time.monotonic() - begin) * FPS))  # the newest


async def until(moment: float) -> None:
    """Sleep; not at all if it is late."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def main() -> None:
    """Connect, wait for the start, send."""
    policy, url, speech, seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes(), float(sys.argv[4])  # noqa: ASYNC240 - before anything runs
    loop = asyncio.get_running_loop()
    async with connect(url, compression=None, ping_interval=None, close_timeout=1) as socket:
        await socket.send(SETUP)
        await socket.recv()
        begin = float((await loop.run_in_executor(None, sys.stdin.readline)).split()[1])
        print(json.dumps({"t0": begin}), flush=True)
        with contextlib.suppress(ConnectionClosed):
            await asyncio.gather(speak(socket, speech, begin, seconds), stream_frames(policy, socket, begin, seconds))
        await loop.run_in_executor(None, sys.stdin.read)
        socket.transport.abort()


if __name__ == "__main__":
    asyncio.run(main())
