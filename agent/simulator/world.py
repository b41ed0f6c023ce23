"""What all connections of a run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from agent.simulator.faults import FaultBook
    from agent.simulator.memory import SessionStore
    from agent.simulator.report import Recorder
    from agent.simulator.rules import Refusal
    from agent.simulator.scenario import Fault, Scenario
    from agent.simulator.settings import SimulatorSettings
    from agent.simulator.sockets import SimulatedSocket
    from agent.simulator.voice import Voice


class OpenConnection(Protocol):
    """A connection as the others of its run see it."""

    socket: SimulatedSocket

    async def close(self, refusal: Refusal) -> None:
        """Close with a code and a reason."""

    def strike(self, fault: Fault) -> None:
        """Make a fault happen now."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something for as long as the connection lives."""


@dataclass(slots=True)
class World:
    """The run: how it is set up, and what lasts longer than a connection."""

    settings: SimulatorSettings
    scenario: Scenario
    faults: FaultBook
    sessions: SessionStore
    voice: Voice
    recorder: Recorder
    clock: Callable[[], float]
    open: dict[int, OpenConnection] = field(default_factory=dict)
