"""Mistakes that people make: one line, the documented exit code, nothing of theirs destroyed."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from agent.errors import ExitCode
from tests.support.forks import Ended, Forks, Run, forks
from tests.support.traps import DIGITS, lay, seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG, DEVICE, USAGE, UNREACHABLE = 78, 74, 2, 69
SERVE = ("simulate", "--port", "0", "--for", "0.1")
TALK = ("talk", "--url", "ws://127.0.0.1:1", "--for", "0.3")
QUIET = (*TALK, "--speaker", "none", "--mic")
PLAYS = (*TALK, "--mic", "good.wav", "--speaker")
EXPORT = ("log", "--state", "state", "export", "2")
NO_HOME = "nobody of this name has a home folder here"
NOT_REGULAR = "is not a regular file"


@pytest.fixture(scope="module")
def server() -> Iterator[Forks]:
    with forks() as started:
        yield started


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traps")
    lay(folder)
    return folder


@pytest.fixture
def here(laid: Path) -> Iterator[Path]:
    """The folder of traps, in which each test leaves as it was what it found."""
    before = seen(laid)
    yield laid
    after = seen(laid)
    for name in after.keys() - before.keys():
        shutil.rmtree(laid / name) if (laid / name).is_dir() else (laid / name).unlink()
    assert {name: after.get(name) for name in before} == before


@pytest.fixture
def run(here: Path, tmp_path: Path) -> Run:
    """What every run is given; its folder is that of the traps."""
    return Run([], str(here), more={"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "states")})


def said(server: Forks, run: Run, *arguments: str, code: int) -> str:
    ended = server.run(Run(list(arguments), run.folder, run.stdin, run.more))
    return one_line(ended, code)


def one_line(ended: Ended, code: int) -> str:
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert "this is a bug" not in ended.err
    *usage, line = ended.err.splitlines()
    assert code == USAGE or not usage, ended.err
    assert len(line) < 400
    return line.removeprefix("field-agent: ")


def given(*arguments: str, code: int, told: str) -> object:
    return pytest.param(arguments, code, told, id=" ".join(each[:24] for each in arguments))


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        *(
            given(*command, "--config", file, code=CONFIG, told=told)
            for command in (("check-config",), ("run",), ("talk", "--text", "--for", "0.1"), ("log",), ("tune",))
            for file, told in (
                ("digits.toml", "digits.toml: not TOML: a number with thousands of digits"),
                ("hex.toml", "hex.toml: [turn] idle_s: a number with thousands of digits is not within"),
                ("deep.toml", "deep.toml: not TOML: nested too deep"),
                ("binary", "binary: not UTF-8 text"),
                ("/dev/zero", f"/dev/zero: {NOT_REGULAR}"),
                ("/dev/full", f"/dev/full: {NOT_REGULAR}"),
                ("fifo", f"fifo: {NOT_REGULAR}"),
                (".", ".: is a folder"),
                ("nul.toml", "nul.toml: [paths] state: 'a\\x00b' has a control character in it"),
                ("nobody.toml", f"nobody.toml: [paths] state: '~nosuchuser/a': {NO_HOME}"),
                ("fifo.toml", f"[session] system_instruction_file: fifo: {NOT_REGULAR}"),
                ("zero.toml", f"[session] system_instruction_file: /dev/zero: {NOT_REGULAR}"),
            )
        ),
        given("check-config", "--config", "proc.toml", code=CONFIG, told="[paths] state: /proc/nope: /proc cannot be"),
        *(
            given(*command, "--scenario", file, code=CONFIG, told=told)
            for command in (SERVE, ("demo", "--fast"))
            for file, told in (
                ("digits.toml", "digits.toml: a number with thousands of digits"),
                ("deep.toml", "deep.toml: nested too deep"),
                ("binary", "binary: cannot be read: is not a text file"),
                ("inf.toml", "inf.toml: [[fault]] 1: at_s must be within 0 and 1000000000"),
                ("long.toml", "long.toml: [[fault]] 1: at_s must be within 0 and 1000000000"),
                ("fifo", "no scenario or file is called 'fifo'"),
                ("/dev/zero", "no scenario or file is called '/dev/zero'"),
            )
        ),
        *(
            given("demo", "--fast", "--uplink-trace", file, code=CONFIG, told=told)
            for file, told in (
                ("/dev/zero", f"/dev/zero: cannot be read: {NOT_REGULAR}"),
                ("fifo", f"fifo: cannot be read: {NOT_REGULAR}"),
                ("binary", "binary: cannot be read: is not a text file"),
                ("deep.toml", "deep.toml, line 1: must be numbers, not 'a = ["),
            )
        ),
        *(
            given(
                "simulate", "--port", "0", "--host", host, code=CONFIG, told="port 0: not a host name (choose another"
            )
            for host in ("a..b", "\0", "a" * 300)
        ),
        given("demo", "--fast", "--out", "mine.txt", code=CONFIG, told="--out mine.txt: is not a folder"),
        *(given(*SERVE, "--tls-cert", file, code=CONFIG, told=NOT_REGULAR) for file in ("fifo", "/dev/zero")),
        given(*SERVE, "--tls-cert", "mine.txt", "--tls-key", "fifo", code=CONFIG, told=NOT_REGULAR),
        *(
            given(*SERVE, option, file, code=CONFIG, told=f"{option} {file or '.'}: {told}")
            for option in ("--report", "--audio")
            for file, told in (
                ("/dev/full", NOT_REGULAR),
                ("fifo", NOT_REGULAR),
                ("", "is a folder"),
                ("sub", "is a folder"),
                ("link.txt", "is a link"),
            )
        ),
        *(given(*QUIET, f"list{n}.wav", code=DEVICE, told="the lengths in its header are wrong") for n in (1, 2, 3)),
        *(
            given(*QUIET, file, code=DEVICE, told=f"microphone {file}: cannot be read: {NOT_REGULAR}")
            for file in ("fifo.wav", "/dev/zero", "/dev/full")
        ),
        given(*QUIET, "~nosuchuser/a.wav", code=CONFIG, told=NO_HOME),
        given(*PLAYS, "~nosuchuser/a.wav", code=CONFIG, told=NO_HOME),
        *(
            given(*PLAYS, file, code=CONFIG, told="--mic and --speaker are the same file, good.wav")
            for file in ("good.wav", "hard.wav", "soft.wav", "./good.wav")
        ),
        given("run", "--config", "same.toml", code=DEVICE, told="speaker hard.wav: is the microphone's own file"),
        given("check-config", "--config", "same.toml", code=CONFIG, told="hard.wav: is the microphone's own file"),
        *(
            given(*PLAYS, file, code=DEVICE, told=f"speaker {file}: cannot be written: {NOT_REGULAR}")
            for file in ("fifo.wav", "/dev/full", "/dev/zero")
        ),
        given(*TALK, "--text", "--speaker", "/nonexist", code=CONFIG, told="--text plays nothing, so --speaker"),
        given(*QUIET, "silence", "--events", "fifo", code=CONFIG, told="--events fifo: nobody reads from it"),
        given(*QUIET, "silence", "--events", "link.txt", code=CONFIG, told="--events link.txt: is a link"),
        given(*QUIET, "silence", "--events", "sub", code=CONFIG, told="--events sub: is a folder"),
        given("log", "--state", "state", "show", DIGITS, code=USAGE, told="is larger than any number in a log"),
        given("log", "--state", "state", "show", "9" * 19, code=USAGE, told="is larger than any number in a log"),
        given("log", "--state", "state", "show", "9" * 18, code=66, told="not in the log"),
        given("log", "--state", "~nosuchuser", code=USAGE, told=NO_HOME),
        *(given(*EXPORT, "--out", each, code=CONFIG, told="is a folder") for each in (".", "..", "", "sub", "/")),
        *(
            given(
                *EXPORT,
                "--format",
                "html",
                "--force",
                "--out",
                file,
                code=CONFIG,
                told=f"{file}: cannot be written: {told}",
            )
            for file, told in (
                ("/dev/full", NOT_REGULAR),
                ("/dev/null", NOT_REGULAR),
                ("fifo", NOT_REGULAR),
                ("link.txt", "is a link"),
                ("soft.wav", "is a link"),
            )
        ),
        given(*EXPORT, "--out", "mine.txt", "--format", "json", code=CONFIG, told="mine.txt: exists already"),
        given(*EXPORT, "--out", "new.pdf", code=CONFIG, told="new.pdf: no format has this ending (use .json, .html"),
        given(*EXPORT, "--out", "a.zip", "--format", "json", code=CONFIG, told="ending is not that of --format json"),
        given("log", "--state", "state", "play", "2", "--out", "link.txt", "--force", code=CONFIG, told="is a link"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    server: Forks, run: Run, arguments: tuple[str, ...], code: int, told: str
) -> None:
    assert told in said(server, run, *arguments, code=code)


@pytest.mark.parametrize(
    "case",
    [
        (("log", "--state", "odd journal.db"), CONFIG, "odd journal.db/journal.db: is not a regular file"),
        (("log", "--state", "odd journal.db", "show", "1"), CONFIG, "is not a regular file"),
        (("log", "--state", "odd recordings", "play", "2", "--out", "new.wav"), 66, "is not a regular file"),
        (
            (*TALK, "--mic", "silence", "--speaker", "none", "--config", "lock.toml"),
            CONFIG,
            "odd lock: cannot be written",
        ),
    ],
)
def test_a_state_folder_with_odd_things_in_it(
    server: Forks, run: Run, here: Path, case: tuple[tuple[str, ...], int, str]
) -> None:
    arguments, code, told = case
    (here / "lock.toml").write_text("[paths]\nstate = 'odd lock'\n")
    assert told in said(server, run, *arguments, code=code)


def test_a_fifo_in_place_of_the_tunings_is_told_and_replaced(server: Forks, run: Run, here: Path) -> None:
    (here / "tune.toml").write_text("[paths]\nstate = 'odd devices.json'\n")
    ended = server.run(Run(["tune", "--config", "tune.toml", "--simulated", "seed=1"], run.folder, more=run.more))
    assert ended.code in (0, ExitCode.LIMITS), ended
    assert (here / "odd devices.json" / "devices.json").is_file()


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("fifo.wav", f"ready.wav: not a PCM WAV ({NOT_REGULAR})"),
        ("list1.wav", "ready.wav: not a PCM WAV (the lengths in its header are wrong)"),
    ],
)
def test_a_phrase_that_cannot_be_played(server: Forks, run: Run, here: Path, file: str, told: str) -> None:
    (here / "voice").mkdir()
    (here / "voice" / "ready.wav").hardlink_to(here / file)
    (here / "voice.toml").write_text("[service]\nurl = 'ws://127.0.0.1:1'\n[voice]\nrecordings = 'voice'\n")
    assert told in said(server, run, "check-config", "--config", "voice.toml", code=CONFIG)


@pytest.mark.parametrize("endless", ["/dev/zero", "/dev/full"])
def test_an_input_without_an_end_is_no_question(server: Forks, run: Run, endless: str) -> None:
    ended = server.run(Run([*TALK, "--text"], run.folder, endless, run.more))
    assert one_line(ended, UNREACHABLE) == "connection refused (check service.url)"


def test_a_state_folder_of_nobody_in_the_environment(server: Forks, run: Run) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        more = {**run.more, name: "~nosuchuser"}
        ended = server.run(Run(["log"], run.folder, more=more))
        assert one_line(ended, CONFIG) == f"~nosuchuser: {NO_HOME} (name a folder as [paths] state)"


def test_what_holds_what_was_said_is_private(server: Forks, run: Run, here: Path) -> None:
    os.mkdir(here / "out", 0o755)  # noqa: PTH102 - with a mode that the umask of the tests cannot change much
    ended = server.run(Run(["demo", "--fast", "--out", "out"], run.folder, more=run.more))
    assert ended.code == 0, ended
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (here / "out").iterdir() if path.is_file()}
    assert modes == {"server-received.wav": 0o600, "speaker-played.wav": 0o600, "report.json": 0o600}
    said(server, run, *QUIET, "silence", "--events", "events.jsonl", code=UNREACHABLE)
    assert stat.S_IMODE((here / "events.jsonl").stat().st_mode) == 0o600


def test_a_demo_writes_through_no_link(server: Forks, run: Run, here: Path) -> None:
    (here / "out").mkdir()
    (here / "out" / "report.json").symlink_to(here / "mine.txt")
    line = said(server, run, "demo", "--fast", "--out", "out", code=CONFIG)
    assert line == "--out out: report.json in it is a link (name the file itself) (name another folder)"
    (here / "out" / "report.json").unlink()
    (here / "out" / "demo-state").symlink_to(here / "state")
    assert "--out out: " in said(server, run, "demo", "--fast", "--out", "out", code=CONFIG)


def test_a_demo_beside_the_log_of_a_box_leaves_it_alone(server: Forks, run: Run, here: Path) -> None:
    before = seen(here / "state")
    assert server.run(Run(["demo", "--fast", "--out", "."], run.folder, more=run.more)).code == 0
    assert seen(here / "state") == before


def test_a_reader_of_a_fifo_gets_the_events(server: Forks, run: Run, here: Path) -> None:
    reader = os.open(here / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    said(server, run, *QUIET, "silence", "--events", "fifo", code=UNREACHABLE)
    assert os.read(reader, 100_000).startswith(b'{"t": ')
    os.close(reader)


def test_the_codes_are_the_documented_ones() -> None:
    assert {CONFIG, DEVICE, USAGE, UNREACHABLE, 66, 0} <= {code.value for code in ExitCode}
