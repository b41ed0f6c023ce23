"""A Gemini Live API server for the demo, the tests and the bench: faithful, strict, and faulty on command."""

from agent.simulator.report import Observer
from agent.simulator.scenario import (
    MOMENTS,
    Call,
    Fault,
    Scenario,
    ScenarioError,
    Style,
    find,
    load,
    names,
    parse,
    shipped,
)
from agent.simulator.server import Simulator, serve
from agent.simulator.settings import SimulatorSettings
from agent.simulator.voice import AssetError

__all__ = [
    "MOMENTS",
    "AssetError",
    "Call",
    "Fault",
    "Observer",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "SimulatorSettings",
    "Style",
    "find",
    "load",
    "names",
    "parse",
    "serve",
    "shipped",
]
