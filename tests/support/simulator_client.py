"""A raw client for the simulator's tests: it knows JSON and WebSocket, and nothing of the agent."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import wave
from array import array
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agent.simulator import Scenario, Simulator, SimulatorSettings, Style

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = Style(think_s=0.01, pace=40.0, playback=False)
MANUAL = {"automaticActivityDetection": {"disabled": True}}
QUESTIONS = ("What is this?", "And that?")
Message = dict[str, Any]


def tone(seconds: float, *, rate: int = 16000, hertz: float = 440.0, level: float = 0.3) -> bytes:
    step = 2 * math.pi * hertz / rate
    return array("h", (int(32767 * level * math.sin(i * step)) for i in range(int(seconds * rate)))).tobytes()


def small_assets(folder: Path) -> Path:
    """Two turns of half a second and another answer, so that tests need not wait for speech."""
    (folder / "answers").mkdir(parents=True)
    turns = zip(("one", "two"), QUESTIONS, ("It is the first thing.", "It is the second thing."), strict=True)
    sections = [f'[[turn]]\nname = "{n}"\nquestion = "{q}"\nanswer = "{a}"\n' for n, q, a in turns]
    (folder / "script.toml").write_text("".join(sections) + '[other]\nanswer = "Something else."\n')
    for name in ("one", "two", "other"):
        with wave.open(str(folder / "answers" / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 24000, 0, "NONE", ""))
            file.writeframes(tone(0.6, rate=24000))
    return folder


class Client:
    """One connection, with everything it received."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[Message] = []

    async def send(self, message: Message) -> None:
        await self.socket.send(json.dumps(message))

    async def realtime(self, **member: object) -> None:
        await self.send({"realtimeInput": member})

    async def recv(self) -> Message:
        message: Message = json.loads(await asyncio.wait_for(self.socket.recv(), 3))
        self.received.append(message)
        return message

    async def until(self, *path: str) -> list[Message]:
        """Receive up to a message that has the members of this path."""
        collected = []
        while True:
            collected.append(await self.recv())
            if has(collected[-1], *path):
                return collected

    async def set_up(self, handle: str = "", **extra: object) -> str:
        """Send a setup for manual turns; give the first handle."""
        resumption = {"handle": handle} if handle else {}
        setup = {
            "model": "models/gemini-3.8-live",
            "generationConfig": {"responseModalities": ["AUDIO"]},
            "realtimeInputConfig": MANUAL,
            "sessionResumption": resumption,
            "inputAudioTranscription": {},
        }
        await self.send({"setup": setup | extra})
        assert await self.recv() == {"setupComplete": {}}
        return str((await self.recv())["sessionResumptionUpdate"]["newHandle"])

    async def audio(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 3200):
            data = base64.b64encode(pcm[start : start + 3200]).decode()
            await self.realtime(audio={"mimeType": "audio/pcm;rate=16000", "data": data})

    async def speak(self, pcm: bytes) -> None:
        await self.realtime(activityStart={})
        await self.audio(pcm)
        await self.realtime(activityEnd={})

    async def turn(self, pcm: bytes) -> tuple[list[Message], str]:
        """Say something and take the answer; give its messages and the handle after it."""
        await self.speak(pcm)
        messages = await self.until("serverContent", "turnComplete")
        update = await self.recv()
        return messages, update["sessionResumptionUpdate"]["newHandle"]

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the end of the connection: its code and reason."""
        try:
            while True:
                await self.recv()
        except ConnectionClosed:
            return self.socket.close_code, self.socket.close_reason


def has(message: Message, *path: str) -> bool:
    for name in path:
        if not isinstance(message, dict) or name not in message:
            return False
        message = message[name]
    return True


def texts(messages: list[Message], kind: str = "outputTranscription") -> str:
    return "".join(m["serverContent"][kind]["text"] for m in messages if has(m, "serverContent", kind))


def audio_seconds(messages: list[Message]) -> float:
    parts = [part for m in messages if has(m, "serverContent", "modelTurn") for part in _parts(m)]
    return sum(len(base64.b64decode(part["inlineData"]["data"])) for part in parts) / 48000


def _parts(message: Message) -> list[Message]:
    parts: list[Message] = message["serverContent"]["modelTurn"]["parts"]
    return parts


@asynccontextmanager
async def client_of(simulator: Simulator, url: str = "", key: str = "key") -> AsyncIterator[Client]:
    headers = {"x-goog-api-key": key} if key else {}
    async with connect(
        url or simulator.url,
        additional_headers=headers,
        compression=None,
        max_size=None,
        close_timeout=0.2,
        ping_interval=None,
    ) as socket:
        yield Client(socket)


@asynccontextmanager
async def session(
    assets: Path, scenario: Scenario | None = None, style: Style = QUICK, **settings: Any
) -> AsyncIterator[tuple[Simulator, Client]]:
    """A simulator and a client connected to it."""
    base = SimulatorSettings(assets=assets, style=style, setup_s=0.005, **settings)
    async with Simulator(base, scenario) as simulator, client_of(simulator) as client:
        yield simulator, client
