"""The simulator over wss in a process of its own: ``server.py FOLDER``. One line of JSON per event on standard output.

The first line is ``{"url": ...}``. The authority that vouches for it is written to ``FOLDER/ca.pem``. Ends with its
standard input.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import trustme

from agent.simulator import Simulator, SimulatorSettings

TOLD = ("open", "setup", "speech", "asked", "first_audio", "turn_complete", "warning", "closed")


def main() -> None:
    """Serve until nobody holds the other end of standard input."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(Path(sys.argv[1]) / "ca.pem"))
    asyncio.run(serve(context))


async def serve(context: ssl.SSLContext) -> None:
    """Serve, and tell what happens with the time at which it did, on the clock that all processes share."""

    def tell(kind: str, data: dict[str, Any]) -> None:
        if kind in TOLD:
            plain = {key: value for key, value in data.items() if isinstance(value, int | float | str | None)}
            print(json.dumps({"t": time.monotonic(), "event": kind, **plain}), flush=True)

    # Without the pause in which it looks for a client that does not wait, "setup" is the moment the message arrived.
    settings = SimulatorSettings(setup_s=0.0)
    async with Simulator(settings, tls=context, observer=tell) as simulator:
        print(json.dumps({"url": simulator.url}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    main()
