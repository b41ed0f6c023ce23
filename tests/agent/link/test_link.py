"""The WebSocket, against the simulator and against servers that behave worse than it, in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from agent.errors import ConfigError
from agent.faults import Fault
from agent.link.backoff import ATTEMPTS
from agent.link.connection import CLOSE_S, Connection
from agent.link.link import HEARTBEAT_S, IDLE_TICK_S, LEAVE_S, SILENCE_S, Link
from agent.link.state import LinkPhase, LinkState
from agent.link.verdicts import Reach
from agent.outside.text import learn
from agent.simulator import Simulator, SimulatorSettings, parse, shipped
from agent.wire.events import ResumptionUpdate, SetupComplete
from tests.support import link_rig
from tests.support.link_rig import KEY, NOBODY, PATH, RawServer, rigged
from tests.support.stage import play

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from agent.simulator import Scenario
    from tests.support.link_rig import Rig


async def mute(_: RawServer, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def set_up_and_hang(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.set_up(reader, writer)


async def close_and_hang(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.set_up(reader, writer)
    await asyncio.sleep(1)
    writer.write(b"\x88\x02" + (1000).to_bytes(2))


async def speak_another_protocol(_: RawServer, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")


def faulty(kind: str, **keys: object) -> Scenario:
    return parse(f'[[fault]]\nkind = "{kind}"\n' + "".join(f"{key} = {value!r}\n" for key, value in keys.items()))


def test_whoever_asks_and_however_often_a_minute_holds_so_many_attempts() -> None:
    async def scene() -> None:
        async with Simulator(SimulatorSettings(api_key="right")) as simulator, rigged(simulator.url) as rig:
            for _ in range(1800):
                rig.link.want()
                await asyncio.sleep(0.1)
            attempts = rig.ears.times(LinkState.CONNECTING)
            assert len(attempts) >= 3 * ATTEMPTS - 1
            assert all(
                later - earlier >= 60 - 1e-6 for earlier, later in zip(attempts, attempts[ATTEMPTS:], strict=False)
            )

    play(scene())


def test_a_service_that_sends_everybody_away_is_not_hammered() -> None:
    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.set_up(reader, writer)

    async def scene() -> None:
        async with RawServer(behave) as server, rigged(server.url) as rig:
            rig.link.want()
            for _ in range(600):
                await asyncio.sleep(0.1)
                rig.link.renew()
            assert len(server.requests) == ATTEMPTS

    play(scene())


def test_two_failures_of_the_service_and_one_refused_request_are_waited_after_for_seconds() -> None:
    scenario = parse(
        '[[fault]]\nkind = "handshake"\nstatus = 503\ntimes = 2\n'
        '[[fault]]\nkind = "close"\nat_s = 1.0\ncode = 1007\nreason = "Request contains an invalid argument."\n'
    )

    async def scene() -> None:
        async with Simulator(None, scenario) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            await rig.until(LinkState.UP, within_s=10)
            await rig.until(LinkState.OFFLINE, within_s=10)
            await rig.until(LinkState.UP, within_s=5)

    play(scene())


# the address


# up and down


def test_a_wanted_connection_comes_up_with_the_setup_and_goes_down_when_released() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url) as rig:
            await asyncio.sleep(1)
            assert rig.link.state is LinkState.IDLE
            await rig.up()
            assert [state for _, state, _ in rig.ears.states] == [LinkState.CONNECTING, LinkState.UP]
            assert isinstance(rig.ears.events[0], SetupComplete)
            assert rig.link.connections == 1
            rig.link.release()
            await rig.until(LinkState.IDLE, within_s=1)
            assert rig.ears.problems == []
            await asyncio.sleep(5)
            (connection,) = simulator.report()["connections"]
            assert (connection["closed_by"], connection["close_code"]) == ("client", 1000)

    play(scene())


def test_releasing_before_anything_is_wanted_does_nothing() -> None:
    async def scene() -> None:
        async with rigged(NOBODY) as rig:
            rig.link.release()
            rig.link.renew()
            rig.link.pump()
            await asyncio.sleep(1)
            assert rig.ears.states == []
            assert rig.link.bytes_sent == 0

    play(scene())


def test_what_was_recorded_before_the_connection_leaves_as_soon_as_it_is_up() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url) as rig:
            rig.ledger.open(bytes(32000))
            rig.ledger.end(0.0)
            rig.link.pump()
            assert rig.ears.messages == []
            await rig.up()
            await asyncio.sleep(0.1)
            assert rig.outbox.empty
            assert rig.ears.messages[-1].completes is not None
            assert rig.link.bytes_sent > 32000 * 4 / 3
            await asyncio.sleep(0.1)
            assert len(simulator.utterances[0].pcm) == 32000

    play(scene())


def test_a_full_pipe_is_looked_at_again_until_all_has_left() -> None:
    async def scene() -> None:
        async with Simulator(None, faulty("slow_read", bytes_per_s=200_000)) as simulator, rigged(simulator.url) as rig:
            await rig.up()
            connection = rig.link._connection
            assert connection is not None
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000)
            rig.ledger.open(bytes(32000 * 60))
            rig.ledger.end(0.0)
            rig.link.pump()
            assert not rig.outbox.empty
            assert rig.link.uplink.outstanding > 0
            await asyncio.sleep(30)
            assert rig.outbox.empty
            assert len(simulator.utterances[0].pcm) == 32000 * 60

    play(scene())


def test_renew_makes_the_next_connection_at_once_and_resumes() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url) as rig:
            await rig.up()
            rig.session.resumption_update(ResumptionUpdate(await handle_of(rig)), asyncio.get_running_loop().time())
            before = asyncio.get_running_loop().time()
            rig.link.renew()
            await rig.until(LinkState.CONNECTING)
            await rig.until(LinkState.UP)
            assert asyncio.get_running_loop().time() - before < 0.2
            assert rig.ears.problems == []
            assert rig.link.connections == 2
            assert simulator.report()["resumptions"][0]["accepted"]

    async def handle_of(rig: Rig) -> str:
        while True:
            handles = [
                event.handle for event in rig.ears.events if isinstance(event, ResumptionUpdate) and event.handle
            ]
            if handles:
                return handles[-1]
            await asyncio.sleep(0.01)

    play(scene())


def test_a_connection_that_is_renewed_twice_still_ends_with_a_good_bye() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url) as rig:
            await rig.up()
            rig.link.renew()
            rig.link.renew()
            await asyncio.sleep(1)
            assert simulator.report()["connections"][0]["close_code"] == 1000
            assert rig.link.connections == 2

    play(scene())


def test_a_renewed_attempt_that_is_still_being_set_up_begins_again() -> None:
    async def scene() -> None:
        async with Simulator(None, shipped("no_setup_complete")) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            await asyncio.sleep(1)
            rig.link.renew()
            await rig.until(LinkState.UP, within_s=1)
            assert rig.ears.problems == []

    play(scene())


@pytest.mark.parametrize("after_s", [0.0, 0.001, 1.0])
def test_a_release_while_connecting_ends_in_idle(after_s: float) -> None:
    async def scene() -> None:
        async with Simulator(None, shipped("no_setup_complete")) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            await asyncio.sleep(after_s)
            rig.link.release()
            await asyncio.sleep(1)
            assert rig.link.state is LinkState.IDLE
            assert rig.ears.problems == []
            assert rig.link.connections == 0

    play(scene())


def test_a_release_during_the_handshake_makes_no_connection() -> None:
    async def scene() -> None:
        async with RawServer(mute) as server, rigged(server.url, open_timeout_s=3.0) as rig:
            rig.link.want()
            await asyncio.sleep(1)
            rig.link.release()
            await asyncio.sleep(5)
            assert rig.link.state is LinkState.IDLE
            assert len(server.ends) == 1

    play(scene())


# time-outs


def test_a_service_that_answers_no_handshake_is_given_up_in_time() -> None:
    async def scene() -> None:
        async with RawServer(mute) as server, rigged(server.url, open_timeout_s=3.0) as rig:
            rig.link.want()
            started = asyncio.get_running_loop().time()
            await rig.until(LinkState.OFFLINE)
            assert rig.ears.times(LinkState.OFFLINE)[0] - started == pytest.approx(3.0, abs=0.1)
            assert rig.ears.problems == ["the service did not answer in time"]
            assert rig.link.failure is not None
            assert rig.link.failure.reach is Reach.SERVICE  # somebody took the connection

    play(scene())


def test_a_service_that_answers_no_setup_is_given_up_and_asked_again() -> None:
    async def scene() -> None:
        async with (
            Simulator(None, shipped("no_setup_complete")) as simulator,
            rigged(simulator.url, setup_timeout_s=4.0) as rig,
        ):
            rig.link.want()
            started = asyncio.get_running_loop().time()
            await rig.until(LinkState.OFFLINE)
            assert rig.ears.times(LinkState.OFFLINE)[0] - started == pytest.approx(4.0, abs=0.1)
            assert rig.link.failure is not None
            await rig.until(LinkState.UP)
            assert rig.link.failure is None
            assert rig.link.connections == 1

    play(scene())


def test_another_protocol_on_the_port_is_named() -> None:
    async def scene() -> None:
        async with RawServer(speak_another_protocol) as server, rigged(server.url) as rig:
            rig.link.want()
            await rig.until(LinkState.OFFLINE)
            assert rig.ears.problems[0].startswith("not a WebSocket service")

    play(scene())


@pytest.mark.parametrize("proxy", ["foo://127.0.0.1:1", "socks5://127.0.0.1:1", "http://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_a_verdict_and_no_crash(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "socks_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.delenv("no_proxy", raising=False)

    async def scene() -> None:
        async with rigged("wss://192.0.2.1") as rig:
            rig.link.want()
            await rig.until(LinkState.OFFLINE)
            assert not rig.task.done()

    play(scene())


# waiting


def test_each_failure_waits_longer_and_want_cuts_the_wait_short() -> None:
    async def scene() -> None:
        async with rigged(NOBODY) as rig:
            rig.link.want()
            await asyncio.sleep(100)
            attempts = rig.ears.times(LinkState.CONNECTING)
            waits = [later - earlier for earlier, later in pairwise(attempts)]
            assert 0.25 <= waits[0] <= 0.51
            assert waits[-1] > 8
            assert len(attempts) < 12
            await rig.until(LinkState.OFFLINE)
            await asyncio.sleep(1)
            asked = asyncio.get_running_loop().time()
            rig.link.want()
            await asyncio.sleep(0.001)
            assert rig.ears.times(LinkState.CONNECTING)[-1] - asked < 0.01

    play(scene())


def test_a_refused_key_is_tried_again_slowly_and_at_once_when_a_person_asks(tls: ssl.SSLContext) -> None:
    keys = iter([KEY, "right"])

    async def scene() -> None:
        settings = SimulatorSettings(api_key="right")
        async with Simulator(settings, tls=tls) as simulator, rigged(simulator.url, lambda: next(keys)) as rig:
            rig.link.want()
            await rig.until(LinkState.REFUSED)
            await asyncio.sleep(59)
            assert rig.link.state is LinkState.REFUSED
            rig.link.want()
            await rig.until(LinkState.UP, within_s=1)

    play(scene())


def test_a_key_that_cannot_be_read_at_the_moment_does_not_end_the_daemon() -> None:
    keys: list[str | Exception] = [ConfigError("[service] key_file: /key: No such file or directory"), KEY]

    def key() -> str:
        found = keys.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url, key) as rig:
            rig.link.want()
            await rig.until(LinkState.REFUSED)
            assert rig.ears.problems == ["[service] key_file: /key: No such file or directory"]
            await rig.until(LinkState.UP, within_s=70)

    play(scene())


@pytest.mark.parametrize(("lives_s", "failures"), [(5.0, 4), (31.0, 1)])
def test_only_a_connection_that_lived_long_resets_the_back_off(lives_s: float, failures: int) -> None:
    async def scene() -> None:
        scenario = faulty("close", at_s=lives_s, code=1011, times=0)
        async with Simulator(None, scenario) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            for _ in range(4):
                await rig.until(LinkState.UP)
                await rig.until(LinkState.OFFLINE)
            assert rig.link._backoff.failures == failures

    play(scene())


def closing(code: int, *connections: tuple[float, str]) -> Scenario:
    """Close one connection after the other with ``code``, after so many seconds and for that reason."""
    fault = '[[fault]]\nkind = "close"\nconnection = {}\nat_s = {}\ncode = {}\nreason = "{}"\n'
    each = (fault.format(number, at_s, code, reason) for number, (at_s, reason) in enumerate(connections, start=1))
    return parse("".join(each), "test")


def test_what_failed_before_a_connection_that_lived_long_is_no_failure_in_a_row() -> None:
    async def scene() -> None:
        scenario = closing(1007, (1.0, "invalid argument"), (40.0, "invalid argument"))
        async with Simulator(None, scenario) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            for _ in range(2):
                await rig.until(LinkState.UP)
                await rig.until(LinkState.OFFLINE)  # and not REFUSED, as after a second failure in a row

    play(scene())


def test_a_quota_is_announced_once_in_a_row_whatever_failed_before_it() -> None:
    async def scene() -> None:
        scenario = closing(1011, (1.0, "Internal error"), (1.0, "quota"), (1.0, "quota"), (40.0, "quota"))
        async with Simulator(None, scenario) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            for _ in range(4):
                await rig.until(LinkState.UP, within_s=400)
                await rig.until(LinkState.OFFLINE)
            verdicts = [verdict for _, state, verdict in rig.ears.states if state is LinkState.OFFLINE]
            told = [verdict.fault for verdict in verdicts if verdict is not None and not verdict.quiet]
            assert [verdict.fault for verdict in verdicts if verdict is not None] == [None, *3 * [Fault.QUOTA]]
            assert told == [None, Fault.QUOTA, Fault.QUOTA]

    play(scene())


def test_an_attempt_that_takes_long_is_not_a_connection_that_lived_long() -> None:
    async def scene() -> None:
        async with RawServer(mute) as server, rigged(server.url, open_timeout_s=40.0) as rig:
            rig.link.want()
            await asyncio.sleep(130)
            assert rig.link._backoff.failures == 3

    play(scene())


def test_a_dropped_line_is_made_again_at_once_but_only_once_in_a_row() -> None:
    async def scene() -> None:
        async with Simulator(None, faulty("reset", at_s=1.0, times=0)) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            await asyncio.sleep(2.2)
            assert rig.link.connections == 2
            assert LinkState.OFFLINE not in [state for at, state, _ in rig.ears.states][:5]
            await rig.until(LinkState.OFFLINE)

    play(scene())


# the key


def test_the_key_is_asked_for_before_each_attempt_and_goes_into_a_header_only(tls: ssl.SSLContext) -> None:
    keys = iter(["first-key", "second-key"])

    async def scene() -> None:
        async with RawServer(set_up_and_hang, tls) as server, rigged(server.url, lambda: next(keys)) as rig:
            await rig.up()
            rig.link.renew()
            await asyncio.sleep(CLOSE_S + 0.1)
            assert rig.link.connections == 2
            for request, key in zip(server.requests, ("first-key", "second-key"), strict=True):
                line, _, headers = request.partition("\r\n")
                assert line == f"GET {PATH} HTTP/1.1"
                assert f"x-goog-api-key: {key}\r\n" in headers

    play(scene())


def test_over_an_unencrypted_connection_no_key_is_sent() -> None:
    async def scene() -> None:
        async with RawServer(set_up_and_hang) as server, rigged(server.url) as rig:
            await rig.up()
            assert KEY not in server.requests[0]
            assert "x-goog-api-key: none\r\n" in server.requests[0]

    play(scene())


def test_an_unencrypted_connection_to_another_machine_takes_the_proxy_but_not_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[bytes] = []

    async def forward(_: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        lines.append(await reader.readuntil(b"\r\n\r\n"))

    async def scene() -> None:
        async with RawServer(forward) as proxy, RawServer(set_up_and_hang) as server:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url.replace("ws:", "http:"))
            monkeypatch.delenv("no_proxy", raising=False)
            async with rigged(server.url) as rig:  # to the proxy, this address would be the proxy's own
                await rig.up()
            assert not lines
            async with rigged("ws://192.0.2.1", unencrypted=True) as rig:
                rig.link.want()
                await asyncio.sleep(1)
            assert lines[0].startswith(b"CONNECT 192.0.2.1:80 ")
            assert b"x-goog-api-key: none\r\n" in lines[1]
            assert KEY.encode() not in b"".join(lines)

    play(scene())


def test_a_close_reason_that_quotes_the_key_is_told_without_it_and_in_one_line(tls: ssl.SSLContext) -> None:
    learn(KEY)
    reason = f"API key not valid: {KEY[:9]}\u200b{KEY[9:]}\n\x1b[2JERROR \u202eforged"

    async def scene() -> None:
        fault = f'[[fault]]\nkind = "close"\nat_s = 1.0\ncode = 1008\nreason = {json.dumps(reason)}\n'
        async with Simulator(None, parse(fault), tls=tls) as simulator, rigged(simulator.url) as rig:
            rig.link.want()
            await rig.until(LinkState.REFUSED)
            verdict = next(verdict for _, _, verdict in rig.ears.states if verdict is not None)
            assert verdict.fault is Fault.KEY
            assert verdict.problem == "API key refused: 1008 API key not valid: [redacted] [2JERROR forged"

    play(scene())


def test_no_log_record_ever_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        refusing = SimulatorSettings(api_key="another")
        async with Simulator() as simulator, Simulator(refusing) as strict, RawServer(mute) as server:
            for url in (simulator.url, strict.url, server.url, NOBODY):
                async with rigged(url) as rig:
                    rig.link.want()
                    await asyncio.sleep(15)

    caplog.set_level(logging.DEBUG)
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    levels = [logger.level for logger in known]
    for logger in known:
        logger.setLevel(logging.DEBUG)
    try:
        play(scene())
    finally:
        for logger, level in zip(known, levels, strict=True):
            logger.setLevel(level)
    assert caplog.records
    assert not [r for r in caplog.records if KEY in r.getMessage() or KEY in repr(r.args) or KEY in str(r.exc_info)]


# liveness


def test_pongs_that_come_25_seconds_late_do_not_end_a_healthy_line() -> None:
    async def scene() -> None:
        async with Simulator(None, faulty("late_pong", delay_s=25, times=0)) as simulator, rigged(simulator.url) as rig:
            await rig.up()
            await asyncio.sleep(300)
            assert rig.link.state is LinkState.UP
            assert rig.link.connections == 1

    play(scene())


def test_a_line_without_pong_or_message_is_ended_in_time() -> None:
    async def scene() -> None:
        async with RawServer(set_up_and_hang) as server, rigged(server.url, pong_timeout_s=20.0) as rig:
            await rig.up()
            since = asyncio.get_running_loop().time()
            await asyncio.sleep(20.0 + HEARTBEAT_S + 1)
            assert server.ends[0] - since == pytest.approx(20.0, abs=IDLE_TICK_S + 0.1)
            assert rig.ears.problems == ["connection dropped: 1006 nothing heard for 20 s"]
            assert rig.link.connections == 2

    play(scene())


@pytest.mark.parametrize(("allowed_s", "limit_s"), [(5.0, 5.0), (40.0, SILENCE_S)])
def test_a_prompt_service_is_given_less_time_and_never_more_than_is_allowed(allowed_s: float, limit_s: float) -> None:
    async def scene() -> None:
        hang = faulty("hang", at_s=10.0)
        async with Simulator(None, hang) as simulator, rigged(simulator.url, pong_timeout_s=allowed_s) as rig:
            await rig.up()
            await asyncio.sleep(10 + limit_s + HEARTBEAT_S + 1)
            assert rig.ears.problems == [f"connection dropped: 1006 nothing heard for {limit_s:.0f} s"]

    play(scene())


def test_a_line_that_dies_in_the_middle_is_ended_in_time() -> None:
    async def scene() -> None:
        async with Simulator(None, faulty("hang", at_s=10.0)) as simulator, rigged(simulator.url) as rig:
            await rig.up()
            await asyncio.sleep(10 + 40 + HEARTBEAT_S + 1)
            assert rig.link.connections == 2

    play(scene())


# every wait on closing is bounded


def test_a_server_that_does_not_answer_our_good_bye_is_left_after_a_second() -> None:
    async def scene() -> None:
        async with RawServer(set_up_and_hang) as server, rigged(server.url) as rig:
            for after_s in (0.5, HEARTBEAT_S - CLOSE_S / 2):  # also with a ping due while we wait
                await rig.up()
                await asyncio.sleep(after_s)
                said = asyncio.get_running_loop().time()
                rig.link.release()
                await rig.until(LinkState.IDLE)
                assert asyncio.get_running_loop().time() - said <= CLOSE_S + 0.1
            await asyncio.sleep(0.1)
            assert len(server.ends) == 2
            assert rig.ears.problems == []

    play(scene())


def test_a_server_that_says_good_bye_and_keeps_the_line_is_left_after_a_second() -> None:
    async def scene() -> None:
        async with RawServer(close_and_hang) as server, rigged(server.url) as rig:
            await rig.up()
            await asyncio.sleep(1 + CLOSE_S + 0.1)
            assert rig.ears.problems == ["connection dropped: 1000"]
            await asyncio.sleep(0.1)
            assert len(server.ends) == 1

    play(scene())


@pytest.mark.parametrize("behave", [mute, set_up_and_hang, close_and_hang])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 1.5])
def test_cancelling_is_quick_at_any_moment_and_leaves_nothing(behave: Any, after_s: float) -> None:
    async def scene() -> None:
        async with RawServer(behave) as server:
            async with rigged(server.url) as rig:  # which measures how long the end takes
                rig.link.want()
                await asyncio.sleep(after_s)
            await asyncio.sleep(1.5)
            assert len(server.ends) == 1

    play(scene())


def test_at_the_end_nobody_is_waited_for_who_does_not_answer_the_good_bye() -> None:
    async def scene() -> None:
        async with RawServer(set_up_and_hang) as server, rigged(server.url) as rig:
            await rig.up()
            rig.link.release()
            rig.task.cancel()
            began = asyncio.get_running_loop().time()
            await asyncio.gather(rig.task, return_exceptions=True)
            assert asyncio.get_running_loop().time() - began < 2 * LEAVE_S

    play(scene())


def test_leaving_for_good_says_good_bye_first() -> None:
    async def scene() -> None:
        async with Simulator() as simulator:
            async with rigged(simulator.url) as rig:
                await rig.up()
                rig.link.release()
            await asyncio.sleep(0.1)
            assert simulator.report()["connections"][0]["close_code"] == 1000

    play(scene())


# the phases


class WatchedLink(Link):
    """Writes down its phases; a move that is not in the table fails by itself."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.phases = [self.phase.name]

    def _enter(self, phase: LinkPhase) -> None:
        super()._enter(phase)
        self.phases.append(phase.name)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_rig, "Link", WatchedLink)


