"""``log`` on a terminal, in a pipe and on a speaker: what it prints, what it plays, and what it says instead."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sqlite3
import wave
from array import array
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent import cli
from agent.commands import log
from agent.record.files import sound
from agent.record.text import span
from agent.store.journal import Journal
from hardware.ports import DeviceError
from hardware.simulated.clock import run_virtual
from hardware.simulated.speakers import SilentSpeaker
from tests.support.command import field_agent
from tests.support.log_folder import ANSWER, BEGAN, LOST, PHOTO, SPEECH, LogFolder, closed, filled, in_berlin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USAGE, NOT_KEPT, DEVICE, CONFIG = 2, 66, 74, 78
LIST = """\
   no  began              length  turns  first question
    2  2026-05-12 09:14    1 min      4  Which way do I turn this valve?
    1  2026-05-09 09:14    2 min      1  Wie spanne ich die Kette?

Notes: 1 waiting, 1 answered and not played yet
 turn    5  saved 2026-05-12 09:15, 0.1 s, waiting
 turn    3  saved 2026-05-12 09:14, 0.1 s, answered, not played yet
"""
STORY = f"""\
Conversation 2, 2026-05-12 09:14 to 09:15
1 min, 4 turns, a-model

turn 2  09:14:03  spoken 0.1 s, first sound after 0.77 s, answer 13.1 s, 1390
            tokens, 7 frames (2 dropped)
technician  Which way do I turn this valve?
       box  Clockwise. [stopped after 6.2 of 13.1 s]
      call  order_part({{"part": "11-204-7"}}) -> {{"status": "ordered"}} (0.8 s)
     photo  {PHOTO}, 0 kB

     photo  09:14:23  {LOST}, 411 kB, no longer kept

     event  09:14:34  network: lost for 4 s

turn 3  09:14:43  spoken 0.1 s, answer 0.1 s, sent again 1 time
technician  Is it the same seal?
       box  Yes.
   picture  what the camera saw
      note  saved 09:14, answered 09:29, not played yet

turn 4  09:15:03  typed
technician  And the torque?
       box  45 newton metres.

turn 5  09:15:23  spoken 0.1 s
technician  (no transcript)
      note  saved 09:15, waiting to be sent
