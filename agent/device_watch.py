"""Tracks which devices work: faults are logged, stored and announced; a sign of life clears them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from agent.store.errors import Trouble
from agent.turn import events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.store.store import Store
    from agent.turn.condition import Condition
    from hardware.ports import DeviceError, DeviceHealth

PATIENCE_S = 2.0
"""A sound card that hiccups, or is plugged in again at once, is back by then: nobody need be told."""
PATIENT_WITH = {"microphone", "speaker"}

log = logging.getLogger(__name__)


class DeviceWatch:
    """Handles what devices report. A part has the first word of its device's name: microphone, camera, ..."""

    def __init__(
        self,
        store: Store,
        condition: Condition,
        dispatch: Callable[[events.Event], None],
        health: Callable[[], Mapping[str, DeviceHealth]],
    ) -> None:
        """Begin with no part known to work; ``health()`` returns the health of parts by name."""
        self._store = store
        self._condition = condition
        self._dispatch = dispatch
        self._health = health
        self._loop = asyncio.get_running_loop()
        self._worked: set[str] = set()  # parts that have given a sign of life
        self._looks: dict[str, asyncio.TimerHandle] = {}  # at the parts that failed and may be back without a sign
        self.keep_trying = True
        """Whether the run goes on whatever happens; else a fault of a part that never worked ends it."""
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Its exception is what ends the run."""

    def fault(self, error: DeviceError) -> None:
        """Handle a device's fault; a fatal error ends the run."""
        part = error.device.split()[0]
        log.warning("device: %s", error)
        self._store.event("device", str(error))
        if part not in PATIENT_WITH or error.fatal:
            self._dispatch(events.FaultRaised(part))
        elif part not in self._looks:
            self._look_later(part)
        if error.fatal and not self.failed.done():
            self.failed.set_exception(error)
        elif part not in self._worked:
            self.fail(error)

    def works(self, part: str) -> None:
        """Handle a sign of life of ``part``. Cheap; called for every chunk."""
        self._worked.add(part)
        if part not in self._looks and part not in self._condition.faults:
            return
        if part in self._looks:
            self._looks.pop(part).cancel()
        log.info("device: %s works again", part)
        self._store.event("device", f"{part} works again")
        if part in self._condition.faults:
            self._dispatch(events.FaultCleared(part))

    def storage(self, problem: str) -> None:
        """Handle a problem of the disk, in place of the last; an empty ``problem``: it is over."""
        now = Trouble.of(problem)
        for trouble in Trouble:
            if trouble is not now and trouble.value in self._condition.faults:
                self._dispatch(events.FaultCleared(trouble.value))
        if now is not Trouble.NONE:
            self._dispatch(events.FaultRaised(now.value))

    def fail(self, error: Exception) -> None:
        """End the run with ``error``, unless :attr:`keep_trying` is set."""
        if not self.keep_trying and not self.failed.done():
            self.failed.set_exception(error)

    def close(self) -> None:
        """Look at nothing any more."""
        for look in self._looks.values():
            look.cancel()
        self._looks.clear()

    def _look_later(self, part: str) -> None:
        self._looks[part] = self._loop.call_later(PATIENCE_S, self._look, part)

    def _look(self, part: str) -> None:
        """Announce a part that is still out of order; one that works again may have nothing to do that shows it."""
        health = self._health().get(part)
        if health is not None and health.working:
            self.works(part)
            return
        self._look_later(part)
        if part not in self._condition.faults:
            self._dispatch(events.FaultRaised(part))
