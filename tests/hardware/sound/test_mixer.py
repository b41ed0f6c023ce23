"""Levels: what a card has is set and read back, and nothing about it stops the sound."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from hardware.sound import mixer
from hardware.sound.mixer import set_levels

if TYPE_CHECKING:
    from pathlib import Path

CONTENTS = """\
Simple mixer control 'Speaker',0
  Capabilities: pvolume pswitch pswitch-joined
  Front Left: Playback 20 [54%] [-17.00dB] [on]
Simple mixer control 'Mic',0
  Capabilities: pvolume pvolume-joined cvolume cvolume-joined pswitch cswitch
  Mono: Capture 1 [3%] [-11.00dB] [off]
Simple mixer control 'Auto Gain Control',0
  Capabilities: pswitch pswitch-joined
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a card of one's own, whose amixer writes down what it is asked."""
    (tmp_path / "contents").write_text(CONTENTS)
    program = tmp_path / "amixer"
    program.write_text(f"""#!/bin/sh
echo "$@" >>{tmp_path}/asked
case "$*" in
  *scontents*) cat {tmp_path}/contents ;;
  *unmute*) [ ! -e {tmp_path}/refuses ] || exit 1 ;;
esac
case "$*" in *sset*) echo "  Mono: Capture 30 [$(cat {tmp_path}/reached)%] [on]" ;; esac
""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "reached").write_text("70")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(mixer, "_said", set())
    return tmp_path / "asked"


def test_a_microphone_is_set_and_switched_on(asked: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    set_levels(2, "capture", 70)
    assert asked.read_text().splitlines() == ["-c 2 scontents", "-c 2 sset Mic capture 70% cap"]
    assert caplog.messages == ["card 2: Mic is at 70 %"]


def test_every_stage_of_a_loudspeaker_is_set(asked: Path) -> None:
    contents = asked.with_name("contents")
    contents.write_text(CONTENTS.replace("Auto Gain Control", "PCM").replace("pswitch pswitch-joined", "pvolume"))
    set_levels(1, "playback", 70)
    assert [line.split()[3] for line in asked.read_text().splitlines()[1:]] == ["Speaker", "PCM"]


def test_a_control_without_a_switch_is_asked_without_one(asked: Path) -> None:
    asked.with_name("refuses").write_text("1")
    set_levels(1, "playback", 70)
    assert asked.read_text().splitlines()[1:] == [
        "-c 1 sset Speaker playback 70% unmute",
        "-c 1 sset Speaker playback 70%",
    ]


def test_a_level_that_was_not_taken_is_named(asked: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked.with_name("reached").write_text("3")
    set_levels(2, "capture", 70)
    assert caplog.messages == ["card 2: Mic stays at [3] instead of 70 % (look with alsamixer)"]


@pytest.mark.parametrize(("number", "percent"), [(None, 50), (1, mixer.LEAVE)])
def test_what_is_to_be_left_is_left(asked: Path, number: int | None, percent: int) -> None:
    set_levels(number, "playback", percent)
    assert not asked.exists()


def test_a_card_without_levels_says_so_once(asked: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked.with_name("contents").write_text("")
    for _ in range(2):
        set_levels(1, "capture", 70)
    assert caplog.messages == ["card 1 has no capture level to set; set audio.capture_percent to -1"]


def test_without_alsa_utils_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(mixer, "_said", set())
    for _ in range(2):
        set_levels(1, "capture", 70)
    assert caplog.messages == ["alsa-utils is missing, so levels are not changed: apt install alsa-utils"]


def test_an_amixer_that_hangs_does_not_hold_up_the_card(
    asked: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked.with_name("amixer").write_text("#!/bin/sh\nexec sleep 5\n")
    monkeypatch.setattr(mixer, "LIMIT_S", 0.1)
    set_levels(1, "capture", 70)
    assert caplog.messages == ["card 1: amixer hangs, so its capture level is not changed"]


def test_amixer_sees_no_key(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    program = asked.with_name("amixer")
    program.write_text(f"#!/bin/sh\nenv >>{asked}\n")
    set_levels(2, "capture", 70)
    assert "PATH=" in asked.read_text()
    assert "a-key" not in asked.read_text()
