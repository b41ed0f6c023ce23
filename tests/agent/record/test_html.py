"""The page: what customers see, and that no word in it becomes markup. It covers style.py as well."""

from __future__ import annotations

import base64
import json
import unicodedata
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.record.record import Record
from tests.support.log_folder import ANSWER, BEGAN, JPEG, LOST, PHOTO, SPEECH, LogFolder, export, record
from tests.support.page import Page

if TYPE_CHECKING:
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


def html_of(state: Path, *options: str) -> Page:
    export(state, "--format", "html", "--out", "page.html", "--force", *options)
    return Page((state.parent / "here" / "page.html").read_text(encoding="utf-8"))


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
        f"Photo {LOST}: no longer kept",
        "network lost for 4 s",
        "What the camera saw, kept with the question",
        "Saved 09:14, answered 09:29, not played yet",
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


def test_a_page_is_made_also_when_a_file_goes_meanwhile(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = record(state).files()
    (state / "stills" / PHOTO).unlink()
    monkeypatch.setattr(Record, "files", lambda _: names)
    assert f"Photo {PHOTO}: no longer kept" in html_of(state).text
