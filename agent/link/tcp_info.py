"""What the kernel knows about a connection, and what it can be told. Does less on systems other than Linux.

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
"""The kernel's own limit for a dead line, a little below ours; it also covers data that was not sent even once."""
TCP_RTO_MAX_MS = 44
"""Option number (Linux 6.15): bounds the pause between retransmissions, so that a returned line is used at once."""
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
    """Bytes written and not acknowledged, bytes acknowledged since the connection began, least round trip (0: none)."""

    unacknowledged: int
    acknowledged: int
    round_trip_s: float


def tune(sock: socket.socket) -> None:
    """Set the socket's options: small writes leave at once and, on Linux, a dead line fails soon."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if LINUX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        with contextlib.suppress(OSError):  # older kernels do not know it
            sock.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, RTO_MAX_MS)


def pace(sock: socket.socket | None, bytes_per_s: int) -> None:
    """Limit the rate at which the kernel sends; does nothing for None, the socket of a closed connection."""
    if LINUX and sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, bytes_per_s)


def look(sock: socket.socket | None) -> Facts | None:
    """Return what the kernel counts on this connection; None if it does not tell or the connection is closed."""
    if not LINUX or sock is None:
        return None
    try:
        unacknowledged = struct.unpack("i", fcntl.ioctl(sock.fileno(), SIOCOUTQ, bytes(4)))[0]
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
        acknowledged = BYTES_ACKED.unpack_from(info, BYTES_ACKED_AT)[0]
        round_trip = MIN_RTT.unpack_from(info, MIN_RTT_AT)[0]
    except (OSError, ValueError, struct.error):  # closed meanwhile, or a kernel that counts less
        return None
    return Facts(unacknowledged, acknowledged, 0.0 if round_trip == UNKNOWN_RTT else round_trip / 1e6)


def reset_on_close(sock: socket.socket | None) -> None:
    """Set the socket to discard undelivered data when closed: it will be sent again on the next connection."""
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
