"""``field-agent simulate``: runs the simulator alone, for any client of the Live API."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import simulator
from agent.errors import ConfigError
from agent.service.process import end_once, impatient, to_the_end
from agent.terminal import positive, start_log
from hardware.files import check_replaceable, create_private, open_regular
from hardware.ports import reason

if TYPE_CHECKING:
    from agent.simulator import Scenario, SimulatorSettings


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=port, default=8765, help="port (default 8765; 0: any)")
    sub.add_argument("--scenario", metavar="NAME|FILE", help=f"faults to play; shipped: {', '.join(simulator.names())}")
    sub.add_argument("--answers", choices=("script", "report"), default="script", help="report: describe the question")
    sub.add_argument(
        "--api-key", metavar="KEY", help="accept only this key (default: any); field-agent sends none over ws://"
    )
    sub.add_argument("--tls-cert", type=Path, metavar="PEM", help="serve wss:// with this certificate")
    sub.add_argument("--tls-key", type=Path, metavar="PEM", help="the certificate's private key, if in another file")
    sub.add_argument("--report", type=Path, metavar="FILE", help="at the end, write what was received, as JSON")
    sub.add_argument("--audio", type=Path, metavar="WAV", help="at the end, write all received audio")
    sub.add_argument("--for", dest="seconds", type=positive, metavar="SECONDS", help="stop after this time")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. Raises ConfigError."""
    start_log("INFO")
    try:
        scenario = simulator.find(arguments.scenario) if arguments.scenario else simulator.Scenario()
    except simulator.ScenarioError as error:
        raise ConfigError(str(error)) from None
    tls = _tls(arguments)
    for name, file in (("--report", arguments.report), ("--audio", arguments.audio)):
        if file is not None:
            _check_target(name, file)
    settings = simulator.SimulatorSettings(
        host=arguments.host,
        port=arguments.port,
        api_key=arguments.api_key,
        answers=arguments.answers,
        espeak=arguments.answers == "report",
    )
    try:
        served = to_the_end(_serve(arguments, settings, scenario, tls))
    except simulator.AssetError as error:
        raise ConfigError(f"simulator: {error}") from None
    _keep(served, arguments)
    return 0


async def _serve(
    arguments: argparse.Namespace, settings: SimulatorSettings, scenario: Scenario, tls: ssl.SSLContext | None
) -> simulator.Simulator:
    task = asyncio.current_task()
    assert task is not None
    end_once(asyncio.get_running_loop(), task.cancel, again=impatient)
    async with contextlib.AsyncExitStack() as stack:
        try:
            served = await stack.enter_async_context(simulator.Simulator(settings, scenario, tls=tls))
        except (OSError, ValueError) as error:  # ValueError: no host can have this name
            why = reason(error).rpartition(": ")[2] if isinstance(error, OSError) else "not a host name"
            where = f"{settings.host} port {settings.port}"
            raise ConfigError(f"cannot listen on {where}: {why} (choose another --host or --port)") from None
        sys.stdout.write(f"listening on {served.base_url}\n")
        sys.stdout.flush()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(arguments.seconds):
                await asyncio.Event().wait()
    return served


def _check_target(name: str, file: Path) -> None:
    """Check that a result can be written. Raises ConfigError."""
    if not file.parent.is_dir():
        raise ConfigError(f"{name} {file}: no such folder (name one that exists)")
    try:
        check_replaceable(file)
    except OSError as error:
        raise ConfigError(f"{name} {file}: {reason(error)} (name another file)") from None


def _keep(served: simulator.Simulator, arguments: argparse.Namespace) -> None:
    """Write the results. Raises ConfigError."""
    name, target = "--report", arguments.report
    try:
        if target:
            with create_private(target) as file:
                file.write(json.dumps(served.report(), indent=2).encode())
        name, target = "--audio", arguments.audio
        if target:
            with create_private(target) as file:
                served.save_audio(file)
    except OSError as error:
        raise ConfigError(f"{name} {target}: cannot be written: {reason(error)}") from None


def port(text: str) -> int:
    """Return ``text`` as a port number; an option's type. Raises ArgumentTypeError."""
    with contextlib.suppress(ValueError):
        number = int(text)
        if 0 <= number <= 65535:  # noqa: PLR2004 - TCP's own limit
            return number
    raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535)")


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    certificate, key = arguments.tls_cert, arguments.tls_key
    if not certificate:
        if key:
            raise ConfigError(f"--tls-key {key}: of no use without --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        for file in filter(None, (certificate, key)):
            open_regular(file).close()  # OpenSSL would wait for a FIFO
        context.load_cert_chain(certificate, key)
    except OSError as error:
        if key:
            raise ConfigError(f"--tls-cert {certificate}, --tls-key {key}: {reason(error)}") from None
        problem = "holds no certificate with its key" if isinstance(error, ssl.SSLError) else reason(error)
        raise ConfigError(f"--tls-cert {certificate}: {problem} (a key in another file goes to --tls-key)") from None
    return context
