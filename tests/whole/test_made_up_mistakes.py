"""Mistakes that nobody has thought of: made-up command lines, configurations, scenarios and WAVs.

``FUZZ=FIRST:COUNT`` tries other seeds than those of every run. What a failure names is tried again, and shown, by
``PYTHONPATH=. python tests/support/mistakes.py SEED``.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from agent.errors import ExitCode
from tests.support.forks import Ended, Forks, Run, forks
from tests.support.mistakes import CODES, Mistake, complaint, tried
from tests.support.traps import lay, seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST, COUNT = map(int, os.environ.get("FUZZ", "0:1000").split(":"))
LEAST, BUDGET_S = 10, 80.0 if "FUZZ" not in os.environ else 3600.0
"""A thousand take about 40 s; on a busy machine each group tries its first seeds, and goes on while there is time."""
GROUPS = 20
OURS = {".out", ".err", "states", "sub", "state", "out", "made.toml", "made.wav", "made.txt"}
"""What a run may change: outputs, a home and a log of its own, what was made for it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Forks]:
    with forks() as started:
        yield started


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the traps are before anybody has named them; the log in ``state`` may be new each time."""
    folder = tmp_path_factory.mktemp("laid")
    lay(folder)
    return seen(folder)


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_mistake_ends_soon_with_a_documented_code(
    server: Forks, laid: dict[str, object], group: int, tmp_path: Path
) -> None:
    for number, seed in enumerate(range(FIRST + group, FIRST + COUNT, GROUPS)):
        if number >= LEAST and time.monotonic() - server.began > BUDGET_S:
            break
        folder = tmp_path / str(seed)
        folder.mkdir()
        mistake, ended = tried(server, seed, folder)
        assert not complaint(ended), f"seed {seed}: {complaint(ended)}: {mistake.arguments}\n{ended.err}"
        changed = {name for name, was in laid.items() if seen(folder).get(name) != was}
        # What is named as an output, and is a regular file, may be replaced; nothing else, not even its second name.
        assert changed <= OURS | {*mistake.arguments}, f"seed {seed}: {mistake.arguments} changed {changed}"
        assert not changed & {"link.txt", "soft.wav", "fifo", "fifo.wav", "fifo.jpg"}, f"seed {seed}: {changed}"
        shutil.rmtree(folder)


def test_the_same_seed_is_the_same_mistake() -> None:
    one, other = Mistake(7), Mistake(7)
    assert (one.arguments, one.files, one.stdin) == (other.arguments, other.files, other.stdin)
    assert Mistake(8).files != one.files


def test_the_codes_are_all_that_are_documented_but_for_a_bug() -> None:
    assert {code.value for code in ExitCode} - {ExitCode.BUG} == CODES


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended(None, "", ""), "it hangs"),
        (Ended(70, "", "field-agent: this is a bug, please report it"), "exit code 70"),
        (Ended(-signal.SIGSEGV, "", ""), f"exit code -{signal.SIGSEGV.value}"),
        (Ended(0, "", "Traceback (most recent call last):"), "it says 'Traceback'"),
        (Ended(0, "", "Exception ignored in: x"), "it says 'Exception ignored'"),
        (Ended(78, "", "field-agent: a: no such file"), ""),
    ],
)
def test_what_is_complained_of(ended: Ended, told: str) -> None:
    assert complaint(ended) == told


def test_an_endless_wait_is_found(server: Forks, tmp_path: Path) -> None:
    assert server.run(Run(["simulate", "--port", "0"], str(tmp_path), limit_s=1.0)).code is None
