"""Logs outages: the first failure as a warning, repeats at DEBUG, recovery once; stores each outage as an event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.link.state import LinkState

if TYPE_CHECKING:
    from agent.link.verdicts import Verdict
    from agent.store.store import Store

log = logging.getLogger(__name__)


class OutageLog:
    """Logs the outages of one link."""

    def __init__(self, store: Store) -> None:
        """Begin with a link that has not been tried."""
        self._store = store
        self.state = LinkState.IDLE
        """The link's state, as logged last."""
        self._failing = False  # since the last connection that came up
        self._lost_at: float | None = None  # when the connection was lost, or the first attempt failed

    def changed(self, state: LinkState, verdict: Verdict | None, now: float, connections: int) -> None:
        """Log the link's new ``state`` and the ``verdict`` on its last connection; ``connections``: how many so far."""
        before, self.state = self.state, state
        if verdict is not None:
            repeat = before is LinkState.CONNECTING and self._failing
            log.log(logging.DEBUG if repeat else logging.WARNING, "link: %s", verdict)
        elif state is LinkState.UP:
            log.info("link: up, connection %d", connections)
        self._failing = state.away or (self._failing and state is LinkState.CONNECTING)
        if verdict is not None and self._lost_at is None:
            self._lost_at = now
            self._store.event("network", f"no connection: {verdict}")
        elif state is LinkState.UP and self._lost_at is not None:
            self._store.event("network", f"connected again after {now - self._lost_at:.0f} s")
            self._lost_at = None
