"""Every package of every extra is locked by version and hash, and its licence is allowed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
Change = tuple[str, str, str]


def script(name: str) -> Any:
    spec = spec_from_loader(name, SourceFileLoader(name, str(ROOT / "scripts" / name)))
    assert spec is not None
    assert spec.loader is not None
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        spec.loader.exec_module(loaded := module_from_spec(spec))
    finally:
        sys.dont_write_bytecode = before
    return loaded


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script that makes the locks, with files of its own."""
    loaded = script("lock")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "config" / "lock", tmp_path / "config" / "lock")
    monkeypatch.setattr(loaded, "ROOT", tmp_path)
    monkeypatch.setattr(loaded, "PROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(loaded, "LOCKS", tmp_path / "config" / "lock")
    monkeypatch.setattr(sys, "argv", ["lock", "--check"])
    return loaded


def replaced(folder: Path, file: str, what: str, by: str) -> None:
    text = (folder / file).read_text("utf-8")
    changed = re.sub(what, by, text, count=1)
    assert changed != text
    (folder / file).write_text(changed, "utf-8")


@pytest.mark.parametrize("name", ["lock", "licences"])
def test_locks_and_licences_are_up_to_date(name: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / name), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("pyproject.toml", '"rich>=13"', '"rich>=14"'),
            "config/lock/demo.txt is older than what pyproject.toml asks for",
        ),
        (("pyproject.toml", '"rich>=13"', '"rich>=13", "attrs"'), "config/lock/demo.txt: attrs is not met by nothing"),
        (("pyproject.toml", '"rich>=13"', '"rich>=99"'), "config/lock/dev.txt: rich>=99 is not met by"),
        (("pyproject.toml", r"demo = ", "page = []\ndemo = "), "config/lock/page.txt is missing"),
        (("pyproject.toml", r"setuptools>=77", "setuptools>=78"), "config/lock/build.txt is older"),
        (("pyproject.toml", r">=3.11", ">=3.12"), "config/lock/core.txt is older"),
        (("config/lock/core.txt", r"(websockets==\S+).*(\n    --hash.*)+", r"\1"), "core.txt: websockets has no hash"),
        (("config/lock/core.txt", r"\Z", "-i https://index/simple\n"), "core.txt names an index, an address or a path"),
        (("config/lock/core.txt", r"\Z", "a @ file:///opt/a.whl\n"), "core.txt names an index, an address or a path"),
        (("config/lock/core.txt", r"\Z", "--find-links /opt\n"), "core.txt names an index, an address or a path"),
    ],
)
def test_a_stale_lock_is_told(
    lock: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Change, told: str
) -> None:
    assert lock.main() == 0
    replaced(tmp_path, *change)
    assert lock.main() == 1
    assert told in capsys.readouterr().err


def test_a_lock_of_no_extra_is_told(lock: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config" / "lock" / "old.txt").touch()
    assert lock.main() == 1
    assert "config/lock/old.txt belongs to no extra" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[1:], "is not as in the locks"),
        (lambda rows: [rows[0]._replace(versions="0.1"), *rows[1:]], "is not as in the locks"),
        (lambda rows: [*rows, rows[0]._replace(package="left-over")], "left-over: is in no lock"),
        (lambda rows: [each._replace(licence="MPL-2.0") for each in rows], "websockets: MPL-2.0 is not allowed"),
        (lambda rows: [each._replace(licence="GPL-3.0-only") for each in rows], "pytest: GPL-3.0-only is not allowed"),
        (lambda rows: [each._replace(licence="") for each in rows], "pytest: nothing is not allowed"),
        (lambda rows: [each._replace(licence="0BSD") for each in rows], "says MIT of itself"),
    ],
)
def test_a_licence_that_will_not_do_is_told(change: Callable[[list[Any]], list[Any]], told: str) -> None:
    licences = script("licences")
    wanted, rows = licences.locked(), licences.table(licences.PAGE.read_text("utf-8"))
    assert licences.checked(rows, wanted) == []
    assert any(told in each for each in licences.checked(change(rows), wanted))


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("MIT", ["MIT"]),
        ("BSD-3-Clause AND (MIT OR Apache-2.0)", ["BSD-3-Clause", "MIT", "Apache-2.0"]),
        ("GPL-3.0-only WITH GCC-exception-3.1", ["GPL-3.0-only", "GCC-exception-3.1"]),
        ("", ["nothing"]),
    ],
)
def test_an_expression_is_taken_apart(expression: str, parts: list[str]) -> None:
    assert script("licences").parts(expression) == parts
