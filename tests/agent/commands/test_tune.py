"""``tune`` as it is read over ssh, by a script, and by what it leaves in the state folder."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from agent import cli, config
from agent.commands import tune
from agent.outside.text import learn
from agent.store.tunings import load
from hardware.inventory import Found, SoundCard
from hardware.tuning.findings import Figures
from hardware.tuning.session import TuningResult
from tests.support.command import field_agent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def a_box_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(tune, "DEFAULT_PATH", tmp_path / "none.toml")
    monkeypatch.setattr("hardware.tuning.measure.PASSES", 3)


ROOM = "rate=16000"


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("numpy", ["tune"]),
        ("sounddevice", ["tune"]),
        ("numpy", ["tune", "--simulated", "rate=16000"]),
        ("numpy", ["demo", "--mic", "default"]),
        ("sounddevice", ["demo", "--mic", "default"]),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    tmp_path: Path, library: str, command: list[str]
) -> None:
    (tmp_path / f"{library}.py").write_text(f"raise ModuleNotFoundError('no', name='{library}')\n")
    done = field_agent(*command, PYTHONPATH=str(tmp_path))
    assert done.returncode == 74
    assert done.stderr == (
        f"field-agent: sound: {library} is not installed (scripts/setup demo,audio, or pip install '.[audio]')\n"
    )


def test_a_good_box_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "--simulated", f"{ROOM},noise_dbfs=-58"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1/5 quiet, please ... noise floor -58 dBFS, good"
    assert re.fullmatch(r"2/5 speak now \.\.\. voice -\d\d dBFS, \d\d dB over noise, good", lines[1])
    assert re.fullmatch(r"3/5 a chirp \.\.\. heard at -\d\d dBFS after 60 ms, good", lines[2])
    assert re.fullmatch(r"4/5 counting to ten \.\.\. echo -\d\d dBFS, \d\d dB of it taken out, good", lines[3])
    assert lines[5:] == ["good: nothing to change"]
    stored = load(tmp_path / "field-agent", "default (simulated)")
    assert stored is not None
    assert (stored.result, stored.figures["delay_ms"]) == ("good", 60.0)


def test_limits_come_with_settings_to_copy_and_a_verdict_of_five_lines(capsys: pytest.CaptureFixture[str]) -> None:
    room = f"{ROOM},delay_ms=700,noise_dbfs=-48,speech_dbfs=-36"
    assert cli.main(["tune", "--no-voice", "--simulated", room]) == 1
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    copied, _, verdict = out.partition("copy this into the configuration:\n")[2].partition("usable, with limits")
    assert tomllib.loads(copied) == {"turn": {"barge_in": "button"}}
    assert len(verdict.splitlines()) <= 5
    assert "700 ms (10 to 400 wanted)" in verdict


def test_a_mute_loudspeaker_is_not_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "--simulated", f"{ROOM},echo_db=-200"]) == 74
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "not usable like this",
        "  1. the loudspeaker is not heard: raise audio.playback_percent",
    ]
    stored = load(tmp_path / "field-agent", "default (simulated)")
    assert stored is not None
    assert stored.warning({}) != ""


def test_a_script_gets_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "--json", "--simulated", ROOM]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert (told["result"], told["microphone"], told["verdicts"]) == ("good", "default", [])
    assert told["figures"]["delay_ms"] == 60.0
    assert printed.err.startswith("1/5 quiet, please ... ")


def test_microphones_are_compared_and_the_better_one_is_to_be_copied(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[audio]\nmicrophone = "Pocket"\n')
    nearer = f"{ROOM},speech_dbfs=-22"
    arguments = ["tune", "--config", str(file), "--microphones", "Collar, Pocket"]
    assert cli.main([*arguments, "--simulated", nearer]) == 0
    out = capsys.readouterr().out
    assert "    Collar " in out
    assert "the loudest clear microphone is Pocket" in out
    assert "copy this" not in out


def test_a_microphone_that_is_better_than_the_configured_one_is_to_be_copied() -> None:
    outcome = tune_outcome("Collar")
    assert tune.to_copy(outcome, config.Settings())[1:] == ["    [audio]", '    microphone = "Collar"']
    assert tune.to_copy(tune_outcome("default"), config.Settings()) == []


def tune_outcome(microphone: str) -> TuningResult:
    return TuningResult("device", microphone, Figures(), (), {}, 1.0)


def test_all_means_every_input_but_the_one_that_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    blank: dict[str, Any] = {each.name: () for each in fields(SoundCard)}
    cards = [
        SoundCard(**blank | {"setting": name, "inputs": inputs}) for name, inputs in (("A", 1), ("B", 0), ("C", 2))
    ]
    monkeypatch.setattr("hardware.inventory.sound_cards", lambda: Found(tuple(cards)))
    settings = config.override(config.Settings(), {"audio": {"microphone": "A"}}, where="here")
    assert tune.inputs(settings) == ["C"]


def test_a_file_is_no_card_to_tune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[audio]\nmicrophone = "silence"\n')
    assert cli.main(["tune", "--config", str(file)]) == 74
    assert "is not a sound card" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["delay_ms", "delay_ms=x"])
def test_a_room_that_cannot_be_read_is_wrong_usage(wrong: str) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(["tune", "--simulated", wrong])
    assert raised.value.code == 2


def test_an_unknown_part_of_a_simulated_room_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "--simulated", "delay=60"]) == 78
    assert "--simulated: delay: known are" in capsys.readouterr().err


def test_no_verdict_shows_a_secret_or_commands_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learn("opensesame")
    monkeypatch.setattr(tune, "verdict", lambda _: ["opense\u200bsame\x1b[2J"])
    assert cli.main(["tune", "--simulated", ROOM]) == 0
    assert capsys.readouterr().out.endswith("[redacted][2J\n")


def test_the_name_of_a_device_commands_nothing_and_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    learn("opensesame")
    evil = "opense\u200bsame\x1b]0;owned\x07"
    for options in ((), ("--json",)):
        assert cli.main(["tune", "--simulated", ROOM, "--microphones", evil, *options]) == 0
        printed = capsys.readouterr()
        assert "[redacted]]0;owned" in printed.err + printed.out
        assert not [char for char in printed.err + printed.out if char in "\x1b\u200b\x07"]
        assert "opensesame" not in printed.err + printed.out
