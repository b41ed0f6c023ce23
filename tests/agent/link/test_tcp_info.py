"""What the kernel tells of a real connection."""

from __future__ import annotations

import socket
import struct

import pytest

from agent.link import tcp_info


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near, server.accept()[0]


def test_acknowledged_and_unacknowledged_bytes_are_counted() -> None:
    near, far = connected()
    with near, far:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.setblocking(False)  # noqa: FBT003 - the socket module's own way
        sent = near.send(bytes(5_000_000))
        facts = tcp_info.look(near)
        assert facts is not None
        assert facts.unacknowledged > 0
        assert facts.unacknowledged + facts.acknowledged == pytest.approx(sent, abs=2)  # the SYN counts as one
        assert 0 < facts.round_trip_s < 1


def test_a_closed_socket_tells_nothing() -> None:
    near, far = connected()
    near.close()
    far.close()
    assert tcp_info.look(near) is None


def test_other_platforms_tell_nothing_and_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_info, "LINUX", False)
    near, far = connected()
    with near, far:
        assert tcp_info.look(near) is None
        tcp_info.tune(near)
        tcp_info.pace(near, 1000)
        assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_the_kernel_is_told_to_pace_and_to_give_up() -> None:
    near, far = connected()
    with near, far:
        tcp_info.tune(near)
        tcp_info.pace(near, 123_456)
        assert near.getsockopt(socket.SOL_SOCKET, tcp_info.SO_MAX_PACING_RATE) == 123_456
        assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == tcp_info.TCP_USER_TIMEOUT_MS


def test_reset_on_close_discards_what_was_not_delivered_and_bears_a_closed_socket() -> None:
    near, far = connected()
    with near, far:
        tcp_info.reset_on_close(near)
        assert struct.unpack("ii", near.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)
    tcp_info.reset_on_close(near)
    tcp_info.reset_on_close(None)
