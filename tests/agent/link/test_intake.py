"""What floods us or breaks the protocol, against a server written by hand, in virtual time."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.link.backoff import ATTEMPTS
from agent.link.inflow import FRAMES
from agent.link.intake import MESSAGE_COST, SLICE, TURN_COST, TURN_FRAMES, TURN_S
from agent.link.state import LinkState
from tests.support.link_rig import RawServer, rigged
from tests.support.stage import play

if TYPE_CHECKING:
    import ssl

    from agent.wire.events import ServerEvent

    Context = ssl.SSLContext | None
    from collections.abc import Awaitable, Callable

PONG = b"\x8a\x00"
NOTHING = b"\x81\x00"
WORDS = b'{"serverContent":{"outputTranscription":{"text":"a"}}}'
CALL = b'{"toolCall":{"functionCalls":[{"id":"1","name":"look"}]}}'
HANDLE = b'{"sessionResumptionUpdate":{"newHandle":"h","resumable":true}}'


def text_frame(payload: bytes) -> bytes:
    size = len(payload)
    return (b"\x81" + bytes([size]) if size < 126 else b"\x81\x7f" + size.to_bytes(8)) + payload


def sending(flood: bytes) -> Callable[..., Awaitable[None]]:
    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.set_up(reader, writer)
        writer.write(flood)

    return behave


FLOODS = {
    "empty messages": (NOTHING * 90_000, "too many frames"),
    "messages of nothing": (text_frame(b"{}") * 50_000, "too many frames"),
    "pings": (b"\x89\x00" * 90_000, "too many frames"),
    "pongs": (PONG * 90_000, "too many frames"),
    "fragments": (b"\x01\x00" + b"\x00\x00" * 90_000, "too many frames"),
    "sound": (text_frame(b" " * 1_000_000) * 20, "too many bytes"),
    "a message of 5 MB": (text_frame(b" " * 5_000_000), "1009 frame with 5000000 bytes"),
    "a message said to have 2 TB": (b"\x81\x7f" + (1 << 41).to_bytes(8) + b" " * 1000, "1009 frame with"),
    "a message of fragments": (b"\x01\x00" + (b"\x00\x7e" + (60_000).to_bytes(2) + b" " * 60_000) * 90, "1009 frame"),
    "what is no frame": (b"\xff" * 1000, "1002 "),
    "a frame that is said to be compressed": (b"\xc1\x02{}", "1002 "),
    "turns": (text_frame(WORDS) + text_frame(b'{"serverContent":{"turnComplete":true}}') * 300, "too many turns"),
    "calls": (text_frame(CALL) * 300, "too many turns"),
    "handles": (text_frame(HANDLE) * 300, "too many turns"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_whoever_floods_us_or_breaks_the_protocol_is_left_with_a_verdict_and_not_at_once_tried_again(name: str) -> None:
    flood, problem = FLOODS[name]

    async def scene() -> None:
        async with RawServer(sending(flood)) as server, rigged(server.url) as rig:
            rig.link.want()
            await rig.until(LinkState.OFFLINE, within_s=5)
            assert rig.ears.problems[0].startswith(f"the service misbehaves: {problem}"), rig.ears.problems
            assert len(rig.ears.events) <= FRAMES + 100
            await rig.until(LinkState.OFFLINE, within_s=5)
            await asyncio.sleep(60)
            assert len(server.ends) <= ATTEMPTS

    play(scene())


@pytest.mark.parametrize(
    ("piece", "expected"), [(NOTHING, FRAMES - 99), (PONG, 1), (text_frame(b"{}"), 1), (text_frame(WORDS), FRAMES - 99)]
)
def test_the_loop_has_its_turn_between_the_frames_of_a_flood(piece: bytes, expected: int) -> None:
    async def scene() -> None:
        async with RawServer(sending(piece * (FRAMES - 100))) as server, rigged(server.url) as rig:
            read, frames = [0], [0]

            def look() -> None:  # in every turn of the loop
                connection = rig.link._connection
                frames.append(connection._frames if connection is not None else 0)
                read.append(len(rig.ears.events))
                if read[-1] < expected or frames[-1] < FRAMES - 100:
                    asyncio.get_running_loop().call_soon(look)

            rig.link.want()
            look()
            await rig.until(LinkState.UP, within_s=5)
            await asyncio.sleep(1)
            assert max(after - before for before, after in pairwise(frames)) <= TURN_FRAMES + SLICE // 2
            assert max(after - before for before, after in pairwise(read)) <= TURN_COST // MESSAGE_COST + 1
            assert read[-1] == expected
            assert rig.link.state is LinkState.UP, "so much may come at once"

    play(scene())


def test_the_loop_has_its_turn_between_messages_that_take_long_to_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with RawServer(sending(text_frame(WORDS) * 10)) as server, rigged(server.url) as rig:
            read, hear = [0], rig.ears.server_event

            def slow(event: ServerEvent) -> None:
                time.sleep(TURN_S)
                hear(event)

            def look() -> None:
                read.append(len(rig.ears.events))
                if read[-1] < 11:
                    asyncio.get_running_loop().call_soon(look)

            monkeypatch.setattr(rig.ears, "server_event", slow)
            rig.link.want()
            look()
            await rig.until(LinkState.UP, within_s=5)
            await asyncio.sleep(1)
            assert max(after - before for before, after in pairwise(read[read.index(1) :])) == 1

    play(scene())


@pytest.fixture(params=["plain", "TLS"])
def either(request: pytest.FixtureRequest, tls: Context) -> Context:
    """A server's context whose authority is the one that is trusted, or none."""
    return tls if request.param == "TLS" else None


