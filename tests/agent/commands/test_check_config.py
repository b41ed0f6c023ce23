"""What ``check-config`` prints: all that is in effect, and never a key."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from agent import cli, config
from agent.commands import check_config

KEY = "AIzaSyA-secret-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_key_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(check_config, "DEFAULT_PATH", tmp_path / "default.toml")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))


def configured(folder: Path, text: str = "") -> str:
    """A file that ``run`` would take, and what is put over it."""
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o600)
    file = folder / "a.toml"
    file.write_text(f'[service]\nkey_file = "{folder}/key"\n{text}')
    return str(file)


def test_what_is_printed_is_a_configuration_with_the_same_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = '[turn]\nmode = "push-to-talk"\n\n[session]\nsystem_instruction = "Say \\"hm\\"."\n'
    file = configured(tmp_path, more)
    assert cli.main(["check-config", "--config", file]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith(f"# from {file}\n# API key: {len(KEY)} characters")
    assert config.override(config.Settings(), tomllib.loads(printed.out), where="test") == config.load(Path(file))


def test_the_key_is_masked_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = configured(tmp_path)
    assert cli.main(["check-config", "--config", file]) == 0
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert cli.main(["check-config", "--config", file]) == 0
    printed = capsys.readouterr()
    assert printed.out.count(f"# API key: {len(KEY)} characters, ending in …ee\n") == 2
    assert KEY not in printed.out + printed.err
    assert KEY[:4] not in printed.out


@pytest.mark.parametrize("missing", [True, False])
def test_without_a_usable_key_the_configuration_is_shown_and_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, missing: bool
) -> None:
    file = configured(tmp_path)
    (tmp_path / "key").chmod(0o644)
    if missing:
        (tmp_path / "key").unlink()
    assert cli.main(["check-config", "--config", file]) == 78
    printed = capsys.readouterr()
    assert "# API key: missing\n" in printed.out
    assert "\n[video]\n" in printed.out
    (line,) = printed.err.splitlines()
    assert ("No such file" if missing else "chmod 600") in line
    assert KEY not in printed.out + printed.err


def test_a_simulator_needs_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[service]\nurl = "ws://127.0.0.1:1"\n')
    assert cli.main(["check-config", "--config", str(file)]) == 0
    assert "# API key: not needed (ws://)\n" in capsys.readouterr().out


def test_files_that_are_to_be_devices_must_be_possible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav, picture = tmp_path / "in.wav", tmp_path / "a.jpg"
    devices = f"""
[audio]
microphone = "{wav}"
speaker = "{tmp_path}/new/out.wav"
[camera]
source = "{picture}"
"""
    file = configured(tmp_path, devices)
    assert cli.main(["check-config", "--config", file]) == 78
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["[audio] microphone", "[audio] speaker", "[camera] source"]
    wav.touch()
    picture.touch()
    (tmp_path / "new").mkdir()
    assert cli.main(["check-config", "--config", file]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [True, False])
def test_recordings_must_be_playable_where_they_are_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, words: bool
) -> None:
    (tmp_path / "voice").mkdir()
    (tmp_path / "voice" / "ready.wav").write_text("no WAV")
    file = configured(tmp_path, f'[voice]\nrecordings = "{tmp_path}/voice"\nwords = {str(words).lower()}\n')
    assert cli.main(["check-config", "--config", file]) == (78 if words else 0)
    error = capsys.readouterr().err
    assert error.startswith(f"field-agent: [voice] recordings: {tmp_path}/voice/ready.wav: not a PCM WAV") == words


def test_the_state_folder_must_be_possible_and_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for state, why in (("file", "is not a folder"), ("file/below", "is not a folder"), ("new/below", "")):
        file = configured(tmp_path, f'[paths]\nstate = "{tmp_path}/{state}"\n')
        assert cli.main(["check-config", "--config", file]) == (78 if why else 0)
        printed = capsys.readouterr().err
        assert printed.startswith(
            f"field-agent: [paths] state: {tmp_path}/{state}: {tmp_path}/file {why} (" if why else ""
        )
        assert printed.count("\n") == bool(why)
    assert not (tmp_path / "new").exists()


def test_the_nearest_folder_above_the_state_must_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Path] = []

    def refuse(path: Path, _: int) -> bool:
        asked.append(path)
        return False

    monkeypatch.setattr(os, "access", refuse)  # whoever runs the tests as root may write anywhere
    file = configured(tmp_path, f'[paths]\nstate = "{tmp_path}/new/state"\n')
    assert cli.main(["check-config", "--config", file]) == 78
    assert f"{tmp_path} cannot be written by this user" in capsys.readouterr().err
    assert asked == [tmp_path]


def test_without_a_file_there_is_nothing_to_check_but_the_defaults_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check-config"]) == 78
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{tmp_path}/default.toml: no such file" in printed.err
    assert cli.main(["check-config", "--defaults"]) == 0
    assert capsys.readouterr().out.startswith("# built-in defaults\n\n[service]\n")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    (tmp_path / "default.toml").write_text("[video]\nfps = 0.5\n")
    assert cli.main(["check-config"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# from {tmp_path}/default.toml\n")
    assert "\nfps = 0.5\n" in text


def test_a_secret_in_the_configuration_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = configured(tmp_path, f'[session]\nsystem_instruction = "Say {KEY}\u202e"\n')
    assert cli.main(["check-config", "--config", file]) == 0
    assert 'system_instruction = "Say [redacted]"\n' in capsys.readouterr().out
