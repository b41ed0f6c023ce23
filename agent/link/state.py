"""PURE: the states of the link."""

from __future__ import annotations

from enum import Enum


class LinkState(Enum):
    """How things stand with the service."""

    IDLE = "idle"  # not connected, and nobody wants to be
    CONNECTING = "connecting"
    UP = "up"
    OFFLINE = "offline"  # an attempt failed, the next is waited for
    REFUSED = "refused"  # the service will not have us until a person mends something

    @property
    def away(self) -> bool:
        """Whether the last attempt to connect failed."""
        return self in (LinkState.OFFLINE, LinkState.REFUSED)
