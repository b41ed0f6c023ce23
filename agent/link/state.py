"""PURE: the states of the link: what others are told of it, and what it is doing itself.

``Link.phase`` follows one connection from the first attempt to the wait after it::

    IDLE --> OPENING --> SETTING_UP --> LIVE --> DEAD
     ^ ^        |         |      |       | |      | |
     | |        |         |      v       v |      v |
     | |        |         |     PARTING <--+------+ |
     | |        v         v        v       v        v
     | +----- CLOSED <----+--------+-------+--------+
     |          |  ^
     |          v  |
     +------- WAITING --> OPENING
"""

from __future__ import annotations

from enum import Enum, auto


class LinkState(Enum):
    """How things stand with the service."""

    IDLE = "idle"  # not connected, and nobody wants to be
    CONNECTING = "connecting"
    UP = "up"
    OFFLINE = "offline"  # an attempt failed, the next is waited for
    REFUSED = "refused"  # the service refuses our key, model or quota until a person fixes it

    @property
    def away(self) -> bool:
        """Whether the last attempt to connect failed, and none is being made."""
        return self is LinkState.OFFLINE or self is LinkState.REFUSED


class LinkPhase(Enum):
    """What the link is doing with its connection."""

    IDLE = auto()  # there is none, and nobody wants one
    OPENING = auto()
    SETTING_UP = auto()  # it is open, and the service has not accepted the setup yet
    LIVE = auto()  # messages can be sent
    PARTING = auto()  # we are ending it ourselves
    DEAD = auto()  # it was given up for dead
    CLOSED = auto()  # it is over, and what is left of it is cleared away
    WAITING = auto()  # for the time of the next attempt


NEXT_PHASES = {
    LinkPhase.IDLE: {LinkPhase.OPENING},
    LinkPhase.OPENING: {LinkPhase.SETTING_UP, LinkPhase.CLOSED},
    LinkPhase.SETTING_UP: {LinkPhase.LIVE, LinkPhase.PARTING, LinkPhase.CLOSED},
    LinkPhase.LIVE: {LinkPhase.PARTING, LinkPhase.DEAD, LinkPhase.CLOSED},
    LinkPhase.PARTING: {LinkPhase.CLOSED},
    LinkPhase.DEAD: {LinkPhase.PARTING, LinkPhase.CLOSED},
    LinkPhase.CLOSED: {LinkPhase.OPENING, LinkPhase.WAITING, LinkPhase.IDLE},
    LinkPhase.WAITING: {LinkPhase.OPENING, LinkPhase.IDLE},
}
"""The phases that may follow each."""
