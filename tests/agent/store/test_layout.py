"""Where everything lies: what an earlier version wrote must be found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.store.layout import Layout, answer_name, picture_name, recording_name, sound_of

STATE = Layout(Path("/state"))


def test_every_file_has_its_place() -> None:
    assert {
        str(path)
        for path in (
            STATE.journal,
            STATE.lock,
            STATE.devices,
            STATE.still("a.jpg"),
            STATE.unsent_recording(42),
            STATE.sent_recording(1_234_567),
            STATE.answer(42),
            STATE.picture(picture_name(42)),
        )
    } == {
        "/state/journal.db",
        "/state/lock",
        "/state/devices.json",
        "/state/stills/a.jpg",
        "/state/spool/unsent/000042.wav",
        "/state/spool/sent/1234567.wav",
        "/state/spool/sent/000042-answer.wav",
        "/state/spool/000042.jpg",
    }


def test_a_recording_is_where_it_is_owed_until_it_has_moved(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert layout.recording(7) == layout.sent_recording(7)
    layout.unsent.mkdir(parents=True)
    layout.unsent_recording(7).touch()
    assert layout.recording(7) == layout.unsent_recording(7)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    assert STATE.still(name) == Path("/state/stills/passwd")
    assert STATE.picture(name) == Path("/state/spool/passwd")


@pytest.mark.parametrize("number", [0, 42, 999_999, 1_234_567])
def test_a_name_tells_whose_it_is(number: int) -> None:
    assert sound_of(recording_name(number)) == (number, False)
    assert sound_of(answer_name(number)) == (number, True)
    assert sound_of(picture_name(number)) is None


@pytest.mark.parametrize("name", ["42.wav", "000042.wav.part", "notes.txt", "x000042.wav", "000042-answer.wav.part"])
def test_another_file_is_nobodys(name: str) -> None:
    assert sound_of(name) is None
