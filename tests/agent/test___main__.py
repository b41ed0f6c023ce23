"""The whole life of the program, interrupted at every moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from agent import __main__ as program
from agent.errors import ExitCode
from tests.support.command import PATIENCE_S, PROGRAM, environment

if TYPE_CHECKING:
    from pathlib import Path

TALK = ["talk", "--url", "ws://127.0.0.1:1", "--mic", "silence", "--speaker", "none"]
UNREACHABLE = 69
DONE = {0, ExitCode.INTERRUPTED}
ENDS = {
    "demo": (["demo", "--plain"], DONE),
    "demo --fast": (["demo", "--fast", "--plain"], DONE),
    "simulate": (["simulate", "--port", "0"], DONE),
    "talk": (TALK, DONE | {UNREACHABLE}),  # it ends by itself at once, since nobody listens
    "tune": (["tune", "--simulated", "seed=1"], DONE | {ExitCode.LIMITS}),
    "devices": (["devices"], DONE),
}
BEFORE_OURS = 'import os, sys; os.write(1, b"."); sys.argv[0] = "field-agent"; from agent.__main__ import program'
OURS = [*PROGRAM[: PROGRAM.index("-m")], "-c", f"{BEFORE_OURS}; sys.exit(program())"]
"""The program that says when the interpreter has started: what is before that is Python's."""
LATEST_S = 0.6
SEED = 20_261_122


def ended(command: list[str], after_s: float, numbers: list[signal.Signals], folder: Path) -> tuple[int, str]:
    """Start, wait for the interpreter and ``after_s`` more, send the signals; return exit code and standard error."""
    with subprocess.Popen(
        [*OURS, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment(GEMINI_API_KEY="any", PYTHONPATH=os.pathsep.join(sys.path)),
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.read(1) == b"."
            time.sleep(after_s)
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.01)
            _, error = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    return process.returncode, error.decode()


@pytest.mark.parametrize("numbers", [["SIGINT"], ["SIGINT", "SIGINT"], ["SIGTERM"], ["SIGHUP"], ["SIGHUP", "SIGTERM"]])
@pytest.mark.parametrize("name", ENDS)
def test_a_signal_at_any_moment_ends_it_with_a_documented_code(name: str, numbers: list[str], tmp_path: Path) -> None:
    command, codes = ENDS[name]
    moments = random.Random(f"{SEED} {name} {numbers}")
    for after_s in (0.02, 0.08, moments.uniform(0.0, LATEST_S)):
        code, error = ended(command, after_s, [signal.Signals[each] for each in numbers], tmp_path)
        told = f"{name} {numbers} after {after_s:.4f} s: {code} {error}"
        assert code in codes, told
        assert "Traceback" not in error, told
        assert error.count("\n") <= (code == UNREACHABLE), told


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, object]:
    """What would handle the signals; the tests' own handlers stay."""
    found: dict[int, object] = {signal.SIGINT: "int", signal.SIGTERM: "term", signal.SIGHUP: signal.SIG_IGN}
    monkeypatch.setattr(signal, "getsignal", found.__getitem__)
    monkeypatch.setattr(signal, "signal", found.__setitem__)
    return found


def test_signals_end_it_at_once_then_in_order_then_not_at_all(
    handlers: dict[int, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def main(begin: object) -> int:
        seen.append(dict(handlers))
        assert callable(begin)
        begin()
        seen.append(dict(handlers))
        raise KeyboardInterrupt

    monkeypatch.setattr("agent.cli.main", main)
    assert program.program() == ExitCode.INTERRUPTED == program.INTERRUPTED
    seen.append(dict(handlers))
    ignored = signal.SIG_IGN
    assert [[each[number] for number in program.ENDS] for each in seen] == [
        [program.at_once, program.at_once, ignored],
        [signal.default_int_handler, program.as_ctrl_c, ignored],
        [ignored, ignored, ignored],
    ]


def test_at_once_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    program.at_once()
    assert codes == [ExitCode.INTERRUPTED]


@pytest.mark.parametrize("ignored", [True, False])
def test_another_signal_is_ctrl_c(
    handlers: dict[int, object], monkeypatch: pytest.MonkeyPatch, *, ignored: bool
) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    if ignored:
        handlers[signal.SIGINT] = signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            program.as_ctrl_c()
    else:
        program.as_ctrl_c()
    assert raised == ([] if ignored else [signal.SIGINT])
