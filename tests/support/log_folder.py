"""A state folder as the agent leaves it: two conversations, one of them with everything in it."""

from __future__ import annotations

import time
from array import array
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent import cli
from agent.commands import log
from agent.record.record import Record, load
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

BEGAN = datetime(2026, 5, 12, 7, 14, 3, tzinfo=UTC).timestamp()
"""09:14:03 in Berlin."""
DAY_S = 86_400.0
PHOTO, LOST, PICTURE = "20260512-091501-1.jpg", "20260512-091640-2.jpg", "000003.jpg"
JPEG = b"\xff\xd8 a picture \xff\xd9"
SPEECH_S = 0.1
SPEECH = array("h", [100] * 1600).tobytes()
ANSWER = array("h", [200] * 2400).tobytes()
ANSWERED = {"state": "answered", "connections": 1, "attempts": 1}
"""Put to the service once, as a turn is for which nothing went wrong."""


@contextmanager
def in_berlin(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Be in Berlin, at 80 columns, with no configuration but one's own, in ``folder``/here."""
    for name, value in {"TZ": "Europe/Berlin", "COLUMNS": "80", "HOME": str(folder / "home")}.items():
        monkeypatch.setenv(name, value)
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(log, "DEFAULT_PATH", folder / "no-config.toml")
    (folder / "here").mkdir()
    monkeypatch.chdir(folder / "here")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class LogFolder:
    """Writes what a test needs; :meth:`close` before it is read, unless the reader must bear a writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path / "journal.db")
        self.spool = Spool(Layout(path), 100_000_000, lambda _: 1_000_000_000)
        (path / "stills").mkdir(mode=0o700)

    def spoken(self, number: int, conversation: int, at: float, **columns: Any) -> None:
        self.spool.open(number)
        self.spool.append(number, SPEECH)
        self.spool.close(number)
        self.journal.begin_turn(number, conversation, "spoken", at, audio=f"{number:06}.wav")
        self.journal.update_turn(number, **{"audio_s": SPEECH_S, "state": "waiting"} | columns)
        if columns.get("state") == "answered":
            self.spool.sent(number)

    def close(self) -> Path:
        self.journal.close()
        return self.path


def filled(path: Path) -> LogFolder:
    """Conversation 1 is three days old; 2 holds an interruption, a call, stills, an event, a typed turn, two notes."""
    made = LogFolder(path)
    journal = made.journal
    old = journal.begin_conversation("a-model", BEGAN - 3 * DAY_S)
    made.spoken(1, old, BEGAN - 3 * DAY_S, question="Wie spanne ich die Kette?", answer="Mit der Schraube.", **ANSWERED)
    journal.touch(old, BEGAN - 3 * DAY_S + 95)
    talk = journal.begin_conversation("a-model", BEGAN)
    figures = {"answer_s": 13.1, "played_s": 6.2, "ttfab_s": 0.77, "tokens": 1390, "frames": 7, "frames_dropped": 2}
    told = {"question": "Which way do I turn this valve?", "answer": "Clockwise. Then wait.", "played": "Clockwise."}
    made.spoken(2, talk, BEGAN, **ANSWERED, **told, **figures, interrupted=True)
    call = journal.begin_call(talk, 2, "c1", "order_part", {"part": "11-204-7"}, BEGAN + 4)
    journal.end_call(call, {"status": "ordered"}, BEGAN + 4.8)
    (path / "stills" / PHOTO).write_bytes(JPEG)
    journal.add_still(talk, 2, BEGAN + 5, PHOTO, len(JPEG))
    journal.add_still(talk, None, BEGAN + 20, LOST, 411_204)
    journal.add_event(BEGAN + 31, "network", "lost for 4 s", talk)
    kept = {"saved_at": BEGAN + 45, "answered_at": BEGAN + 900, "answer_audio": "000003-answer.wav", "attempts": 2}
    made.spoken(3, talk, BEGAN + 40, question="Is it the same seal?", answer="Yes.", answer_s=0.1, **ANSWERED | kept)
    made.spool.write_answer(3, ANSWER)
    (path / "spool" / PICTURE).write_bytes(JPEG)
    journal.update_turn(3, still=PICTURE)
    journal.begin_turn(4, talk, "typed", BEGAN + 60, text="And the torque?")
    journal.update_turn(4, state="answered", answer="45 newton metres.", played="45 newton metres.")
    made.spoken(5, talk, BEGAN + 80, saved_at=BEGAN + 88)
    journal.touch(talk, BEGAN + 88)
    return made


def closed(path: Path) -> Path:
    """The same, with nobody writing to it."""
    with closing(filled(path)) as made:
        return made.path


def export(state: Path, *options: object, code: int = 0) -> None:
    assert cli.main(["log", "export", "2", "--state", str(state), *map(str, options)]) == code


def record(state: Path, number: int = 2) -> Record:
    with closing(Journal(state / "journal.db", read_only=True)) as journal:
        return load(state, journal, number)
