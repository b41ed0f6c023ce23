"""The command line, run hundreds of times: each run is a fork of one process that has imported everything.

A fork takes milliseconds where a new interpreter takes a third of a second, and whatever a run does to its process
(signals, ``os._exit``, endless waiting) stays there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIMIT_S = 20.0
"""After this long a run hangs. Those that work take less than 2 s even on a busy machine."""
MEMORY = 2 << 30
"""Address space in bytes: whoever reads a file without an end fails soon, and alone."""
HIDDEN = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "XDG_STATE_HOME")
LOOK_S = 0.002


@dataclass(frozen=True)
class Run:
    """What one run is given."""

    arguments: list[str]
    folder: str
    stdin: str = os.devnull
    more: dict[str, str] = field(default_factory=dict)
    limit_s: float = LIMIT_S


@dataclass(frozen=True)
class Ended:
    """What came of it; ``code`` is negative if a signal ended it, and None if it hung and was killed."""

    code: int | None
    out: str
    err: str


class Forks:
    """Runs the command line in forks of a server process."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        """Use a server that :func:`forks` has started."""
        self._server = server
        self.began = time.monotonic()
        """When it was started, by the monotonic clock."""

    def run(self, run: Run) -> Ended:
        """Run to the end, or until it hangs."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asdict(run)) + "\n")
        self._server.stdin.flush()
        return Ended(**json.loads(self._server.stdout.readline()))


@contextmanager
def forks() -> Iterator[Forks]:
    """Start the server; end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in HIDDEN} | {"PYTHONPATH": str(ROOT)},
    ) as server:
        yield Forks(server)
        assert server.stdin is not None
        server.stdin.close()


# the server


def serve() -> None:
    """Run what standard input asks for, one after another."""
    from agent import cli

    for name in cli.COMMANDS:
        cli.command(name)
    for line in sys.stdin:
        run = Run(**json.loads(line))
        sys.stdout.write(json.dumps(asdict(forked(run))) + "\n")
        sys.stdout.flush()


def forked(run: Run) -> Ended:
    """Run the command line in a fork."""
    told = {name: Path(run.folder, f".{name}") for name in ("out", "err")}
    child = os.fork()
    if not child:
        begin(run, told)
    code = waited(child, run.limit_s)
    return Ended(code, *(path.read_text(errors="backslashreplace") for path in told.values()))


def begin(run: Run, told: dict[str, Path]) -> None:
    """Be the child: never returns."""
    import resource

    from agent import cli

    code = 99
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY, MEMORY))
        os.chdir(run.folder)
        os.environ.update(run.more)
        os.dup2(os.open(run.stdin, os.O_RDONLY), 0)
        for number, path in enumerate(told.values(), 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end of the child
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - the same
        code = cli.main(run.arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - reported by its traceback
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def waited(child: int, limit_s: float) -> int | None:
    """Return how the child ended; kill it if it does not."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_S)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    serve()
