"""What the kernel knows about a connection: the one place with Linux specifics, with a plain fall-back elsewhere.

Offsets are those of ``struct tcp_info`` in linux/tcp.h, which only grows at its end.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import sys
import termios
from dataclasses import dataclass

TCP_USER_TIMEOUT_MS = 2500
"""The kernel's own dead-line rule, a little before ours: it also covers what it has taken from us and not yet sent."""
TCP_RTO_MAX_MS = 44
"""Option number (Linux 6.15): bounds the pause between retransmissions, so that a line that returns is used at once."""
RTO_MAX_MS = 1000
SO_MAX_PACING_RATE = 47
SIOCOUTQ = termios.TIOCOUTQ
"""Bytes written and not acknowledged."""
BYTES_ACKED = struct.Struct("Q")
BYTES_ACKED_AT = 120
MIN_RTT = struct.Struct("I")  # microseconds
MIN_RTT_AT = 148
INFO_BYTES = 160
UNKNOWN_RTT = 2**32 - 1
LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Facts:
    """Bytes written and not acknowledged, bytes acknowledged since the connection began, least round trip."""

    unacknowledged: int
    acknowledged: int
    round_trip_s: float


def tune(sock: socket.socket) -> None:
    """Make small writes leave at once and a dead line fail soon, where the platform can."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if LINUX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        with contextlib.suppress(OSError):  # older kernels do not know it
            sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, RTO_MAX_MS)


def pace(sock: socket.socket | None, bytes_per_s: int) -> None:
    """Keep the kernel from sending faster than ``bytes_per_s``; a connection that is gone has no socket."""
    if LINUX and sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, bytes_per_s)


def look(sock: socket.socket | None) -> Facts | None:
    """Return what the kernel counts on this connection, None where it does not tell or there is none any more."""
    if not LINUX or sock is None:
        return None
    try:
        unacknowledged = struct.unpack("i", fcntl.ioctl(sock.fileno(), SIOCOUTQ, bytes(4)))[0]
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
        acknowledged = BYTES_ACKED.unpack_from(info, BYTES_ACKED_AT)[0]
        round_trip = MIN_RTT.unpack_from(info, MIN_RTT_AT)[0]
    except (OSError, ValueError, struct.error):  # closed under our hands, or a kernel that counts less
        return None
    return Facts(unacknowledged, acknowledged, 0.0 if round_trip == UNKNOWN_RTT else round_trip / 1e6)


def reset_on_close(sock: socket.socket | None) -> None:
    """Make closing discard what the kernel has not delivered: it will be sent again on the next connection."""
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
