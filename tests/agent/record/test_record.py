"""The job record: what programs get, and what belongs to it."""

from __future__ import annotations

import json
import unicodedata
from contextlib import closing
from typing import TYPE_CHECKING

from agent import cli
from agent.record.record import length
from tests.support.log_folder import BEGAN, JPEG, LOST, PHOTO, LogFolder, export, record

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_json_says_everything_with_times_that_have_an_offset(state: Path, here: Path) -> None:
    export(state, "--out", "a.json")
    told = json.loads((here / "a.json").read_text(encoding="utf-8"))
    assert told.pop("made_at").endswith(("+01:00", "+02:00"))
    turns = told.pop("turns")
    assert told == {
        "format": "field-agent-job-record",
        "version": 1,
        "conversation": {
            "number": 2,
            "began_at": "2026-05-12T09:14:03.000+02:00",
            "ended_at": "2026-05-12T09:15:31.000+02:00",
            "duration_s": 88.0,
            "model": "a-model",
        },
        "stills": [
            {
                "name": PHOTO,
                "turn": 2,
                "at": "2026-05-12T09:14:08.000+02:00",
                "bytes": len(JPEG),
                "file": f"stills/{PHOTO}",
            },
            {"name": LOST, "turn": None, "at": "2026-05-12T09:14:23.000+02:00", "bytes": 411_204, "file": None},
        ],
        "calls": [
            {
                "turn": 2,
                "name": "order_part",
                "arguments": {"part": "11-204-7"},
                "result": {"status": "ordered"},
                "began_at": "2026-05-12T09:14:07.000+02:00",
                "ended_at": "2026-05-12T09:14:07.800+02:00",
            }
        ],
        "events": [{"at": "2026-05-12T09:14:34.000+02:00", "kind": "network", "text": "lost for 4 s"}],
    }
    assert [turn["number"] for turn in turns] == [2, 3, 4, 5]


def test_the_json_of_a_turn(state: Path, here: Path) -> None:
    export(state, "--out", "a.json")
    interrupted, note, typed, waiting = json.loads((here / "a.json").read_text(encoding="utf-8"))["turns"]
    assert interrupted == {
        "number": 2,
        "kind": "spoken",
        "state": "answered",
        "began_at": "2026-05-12T09:14:03.000+02:00",
        **dict.fromkeys(("ended_at", "saved_at", "delivered_at", "answered_at", "spoken_at")),
        "question": {"text": "Which way do I turn this valve?", "seconds": 0.1, "recording": "recordings/000002.wav"},
        "answer": {
            "text": "Clockwise.",
            "full_text": "Clockwise. Then wait.",
            "seconds": 13.1,
            "played_seconds": 6.2,
            "interrupted": True,
            "recording": None,
        },
        "picture": None,
        "ttfab_s": 0.77,
        "tokens": 1390,
        "attempts": 1,
        "connections": 1,
        "frames": 7,
        "frames_dropped": 2,
        "reason": "",
    }
    assert (note["answer"]["recording"], note["picture"]) == ("recordings/000003-answer.wav", "pictures/000003.jpg")
    assert note["saved_at"] == "2026-05-12T09:14:48.000+02:00"
    assert (typed["question"]["text"], typed["question"]["recording"]) == ("And the torque?", None)
    assert (waiting["state"], waiting["question"]["text"]) == ("waiting", "")


def test_json_stays_json_whatever_a_function_returned(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    with closing(LogFolder(tmp_path / "s")) as made:
        talk = made.journal.begin_conversation("a-model", 1e300)
        call = made.journal.begin_call(talk, None, "c", "f", {"a": [float("inf"), {"b": float("nan")}]}, BEGAN)
        made.journal.end_call(call, {"lone": "\ud800", "line": "\u2028", "bell \x07 \x7f \x9b2J": 1}, BEGAN)
    assert cli.main(["log", "export", "1", "--state", str(tmp_path / "s"), "--format", "json", "--out", "-"]) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = capsysbinary.readouterr().out.decode("utf-8")
    assert not [char for char in text if unicodedata.category(char) == "Cc" and char != "\n"]
    told = json.loads(text, parse_constant=refuse)
    assert told["calls"][0]["result"] == {"lone": "", "line": "\n", "bell   2J": 1}
    assert told["calls"][0]["arguments"] == {"a": [None, {"b": None}]}
    assert told["conversation"]["began_at"] is None


def test_turns_keep_their_order_when_the_clock_was_set_back(tmp_path: Path) -> None:
    with closing(LogFolder(tmp_path / "state")) as made:
        talk = made.journal.begin_conversation("a-model", BEGAN)
        for number, at in ((1, BEGAN), (2, BEGAN - 500), (3, BEGAN + 10)):
            made.journal.begin_turn(number, talk, "typed", at)
        made.journal.add_event(BEGAN + 5, "clock", "was set", talk)
        made.journal.touch(talk, BEGAN - 500)
    found = record(tmp_path / "state", 1)
    assert [getattr(item, "kind", "") + str(item.number) for _, item in found.timeline()] == [
        "typed1",
        "typed2",
        "clock1",
        "typed3",
    ]
    assert length(found.conversation) == 0


def test_a_name_from_the_journal_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with closing(LogFolder(tmp_path / "state")) as made:
        talk = made.journal.begin_conversation("a-model", BEGAN)
        made.journal.begin_turn(1, talk, "typed", BEGAN)
        made.journal.update_turn(1, still="../../secret.jpg")
        for name in ("../../secret.jpg", str(tmp_path / "secret.jpg"), "..", ""):
            made.journal.add_still(talk, 1, BEGAN, name, 6)
    assert record(tmp_path / "state", 1).files() == {}
