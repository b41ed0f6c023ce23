"""``run``: the daemon in a process of its own, with files for devices, until systemd says stop."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from agent.simulator.voice import ASSETS
from tests.support.command import PATIENCE_S, field_agent, simulating, started

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

STOP_S = 3.0
"""A technician who pulls the plug waits no longer."""


def configuration(folder: Path, url: str) -> Path:
    file = folder / "field-agent.toml"
    file.write_text(f"""
[service]
url = "{url}"

[session]
initial_message = "What does the pressure gauge on this pump show?"

[audio]
microphone = "{ASSETS}/questions/gauge.wav"
speaker = "{folder}/played.wav"

[camera]
source = "{ASSETS}/frames"

[gpio]
button = "none"
light = "log"
""")
    return file


class Log:
    """Standard error, read as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        assert process.stderr is not None
        self._reader = threading.Thread(target=self.lines.extend, args=(process.stderr,))
        self._reader.start()

    def until(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not any(words in line for line in self.lines):
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)

    def end(self) -> str:
        self._reader.join(PATIENCE_S)
        return "".join(self.lines)


@contextmanager
def running(file: Path) -> Iterator[tuple[subprocess.Popen[str], Log]]:
    with started("run", "--config", str(file)) as process:
        log = Log(process)
        try:
            yield process, log
        finally:
            if process.poll() is None:
                process.kill()
            log.end()


def stop(process: subprocess.Popen[str], number: signal.Signals) -> None:
    asked = time.monotonic()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    assert time.monotonic() - asked < STOP_S


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_soon_and_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with simulating() as url, running(configuration(tmp_path, url)) as (process, log):
        log.until("link: up")
        log.until("light: answering")
        stop(process, number)
        text = log.end()
    assert "ready: model" in text
    assert text.rstrip().endswith("stopped")
    assert "Traceback" not in text
    assert (tmp_path / "played.wav").stat().st_size > 44


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_while_it_ends_change_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with simulating() as url, running(configuration(tmp_path, url)) as (process, log):
        log.until("light: answering")
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.005)
        text = log.end()
    assert process.returncode == 0
    assert text.rstrip().endswith("stopped")
    assert "in all: " in text
    assert "Traceback" not in text


@pytest.mark.real_time
def test_what_does_not_end_can_be_killed(tmp_path: Path) -> None:
    with running(configuration(tmp_path, "ws://127.0.0.1:1")) as (process, log):
        log.until("ready: model")
        process.send_signal(signal.SIGQUIT)
        assert process.wait(PATIENCE_S) == -signal.SIGQUIT


def test_it_goes_on_trying_when_nobody_is_there_and_ends_all_the_same(tmp_path: Path) -> None:
    with running(configuration(tmp_path, "ws://127.0.0.1:1")) as (process, log):
        log.until("connection refused")
        time.sleep(1.5)  # a few more attempts
        assert process.poll() is None
        stop(process, signal.SIGTERM)
        text = log.end()
    assert text.count("connection refused") == 1  # repeats are quiet
    assert "Traceback" not in text


def test_it_ends_soon_while_a_server_does_not_answer(tmp_path: Path) -> None:
    mute = simulating("--scenario", "no_setup_complete")
    with mute as url, running(configuration(tmp_path, url)) as (process, log):
        log.until("ready: model")
        time.sleep(0.3)
        stop(process, signal.SIGTERM)
        assert "Traceback" not in log.end()


def test_a_missing_device_file_ends_it_with_one_line(tmp_path: Path) -> None:
    file = configuration(tmp_path, "ws://127.0.0.1:1")
    file.write_text(file.read_text().replace("gauge.wav", "missing.wav"))
    done = field_agent("run", "--config", str(file))
    assert done.returncode == 74
    assert done.stderr.count("\n") == 1
    assert "missing.wav" in done.stderr


def test_a_missing_key_ends_it_before_anything_is_opened(tmp_path: Path) -> None:
    done = field_agent("run", "--config", str(configuration(tmp_path, "wss://example.invalid")))
    assert done.returncode == 78
    assert done.stderr.startswith("field-agent: no API key")
    assert not (tmp_path / "played.wav").exists()
