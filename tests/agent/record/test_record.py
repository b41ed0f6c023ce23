"""The job record: what programs get, what customers see, and that no word in it becomes markup."""

from __future__ import annotations

import base64
import io
import json
import time
import unicodedata
import wave
import zipfile
from contextlib import closing
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from agent import cli
from agent.commands import log
from agent.record import files
from agent.record.html import page
from agent.record.record import Record, length, load
from agent.store.journal import Journal
from tests.support.log_folder import ANSWER, BEGAN, JPEG, LOST, PHOTO, SPEECH, LogFolder, closed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = """</p><script>alert(1)</script><img src=x onerror="alert('1')"> & <b "'>"""
EVIL_FILE = """<script>'".jpg"""
TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "footer",
    "ol",
    "li",
    "p",
    "h1",
    "dl",
    "div",
}
TAGS |= {"dt", "dd", "time", "span", "b", "figure", "figcaption", "img", "audio"}
NOT_KEPT, CONFIG, FULL = 66, 78, 74


@pytest.fixture(autouse=True)
def acoustics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Berlin, no configuration, and a folder to write to."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setattr(log, "DEFAULT_PATH", tmp_path / "no-config.toml")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return closed(tmp_path / "state")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def export(state: Path, *options: object, code: int = 0) -> None:
    assert cli.main(["log", "export", "2", "--state", str(state), *map(str, options)]) == code


def record(state: Path, number: int = 2) -> Record:
    with closing(Journal(state / "journal.db", read_only=True)) as journal:
        return load(state, journal, number)


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def sources(self, tag: str) -> list[str]:
        return [str(attributes["src"]) for name, attributes in self.tags if name == tag]


def html_of(state: Path, *options: str) -> Page:
    export(state, "--format", "html", "--out", "page.html", "--force", *options)
    return Page((state.parent / "here" / "page.html").read_text(encoding="utf-8"))


# for programs


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
    assert "bell \x07 \x7f \x9b2J" in told["calls"][0]["result"]
    assert told["calls"][0]["arguments"] == {"a": [None, {"b": None}]}
    assert told["conversation"]["began_at"] is None


# for people


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    with closing(LogFolder(tmp_path / "state")) as made:
        journal = made.journal
        journal.begin_conversation("unused", BEGAN)
        talk = journal.begin_conversation(EVIL, BEGAN)
        made.spoken(1, talk, BEGAN, question=EVIL, answer=EVIL, reason=EVIL, state="unanswered")
        journal.begin_turn(2, talk, "typed", BEGAN, text=EVIL)
        journal.update_turn(2, interrupted=True, played=EVIL, still=EVIL_FILE)
        journal.end_call(journal.begin_call(talk, 1, EVIL, EVIL, {EVIL: EVIL}, BEGAN), {EVIL: [EVIL]}, BEGAN)
        journal.add_still(talk, 1, BEGAN, EVIL_FILE, 1)
        journal.add_still(talk, None, BEGAN, f"gone {EVIL_FILE}", 1)
        journal.add_event(BEGAN, EVIL, EVIL, talk)
        (made.path / "stills" / EVIL_FILE).write_bytes(JPEG)
        return made.path


def test_nothing_that_anybody_said_becomes_markup(hostile: Path) -> None:
    shown = html_of(hostile, "--audio")
    assert {tag for tag, _ in shown.tags} <= TAGS
    assert not [name for _, attributes in shown.tags for name in attributes if name.startswith("on")]
    assert all(source.startswith("data:") for tag in ("img", "audio") for source in shown.sources(tag))
    assert len(shown.sources("img")) == 1
    # question, answer, reason, model, call, its argument's name and value, its result's name, typed, played, event (2)
    assert shown.text.count(EVIL) + shown.text.count(json.dumps(EVIL)) == 12 + 1
    assert f"gone {EVIL_FILE}" in shown.text


def test_no_control_character_gets_into_the_page(tmp_path: Path, here: Path) -> None:
    evil = "a\x1b[31m\0\x07\x7f\x9b2J\nb\tc"
    with closing(LogFolder(tmp_path / "state")) as made:
        for _ in range(2):
            talk = made.journal.begin_conversation(evil, BEGAN)
        made.spoken(1, talk, BEGAN, question=evil, answer=evil, reason=evil, state="unanswered")
        made.journal.end_call(made.journal.begin_call(talk, 1, "c", evil, {evil: evil}, BEGAN), {evil: evil}, BEGAN)
        made.journal.add_still(talk, 1, BEGAN, evil, 1)
        made.journal.add_event(BEGAN, evil, evil, talk)
    html_of(tmp_path / "state")
    content = (here / "page.html").read_text(encoding="utf-8")
    assert not [char for char in content if unicodedata.category(char) == "Cc" and char not in "\n\t"]
    assert content.count("a[31m2J\nb\tc") >= 10


