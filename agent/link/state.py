"""PURE: the states of the link: what others are told (LinkState), and what the link is doing (LinkPhase).

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

Once the attempts that a minute may hold are used up, IDLE is followed by WAITING, too.
"""

from __future__ import annotations

from enum import Enum, auto


class LinkState(Enum):
    """The state of the link, as others are told."""

    IDLE = "idle"  # not connected, and no connection is wanted
    CONNECTING = "connecting"
    UP = "up"
    OFFLINE = "offline"  # the connection or an attempt failed, and the next attempt is not due yet
    REFUSED = "refused"  # the service refuses our key, model or region until a person fixes it

    @property
    def away(self) -> bool:
        """Whether the last connection or attempt failed, and no attempt is being made."""
        return self is LinkState.OFFLINE or self is LinkState.REFUSED


class LinkPhase(Enum):
    """What the link is doing with its connection."""

    IDLE = auto()  # there is no connection, and none is wanted
    OPENING = auto()
    SETTING_UP = auto()  # the connection is open, and the service has not accepted the setup yet
    LIVE = auto()  # messages can be sent
    PARTING = auto()  # we are closing the connection
    DEAD = auto()  # the line was declared dead
    CLOSED = auto()  # the connection is over and is being disposed of
    WAITING = auto()  # the next attempt is not due yet


NEXT_PHASES = {
    LinkPhase.IDLE: {LinkPhase.OPENING, LinkPhase.WAITING},
    LinkPhase.OPENING: {LinkPhase.SETTING_UP, LinkPhase.CLOSED},
    LinkPhase.SETTING_UP: {LinkPhase.LIVE, LinkPhase.PARTING, LinkPhase.CLOSED},
    LinkPhase.LIVE: {LinkPhase.PARTING, LinkPhase.DEAD, LinkPhase.CLOSED},
    LinkPhase.PARTING: {LinkPhase.CLOSED},
    LinkPhase.DEAD: {LinkPhase.PARTING, LinkPhase.CLOSED},
    LinkPhase.CLOSED: {LinkPhase.OPENING, LinkPhase.WAITING, LinkPhase.IDLE},
    LinkPhase.WAITING: {LinkPhase.OPENING, LinkPhase.IDLE},
}
"""The phases that may follow each phase."""
