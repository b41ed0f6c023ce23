"""What all connections of a run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.simulator.connection import Connection
    from agent.simulator.faults import FaultBook
    from agent.simulator.memory import SessionStore
    from agent.simulator.report import Recorder
    from agent.simulator.scenario import Scenario
    from agent.simulator.settings import SimulatorSettings
    from agent.simulator.voice import Voice


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
    open: dict[int, Connection] = field(default_factory=dict)
