"""The log of outages: a first failure loudly, repeats quietly, recovery once; each outage also in the store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.link.state import LinkState

if TYPE_CHECKING:
    from agent.link.verdicts import Verdict
    from agent.store.store import Store

log = logging.getLogger(__name__)


class OutageLog:
    """Writes about one link."""

    def __init__(self, store: Store) -> None:
        """Begin with a link that has not been tried."""
        self._store = store
        self.state = LinkState.IDLE
        """The last that was logged."""
        self._failing = False  # since the last connection that came up
        self._lost_at: float | None = None  # when the connection was, or the first attempt failed

    def changed(self, state: LinkState, verdict: Verdict | None, now: float, connections: int) -> None:
        """Log the link's new ``state``, the ``verdict`` on its last connection, and how many there have been."""
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
