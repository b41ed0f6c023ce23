"""``talk`` as a person or a bench uses it: a process of its own, a simulator in another, real time."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import tempfile
import time
import wave
from typing import TYPE_CHECKING, Any

import pytest

from agent import notices
from agent.simulator.voice import ASSETS
from hardware.sound.alsa import alsa_cards
from tests.support.command import (
    NO_DEVICES,
    PATIENCE_S,
    PROGRAM,
    environment,
    field_agent,
    simulating,
    started,
    typed_into,
)
from tests.support.stage import question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GAUGE = "What does the pressure gauge on this pump show?"
ANSWER = "It shows about four bar. That is in the green, and the needle is steady enough."

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with simulating() as url:
        yield url


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_question_typed_into_a_pipe_is_answered(service: str, tmp_path: Path) -> None:
    log, before = tmp_path / "events.jsonl", time.monotonic()
    options = ("--text", "--mic", "silence", "--url", service, "--for", "7", "--events", str(log))
    done = field_agent("talk", *options, typed=f"{GAUGE}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"answer      {ANSWER}" in done.stdout
    assert "TTFAB" in done.stdout
    written = events(log)
    times = [event["t"] for event in written]
    assert times == sorted(times)
    assert before < times[0] < times[-1] < time.monotonic()
    names = {event["event"] for event in written}
    assert {
        "link_state_changed",
        "phase_changed",
        "utterance_typed",
        "utterance_sent",
        "answer_started",
        "answer_received",
        "answer_text",
        "turn_ended",
    } <= names
    assert written[0]["format"] == notices.FORMAT
    assert written[0]["version"] == notices.VERSION
    (turn,) = [event["turn"] for event in written if event["event"] == "turn_ended"]
    assert turn["answer_text"] == turn["played_text"] == ANSWER
    assert turn["ttfab_s"] > 0
    assert turn["played_s"] == pytest.approx(4.7, abs=0.1)


def test_a_wav_needs_no_press_with_listen_and_its_end_is_the_end(service: str, tmp_path: Path) -> None:
    wav, log, out = tmp_path / "question.wav", tmp_path / "events.jsonl", tmp_path / "answer.wav"
    with wave.open(str(wav), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(16_000) + question("gauge") + bytes(32_000))
    options = ("--mic", str(wav), "--speaker", str(out), "--camera", str(ASSETS / "frames"), "--url", service)
    started = time.monotonic()
    done = field_agent("talk", *options, "--listen", "--events", str(log), "--for", "18")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 14  # 4.3 s of WAV, 4.7 s of answer, and the rest
    (turn,) = [event["turn"] for event in events(log) if event["event"] == "turn_ended"]
    assert turn["question_text"] == GAUGE
    assert turn["played_s"] == pytest.approx(4.7, abs=0.1)
    assert {
        "button_moved",
        "phase_changed",
        "sensors_switched",
        "speech_detected",
        "utterance_opened",
        "utterance_ended",
        "question_heard",
    } <= {event["event"] for event in events(log)}
    assert [event["speaking"] for event in events(log) if event["event"] == "speech_detected"] == [True, False]
    with wave.open(str(out), "rb") as file:
        assert file.getframerate() == 24_000
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    assert max(samples) > 3000


def test_the_time_given_is_the_time_taken(service: str) -> None:
    started = time.monotonic()
    done = field_agent("talk", *NO_DEVICES, "--url", service, "--for", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert 1 < time.monotonic() - started < 4


@pytest.mark.parametrize("name", ["no such card", "default"])
def test_a_microphone_that_is_missing_is_told_at_the_start_and_not_at_the_first_press(service: str, name: str) -> None:
    if name == "default" and alsa_cards():
        pytest.skip("this machine has a sound card")
    with typed_into("talk", "--mic", name, "--speaker", "none", "--url", service) as process:
        code = process.wait(PATIENCE_S)
        assert process.stderr is not None
        said = process.stderr.read()
    assert (code, said.count("\n")) == (74, 1), said
    assert said.startswith(f"field-agent: microphone '{name}': not found (plug it in")


def test_the_first_words_may_be_the_boxes_own(service: str) -> None:
    done = field_agent("talk", *NO_DEVICES, "--url", service, "--initial-message", GAUGE, "--for", "2.5")
    assert done.returncode == 0
    assert "answering" in done.stdout


def test_the_first_message_is_answered_before_the_first_line_and_asked_in_every_run(service: str) -> None:
    options = ("--text", "--url", service, "--initial-message", GAUGE)
    state = tempfile.mkdtemp()
    for _ in range(2):  # the second run resumes the conversation
        done = field_agent("talk", *options, typed="And that?\n", XDG_STATE_HOME=state)
        assert (done.returncode, done.stderr) == (0, "")
        who = [line.split()[1] for line in done.stdout.splitlines()]
        assert [name for name in who if name in ("answer", "turn")] == ["answer", "turn"] * 2
        assert done.stdout.index(ANSWER) < done.stdout.index("turn ")
        assert "interrupted" not in done.stdout


def test_the_first_message_alone_is_answered_before_the_end(service: str) -> None:
    done = field_agent("talk", "--text", "--url", service, "--initial-message", GAUGE)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"answer      {ANSWER}" in done.stdout


def test_lines_from_a_pipe_are_asked_one_after_the_other_and_their_end_is_the_end(service: str) -> None:
    begun = time.monotonic()
    done = field_agent("talk", "--text", "--url", service, typed="What is this?\nAnd that?\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begun < 14
    who = [line.split()[1] for line in done.stdout.splitlines()]
    assert [name for name in who if name in ("answer", "turn")] == ["answer", "turn"] * 2
    assert "interrupted" not in done.stdout
    assert "played" not in done.stdout


def test_a_typed_question_shows_what_the_camera_sees(service: str, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    options = ("--text", "--url", service, "--camera", str(ASSETS / "frames" / "00.jpg"), "--events", str(log))
    assert field_agent("talk", *options, typed=f"{GAUGE}\n").returncode == 0
    (turn,) = [event["turn"] for event in events(log) if event["event"] == "turn_ended"]
    assert turn["frames"] == 1


def test_an_empty_pipe_ends_it(service: str) -> None:
    assert field_agent("talk", *NO_DEVICES, "--url", service).returncode == 0


def test_a_question_that_is_answered_with_nothing_is_asked_again() -> None:
    with simulating("--scenario", "empty_turn") as url:
        done = field_agent("talk", "--text", "--url", url, typed="What is this?\n")
    assert done.returncode == 0
    assert "answer      (nothing: RESPONSE_REJECTED)\n" in done.stdout
    assert "red valve.\n" in done.stdout


def test_nothing_but_silence_for_an_answer_is_a_failure(tmp_path: Path) -> None:
    scenario = tmp_path / "silence.toml"
    scenario.write_text('[answer]\nempty = true\nreason = "RESPONSE_REJECTED"\n')
    with simulating("--scenario", str(scenario)) as url:
        done = field_agent("talk", "--text", "--url", url, typed="What is this?\n")
    assert done.returncode == 69
    assert done.stderr == "field-agent: no answer came: the service ended the turn: RESPONSE_REJECTED\n"
    assert done.stdout.count("answer      (nothing: RESPONSE_REJECTED)\n") >= 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_normal_end(service: str, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "answer.wav"
    options = ("--mic", "silence", "--speaker", str(out), "--initial-message", GAUGE, "--for", "60")
    with started("talk", *options, "--url", service) as process:
        assert process.stdout is not None
        while "answering" not in (line := process.stdout.readline()):
            assert line, "it ended"
        time.sleep(1)
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (0, "")
    with wave.open(str(out), "rb") as file:
        assert file.getnframes() > 12_000
        assert len(file.readframes(file.getnframes())) == 2 * file.getnframes()


def test_a_full_disk_costs_the_events_and_not_the_conversation(service: str) -> None:
    done = field_agent("talk", "--text", "--url", service, "--events", "/dev/full", typed=f"{GAUGE}\n")
    assert done.returncode == 74
    assert done.stderr == "field-agent: --events /dev/full: No space left on device\n"
    assert f"answer      {ANSWER}" in done.stdout


def test_in_a_terminal_it_says_which_keys_there_are_and_keeps_what_is_being_typed(service: str) -> None:
    master, slave = pty.openpty()
    arguments = [*PROGRAM, "talk", *NO_DEVICES, "--url", service, "--initial-message", GAUGE, "--for", "30"]
    with subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, env=environment()) as process:
        os.close(slave)
        screen = _read_until(master, "Ctrl-C ends.")
        os.write(master, b"half a li")
        screen += _read_until(master, "answering\r\nhalf a li")
        os.write(master, b"\x03")
        screen += _read_until(master, None)
        assert process.wait(PATIENCE_S) == 0
    os.close(master)
    assert "\r\x1b[K" in screen
    assert "Traceback" not in screen


def _read_until(fd: int, words: str | None) -> str:
    text, deadline = "", time.monotonic() + PATIENCE_S
    while words is None or words not in text:
        assert time.monotonic() < deadline, text
        try:
            text += os.read(fd, 4096).decode()
        except OSError:  # the other end is closed
            assert words is None, text
            break
    return text
