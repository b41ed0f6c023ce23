"""The WebSocket shell: addresses, verdicts on attempts, the socket."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme
from websockets.exceptions import InvalidHandshake, InvalidHeader, InvalidProxy, InvalidStatus, InvalidURI
from websockets.http11 import Response

from agent import config
from agent.errors import ConfigError
from agent.faults import Fault
from agent.link import connection, network
from agent.link.connection import FAILURES, SERVICE_HOST, BadAddressError, endpoint, judge_failure, open_connection
from agent.link.intake import ConnectionEnded
from agent.link.tcp_info import TCP_USER_TIMEOUT_MS
from agent.link.verdicts import Next, Reach, Verdict
from agent.outside.text import learn
from agent.simulator import Simulator, parse
from agent.wire import protocol
from tests.support.stage import play, stage

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def settings_for(url: str) -> config.Settings:
    return config.override(config.Settings(), {"service": {"url": url}}, where="test")


@pytest.mark.parametrize(
    ("url", "version", "address"),
    [
        ("wss://example.com", "v1beta", f"wss://example.com{PATH}"),
        ("wss://example.com/", "v1beta", f"wss://example.com{PATH}"),
        ("ws://127.0.0.1:8765", "v1alpha", f"ws://127.0.0.1:8765{PATH.replace('v1beta', 'v1alpha')}"),
        ("wss://example.com/own/path", "v1beta", "wss://example.com/own/path"),
        ("wss://example.com?a=b", "v1beta", f"wss://example.com{PATH}?a=b"),
    ],
)
def test_the_path_of_the_api_is_added_to_an_address_without_one(url: str, version: str, address: str) -> None:
    service = {"url": url, "api_version": version}
    assert endpoint(config.override(config.Settings(), {"service": service}, where="test")) == address


# verdicts on attempts


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = 18, "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "step", "words"),
    [
        (InvalidStatus(Response(403, "Forbidden", [])), Next.REFUSED, "API key refused: HTTP 403"),  # type: ignore[arg-type] # headers are not read
        (InvalidStatus(Response(503, "Unavailable", [])), Next.RESUME, "service fault: HTTP 503"),  # type: ignore[arg-type] # the same
        (certificate_error(), Next.RESUME, "certificate not trusted: self-signed certificate (check the clock and"),
        (socket.gaierror(-2, "x"), Next.RESUME, "host name not found (check the network and service.url)"),
        (socket.gaierror(-3, "x"), Next.RESUME, "host name not found: a network, but no internet (check its way to"),
        (ConnectionResetError("x"), Next.RESUME, "connection reset before it was made (is it wss://"),
        (TimeoutError(), Next.RESUME, "no answer in time: a network, but no internet (check its way to"),
        (ConnectionRefusedError(111, "x"), Next.RESUME, "connection refused (check service.url)"),
        (ConnectionResetError(104, "x"), Next.RESUME, "connection reset before it was made (is it wss://"),
        (ssl.SSLError(1, "x"), Next.RESUME, "connection reset before it was made (is it wss://"),
        (OSError(101, "Network is unreachable"), Next.RESUME, "no connection: Network is unreachable: a network, but"),
        (OSError("x"), Next.RESUME, "no connection: OSError: a network, but no internet"),
        (OSError(24, "Too many open files"), Next.RESUME, "no connection: Too many open files"),
        (InvalidURI("ws://", "no host"), Next.RESUME, "not a WebSocket service: "),
        (InvalidHandshake("no"), Next.RESUME, "not a WebSocket service: no (check service.url)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_failed_attempt_has_a_verdict_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, step: Next, words: str
) -> None:
    monkeypatch.setattr(connection, "has_route", lambda: True)
    verdict = judge_failure(error)
    assert verdict.next is step
    assert str(verdict).startswith(words)
    assert "\n" not in str(verdict)


@pytest.mark.parametrize(
    "error",
    [
        InvalidHeader("x-goog-api-key", "opensesame\u201d"),
        InvalidProxy("http://user:opensesame@proxy", "path is meaningless"),
        InvalidProxy("gopher://user:pw@proxy", "scheme gopher isn't supported"),
        InvalidURI("wss://user:pw@host", "no"),
        OSError(5, "cannot send opensesame\nERROR forged"),
        ConfigError("opensesame"),
    ],
)
def test_a_verdict_quotes_neither_key_nor_password_and_is_one_line(error: Exception) -> None:
    learn("opensesame")
    verdict = judge_failure(error)
    assert "[redacted]" in verdict.problem
    assert not [word for word in ("opensesame", "user:pw", "\n") if word in str(verdict)]


@pytest.mark.parametrize("place", ["user:half#secret@127.0.0.1:1", "user:half/secret@127.0.0.1:1", "127.0.0.1:secret"])
def test_a_password_in_the_wrong_place_of_a_proxy_is_not_quoted(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://{place}")

    async def scene() -> str:
        with pytest.raises((BadAddressError, InvalidProxy)) as failed:
            await open_connection(settings_for("wss://192.0.2.1"), "key")
        return judge_failure(failed.value).problem

    problem = play(scene())
    assert problem.startswith("not a usable address: ")
    assert not {"half", "secret"} & set(re.findall(r"\w+", problem))


@pytest.mark.parametrize(
    "error",
    [
        *(socket.gaierror(-2, "x"), socket.gaierror(-3, "x"), TimeoutError()),
        *(OSError(101, "unreachable"), OSError(113, "no route"), OSError("several")),
    ],
)
def test_no_network_is_told_from_a_network_without_internet(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    for route, reach in ((False, Reach.NOWHERE), (True, Reach.NETWORK)):
        monkeypatch.setattr(connection, "has_route", lambda route=route: route)
        verdict = judge_failure(error)
        assert (verdict.next, verdict.fault, verdict.reach) == (Next.RESUME, None, reach)
        assert ("no network (" in str(verdict)) is not route


def names(monkeypatch: pytest.MonkeyPatch, known: dict[str, bool], *, route: bool = True) -> list[str]:
    """Let the name servers know these names (False: they do not answer), and write down what they are asked."""
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        if known.get(host):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]
        raise socket.gaierror(socket.EAI_AGAIN if host in known else socket.EAI_NONAME, "x")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(connection, "has_route", lambda: route)
    return asked


async def attempt(url: str) -> Verdict:
    try:
        await open_connection(settings_for(url), "key")
    except FAILURES as error:
        return judge_failure(error)
    raise AssertionError


def test_a_wrong_host_name_is_told_from_a_network_without_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, {SERVICE_HOST: True})
    verdict = asyncio.run(attempt("wss://nobody.invalid"))
    assert (verdict.next, verdict.fault, verdict.reach) == (Next.RESUME, Fault.ADDRESS, Reach.NETWORK)
    assert str(verdict) == "host name not found, though others are (check service.url, and the proxy if there is one)"
    assert asked == ["nobody.invalid", SERVICE_HOST], "one question more"


@pytest.mark.parametrize(
    ("url", "known", "route", "questions"),
    [
        ("wss://nobody.invalid", {}, True, 2),  # nor is any other name known
        ("wss://nobody.invalid", {SERVICE_HOST: False}, True, 2),
        ("wss://nobody.invalid", {"nobody.invalid": False}, True, 1),  # nobody says that there is no such name
        ("wss://nobody.invalid", {SERVICE_HOST: True}, False, 1),  # from a file on the box
        (f"wss://{SERVICE_HOST}", {}, True, 1),
    ],
)
def test_where_no_name_is_known_no_address_is_called_wrong(
    monkeypatch: pytest.MonkeyPatch, url: str, known: dict[str, bool], questions: int, *, route: bool
) -> None:
    asked = names(monkeypatch, known, route=route)
    verdict = asyncio.run(attempt(url))
    assert (verdict.fault, verdict.reach) == (None, Reach.NETWORK if route else Reach.NOWHERE)
    assert len(asked) == questions


def test_a_name_server_that_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        if host == SERVICE_HOST:
            answered.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "x")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(connection, "has_route", lambda: True)
    monkeypatch.setattr(network, "NAME_S", 0.05)

    async def scene() -> None:
        verdict = await attempt("wss://nobody.invalid")
        answered.set()
        assert (verdict.fault, verdict.reach) == (None, Reach.NETWORK)

    asyncio.run(scene())


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "x"), ConnectionResetError("x"), InvalidHandshake("no")])
def test_whoever_answers_is_there(error: Exception) -> None:
    assert judge_failure(error).reach is Reach.SERVICE
    assert judge_failure(TimeoutError(), answered=True).reach is Reach.SERVICE


def test_a_certificate_from_the_future_means_that_the_clock_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    connection._trust.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    authority.issue_cert("127.0.0.1", not_before=tomorrow).configure_cert(context)

    async def scene() -> Verdict:
        async with Simulator(tls=context) as simulator:
            with pytest.raises(ssl.SSLCertVerificationError) as refused:
                await open_connection(settings_for(simulator.url), "key")
            return judge_failure(refused.value)

    verdict = play(scene())
    assert verdict.fault is Fault.CLOCK
    assert "not yet valid" in verdict.problem


def test_the_socket_of_every_connection_is_tuned() -> None:
    async def scene() -> None:
        async with Simulator() as simulator:
            connection = await open_connection(settings_for(simulator.url), "key")
            sock = connection.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == TCP_USER_TIMEOUT_MS
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            connection.drop()
            await connection.dispose()

    play(scene())


def test_the_pipe_is_seen_with_and_without_the_kernels_help() -> None:
    async def scene() -> None:
        hang = parse('[[fault]]\nkind = "hang"\n', "test")
        async with Simulator(None, hang) as simulator:
            connection = await open_connection(settings_for(simulator.url), "key")
            frame = protocol.video(bytes(6_000_000))
            connection.send_now(frame)
            plain, full = connection.look(kernel=False), connection.look(kernel=True)
            assert 0 < plain.outstanding < full.outstanding <= len(frame) + 1000
            assert plain.outstanding + plain.acked == len(frame)
            assert (plain.certain, full.certain) == (False, True)
            connection.drop("tired of it")
            with pytest.raises(ConnectionEnded, match="1006 tired of it"):
                await connection.receive()
            await connection.dispose()

    play(scene())


def test_a_pong_tells_when_its_ping_was_sent() -> None:
    async def scene() -> None:
        async with Simulator() as simulator:
            connection = await open_connection(settings_for(simulator.url), "key")
            pongs: list[float] = []
            connection.on_pong = pongs.append
            await asyncio.sleep(1)
            sent_at = connection.loop.time()
            connection.ping_now()
            await asyncio.sleep(1)
            assert pongs == [sent_at]
            connection.say_goodbye()
            with pytest.raises(ConnectionEnded):
                await connection.receive()
            connection.ping_now()  # on a closing line this does nothing
            await connection.dispose()

    play(scene())


def test_over_tls_both_buffers_are_seen_and_the_line_can_be_cut(tls: ssl.SSLContext) -> None:
    async def scene() -> None:
        hang = parse('[[fault]]\nkind = "hang"\n', "test")
        async with Simulator(None, hang, tls=tls) as simulator:
            connection = await open_connection(settings_for(simulator.url), "key")
            frame = protocol.video(bytes(6_000_000))
            connection.send_now(frame)
            assert len(frame) * 0.5 < connection.look(kernel=True).outstanding <= len(frame) * 1.01
            connection.drop("over")
            with pytest.raises(ConnectionEnded, match="1006 over"):
                await connection.receive()
            connection.look(kernel=True)
            connection.pace(100_000)
            connection.drop()
            await connection.dispose()

    play(scene())


@pytest.mark.parametrize("scenario", ["reset", "go_away", "close_1011"])
def test_a_conversation_over_tls_survives_the_same_faults(tls: ssl.SSLContext, scenario: str) -> None:
    async def scene() -> None:
        async with stage(scenario, tls=tls) as s:
            await asyncio.sleep(1)
            await s.ask("gauge")
            await s.ask("valve")
            assert [record.utterance for record in s.turns] == [1, 2]
            assert not s.task.done()

    play(scene())


@pytest.mark.parametrize(("date", "known"), [(None, True), ("yesterday", False), ("", False)])
def test_the_service_says_what_time_it_is_over_tls_alone(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, date: str | None, *, known: bool
) -> None:
    if date is not None:
        monkeypatch.setattr("websockets.server.email.utils.formatdate", lambda **_: date)

    async def told(context: ssl.SSLContext | None) -> float | None:
        async with Simulator(tls=context) as simulator:
            connection = await open_connection(settings_for(simulator.url), "key")
            connection.drop()
            await connection.dispose()
            return connection.service_time

    now = time.time()
    over_tls = play(told(tls))
    assert (over_tls is not None) is known
    assert over_tls is None or abs(over_tls - now) < 60
    assert play(told(None)) is None


def test_a_fifo_in_place_of_the_certificates_is_named_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    connection._trust.cache_clear()

    async def scene() -> Verdict:
        with pytest.raises(FAILURES) as failed:
            await open_connection(settings_for("wss://127.0.0.1:1"), "key")
        return judge_failure(failed.value)

    assert "SSL_CERT_FILE is not a regular file" in str(play(scene()))
    connection._trust.cache_clear()
