"""What a person gets who makes a mistake: one line, the fix in it, and the documented exit code."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme

from agent import cli
from agent.errors import ExitCode
from agent.link import connection
from agent.outside.logs import INDENT
from hardware.ports import DeviceError
from tests.support.command import NO_DEVICES, PATIENCE_S, PROGRAM, environment, field_agent, simulating

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

UNREACHABLE, DEVICE, REFUSED, CONFIG, USAGE = 69, 74, 77, 78, 2
TALK_OPTIONS = """
--mic --speaker --camera --text --system-instruction --voice --model --initial-message --url --allow-unencrypted
--listen --for --events
"""


@dataclass(frozen=True)
class Servers:
    plain: str
    tls: str
    locked: str
    """Takes the key "right" alone, over TLS: no key is sent otherwise."""
    authority: str
    """The file to trust for it."""

    @property
    def plain_as_tls(self) -> str:
        return self.plain.replace("ws://", "wss://")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "cert.pem", append=True)
    tls = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    with simulating() as plain, simulating(*tls) as secure, simulating(*tls, "--api-key", "right") as locked:
        yield Servers(plain, secure, locked, str(folder / "ca.pem"))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key but the right one, no certificate trusted before, nothing typed, and a folder of one's own."""
    for name in ("GOOGLE_API_KEY", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", "right")
    monkeypatch.chdir(tmp_path)
    connection._trust.cache_clear()
    with open(os.devnull) as nothing:  # noqa: PTH123 - a device is no path
        monkeypatch.setattr("sys.stdin", nothing)
        yield


class Fails:
    """Run a command that must fail, and give its one line on stderr."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, code: int, *arguments: str) -> str:
        assert cli.main(arguments) == code
        error = self._capfd.readouterr().err
        assert error.startswith("field-agent: ")
        assert error.count("\n") == 1, error
        assert "Traceback" not in error
        return error.removeprefix("field-agent: ").rstrip("\n")


@pytest.fixture
def fails(capfd: pytest.CaptureFixture[str]) -> Fails:
    return Fails(capfd)


def wav(path: Path, rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(640))
    return path


# usage


def test_the_version_is_said() -> None:
    done = field_agent("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("field-agent 0.")


def test_help_names_every_command_and_needs_no_driver(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    assert end.value.code == 0
    text = capfd.readouterr().out
    assert all(name in text for name in ("run", "talk", "demo", "simulate", "devices", "check-config", "log"))


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert cli.COMMANDS[command].split(";")[0].split(":")[0] in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize("command", ["run", "check-config"])
def test_help_names_the_file_that_is_read(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "/etc/field-agent/config.toml" in capfd.readouterr().out


def test_talk_tells_of_keys_and_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["talk", "--help"])
    text = " ".join(capfd.readouterr().out.split())
    for words in ("GEMINI_API_KEY", "Enter taps", "Ctrl-C ends", "silence"):
        assert words in text


def test_talk_has_every_option_that_was_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["talk", "--help"])
    words = capfd.readouterr().out.replace(",", " ").replace("[", " ").replace("]", " ").split()
    assert set(TALK_OPTIONS.split()) <= set(words)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["talk", "--nonsense"],
        *(["talk", "--for", text] for text in ("soon", "0", "-1", "nan", "inf")),
        *(["simulate", "--for", text] for text in ("0", "-1", "nan")),
        *(["talk", "--fps", text] for text in ("-1", "nan", "fast")),
        *(["simulate", "--port", text] for text in ("99999", "-1", "http")),
    ],
)
def test_wrong_usage_says_what_is_right(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == USAGE
    error = capfd.readouterr().err
    assert error.startswith("usage: field-agent")
    assert "error: " in error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeviceError("camera", "gone", "check its cable"), DEVICE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (asyncio.CancelledError(), ExitCode.INTERRUPTED),
    ],
)
def test_every_end_has_its_exit_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("agent.commands.devices.run", run)
    assert cli.main(["devices"]) == code


def test_a_bug_is_shown_and_called_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: argparse.Namespace) -> int:
        raise LookupError("nobody foresaw this")

    monkeypatch.setattr("agent.commands.devices.run", run)
    assert cli.main(["devices"]) == ExitCode.BUG
    *traceback, last = capsys.readouterr().err.splitlines()
    assert traceback[-1] == f"{INDENT}LookupError: nobody foresaw this"
    assert last == "field-agent: this is a bug, please report it with the lines above"


def test_ctrl_c_while_a_command_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(name: str) -> None:
        raise KeyboardInterrupt(name)

    monkeypatch.setattr(cli, "command", command)
    assert cli.main(["devices"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


# where the output goes


def shell(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``$AGENT`` is the program."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("$AGENT", " ".join(PROGRAM))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment(PYTHONPATH=os.pathsep.join(sys.path), **more),
    )


def test_a_reader_who_goes_away_ends_the_demo_quietly() -> None:
    done = shell("$AGENT demo --plain --out demo | head -2")  # in real time: it does not go on for a minute
    assert (done.returncode, done.stderr) == (ExitCode.CLOSED_PIPE, "")
    assert done.stdout.count("\n") == 2


@pytest.mark.parametrize("command", ["demo --fast --out demo", "check-config --defaults", "devices"])
def test_a_full_disk_is_said_once(command: str) -> None:
    done = shell(f"$AGENT {command} >/dev/full")
    assert done.returncode == ExitCode.UNUSABLE
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(": No space left on device\n")


def test_help_for_nobody() -> None:
    assert shell("$AGENT talk --help >/dev/full").stderr.count("Traceback") == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_streams(closed: str) -> None:
    done = shell(f"$AGENT demo --fast --out demo {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_poor_encoding_costs_letters_only() -> None:
    done = shell("$AGENT demo --fast --out demo", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "?(interrupted)" in done.stdout


# the service


def test_a_wrong_key(fails: Fails, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "wrong-key-42")
    monkeypatch.setenv("SSL_CERT_FILE", servers.authority)
    line = fails(REFUSED, "talk", *NO_DEVICES, "--url", servers.locked)
    assert line.startswith("API key refused")
    assert "GEMINI_API_KEY" in line
    assert "wrong-key-42" not in line


def test_a_wrong_model(fails: Fails, servers: Servers) -> None:
    line = fails(REFUSED, "talk", *NO_DEVICES, "--url", servers.plain, "--model", "no-such-model")
    assert line.startswith("model refused")
    assert "check session.model" in line


def test_no_key_at_all(fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    assert fails(CONFIG, "talk", *NO_DEVICES).startswith("no API key (set GEMINI_API_KEY")


def test_a_host_where_nobody_listens(fails: Fails) -> None:
    assert (
        fails(UNREACHABLE, "talk", *NO_DEVICES, "--url", "ws://127.0.0.1:1") == "connection refused (check service.url)"
    )


def test_a_host_name_that_nobody_knows(fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # no question leaves this machine
    line = fails(UNREACHABLE, "talk", *NO_DEVICES, "--url", "wss://nobody.invalid")
    assert line == "host name not found (check the network and service.url)"


def test_tls_to_a_server_without(fails: Fails, servers: Servers) -> None:
    assert "is it wss:// to a ws:// server?" in fails(UNREACHABLE, "talk", *NO_DEVICES, "--url", servers.plain_as_tls)


def test_a_certificate_that_nobody_vouches_for(fails: Fails, servers: Servers) -> None:
    line = fails(UNREACHABLE, "talk", *NO_DEVICES, "--url", servers.tls)
    assert line.startswith("certificate not trusted")
    assert "SSL_CERT_FILE" in line


@pytest.mark.parametrize("url", ["ws://a..b", "ws://[::1", "ws://127.0.0.1:99999", "ws://"])
def test_an_address_that_is_none(fails: Fails, url: str) -> None:
    assert "has no valid host and port" in fails(CONFIG, "talk", *NO_DEVICES, "--url", url)


def test_an_address_of_another_kind(fails: Fails) -> None:
    assert "does not start with wss:// or ws://" in fails(CONFIG, "talk", "--url", "https://example.com")


# the configuration


def test_no_configuration(fails: Fails) -> None:
    for command in ("run", "talk", "check-config"):
        line = fails(CONFIG, command, "--config", "missing.toml")
        assert line == "missing.toml: no such file (copy config/field-agent.toml there, or name another with --config)"


def test_a_key_that_is_not_known(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[turn]\nfollow_up = 3\n")
    for command in ("run", "talk", "check-config"):
        line = fails(CONFIG, command, "--config", "a.toml")
        assert line.startswith("a.toml: [turn] follow_up: no such key (known: ")
        assert "follow_up_s" in line


def test_all_that_is_wrong_is_told_one_line_each(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text("[turn]\nidle_s = 0\nmode = 'loud'\n[gpio]\nlight_pin = 17\n")
    for command in ("run", "talk", "check-config", "log", "tune"):
        assert cli.main([command, "--config", "a.toml"]) == CONFIG
        told = capfd.readouterr().err.splitlines()
        assert [line.partition("] ")[2].partition(":")[0] for line in told] == ["idle_s", "mode", "light_pin"]
        assert all(line.startswith("field-agent: a.toml: [") for line in told)


def test_what_is_not_toml(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[turn\n")
    for command in ("run", "talk", "check-config"):
        assert fails(CONFIG, command, "--config", "a.toml").startswith("a.toml: not TOML: ")


def test_a_key_file_that_others_can_read(fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    (tmp_path / "key").write_text("secret-key\n")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "a.toml").write_text(f'[service]\nkey_file = "{tmp_path}/key"\n')
    for command in ("run", "talk", "check-config"):
        assert fails(CONFIG, command, "--config", "a.toml").endswith(f"(run: chmod 600 {tmp_path}/key)")


# devices


def test_a_wav_in_the_wrong_format_and_how_to_convert_it(fails: Fails, servers: Servers, tmp_path: Path) -> None:
    file = wav(tmp_path / "question.wav", rate=44_100, channels=2)
    line = fails(DEVICE, "talk", "--mic", str(file), "--speaker", "none", "--url", servers.plain)
    assert "is 44100 Hz, 2 channels, 16 bit" in line
    assert "ffmpeg -i question.wav" in line


def test_a_wav_that_is_missing_or_none(fails: Fails, servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("missing.wav", "text.wav"):
        line = fails(DEVICE, "talk", "--mic", name, "--speaker", "none", "--url", servers.plain)
        assert line.startswith(f"microphone {name}: cannot be read")


def test_a_speaker_file_in_a_missing_folder(fails: Fails, servers: Servers) -> None:
    line = fails(DEVICE, "talk", "--mic", "silence", "--speaker", "missing/out.wav", "--url", servers.plain)
    assert line == "speaker missing/out.wav: cannot be written: No such file or directory (name another file)"


def test_a_sound_card_that_is_not_there(fails: Fails, servers: Servers) -> None:
    line = fails(DEVICE, "talk", "--mic", "no-such-card", "--speaker", "none", "--url", servers.plain, "--listen")
    assert re.match(
        r"microphone 'no-such-card': not found \(plug it in(, or choose one of: '|: there is no microphone)", line
    )
    line = fails(DEVICE, "talk", "--mic", "silence", "--speaker", "no-such-card", "--url", servers.plain)
    assert re.match(
        r"speaker 'no-such-card': not found \(plug it in(, or choose one of: '|: there is no speaker)", line
    )


def test_a_camera_that_is_not_there(fails: Fails, servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in ("empty", "missing.jpg"):
        line = fails(DEVICE, "talk", *NO_DEVICES, "--camera", source, "--url", servers.plain)
        assert line == f"camera {source}: no JPEG there (name a .jpg file or a folder that holds some)"


def test_one_file_for_microphone_and_speaker(fails: Fails, servers: Servers, tmp_path: Path) -> None:
    file = wav(tmp_path / "a.wav")
    before = file.read_bytes()
    line = fails(CONFIG, "talk", "--mic", "a.wav", "--speaker", str(file), "--url", servers.plain)
    assert line == "--mic and --speaker are the same file, a.wav (name another --speaker)"
    assert file.read_bytes() == before


# files and ports


def test_a_scenario_that_is_not_known(fails: Fails) -> None:
    for command in ("simulate", "demo"):
        line = fails(CONFIG, command, "--scenario", "nonsense")
        assert "'nonsense'" in line
        assert "simulate --help lists all" in line
        assert len(line) <= 200
    assert "near it: go_away" in fails(CONFIG, "demo", "--scenario", "goaway")
    assert len(fails(CONFIG, "simulate", "--scenario", "x" * 5000)) <= 200


def test_a_scenario_that_is_wrong(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[fault]]\nkind = "boredom"\n')
    assert fails(CONFIG, "simulate", "--scenario", "mine.toml").startswith("mine.toml: ")


def test_a_port_in_use(fails: Fails) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = fails(CONFIG, "simulate", "--port", str(port))
        assert line.startswith(f"cannot listen on 127.0.0.1 port {port}: address already in use (choose another")


def test_certificates_that_cannot_be_read(fails: Fails) -> None:
    line = fails(CONFIG, "simulate", "--port", "0", "--tls-cert", "missing.pem")
    assert line == "--tls-cert missing.pem: No such file or directory (a key in another file goes to --tls-key)"


def test_a_certificate_and_its_key_are_given_together(fails: Fails, tmp_path: Path) -> None:
    for blob in trustme.CA().issue_cert("127.0.0.1").cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    line = fails(CONFIG, "simulate", "--port", "0", "--tls-cert", "cert.pem")
    assert line.endswith("holds no certificate with its key (a key in another file goes to --tls-key)")
    line = fails(CONFIG, "simulate", "--port", "0", "--tls-key", "key.pem")
    assert line == "--tls-key key.pem: of no use without --tls-cert"


@pytest.mark.parametrize("option", ["--report", "--audio"])
def test_results_into_a_missing_folder_are_refused_before_anything_runs(fails: Fails, option: str) -> None:
    line = fails(CONFIG, "simulate", "--port", "0", option, "missing/file")
    assert line == f"{option} missing/file: no such folder (name one that exists)"


def test_events_into_a_missing_folder(fails: Fails, servers: Servers) -> None:
    line = fails(CONFIG, "talk", *NO_DEVICES, "--url", servers.plain, "--events", "missing/events.jsonl")
    assert line == "--events missing/events.jsonl: No such file or directory (name another file)"


def test_the_demo_into_a_folder_that_cannot_be(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = fails(CONFIG, "demo", "--fast", "--out", "file/out")
    assert line == "--out file/out: Not a directory (name a writable folder)"


def test_the_fast_demo_has_no_real_devices(fails: Fails) -> None:
    assert fails(CONFIG, "demo", "--fast", "--mic", "default").startswith("--fast: ")
