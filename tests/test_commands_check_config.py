"""What ``check-config`` prints: all that is in effect, and never a key."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from agent import cli, config
from agent.commands import check_config

if TYPE_CHECKING:
    from pathlib import Path

KEY = "AIzaSyA-secret-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_key_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(check_config, "DEFAULT_PATH", tmp_path / "default.toml")


def test_what_is_printed_is_a_configuration_with_the_same_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[turn]\nmode = "push-to-talk"\n\n[session]\nsystem_instruction = "Say \\"hm\\"."\n')
    assert cli.main(["check-config", "--config", str(file)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# from {file}\n# API key: missing: no API key (set GEMINI_API_KEY")
    assert config.override(config.Settings(), tomllib.loads(text), where="test") == config.load(file)


def test_the_key_is_masked_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    file = tmp_path / "a.toml"
    file.write_text(f'[service]\nkey_file = "{tmp_path}/key"\n')
    assert cli.main(["check-config", "--config", str(file)]) == 0
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert cli.main(["check-config"]) == 0
    printed = capsys.readouterr()
    assert f"# API key: {len(KEY)} characters, ending in …ee\n" in printed.out
    assert KEY not in printed.out + printed.err
    assert KEY[:4] not in printed.out


def test_a_key_file_that_cannot_be_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o644)
    file = tmp_path / "a.toml"
    file.write_text(f'[service]\nkey_file = "{tmp_path}/key"\n')
    assert cli.main(["check-config", "--config", str(file)]) == 0
    text = capsys.readouterr().out
    assert "chmod 600" in text
    assert KEY not in text


def test_without_a_file_the_defaults_are_shown_or_the_installed_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check-config"]) == 0
    assert capsys.readouterr().out.startswith("# from built-in defaults\n")
    (tmp_path / "default.toml").write_text("[video]\nfps = 0.5\n")
    assert cli.main(["check-config"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# from {tmp_path}/default.toml\n")
    assert "\nfps = 0.5\n" in text
