"""How a simulator is set up, apart from what goes wrong (that is the scenario's)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.simulator.scenario import Style

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Where the simulator listens, whom it lets in and how it answers. Times in seconds, levels in dBFS.

    `port` 0 takes any free one; `api_key` None accepts any that is not empty. `answers` is "script" or
    "report"; `espeak` allows espeak-ng for texts without a recording; `assets` None means the package's.
    `threshold_dbfs` is where automatic detection hears speech.
    """

    host: str = "127.0.0.1"
    port: int = 0
    api_key: str | None = None
    answers: str = "script"
    espeak: bool = False
    assets: Path | None = None
    setup_s: float = 0.05
    handle_validity_s: float = 7200.0
    threshold_dbfs: float = -45.0
    text_frames: bool = False
    style: Style = field(default_factory=Style)
