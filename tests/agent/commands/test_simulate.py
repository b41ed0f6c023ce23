"""``simulate``: a server for any client, with its record at the end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import time
import wave
from typing import TYPE_CHECKING

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.command import PATIENCE_S, field_agent, simulating, started
from tests.support.simulator_client import Client, tone

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def test_it_says_where_it_listens_serves_and_keeps_what_it_received(tmp_path: Path) -> None:
    report, audio = tmp_path / "report.json", tmp_path / "heard.wav"
    options = ("--port", "0", "--report", str(report), "--audio", str(audio))
    with started("simulate", *options) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on ws://127.0.0.1:")
        asyncio.run(say(line.split()[-1]))
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, error) == (0, "")
    (utterance,) = json.loads(report.read_text())["utterances"]
    assert utterance["seconds"] == pytest.approx(0.3)
    with wave.open(str(audio), "rb") as wav:
        assert wav.getframerate() == 16_000
        assert wav.getnframes() == pytest.approx(4800)


async def say(url: str, key: str = "any", tls: ssl.SSLContext | None = None) -> None:
    async with connect(
        url + PATH, additional_headers={"x-goog-api-key": key}, compression=None, ssl=tls, proxy=None
    ) as connection:
        client = Client(connection)
        await client.set_up()
        await client.speak(tone(0.3))


def test_it_lets_in_whom_it_is_told() -> None:
    with simulating("--api-key", "right") as url:
        asyncio.run(say(url, "right"))
        with pytest.raises(ConnectionClosed, match="API key not valid"):
            asyncio.run(say(url, "wrong"))


def test_it_speaks_tls_with_a_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with simulating("--tls-cert", str(tmp_path / "both.pem")) as url:
        assert url.startswith("wss://")
        asyncio.run(say(url, tls=trusting))


def test_it_ends_by_itself_when_told_how_long() -> None:
    begun = time.monotonic()
    done = field_agent("simulate", "--port", "0", "--for", "0.3")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begun < 5


def test_it_listens_to_this_machine_only_unless_told_otherwise() -> None:
    with simulating() as url:
        port = int(url.rsplit(":", 1)[1])
        with socket.socket() as elsewhere:
            elsewhere.bind(("127.0.0.2", port))  # which would be taken if it listened everywhere