def test_what_came_before_the_end_of_a_line_is_read(either: Context) -> None:
    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.set_up(reader, writer)
        reason = b"API key not valid"
        writer.write(text_frame(WORDS) * 1000 + b"\x88" + bytes([2 + len(reason)]) + (1007).to_bytes(2) + reason)
        writer.close()

    async def scene() -> None:
        async with RawServer(behave, either) as server, rigged(server.url) as rig:
            rig.link.want()
            await rig.until(LinkState.REFUSED, within_s=5)
            assert len(rig.ears.events) == 1001

    play(scene())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: " + b"x" * 1_000_000,
        b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: x\r\n" * 1_000_000,
        b"HTTP/1.1 403 Forbidden\r\n\r\n" + b"x" * 40_000_000,
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 40_000_000,
        b"x" * 40_000_000,
    ],
    ids=["line", "headers", "body", "said to be long", "junk"],
)
def test_a_handshake_without_end_is_given_up(answer: bytes) -> None:
    async def behave(_: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async def scene() -> None:
        async with RawServer(behave) as server, rigged(server.url) as rig:
            rig.link.want()
            async with asyncio.timeout(15):
                while not rig.link.state.away:
                    await asyncio.sleep(0.01)
            assert rig.ears.problems

    play(scene())


def test_no_compression_is_offered_that_would_make_a_megabyte_of_a_kilobyte() -> None:
    async def scene() -> None:
        async with RawServer(sending(b"")) as server, rigged(server.url) as rig:
            await rig.up()
            assert "sec-websocket-extensions" not in server.requests[0].lower()

    play(scene())


def test_an_answer_as_fast_as_the_line_takes_it_is_no_flood() -> None:
    piece = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
    piece = text_frame(piece + b"AAAA" * 320 + b'"}}]}}}')  # 20 ms

    async def scene() -> None:
        async with RawServer(sending(piece * 1650)) as server, rigged(server.url) as rig:
            rig.link.want()
            await rig.until(LinkState.UP, within_s=5)
            await asyncio.sleep(1)
            assert len(rig.ears.events) == 1651
            assert rig.link.state is LinkState.UP

    play(scene())
