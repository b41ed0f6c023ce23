"""The demo: what it plays, what it leaves behind, and that its live picture can be drawn."""

from __future__ import annotations

import json
import re
import signal
import time
import wave
from typing import TYPE_CHECKING, Any

import pytest

from agent.commands.demo import faults, summary
from agent.metrics import TurnRecord
from agent.outside.text import learn
from hardware.sound.alsa import alsa_cards
from tests.support.command import PATIENCE_S, field_agent, started, typed_into
from tests.support.sound_server import MICROPHONE, SPEAKER, SoundServer, needs_a_sound_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE_S = 5.0
"""How long an end may take, whatever the driver does: far less than its own time limits add up to."""


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[SoundServer]:
    with SoundServer(tmp_path) as server:
        yield server


def loudest(path: Path) -> int:
    with wave.open(str(path), "rb") as wav:
        samples = memoryview(wav.readframes(wav.getnframes())).cast("h")
    return max(map(abs, samples), default=0)


def test_the_fast_demo_plays_the_whole_conversation(tmp_path: Path) -> None:
    done = field_agent("demo", "--fast", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    turns = re.findall(r"^ +(\d)  \S.* TTFAB \d", done.stdout, re.MULTILINE)
    assert turns == ["1", "2", "3", "4"]
    assert done.stdout.count(", cut\n") == 2
    for name in ("server-received.wav", "speaker-played.wav"):
        assert loudest(tmp_path / name) > 3000
        assert str(tmp_path / name) in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["utterances"]) == 4
    assert report["warnings"]["count"] == {}


def test_what_is_not_a_terminal_gets_one_line_per_thing(tmp_path: Path) -> None:
    lines = field_agent("demo", "--fast", "--out", str(tmp_path)).stdout.split("\n\n")[0].splitlines()
    assert len(lines) > 20
    assert all(re.fullmatch(r" *\d+\.\d\d  (box|button|link|earcon|technician|answer|turn) .+", line) for line in lines)
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    assert not re.search(r"\x1b", "".join(lines))


def test_a_demo_without_a_single_answer_fails(tmp_path: Path) -> None:
    done = field_agent("demo", "--fast", "--scenario", "handshake_401", "--out", str(tmp_path))
    assert done.returncode == 69
    (line,) = done.stderr.splitlines()
    assert line.startswith("field-agent: no answer came: API key refused")


def test_the_demo_says_what_the_scenario_did(tmp_path: Path) -> None:
    done = field_agent("demo", "--fast", "--scenario", "reset", "--out", str(tmp_path))
    assert done.returncode == 0
    assert re.search(r"^faults: reset at \d+\.\d s$", done.stdout, re.MULTILINE)
    mine = tmp_path / "late.toml"
    mine.write_text('[[fault]]\nkind = "reset"\nturn = 99\nwhen = "speech"\n')
    done = field_agent("demo", "--fast", "--scenario", str(mine), "--out", str(tmp_path))
    assert "\nthe scenario's fault never came\n" in done.stdout
    many = {"faults": [{"fault": "hang", "at_s": 1.0}, {"fault": "hang", "at_s": 2.0}]}
    assert faults(many, due=True) == ["faults: hang at 1.0 s (2 times)"]
    assert faults({"faults": []}, due=False) == []


def test_the_table_fits_the_terminal(tmp_path: Path) -> None:
    for columns in ("80", "100"):
        done = field_agent("demo", "--fast", "--out", str(tmp_path), COLUMNS=columns)
        table = done.stdout.split("\n\n")[1].splitlines()[:5]
        assert all("tokens" in row for row in table[1:])
        assert max(map(len, table)) in range(int(columns) - 5, int(columns) + 1)


def test_ctrl_c_ends_the_demo_with_its_own_code(tmp_path: Path) -> None:
    with started("demo", "--plain", "--out", str(tmp_path)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (130, "")


@pytest.mark.parametrize("options", [("--speaker", "no such card"), ("--mic", "no such card"), ("--mic", "default")])
def test_a_card_that_is_missing_ends_the_demo_by_its_name(tmp_path: Path, options: tuple[str, str]) -> None:
    if options[1] == "default" and alsa_cards():
        pytest.skip("this machine has a sound card")
    with typed_into("demo", "--plain", *options, "--out", str(tmp_path)) as process:
        code = process.wait(PATIENCE_S)
        assert process.stderr is not None
        said = process.stderr.read()
    part = "speaker" if "--speaker" in options else "microphone"
    assert (code, said.count("\n")) == (74, 1), said
    found = (
        rf"field-agent: {part} '{options[1]}': not found \(plug it in(, or choose one of: '|: there is no {part} here)"
    )
    assert re.match(found, said)


@needs_a_sound_server
@pytest.mark.parametrize("frozen", [False, True])
def test_ctrl_c_ends_a_demo_on_real_cards_at_once(sound: SoundServer, tmp_path: Path, *, frozen: bool) -> None:
    arguments = ("demo", "--plain", "--mic", MICROPHONE, "--speaker", SPEAKER, "--out", str(tmp_path))
    with typed_into(*arguments, **sound.environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        while "listening" not in (line := process.stdout.readline()):
            assert line, "it ended"
        if frozen:
            sound.freeze()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(PATIENCE_S) == 130
        finally:
            sound.thaw()
        assert time.monotonic() - began < AT_ONCE_S
        assert process.stderr is not None
        assert process.stderr.read() == ""


@needs_a_sound_server
def test_ctrl_c_ends_a_demo_that_waits_for_a_sound_server(sound: SoundServer, tmp_path: Path) -> None:
    arguments = ("demo", "--plain", "--speaker", SPEAKER, "--out", str(tmp_path))
    sound.freeze()
    try:
        with started(*arguments, **sound.environment) as process:
            time.sleep(2)  # nothing can be seen of it yet
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 130
        assert time.monotonic() - began < AT_ONCE_S
    finally:
        sound.thaw()


@needs_a_sound_server
def test_enter_is_the_button_and_the_end_of_input_the_end(sound: SoundServer, tmp_path: Path) -> None:
    done = field_agent("demo", "--plain", "--mic", MICROPHONE, "--out", str(tmp_path), typed="\n", **sound.environment)
    assert (done.returncode, done.stderr) == (69, "field-agent: no turn happened: nothing was asked\n")
    assert [line.split()[-1] for line in done.stdout.splitlines() if "  button " in line] == ["down", "up"]


def test_the_summary_shortens_what_is_too_long_for_its_column() -> None:
    report = {"utterances": [{"seconds": 2.0}, {"seconds": 1.5}], "frames": {"count": 3, "bytes": 4000}}
    record = TurnRecord(1, question_text=" " + "long " * 20, tokens=7).summary()
    _, row, total = summary([record], report).splitlines()
    assert "…" in row
    assert row.endswith("no audio, played 0.0 of 0.0 s, 7 tokens")
    assert total == "the service received 3.5 s of speech in 2 utterances and 3 frames (4 kB)"


def test_the_table_shows_no_secret_and_nothing_invisible() -> None:
    learn("opensesame")
    report: dict[str, Any] = {"utterances": [], "frames": {"count": 0, "bytes": 0}}
    record = TurnRecord(1, question_text="opense\u200bsame\x1b[2J\nline").summary()
    assert "   1  [redacted][2J line " in summary([record], report)