def phases(rig: Rig) -> str:
    assert isinstance(rig.link, WatchedLink)
    return " ".join(rig.link.phases)


@pytest.mark.usefixtures("watched")
def test_a_connection_passes_its_phases_in_order() -> None:
    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url) as rig:
            await rig.up()
            rig.link.renew()
            rig.link.renew()
            await rig.until(LinkState.CONNECTING)
            await rig.until(LinkState.UP)
            rig.link._declare_dead("test")
            rig.link._declare_dead("test")
            await rig.until(LinkState.CONNECTING)
            await rig.until(LinkState.UP)
            rig.link.release()
            await rig.until(LinkState.IDLE)
            once = "OPENING SETTING_UP LIVE"
            assert phases(rig) == f"IDLE {once} PARTING CLOSED {once} DEAD CLOSED {once} PARTING CLOSED IDLE"

    play(scene())


@pytest.mark.usefixtures("watched")
def test_an_attempt_that_fails_is_waited_after() -> None:
    async def scene() -> None:
        async with rigged(NOBODY) as rig:
            rig.link.want()
            await rig.until(LinkState.OFFLINE)
            assert (rig.link.state.away, rig.link.ready, rig.link.buffered_ms) == (True, False, 0.0)
            rig.link.release()
            await rig.until(LinkState.IDLE)
            assert phases(rig).endswith("OPENING CLOSED WAITING IDLE")

    play(scene())


