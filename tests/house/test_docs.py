"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent import config
from agent.cli import COMMANDS
from agent.errors import ExitCode
from agent.faults import Fault
from hardware.panel.rhythm import picture
from hardware.ports import Rhythm

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("script", ["config-docs", "events-docs"])
def test_a_page_that_is_printed_from_the_code_is_up_to_date(script: str) -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], check=False, cwd=ROOT)
    assert done.returncode == 0


def test_the_shipped_configuration_loads() -> None:
    settings = config.load(ROOT / "config" / "field-agent.toml")
    assert "gloves" in settings.session.system_instruction


@pytest.mark.parametrize("rhythm", Rhythm)
def test_each_rhythm_is_drawn_for_the_technician(rhythm: Rhythm) -> None:
    assert picture(rhythm)[:20] in (ROOT / "docs" / "technician.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_code_is_explained_to_the_technician(fault: Fault) -> None:
    assert f"\n| {fault.code} | " in (ROOT / "docs" / "technician.md").read_text("utf-8")


@pytest.mark.parametrize("code", ExitCode)
def test_each_exit_code_is_in_the_readme(code: ExitCode) -> None:
    told = (ROOT / "README.md").read_text(encoding="utf-8").partition("Exit codes:")[2].partition("\n\n")[0]
    assert re.search(rf"(^| · |\s){code.value}\s", told)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_in_the_readme(command: str) -> None:
    assert f"field-agent {command}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    for name in re.findall(
        r"`((?:agent|hardware|scripts|config|docs|tests)/[\w./-]+)`", page.read_text(encoding="utf-8")
    ):
        assert (ROOT / name).exists(), name
