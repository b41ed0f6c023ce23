"""Archives and files: whole or not there, with what belongs to them, where they were asked for."""

from __future__ import annotations

import io
import json
import wave
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from agent import cli
from agent.record import files
from agent.record.html import page
from agent.record.record import Record
from tests.support.log_folder import BEGAN, JPEG, PHOTO, SPEECH, export, record
from tests.support.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_KEPT, CONFIG, FULL = 66, 78, 74


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


CENTURY_S = 100 * 365.25 * 86_400


@pytest.mark.parametrize(
    ("now", "expected"),
    [(0.0, 1980), (1e300, 1980), (BEGAN, 2026), (BEGAN + CENTURY_S, 2107), (BEGAN + 50 * CENTURY_S, 2107)],
)
def test_an_archive_can_be_made_at_any_time(state: Path, now: float, expected: int) -> None:
    out = io.BytesIO()
    files.write_zip(record(state), out, now)
    with zipfile.ZipFile(out) as archive:
        year = archive.getinfo("record.json").date_time[0]
    assert year == expected


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ([], ("job-2.html", b"<!DOCTYPE")),
        (["--format", "json"], ("job-2.json", b"{")),
        (["--format", "zip"], ("job-2.zip", b"PK")),
        (["--out", "x.ZIP"], ("x.ZIP", b"PK")),
        (["--out", "x"], ("x", b"<!DOCTYPE")),
        (["--out", "x.txt", "--format", "json"], ("x.txt", b"{")),
        (["--out", "x.json", "--format", "json"], ("x.json", b"{")),
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
    assert capsys.readouterr().out == f"{name}: {size:.0f} kB\nleft out because no longer kept: 1 file\n"


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
        (["--out", "there.html"], "there.html: exists already"),
        (["--out", "missing/a.html"], "missing/a.html: cannot be written: No such file or directory"),
        (["--out", "folder", "--force"], "folder: cannot be written: is a folder"),
        (["--out", "folder"], "folder: cannot be written: is a folder"),
        (["--out", "", "--force"], ".: cannot be written: is a folder"),
        (["--out", "x.txt"], "--out x.txt: no format has this ending (use .json, .html, .zip, or choose one with"),
        (["--out", "x.html", "--format", "json"], "--out x.html: the ending is not that of --format json (leave"),
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