def test_the_page_of_an_archive_escapes_too(hostile: Path, here: Path) -> None:
    export(hostile, "--out", "a.zip")
    with zipfile.ZipFile(here / "a.zip") as archive:
        shown = Page(archive.read("record.html").decode())
        assert f"stills/{EVIL_FILE}" in archive.namelist()
    assert {tag for tag, _ in shown.tags} <= TAGS
    assert not [name for _, attributes in shown.tags for name in attributes if name.startswith("on")]


def test_the_page_needs_nothing_from_elsewhere_and_forbids_it(state: Path, here: Path) -> None:
    shown = html_of(state, "--audio")
    content = (here / "page.html").read_text(encoding="utf-8")
    for word in ("http:", "https:", "url(", "@import", "<script", "<link", "<iframe"):
        assert word not in content
    policy = next(attributes for tag, attributes in shown.tags if attributes.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'; ")
    assert "script-src" not in str(policy["content"])
    assert content.startswith("<!DOCTYPE html>")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in content
    for rule in ("@media print", "prefers-color-scheme: dark", "break-inside: avoid"):
        assert rule in content


def test_the_page_tells_the_conversation(state: Path) -> None:
    text = html_of(state).text
    for words in (
        "Job record 2, Tuesday, 12 May 2026",
        "09:14 to 09:15, 1 min, 4 turns, 2 photos, 1 function call",
        "Technician Which way do I turn this valve?",
        "Assistant Clockwise. … stopped after 6.2 of 13.1 s",
        "Function call order_part part 11-204-7 Result status ordered",
        "Photo taken at 09:14:08",
        f"Photo {LOST}: not kept any more",
        "network lost for 4 s",
        "What the camera saw, kept with the question",
        "Saved 09:14, answered 09:29, not heard yet",
        "No transcript yet",
        "Saved 09:15, waiting to be sent",
        "Times are local (UTC+02:00).",
    ):
        assert words in text
    assert "Then wait." not in text


def test_pictures_are_in_the_page_and_sounds_only_when_they_are_wanted(state: Path) -> None:
    silent, loud = html_of(state), html_of(state, "--audio")
    assert [base64.b64decode(source.partition(",")[2]) for source in silent.sources("img")] == [JPEG, JPEG]
    assert silent.sources("audio") == []
    sounds = [base64.b64decode(source.removeprefix("data:audio/wav;base64,")) for source in loud.sources("audio")]
    assert [len(sound) - 44 for sound in sounds] == [len(SPEECH), len(SPEECH), len(ANSWER), len(SPEECH)]


def test_a_new_day_is_told_and_a_call_without_result(tmp_path: Path) -> None:
    with closing(LogFolder(tmp_path / "state")) as made:
        for at in (BEGAN, BEGAN):
            talk = made.journal.begin_conversation("", at)
        made.journal.begin_call(talk, None, "c", "look", {}, BEGAN + 90_000)
        made.journal.end_call(
            made.journal.begin_call(talk, None, "c", "find", {}, BEGAN + 90_001), None, BEGAN + 90_002
        )
    text = html_of(tmp_path / "state").text
    assert "Wednesday, 13 May 2026 10:14:03 Function call look Result none" in text
    assert "find Result cancelled" in text
    assert "Model unknown" in text


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


# archives


def test_an_archive_holds_page_and_data_and_every_file(state: Path, here: Path) -> None:
    export(state, "--out", "a.zip")
    with zipfile.ZipFile(here / "a.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            f"stills/{PHOTO}",
            "pictures/000003.jpg",
            *(f"recordings/{name}.wav" for name in ("000002", "000003", "000003-answer", "000005")),
            "record.json",
            "record.html",
        }
        assert archive.read(f"stills/{PHOTO}") == JPEG
        with wave.open(io.BytesIO(archive.read("recordings/000005.wav"))) as recording:
            assert recording.readframes(9999) == SPEECH
        told = json.loads(archive.read("record.json"))
        named = [turn["question"]["recording"] for turn in told["turns"]] + [each["file"] for each in told["stills"]]
        assert {name for name in named if name} <= set(archive.namelist())
        shown = Page(archive.read("record.html").decode())
        assert shown.sources("audio") == [
            f"recordings/{name}.wav" for name in ("000002", "000003", "000003-answer", "000005")
        ]
        assert all(source.startswith("data:image/jpeg;base64,") for source in shown.sources("img"))


def test_a_file_that_goes_while_an_archive_is_made_is_not_named_in_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = record(state)
    names = found.files()
    (state / "spool" / "sent" / "000002.wav").unlink()
    monkeypatch.setattr(Record, "files", lambda _: names)
    out = io.BytesIO()
    files.write_zip(found, out, BEGAN)
    with zipfile.ZipFile(out) as archive:
        assert "recordings/000002.wav" not in archive.namelist()
        assert json.loads(archive.read("record.json"))["turns"][0]["question"]["recording"] is None
        assert "recordings/000002.wav" not in archive.read("record.html").decode()


def test_a_page_is_made_also_when_a_file_goes_meanwhile(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = record(state).files()
    (state / "stills" / PHOTO).unlink()
    monkeypatch.setattr(Record, "files", lambda _: names)
    assert f"Photo {PHOTO}: not kept any more" in html_of(state).text


@pytest.mark.parametrize("now", [0.0, 1e300, BEGAN])
def test_an_archive_can_be_made_at_any_time(state: Path, now: float) -> None:
    out = io.BytesIO()
    files.write_zip(record(state), out, now)
    with zipfile.ZipFile(out) as archive:
        year = archive.getinfo("record.json").date_time[0]
    assert year == (2026 if now == BEGAN else 1980)


# where it goes


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ([], ("job-2.html", b"<!DOCTYPE")),
        (["--format", "json"], ("job-2.json", b"{")),
        (["--format", "zip"], ("job-2.zip", b"PK")),
        (["--out", "x.ZIP"], ("x.ZIP", b"PK")),
        (["--out", "x.txt"], ("x.txt", b"<!DOCTYPE")),
        (["--out", "x.html", "--format", "json"], ("x.html", b"{")),
    ],
)
def test_the_file_is_named_by_what_it_is(
    state: Path, here: Path, capsys: pytest.CaptureFixture[str], options: list[str], made: tuple[str, bytes]
) -> None:
    name, begins = made
    export(state, *options)
    assert [path.name for path in here.iterdir()] == [name]
    assert (here / name).read_bytes().startswith(begins)
    assert (here / name).stat().st_mode & 0o777 == 0o600
    size = (here / name).stat().st_size / 1000
    assert capsys.readouterr().out == f"{name}: {size:.0f} kB\nno longer kept and so left out: 1 file\n"


