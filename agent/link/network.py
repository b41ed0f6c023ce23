"""Reports at once when the network under a connection goes away or comes back, where the kernel tells (netlink, Linux).

This is only a hint. Without it, a dead line is noticed a few seconds later by its missing acknowledgements, and a new
network by the next attempt.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

NETLINK_ROUTE = 0
# linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE, RTNLGRP_ND_USEROPT
GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400 | 1 << 19
NEW_LINK, DEL_LINK, NEW_ADDRESS, DEL_ADDRESS, NEW_ROUTE = 16, 17, 20, 21, 24
NEW_USER_OPTION = 68  # a router announced name servers
IFF_RUNNING = 0x40
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
SIOCGIFADDR = 0x8915
IF_INET6 = Path("/proc/net/if_inet6")
READ_BYTES = 65536
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that are nobody's (RFC 5737, RFC 3849), so that only a default route leads there."""
RESOLVER = Path("/etc/resolv.conf")
NAME_S = 3.0
"""How long name servers may take for a name: they have just answered for another one."""


class NetworkWatch:
    """Calls ``on_lost(index)`` when interface ``index`` loses its carrier or an address.

    Calls ``on_back()`` when there is something new to try: a carrier, an address, a route, name servers.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[int], None], on_back: Callable[[], None]
    ) -> None:
        """Listen from now on; does nothing on a system without netlink."""
        self._loop = loop
        self._on_lost = on_lost
        self._on_back = on_back
        self._socket: socket.socket | None = None
        try:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_ROUTE)
            sock.bind((0, GROUPS))
        except (AttributeError, OSError) as error:
            log.debug("netlink: not available: %s", error)
            return
        self._socket = sock
        loop.add_reader(sock, self._read)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(READ_BYTES)
        except OSError:  # the kernel's queue overflowed; missing acknowledgements will tell
            return
        for kind, body in messages(data):
            index = lost(kind, body)
            if index is not None:
                self._on_lost(index)
            elif back(kind, body):
                self._on_back()


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message in a netlink datagram; stops at anything malformed."""
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        if length < HEADER.size:
            return
        yield kind, data[HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def lost(kind: int, body: bytes) -> int | None:
    """Return the index of the interface that this message reports as gone, None if it reports none."""
    if kind in (NEW_LINK, DEL_LINK) and len(body) >= LINK.size:
        _, _, index, flags, _ = LINK.unpack_from(body)
        return None if kind == NEW_LINK and flags & IFF_RUNNING else int(index)
    if kind == DEL_ADDRESS and len(body) >= ADDRESS.size:
        return int(ADDRESS.unpack_from(body)[4])
    return None


def back(kind: int, body: bytes) -> bool:
    """Return whether this message reports something new to try: a carrier, an address, a route, name servers."""
    if kind == NEW_LINK and len(body) >= LINK.size:
        return bool(LINK.unpack_from(body)[3] & IFF_RUNNING)
    return kind in (NEW_ADDRESS, NEW_ROUTE, NEW_USER_OPTION)


def has_route() -> bool:
    """Return whether the kernel knows a way out of this machine's own networks."""
    for family, address in OUTSIDE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # of a datagram socket: chooses a route, and sends nothing
            return True
    return False


async def has_name(host: str) -> bool:
    """Return whether the name servers know ``host``. Asks them one question, and waits ``NAME_S`` at most."""
    try:
        async with asyncio.timeout(NAME_S):
            await asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError:  # a TimeoutError is one, too
        return False
    return True


def resolver_stamp() -> object:
    """Return a value that changes when resolv.conf does, that is when other name servers are used."""
    try:
        status = RESOLVER.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def interface_of(address: str) -> int | None:
    """Return the index of the interface that has ``address`` (IPv4 or IPv6), None if it is not found."""
    return _interface_of_ipv6(address) if ":" in address else _interface_of_ipv4(address)


def _interface_of_ipv4(address: str) -> int | None:
    wanted = socket.inet_aton(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, name.encode().ljust(256, b"\0"))
            except OSError:  # this interface has no address
                continue
            if answer[20:24] == wanted:
                return index
    return None


def _interface_of_ipv6(address: str) -> int | None:
    wanted = socket.inet_pton(socket.AF_INET6, address.partition("%")[0]).hex()
    try:
        lines = IF_INET6.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1], 16) for line in lines if line.startswith(wanted)), None)
