"""The floor: the least that a program can do to hold this conversation with ``websockets``.

It paces the WAV in 20 ms chunks, sends activity markers, audio and frames from bytes templates at the moments that a
plan gives, and reads and decodes the answers. No devices, no speech detection, no ledger, no liveness, no events.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import wave
from binascii import a2b_base64, b2a_base64
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

CHUNK_S, CHUNK_BYTES, CATCH_UP_BYTES = 0.020, 640, 6400
LAST_ANSWER_S = 2.0
FRAME_S = 1.0
SETUP = (
    b'{"setup":{"model":"models/gemini-3.8-live","generationConfig":{"responseModalities":["AUDIO"]},'
    b'"realtimeInputConfig":{"automaticActivityDetection":{"disabled":true}},"inputAudioTranscription":{},'
    b'"outputAudioTranscription":{},"sessionResumption":{}}}'
)
START = b'{"realtimeInput":{"activityStart":{}}}'
END = b'{"realtimeInput":{"activityEnd":{}}}'
AUDIO = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"%b"}}}'
VIDEO = b'{"realtimeInput":{"video":{"mimeType":"image/jpeg","data":"%b"}}}'


class Floor:
    """One conversation."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Read plan and WAV; take the time from now on."""
        self.origin = time.monotonic()
        with wave.open(str(arguments.wav), "rb") as wav:
            self.pcm = wav.readframes(wav.getnframes())
        self.plan = json.loads(arguments.plan.read_text())
        self.frames = sorted(arguments.frames.glob("*.jpg"))
        self.url = arguments.url
        self.devices = Devices(arguments.wav) if arguments.devices else None
        self.over = asyncio.Event()
        self.wire: Any = None
        self.late: list[tuple[float, float]] = []  # per chunk, with taps: due to written, code to written
        self.answers: list[float] = []  # per piece, with taps: received to decoded

    async def run(self) -> None:
        """Connect, converse, leave."""
        headers = {"x-goog-api-key": "bench"}
        options = {"compression": None, "ping_interval": None, "max_size": None}
        async with connect(self.url, additional_headers=headers, **options) as socket:  # type: ignore[arg-type]
            await socket.send(SETUP, text=True)
            await socket.recv(decode=False)
            reader = asyncio.ensure_future(self.read(socket))
            heard = 0
            for begin, opens, ends in self.plan:
                await self.listen(heard, opens)
                await self.speak(socket, begin, opens, ends)
                heard = ends
            await self.listen(heard, len(self.pcm) // CHUNK_BYTES)
            await asyncio.sleep(LAST_ANSWER_S)
            await asyncio.wait_for(self.over.wait(), 30)
            reader.cancel()

    async def until(self, chunk: int) -> float:
        """Wait until ``chunk`` chunks have been captured; returns when that was due."""
        due = self.origin + chunk * CHUNK_S
        if self.devices is not None:
            await self.devices.chunks.get()
            return due
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        return due

    async def listen(self, first: int, end: int) -> None:
        """Discard chunks that are not sent."""
        for chunk in range(first, end):
            await self.until(chunk + 1)

    async def speak(self, socket: ClientConnection, begin: int, opens: int, ends: int) -> None:
        """Send chunks ``begin`` to ``ends``, the first ones together when chunk ``opens`` is there."""
        await socket.send(START, text=True)
        first, live = begin * CHUNK_BYTES, opens * CHUNK_BYTES
        for at in range(first, live, CATCH_UP_BYTES):
            await self.send_audio(socket, self.pcm[at : min(at + CATCH_UP_BYTES, live)])
        film_at = 0.0
        for chunk in range(opens, ends):
            due = await self.until(chunk + 1)
            woke = time.monotonic()
            pcm = self.pcm[chunk * CHUNK_BYTES : (chunk + 1) * CHUNK_BYTES]
            await self.send_audio(socket, pcm or bytes(CHUNK_BYTES))
            if self.wire is not None:
                self.late.append((self.wire.sent_at - due, self.wire.sent_at - woke))
            if woke >= film_at:
                film_at = woke + FRAME_S
                jpeg = self.frames[int(woke - self.origin) % len(self.frames)].read_bytes()
                await socket.send(VIDEO % b2a_base64(jpeg, newline=False), text=True)
        await socket.send(END, text=True)

    async def send_audio(self, socket: ClientConnection, pcm: bytes) -> None:
        """Send one message of audio."""
        await socket.send(AUDIO % b2a_base64(pcm, newline=False), text=True)

    async def read(self, socket: ClientConnection) -> None:
        """Decode answers until all have been given."""
        owed = len(self.plan)
        while owed:
            content = json.loads(await socket.recv(decode=False)).get("serverContent", {})
            for part in content.get("modelTurn", {}).get("parts", ()):
                pcm = a2b_base64(part["inlineData"]["data"])
                if self.devices is not None:
                    self.devices.speaker.write(pcm)
                if self.wire is not None:
                    self.answers.append(time.monotonic() - self.wire.got_at)
            if self.devices is not None and "generationComplete" in content:
                self.devices.speaker.finish()
            owed -= "turnComplete" in content
        self.over.set()


class Devices:
    """The agent's simulated microphone and speaker under the floor, so that both pay for them."""

    def __init__(self, wav: Path) -> None:
        """Start both."""
        from hardware.simulated.microphones import WavMicrophone  # noqa: PLC0415 - not part of the bare floor
        from hardware.simulated.speakers import WavSpeaker  # noqa: PLC0415 - not part of the bare floor

        loop = asyncio.get_running_loop()
        self.chunks: asyncio.Queue[object] = asyncio.Queue()
        self.speaker = WavSpeaker(loop, wav.with_suffix(".floor.wav"))
        self.speaker.start(lambda: None, lambda error: None)  # noqa: ARG005 - it does not fail
        self.microphone = WavMicrophone(loop, wav)
        self.microphone.start(self.chunks.put_nowait, lambda error: None)  # noqa: ARG005 - nor does this


async def main() -> None:
    """Run, and with ``--taps`` write what the taps saw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    for name in ("--wav", "--plan", "--frames"):
        parser.add_argument(name, required=True, type=Path)
    parser.add_argument("--taps", type=Path)
    parser.add_argument("--devices", action="store_true")
    arguments = parser.parse_args()
    floor = Floor(arguments)
    if arguments.taps:
        from taps import Wire  # noqa: PLC0415 - not part of the floor

        floor.wire = Wire()
    await floor.run()
    if arguments.taps:
        arguments.taps.write_text(json.dumps({"chunks": floor.late, "answers": floor.answers}))


if __name__ == "__main__":
    asyncio.run(main())
