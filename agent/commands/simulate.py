"""``field-agent simulate``: the simulator alone, for any client of the Live API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import simulator
from agent.cli import start_log
from agent.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.simulator import Scenario, SimulatorSettings


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, default=8765, help="port (default 8765; 0: any)")
    sub.add_argument("--scenario", metavar="NAME|FILE", help=f"faults to play; shipped: {', '.join(simulator.names())}")
    sub.add_argument("--answers", choices=("script", "report"), default="script", help="report: say what was heard")
    sub.add_argument("--api-key", metavar="KEY", help="accept only this key (default: any)")
    sub.add_argument("--tls-cert", type=Path, metavar="PEM", help="serve wss:// with this certificate")
    sub.add_argument("--tls-key", type=Path, metavar="PEM", help="and this key")
    sub.add_argument("--report", type=Path, metavar="FILE", help="write what was received as JSON at the end")
    sub.add_argument("--audio", type=Path, metavar="WAV", help="write all received audio at the end")
    sub.add_argument("--for", dest="seconds", type=float, metavar="SECONDS", help="stop after so long")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. Raises ConfigError."""
    start_log("INFO")
    scenario = load_scenario(arguments.scenario)
    settings = simulator.SimulatorSettings(
        host=arguments.host,
        port=arguments.port,
        api_key=arguments.api_key,
        answers=arguments.answers,
        espeak=arguments.answers == "report",
    )
    try:
        asyncio.run(_serve(arguments, settings, scenario))
    except (OSError, simulator.AssetError) as error:
        raise ConfigError(f"simulator: {error}") from None
    return 0


def load_scenario(name: str | None) -> Scenario:
    """Return a shipped scenario by name, one from a file, or the one without faults. Raises ConfigError."""
    if name is None:
        return simulator.Scenario()
    try:
        return simulator.shipped(name) if name in simulator.names() else simulator.load(Path(name))
    except simulator.ScenarioError as error:
        raise ConfigError(str(error)) from None


async def _serve(arguments: argparse.Namespace, settings: SimulatorSettings, scenario: Scenario) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with simulator.Simulator(settings, scenario, tls=_tls(arguments)) as served:
        sys.stdout.write(f"listening on {served.base_url}\n")
        sys.stdout.flush()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(arguments.seconds):
                await asyncio.Event().wait()
    if arguments.report:
        arguments.report.write_text(json.dumps(served.report(), indent=2), encoding="utf-8")
    if arguments.audio:
        served.save_audio(arguments.audio)


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if not arguments.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    return context