@pytest.mark.usefixtures("watched")
def test_a_setup_that_is_accepted_after_we_parted_makes_nothing_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    renews: list[Callable[[], None]] = []

    def process_event(connection: Connection, event: Any) -> None:
        real(connection, event)
        if isinstance(event, Frame) and event.opcode is Opcode.TEXT and renews:
            renews.pop()()

    real = Connection.process_event
    monkeypatch.setattr(Connection, "process_event", process_event)

    async def scene() -> None:
        async with RawServer(set_up_and_hang) as server, rigged(server.url) as rig:
            renews.append(rig.link.renew)
            await rig.up()
            assert renews == []
            assert phases(rig) == "IDLE OPENING SETTING_UP PARTING CLOSED OPENING SETTING_UP LIVE"
            assert rig.link.connections == 1

    play(scene())


@pytest.mark.usefixtures("watched")
def test_no_key_is_a_refusal_without_a_connection() -> None:
    def key() -> str:
        raise ConfigError("no API key")

    async def scene() -> None:
        async with rigged(NOBODY, key) as rig:
            rig.link.want()
            await rig.until(LinkState.REFUSED)
            assert phases(rig) == "IDLE OPENING CLOSED WAITING"

    play(scene())


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["want", "release", "renew", "die", "network back", "look"]),
            st.sampled_from([0.0, 0.001, 0.01, 2.0, 40.0]),
        ),
        max_size=12,
    ),
    answers=st.booleans(),
)
def test_whatever_is_asked_the_link_keeps_to_its_phases(steps: list[tuple[str, float]], *, answers: bool) -> None:
    async def scene() -> None:
        async with Simulator() as simulator, rigged(simulator.url if answers else NOBODY) as rig:
            acts = {
                "want": rig.link.want,
                "release": rig.link.release,
                "renew": rig.link.renew,
                "die": lambda: rig.link._declare_dead("test"),
                "network back": rig.link._network_back,
                "look": rig.link._tick,
            }
            for step, seconds in steps:
                acts[step]()
                if seconds:
                    await asyncio.sleep(seconds)
                assert not rig.task.done(), "every move was a legal one"
                assert not rig.link.ready or rig.link.state is LinkState.UP
                assert (rig.link.phase is LinkPhase.IDLE) <= (rig.link.state is LinkState.IDLE)
                held = rig.link.phase in (LinkPhase.SETTING_UP, LinkPhase.LIVE, LinkPhase.PARTING, LinkPhase.DEAD)
                assert (rig.link._connection is not None) == held
            rig.link.release()
            await asyncio.sleep(5)
            assert (rig.link.phase, rig.link.state) == (LinkPhase.IDLE, LinkState.IDLE)

    play(scene())
