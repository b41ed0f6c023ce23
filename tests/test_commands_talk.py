"""``talk`` as a person or a bench uses it: a process of its own, a simulator in another, real time."""

from __future__ import annotations

import json
import time
import wave
from typing import TYPE_CHECKING, Any

import pytest

from agent.commands.talk import plain
from agent.earcons import Earcon
from agent.metrics import TurnRecord
from tests.command import NO_DEVICES, field_agent, simulating
from tests.stage import ASSETS, question

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
        "link",
        "phase",
        "Typed",
        "SendText",
        "Delivered",
        "AnswerBegan",
        "AnswerGenerated",
        "said",
        "turn",
    } <= names
    (turn,) = [event["record"] for event in written if event["event"] == "turn"]
    assert turn["answer"] == turn["spoken"] == ANSWER
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
    (turn,) = [event["record"] for event in events(log) if event["event"] == "turn"]
    assert turn["heard"].strip() == GAUGE
    assert turn["played_s"] == pytest.approx(4.7, abs=0.1)
    assert {"button", "phase", "Sense", "OpenUtterance", "SpeechStarted", "SpeechEnded", "EndUtterance", "heard"} <= {
        event["event"] for event in events(log)
    }
    with wave.open(str(out), "rb") as file:
        assert file.getframerate() == 24_000
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    assert max(samples) > 3000


def test_the_time_given_is_the_time_taken(service: str) -> None:
    started = time.monotonic()
    done = field_agent("talk", *NO_DEVICES, "--url", service, "--for", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert 1 < time.monotonic() - started < 4


def test_the_first_words_may_be_the_boxes_own(service: str) -> None:
    done = field_agent("talk", *NO_DEVICES, "--url", service, "--initial-message", GAUGE, "--for", "2.5")
    assert done.returncode == 0
    assert "speaking" in done.stdout


def test_what_json_does_not_know_is_written_as_a_name_or_text(tmp_path: Path) -> None:
    assert plain(Earcon.LISTENING) == "LISTENING"
    assert plain(tmp_path) == str(tmp_path)
    record = plain(TurnRecord(3, tokens=7))
    assert isinstance(record, dict)
    assert (record["utterance"], record["tokens"], record["answer"], record["ttfab_s"]) == (3, 7, "", None)
    json.dumps(record)
