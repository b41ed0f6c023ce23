"""The key leaves the environment: that of the process, that of its children, and the block the kernel shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.auth import environment
from agent.auth.environment import VARIABLES, take, variable
from agent.outside.text import one_line

KEY = "example.of-a-key-without-a-known~form"
PROGRAM = """
import subprocess, sys
from agent.auth.environment import take, variable
take()
sys.stdout.buffer.write(open("/proc/self/environ", "rb").read())
sys.stdout.buffer.write(subprocess.run(["env"], stdout=subprocess.PIPE).stdout)
sys.stderr.write(variable("GEMINI_API_KEY"))
"""


@pytest.mark.parametrize("name", VARIABLES)
def test_the_key_is_taken_out_and_still_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, f" {KEY}\n")
    take()
    assert name not in os.environ
    assert variable(name) == KEY
    assert one_line(KEY) == "[redacted]"


def test_the_environment_now_comes_before_what_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    take()
    monkeypatch.setenv("GEMINI_API_KEY", "another")
    assert variable("GEMINI_API_KEY") == "another"
    monkeypatch.delenv("GEMINI_API_KEY")
    take()
    assert variable("GEMINI_API_KEY") == ""


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "wss_proxy"])
def test_the_password_of_a_proxy_is_learnt_and_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://user:opensesame@proxy:3128")
    take()
    assert one_line("opensesame") == "[redacted]"
    assert "opensesame" in os.environ[name]


@pytest.mark.skipif(not Path("/proc/self/environ").exists() and not os.environ.get("CI"), reason="no /proc here")
def test_neither_the_kernel_nor_a_child_shows_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | {"GEMINI_API_KEY": KEY}, capture_output=True, check=True
    )
    assert done.stderr.decode() == KEY
    assert KEY.encode() not in done.stdout
    assert b"PATH=" in done.stdout


def test_without_a_key_nothing_is_loaded_or_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "_overwrite", None)
    before = dict(os.environ)
    take()
    assert os.environ == before
