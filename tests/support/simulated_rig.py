"""Rooms, a voice and a question for tests of tuning."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

from agent.voice.recordings import Recordings
from hardware.tuning.simulated_rig import RoomModel

VOICE = Recordings("en")
QUESTIONS = Path(__file__).parents[2] / "agent" / "simulator" / "assets" / "questions"


def room(**special: Any) -> RoomModel:
    """At the rate that is reckoned fastest."""
    given: dict[str, Any] = {"rate": 16_000, **special}
    return RoomModel(**given)


def question() -> bytes:
    with wave.open(str(QUESTIONS / "report.wav")) as file:
        return bytes(file.readframes(file.getnframes()))
