"""``field-agent`` with every library as talkative as it can be; ``CRASH`` names where it breaks, quoting the key.

Run as ``python -m tests.support.loud talk ...``: what a stranger's debugging session would show.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from agent import cli, terminal
from agent.commands import run, talk
from agent.link import connection
from tests.support.planted import KEY, ODD_KEY, SENTENCES, quoted

if TYPE_CHECKING:
    from collections.abc import Coroutine

WORDS = f"{quoted(KEY)} {quoted(ODD_KEY)} {' '.join(SENTENCES.values())}"


def loud(_: str) -> None:
    """Log all that there is to log."""
    terminal.start_log("DEBUG")
    connection._quiet.filters.clear()
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(logging.DEBUG)


def crash() -> None:
    raise RuntimeError(WORDS)


class Dies:
    """An object whose end fails."""

    def __del__(self) -> None:
        crash()


def broken(work: Coroutine[Any, Any, Any]) -> Any:
    """Break where ``CRASH`` says."""

    async def task() -> None:
        loop = asyncio.get_running_loop()
        lost = loop.create_task(asyncio.to_thread(crash))
        await asyncio.wait([lost])
        loop.call_soon(crash)
        del lost
        await asyncio.sleep(0.01)

    work.close()
    match os.environ["CRASH"]:
        case "main":
            crash()
        case "thread":
            thread = threading.Thread(target=crash)
            thread.start()
            thread.join()
        case "task":
            asyncio.run(task())
        case "end":
            Dies()
        case "log":
            logging.getLogger("third.party").warning("%d", WORDS)
            logging.getLogger("third.party").warning("quoted: %s", WORDS, stack_info=True)
        case "hook":
            sys.excepthook(RuntimeError, RuntimeError(WORDS), None)
    return 0


if __name__ == "__main__":
    for command in (talk, run):
        vars(command).update({"start_log": loud} | ({"to_the_end": broken} if "CRASH" in os.environ else {}))
    sys.exit(cli.main())