"""


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with in_berlin(monkeypatch, tmp_path):
        yield


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return closed(tmp_path / "state")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object, code: int = 0) -> str:
        assert cli.main(["log", *map(str, arguments)]) == code
        printed = capsys.readouterr()
        if code == 0:
            assert printed.err == ""
            return printed.out
        assert printed.out == ""
        assert printed.err.count("\n") == 1, printed.err
        assert printed.err.startswith("field-agent: ")
        return printed.err

    return run


def bare(path: Path, *texts: str, **columns: Any) -> Path:
    """A log with a conversation for each text."""
    with closing(LogFolder(path)) as made:
        for number, text in enumerate(texts, 1):
            talk = made.journal.begin_conversation("a-model", BEGAN)
            made.journal.begin_turn(number, talk, "typed", BEGAN, text=text)
            made.journal.update_turn(number, state="answered", **columns)
        return made.path


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# the list


def test_conversations_are_listed_newest_first_and_then_the_notes(state: Path, said: Any) -> None:
    assert said("--state", state) == LIST


def test_as_many_are_listed_as_are_wanted_and_more_are_hinted_at(tmp_path: Path, said: Any) -> None:
    folder = bare(tmp_path / "s", *(f"question {number}" for number in range(1, 24)))
    newest = said("--state", folder).splitlines()
    assert newest[1].endswith("question 23")
    assert newest[20].endswith("question 4")
    assert newest[21:] == ["       and older conversations: field-agent log --all"]
    assert len(said("--state", folder, "-n", 2).splitlines()) == 4
    assert said("--state", folder, "--all").splitlines()[-1].endswith("question 1")
    assert len(said("--state", folder, "-n", 23).splitlines()) == 24


def test_an_empty_log_is_no_error(tmp_path: Path, said: Any) -> None:
    LogFolder(tmp_path / "s").close()
    assert said("--state", tmp_path / "s").startswith("Nothing has been said yet.")


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"text": "", "answer": "Battery low."}, "(unasked) Battery low."),
        ({"text": "", "audio": "000001.wav"}, "(no transcript yet)"),
        ({"question": "Heard."}, "Heard."),
    ],
)
def test_a_conversation_without_a_question_says_what_there_is(
    tmp_path: Path, said: Any, columns: dict[str, Any], shown: str
) -> None:
    folder = bare(tmp_path / "s", "typed", **columns)
    assert said("--state", folder).splitlines()[1].endswith(f"  {shown}")


def test_conversations_in_which_nothing_happened_are_listed_only_with_all(tmp_path: Path, said: Any) -> None:
    folder = bare(tmp_path / "s", "first", "second")
    with closing(Journal(folder / "journal.db")) as journal:
        empty, photo, call = (journal.begin_conversation("a-model", BEGAN) for _ in range(3))
        journal.add_still(photo, None, BEGAN, "a.jpg", 1)
        journal.begin_call(call, None, "c", "look", {}, BEGAN)
        journal.add_event(BEGAN, "network", "lost", empty)
        journal.begin_conversation("a-model", BEGAN)

    def numbers(*options: object) -> list[str]:
        return [line.split()[0] for line in said("--state", folder, *options).splitlines()[1:]]

    assert numbers() == ["5", "4", "2", "1"]
    assert numbers("-n", 3) == ["5", "4", "2", "and"]
    assert numbers("-n", 4) == ["5", "4", "2", "1"]
    assert numbers("--all") == ["6", "5", "4", "3", "2", "1"]
    assert "    6  2026-05-12 09:14      0 s      0  (no question)" in said("--state", folder, "--all")


def test_a_log_in_which_nothing_happened_is_an_empty_one(tmp_path: Path, said: Any) -> None:
    with closing(LogFolder(tmp_path / "s")) as made:
        made.journal.begin_conversation("a-model", BEGAN)
    assert said("--state", tmp_path / "s").startswith("Nothing has been said yet.")


@pytest.mark.parametrize(("attempts", "shown"), [(0, ""), (1, ""), (2, "sent again 1 time"), (4, "sent again 3 times")])
def test_only_what_was_put_to_the_service_more_than_once_was_sent_again(
    tmp_path: Path, said: Any, attempts: int, shown: str
) -> None:
    told = said("show", "1", "--state", bare(tmp_path / "s", "typed", attempts=attempts))
    assert told.count("sent again") == bool(shown)
    assert shown in told


def test_what_is_still_recorded_or_was_cut_short_is_not_called_a_note(tmp_path: Path, said: Any) -> None:
    with closing(LogFolder(tmp_path / "s")) as made:
        made.journal.begin_turn(
            7, made.journal.begin_conversation("a-model", BEGAN), "spoken", BEGAN, audio="000007.wav"
        )
    last = said("--state", tmp_path / "s").splitlines()[-1]
    assert last.startswith(" turn    7  spoken 2026-05-12 09:14, not finished")


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_no_line_of_the_list_is_wider_than_the_terminal(
    tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = said("--state", bare(tmp_path / "s", "many words " * 40, "一二三" * 40)).splitlines()
    assert max(map(len, lines)) <= max(columns, 60)
    assert lines[1].endswith("…") or columns == 300


def test_a_pipe_gets_the_same_table_and_nothing_else(state: Path) -> None:
    done = field_agent("log", "--state", str(state), COLUMNS="", TZ="Europe/Berlin")
    assert (done.returncode, done.stdout, done.stderr) == (0, LIST, "")


# one conversation


def test_a_conversation_is_told_turn_by_turn(state: Path, said: Any) -> None:
    assert said("show", "2", "--state", state) == STORY


def test_what_has_made_room_is_said(state: Path, said: Any) -> None:
    (state / "spool" / "sent" / "000002.wav").unlink()
    (state / "spool" / "000003.jpg").unlink()
    told = said("show", "2", "--state", state)
    assert told.count("     audio  deleted to make room for newer recordings\n") == 1
    assert "   picture  what the camera saw, no longer kept\n" in told


def test_what_became_of_a_turn_is_said(tmp_path: Path, said: Any) -> None:
    with closing(LogFolder(tmp_path / "s")) as made:
        talk = made.journal.begin_conversation("", BEGAN)
        made.spoken(1, talk, BEGAN, state="unanswered", reason="connection lost")
        made.spoken(2, talk, BEGAN, state="asked")
        late = {"saved_at": BEGAN + 9, "answered_at": BEGAN + 90_000, "played_at": BEGAN + 90_060}
        made.spoken(3, talk, BEGAN, state="answered", answer_audio="a.wav", **late)
        made.journal.begin_turn(4, talk, "unasked", BEGAN)
        made.journal.update_turn(4, interrupted=True, answer_s=3.0)
        made.journal.begin_call(talk, 4, "c", "look", {}, BEGAN)
        made.journal.end_call(
            made.journal.begin_call(talk, None, "c", "find", {}, BEGAN + 90_000), None, BEGAN + 90_001
        )
    told = said("show", "1", "--state", tmp_path / "s")
    for line in (
        "0 s, 4 turns, model unknown",
        "     state  never answered, connection lost",
        "     state  sent, not answered yet",
        "      note  saved 09:14, answered 2026-05-13 10:14, played 2026-05-13 10:15",
        "       box  [stopped after 0.0 of 3.0 s]",
        "      call  look() -> no result",
        "2026-05-13",
        "      call  10:14:03  find() -> cancelled (1.0 s)",
    ):
        assert f"{line}\n" in told


def test_nothing_that_was_said_commands_the_terminal(tmp_path: Path, said: Any) -> None:
    evil = "red \x1b[31m bell \x07 \x9b2J back \u202e line\nline\r\ttab"
    folder = tmp_path / "s"
    with closing(LogFolder(folder)) as made:
        talk = made.journal.begin_conversation(evil, BEGAN)
        made.journal.begin_turn(1, talk, "typed", BEGAN, text=evil)
        made.journal.update_turn(1, state="cut", answer=evil, reason=evil)
        made.journal.begin_call(talk, 1, evil, evil, {evil: evil}, BEGAN)
        made.journal.add_still(talk, 1, BEGAN, evil, 1)
        made.journal.add_event(BEGAN, evil, evil, talk)
    printed = said("--state", folder) + said("show", "1", "--state", folder)
    assert all(char.isprintable() for char in printed.replace("\n", ""))
    assert printed.count("red [31m bell 2J back line line tab") >= 3


def test_a_moment_that_no_calendar_has_is_a_question_mark(tmp_path: Path, said: Any) -> None:
    with closing(LogFolder(tmp_path / "s")) as made:
        made.journal.begin_turn(1, made.journal.begin_conversation("a-model", 1e300), "typed", 1e300)
    assert "????-??-?? ??:??" in said("--state", tmp_path / "s")
    assert "????-??-?? ??:??" in said("show", "1", "--state", tmp_path / "s")


# where the log is


def test_the_options_may_stand_before_or_behind_the_action(state: Path, said: Any) -> None:
    assert said("--state", state, "show", "2") == said("show", "2", "--state", state) == STORY


def test_the_folder_is_where_the_agent_would_have_it(
    state: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text(f'[paths]\nstate = "{state}"\n')
    assert said("--config", tmp_path / "a.toml") == LIST
    monkeypatch.setattr(log, "DEFAULT_PATH", tmp_path / "a.toml")
    assert said() == LIST
    monkeypatch.setattr(log, "DEFAULT_PATH", tmp_path / "none.toml")
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    assert said() == LIST


def test_no_folder_is_an_error_that_names_it_and_makes_none(tmp_path: Path, said: Any) -> None:
    line = said(code=CONFIG)
    assert f"{tmp_path}/home/.local/state/field-agent: no such folder" in line
    assert "name another folder with --state" in line
    assert not (tmp_path / "home").exists()


def test_a_folder_without_a_journal_is_left_as_it_is(tmp_path: Path, said: Any) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no log" in said("--state", tmp_path / "empty", code=CONFIG)
    assert list((tmp_path / "empty").iterdir()) == []
    (tmp_path / "file").touch()
    assert "no such folder" in said("--state", tmp_path / "file", code=CONFIG)


def test_a_folder_of_another_user_says_whose(state: Path, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    line = said("--state", state, code=DEVICE)
    assert f"only {state.owner()} may read it (sudo -u {state.owner()} field-agent log)" in line


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + bytes(4000)])
def test_a_journal_that_is_none_is_told_in_one_line(state: Path, said: Any, damage: bytes) -> None:
    (state / "journal.db").write_bytes(damage)
    assert "journal.db: the journal" in said("--state", state, code=DEVICE)
    assert (state / "journal.db").read_bytes() == damage


def test_a_journal_with_spoilt_pages_is_told_in_one_line(state: Path, said: Any) -> None:
    file = state / "journal.db"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    for action in ((), ("show", "2"), ("play", "2"), ("export", "2")):
        assert "journal.db: the journal" in said(*action, "--state", state, code=DEVICE)


def test_a_journal_of_a_newer_program_is_told(state: Path, said: Any) -> None:
    with closing(sqlite3.connect(state / "journal.db")) as database:
        database.execute("PRAGMA user_version = 99")
    assert "install the newer program" in said("--state", state, code=DEVICE)


def test_it_reads_beside_an_agent_that_writes(tmp_path: Path, said: Any) -> None:
    with closing(filled(tmp_path / "state")) as made:
        before = fingerprints(made.path)
        assert said("--state", made.path) == LIST
        assert fingerprints(made.path).keys() == before.keys()
        made.journal.begin_turn(9, made.journal.begin_conversation("a-model", BEGAN), "typed", BEGAN, text="Just now.")
        assert "Just now." in said("--state", made.path)


def test_nothing_is_changed_whatever_is_asked_for(state: Path, said: Any, tmp_path: Path) -> None:
    before = fingerprints(state)
    said("--state", state)
    said("show", "2", "--state", state)
    said("play", "5", "--state", state, "--out", tmp_path / "a.wav")
    for kind in ("json", "html", "zip"):
        said("export", "2", "--state", state, "--format", kind, "--out", tmp_path / f"a.{kind}")
    after = {name: hash_ for name, hash_ in fingerprints(state).items() if not name.endswith(("-wal", "-shm"))}
    assert after == before


@pytest.mark.parametrize("action", ["show", "play", "export"])
def test_a_number_that_is_not_there_has_an_exit_code_of_its_own(state: Path, said: Any, action: str) -> None:
    assert "9: not in the log" in said(action, "9", "--state", state, code=NOT_KEPT)


@pytest.mark.parametrize(
    "arguments", [["show"], ["show", "0"], ["show", "-1"], ["show", "x"], ["-n", "0"], ["-n", "1.5"], ["tell", "1"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["log", *arguments])
    assert end.value.code == USAGE
    assert "error: " in capsys.readouterr().err


# playing


def samples(path: Path) -> tuple[int, bytes]:
    with wave.open(str(path), "rb") as file:
        return file.getframerate(), file.readframes(file.getnframes())


def speaker(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "speaker.toml"
    path.write_text(f'[audio]\nspeaker = "{name}"\n')
    return path


@pytest.mark.real_time
@pytest.mark.parametrize(("options", "level"), [((), 100), (("--answer",), 200)])
def test_a_recording_is_played_on_the_configured_speaker(
    state: Path, said: Any, tmp_path: Path, options: tuple[str, ...], level: int
) -> None:
    chosen = speaker(tmp_path, f"{tmp_path}/out.wav")
    assert said("play", "3", *options, "--state", state, "--config", chosen) == ""
    rate, pcm = samples(tmp_path / "out.wav")
    assert rate == 24_000
    assert array("h", pcm).count(level) == 2400


@pytest.mark.real_time
def test_a_speaker_that_fails_while_it_plays_ends_it(state: Path, said: Any, tmp_path: Path) -> None:
    line = said("play", "5", "--state", state, "--config", speaker(tmp_path, "/dev/full"), code=DEVICE)
    assert "speaker /dev/full: cannot be written" in line


class Deaf(SilentSpeaker):
    """Fails after a second."""

    fails = False

    def _play(self, pcm: bytes, answer_s: float) -> None:
        del pcm, answer_s
        if self.played_s > 1 and not self.fails:
            self.fails = True
            assert self._on_fault is not None
            self._on_fault(DeviceError("speaker", "gone", "plug it in"))


def test_a_recording_longer_than_a_speaker_can_hold_is_played_whole() -> None:
    async def play() -> tuple[float, SilentSpeaker]:
        loop = asyncio.get_running_loop()
        speaker, began = SilentSpeaker(loop), loop.time()
        await log._through(speaker, bytes(200 * 48_000), 24_000)
        await speaker.aclose()
        return loop.time() - began, speaker

    took, speaker = run_virtual(play())
    assert speaker.buffer.dropped_s == 0
    assert speaker.played_s == 200
    assert took >= 200.25  # with what the card still holds


def test_no_more_is_given_to_a_speaker_that_failed() -> None:
    async def play() -> Deaf:
        speaker = Deaf(asyncio.get_running_loop())
        with pytest.raises(DeviceError, match="plug it in"):
            await log._through(speaker, b"\1" * (200 * 48_000), 24_000)
        await speaker.aclose()
        return speaker

    speaker = run_virtual(play())
    assert speaker.played_s + speaker.buffered_s < 10


def test_a_speaker_that_is_not_there(state: Path, said: Any, tmp_path: Path) -> None:
    assert "speaker" in said("play", "5", "--state", state, "--config", speaker(tmp_path, "no/a.wav"), code=DEVICE)
    line = said("play", "5", "--state", state, "--config", speaker(tmp_path, "none"), code=CONFIG)
    assert "nothing would be heard" in line


def test_a_recording_is_written_as_a_wav(state: Path, said: Any) -> None:
    here = state.parent / "here"
    said("play", "5", "--state", state, "--out", "a.wav")
    assert samples(here / "a.wav") == (16_000, SPEECH)
    assert (here / "a.wav").stat().st_mode & 0o777 == 0o600
    assert "a.wav: exists already" in said("play", "3", "--answer", "--state", state, "--out", "a.wav", code=CONFIG)
    assert samples(here / "a.wav") == (16_000, SPEECH)
    said("play", "3", "--answer", "--state", state, "--out", "a.wav", "--force")
    assert samples(here / "a.wav") == (24_000, ANSWER)


def test_a_recording_that_still_grows_is_written_with_its_length(tmp_path: Path, said: Any) -> None:
    with closing(filled(tmp_path / "state")) as made:
        made.spool.open(6)
        made.spool.append(6, SPEECH + b"x")
        made.journal.begin_turn(6, 2, "spoken", BEGAN, audio="000006.wav")
        assert sound(made.path / "spool" / "unsent" / "000006.wav") == (SPEECH, 16_000)
        said("play", "6", "--state", made.path, "--out", "a.wav")
        made.spool.close(6)
    assert samples(tmp_path / "here" / "a.wav") == (16_000, SPEECH)


@pytest.mark.parametrize(
    ("header", "rate"), [(b"", 16_000), (b"short", 16_000), (bytes(44), 16_000), (b"\xff" * 44 + b"\1\0", 16_000)]
)
def test_a_header_that_is_spoilt_costs_no_sample(state: Path, said: Any, header: bytes, rate: int) -> None:
    (state / "spool" / "unsent" / "000005.wav").write_bytes(header)
    said("play", "5", "--state", state, "--out", "a.wav")
    assert samples(state.parent / "here" / "a.wav") == (rate, header[44:])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["2"], "turn 2: its recording was deleted to make room"),
        (["3", "--answer"], "turn 3: its recording was deleted to make room"),
        (["2", "--answer"], "turn 2: no recording of its answer"),
        (["4"], "turn 4: was typed, so there is no recording"),
    ],
)
def test_why_nothing_is_played(state: Path, said: Any, arguments: list[str], why: str) -> None:
    for name in ("000002.wav", "000003-answer.wav"):
        (state / "spool" / "sent" / name).unlink()
    assert why in said("play", *arguments, "--state", state, code=NOT_KEPT)


def test_sound_keeps_its_length_and_its_shape_at_the_speakers_rate() -> None:
    ramp = array("h", range(0, 1600, 10)).tobytes()
    drawn = array("h", log.at_speaker_rate(ramp, 16_000))
    assert len(drawn) == 240
    assert list(drawn[:7]) == [0, 6, 13, 20, 26, 33, 40]
    assert log.at_speaker_rate(ramp, 24_000) == ramp
    assert log.at_speaker_rate(b"", 16_000) == b""
    loudest = array("h", [-32768, 32767] * 8).tobytes()
    assert set(array("h", log.at_speaker_rate(loudest, 16_000))) >= {-32768, 32767}


# words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "60 min"), (3600, "1 h 00"), (9000, "2 h 30")],
)
def test_how_long(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize("arguments", [["show", "9" * 20], ["play", "9" * 20], ["export", "9" * 20], ["-n", "9" * 20]])
def test_a_number_that_no_log_has_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["log", *arguments])
    assert "is larger than any number in a log" in capsys.readouterr().err


# deleting


def asked(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Type ``answer`` when asked; the end of the input if it is empty."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))


def test_a_conversation_is_deleted_after_it_was_asked_in_words(
    state: Path, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in ("", "\n", "no\n", "y\n"):
        asked(monkeypatch, answer)
        told = said("delete", "2", "--state", state)
        assert "1 conversation, 4 turns (1 question not answered yet), 2 photos" in told
        assert "cannot be undone" in told
        assert told.endswith("nothing was deleted\n")
    asked(monkeypatch, "yes\n")
    assert said("delete", "2", "--state", state).endswith(
        "deleted: 1 conversation, 4 turns (1 question not answered yet), 2 photos\n"
    )
    assert "2: not in the log" in said("show", "2", "--state", state, code=NOT_KEPT)
    assert "Wie spanne ich die Kette?" in said("show", "1", "--state", state)


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        (("1", "2"), "2 conversations, 5 turns (1 question not answered yet), 2 photos"),
        (("--turn", "2"), "1 turn, 1 photo"),
        (("--day", "2026-05-09"), "1 conversation, 1 turn, 0 photos"),
        (("--all",), "2 conversations, 5 turns (1 question not answered yet), 2 photos"),
    ],
)
def test_what_is_deleted_is_told(state: Path, said: Any, chosen: tuple[str, ...], gone: str) -> None:
    assert said("delete", *chosen, "--yes", "--state", state) == f"deleted: {gone}\n"


@pytest.mark.parametrize("chosen", [(), ("1", "--all"), ("--turn", "1", "--day", "2026-05-12")])
def test_what_to_delete_is_named_in_one_way(state: Path, said: Any, chosen: tuple[str, ...]) -> None:
    assert "name conversations, or one of" in said("delete", *chosen, "--yes", "--state", state, code=CONFIG)


@pytest.mark.parametrize("chosen", [("9",), ("--turn", "9"), ("--day", "2020-01-01")])
def test_what_is_not_there_is_not_deleted(state: Path, said: Any, chosen: tuple[str, ...]) -> None:
    said("delete", *chosen, "--yes", "--state", state, code=NOT_KEPT)


@pytest.mark.parametrize("day", ["2026-13-01", "today", "", "9999-12-31", "0001-01-01"])
def test_a_day_that_no_calendar_has_is_wrong_usage(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["log", "delete", "--day", day])
    assert end.value.code == USAGE
    assert "is not a day such as 2026-05-12" in capsys.readouterr().err


def test_a_damaged_journal_is_deleted_with_everything_and_only_so(state: Path, said: Any) -> None:
    (state / "journal.db").write_bytes(b"no database at all")
    assert "journal" in said("delete", "1", "--yes", "--state", state, code=74)
    said("delete", "--all", "--yes", "--state", state)
    assert {path.name for path in state.rglob("*") if path.is_file()} == {"journal.db", "lock"}


def test_nothing_is_made_where_there_is_no_log(tmp_path: Path, said: Any) -> None:
    assert "holds no log" in said("delete", "--all", "--yes", "--state", tmp_path, code=CONFIG)
    assert not (tmp_path / "journal.db").exists()
