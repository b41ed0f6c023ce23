"""News of interfaces, from the kernel and made up."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from agent.link import network
from agent.link.network import (
    ADDRESS,
    DEL_ADDRESS,
    DEL_LINK,
    HEADER,
    IFF_RUNNING,
    LINK,
    NEW_ADDRESS,
    NEW_LINK,
    NEW_ROUTE,
    NEW_USER_OPTION,
    NetworkWatch,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_way_out_is_what_the_kernel_knows_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "OUTSIDE", ((socket.AF_INET, "127.0.0.1"),))
    assert network.has_route()
    monkeypatch.setattr(network, "OUTSIDE", ((socket.AF_INET, "0.0.0.256"), (socket.AF_INET6, "ff00::%none")))
    assert not network.has_route()


def link_message(kind: int, index: int, flags: int) -> bytes:
    body = LINK.pack(0, 1, index, flags, 0)
    return HEADER.pack(HEADER.size + len(body), kind, 0, 0, 0) + body


def test_messages_are_taken_apart_and_nonsense_ends_the_datagram() -> None:
    two = link_message(NEW_LINK, 2, 0) + link_message(DEL_LINK, 3, 0)
    assert [kind for kind, _ in network.messages(two)] == [NEW_LINK, DEL_LINK]
    assert list(network.messages(HEADER.pack(3, 1, 0, 0, 0))) == []
    assert list(network.messages(b"short")) == []


@pytest.mark.parametrize(
    ("kind", "body", "index"),
    [
        (NEW_LINK, LINK.pack(0, 1, 7, 0, 0), 7),
        (NEW_LINK, LINK.pack(0, 1, 7, IFF_RUNNING, 0), None),
        (DEL_LINK, LINK.pack(0, 1, 7, IFF_RUNNING, 0), 7),
        (DEL_ADDRESS, ADDRESS.pack(2, 24, 0, 0, 9), 9),
        (DEL_ADDRESS, b"", None),
        (NEW_LINK, b"", None),
        (99, LINK.pack(0, 1, 7, 0, 0), None),
    ],
)
def test_only_what_is_gone_is_told(kind: int, body: bytes, index: int | None) -> None:
    assert network.lost(kind, body) == index


@pytest.mark.parametrize(
    ("kind", "body", "is_back"),
    [
        (NEW_LINK, LINK.pack(0, 1, 7, IFF_RUNNING, 0), True),
        (NEW_LINK, LINK.pack(0, 1, 7, 0, 0), False),
        (NEW_LINK, b"", False),
        (NEW_ADDRESS, b"", True),
        (NEW_ROUTE, b"", True),
        (NEW_USER_OPTION, b"", True),
        (DEL_ADDRESS, b"", False),
    ],
)
def test_what_may_help_is_told(kind: int, body: bytes, *, is_back: bool) -> None:
    assert network.back(kind, body) is is_back


def test_other_name_servers_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "RESOLVER", tmp_path / "resolv.conf")
    none = network.resolver_stamp()
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1")
    first = network.resolver_stamp()
    (tmp_path / "new").write_text("nameserver 192.0.2.2")
    (tmp_path / "new").rename(tmp_path / "resolv.conf")
    assert len({none, first, network.resolver_stamp()}) == 3


def test_an_interface_is_found_by_its_address() -> None:
    lo = socket.if_nametoindex("lo")
    assert network.interface_of("127.0.0.1") == lo
    assert network.interface_of("192.0.2.77") is None
    assert network.interface_of("2001:db8::77") is None


def test_where_there_is_no_netlink_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        lost: list[int] = []
        back: list[bool] = []
        watch = NetworkWatch(asyncio.get_running_loop(), lost.append, lambda: back.append(True))
        watch.close()
        watch.close()

    monkeypatch.delattr(socket, "AF_NETLINK")
    asyncio.run(scene())


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root to make an interface")
def test_the_kernel_tells_of_an_interface_that_goes() -> None:
    async def scene() -> None:
        lost: list[int] = []
        back: list[bool] = []
        watch = NetworkWatch(asyncio.get_running_loop(), lost.append, lambda: back.append(True))
        await asyncio.to_thread(ip, "link", "add", "fa-watch", "type", "veth", "peer", "name", "fa-watch-far")
        try:
            index = socket.if_nametoindex("fa-watch")
            await asyncio.to_thread(ip, "link", "set", "fa-watch", "up")
            await asyncio.to_thread(ip, "link", "set", "fa-watch-far", "up")
            await asyncio.sleep(0.1)
            lost.clear()
            await asyncio.to_thread(ip, "link", "set", "fa-watch-far", "down")
            await asyncio.sleep(0.1)
            assert index in lost
            back.clear()
            await asyncio.to_thread(ip, "address", "add", "192.0.2.9/24", "dev", "fa-watch")
            await asyncio.sleep(0.1)
            assert back
        finally:
            await asyncio.to_thread(ip, "link", "del", "fa-watch")
            watch.close()

    asyncio.run(scene())


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