@pytest.mark.parametrize("kind", ["json", "html"])
def test_standard_output_gets_the_record_and_nothing_else(
    state: Path, here: Path, capsysbinary: pytest.CaptureFixture[bytes], kind: str
) -> None:
    export(state, "--format", kind, "--out", "-")
    printed = capsysbinary.readouterr()
    assert printed.out.startswith(b"{" if kind == "json" else b"<!DOCTYPE")
    assert printed.out.endswith(b"}\n" if kind == "json" else b"</html>\n")
    assert printed.err == b""
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--format", "zip", "--out", "-"], "--out -: a zip is not written to standard output"),
        (["--out", "there.html"], "there.html: is there already"),
        (["--out", "missing/a.html"], "missing/a.html: cannot be written: No such file or directory"),
        (["--out", "folder", "--force"], "folder: is a folder"),
    ],
)
def test_where_nothing_is_written(
    state: Path, here: Path, capsys: pytest.CaptureFixture[str], options: list[str], why: str
) -> None:
    (here / "there.html").write_text("mine")
    (here / "folder").mkdir()
    export(state, *options, code=CONFIG)
    assert capsys.readouterr().err.startswith(f"field-agent: {why}")
    assert (here / "there.html").read_text() == "mine"
    assert {path.name for path in here.iterdir()} == {"there.html", "folder"}


def test_what_is_there_is_replaced_only_by_something_whole(
    state: Path, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "a.html").write_text("mine")

    def half(*args: Any) -> Iterator[str]:
        yield next(page(*args))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "page", half)
    export(state, "--out", "a.html", "--force", code=FULL)
    assert capsys.readouterr().err == "field-agent: a.html: No space left on device\n"
    assert {path.name: path.read_text() for path in here.iterdir()} == {"a.html": "mine"}
    monkeypatch.undo()
    with files.written(here / "a.html", force=True) as out:
        out.write(b"new")
    assert (here / "a.html").read_bytes() == b"new"


def test_a_conversation_that_is_not_there_leaves_no_file(state: Path, here: Path) -> None:
    assert cli.main(["log", "export", "9", "--state", str(state)]) == NOT_KEPT
    assert list(here.iterdir()) == []


def test_a_name_from_the_journal_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with closing(LogFolder(tmp_path / "state")) as made:
        talk = made.journal.begin_conversation("a-model", BEGAN)
        made.journal.begin_turn(1, talk, "typed", BEGAN)
        made.journal.update_turn(1, still="../../secret.jpg")
        for name in ("../../secret.jpg", str(tmp_path / "secret.jpg"), "..", ""):
            made.journal.add_still(talk, 1, BEGAN, name, 6)
    assert record(tmp_path / "state", 1).files() == {}
