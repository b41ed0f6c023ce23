"""The program as a person starts it: in a process of its own, against a simulator in another."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = ["env", "--default-signal=HUP,INT,QUIT", sys.executable, "-W", "error", "-m", "agent"]
"""With the signals of a person's shell: nohup has the tests ignore SIGHUP, a shell's background SIGINT and SIGQUIT."""
NO_DEVICES = ("--mic", "silence", "--speaker", "none")
PATIENCE_S = 20


_states = tempfile.TemporaryDirectory()


def environment(**more: str) -> dict[str, str]:
    """This one's, without keys and proxies, and with a state folder of its own."""
    hidden = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY")
    given = {name: value for name, value in os.environ.items() if name not in hidden}
    return given | {"XDG_STATE_HOME": tempfile.mkdtemp(dir=_states.name)} | more


def field_agent(*arguments: str, typed: str | None = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; ``typed`` comes by a pipe. ``more`` are environment variables."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment(**more),
    )


@contextmanager
def started(*arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command with nothing to read; it is killed if it does not end by itself."""
    with _started(arguments, subprocess.DEVNULL, more) as process:
        yield process


@contextmanager
def typed_into(*arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that reads from a pipe."""
    with _started(arguments, subprocess.PIPE, more) as process:
        yield process


@contextmanager
def _started(arguments: tuple[str, ...], stdin: int, more: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def simulating(*options: str) -> Iterator[str]:
    """Serve a simulator; gives its address."""
    with started("simulate", "--port", "0", "--for", "120", *options) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
