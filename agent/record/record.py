"""The job record: one conversation from the journal and the files beside it, for people and programs."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import AgentError, ConfigError, ExitCode
from agent.store import layout
from agent.store.errors import StorageError
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.rows import CallRow, EventRow, StillRow, TurnRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent.store.rows import ConversationRow

Item = TurnRow | StillRow | CallRow | EventRow
FORMAT, VERSION = "field-agent-job-record", 1
"""For programs to check. The version grows if a key changes its meaning or goes, not if a key is added."""
MOMENTS = {name: name for name in ("began_at", "ended_at", "saved_at", "delivered_at", "answered_at")}
MOMENTS["spoken_at"] = "played_at"  # the name that version 1 of the format gave it
"""The names of a turn's times in JSON, and their names in the journal."""
FIGURES = ("tokens", "attempts", "connections", "frames", "frames_dropped", "reason")


class NotKeptError(AgentError):
    """The log has no such conversation, turn or recording, or no longer has it."""

    exit_code = ExitCode.NOT_KEPT


@dataclass(frozen=True, slots=True)
class Record:
    """One conversation; ``folder`` is the state folder that its files are in."""

    folder: Path
    conversation: ConversationRow
    turns: list[TurnRow]
    stills: list[StillRow]
    calls: list[CallRow]
    events: list[EventRow]

    def stills_of(self, turn: TurnRow) -> list[StillRow]:
        """Return the pictures that were taken in a turn."""
        return [still for still in self.stills if still.turn == turn.number]

    def calls_of(self, turn: TurnRow) -> list[CallRow]:
        """Return the function calls that were made in a turn."""
        return [call for call in self.calls if call.turn == turn.number]

    def timeline(self) -> list[tuple[float, Item]]:
        """Return the turns in their order with their times, and between them what belongs to no turn."""
        moments: list[tuple[float, Item]] = []
        latest = -math.inf
        for turn in self.turns:
            latest = max(latest, turn.began_at)  # a clock that was set back does not change the order
            moments.append((latest, turn))
        numbers = {turn.number for turn in self.turns}
        moments += [(still.at, still) for still in self.stills if still.turn not in numbers]
        moments += [(call.began_at, call) for call in self.calls if call.turn not in numbers]
        moments += [(event.at, event) for event in self.events]
        return sorted(moments, key=lambda moment: moment[0])

    def named(self) -> dict[str, Path]:
        """Return the path of every file that belongs to it, on disk or not, by the file's name in a job record."""
        kept = Layout(self.folder)
        named = {still_name(still): kept.still(still.file) for still in self.stills}
        for turn in self.turns:
            named[recording_name(turn)] = kept.recording(turn.number)
            named[answer_name(turn)] = kept.answer(turn.number)
            named[picture_name(turn)] = kept.picture(turn.still)
        return {name: path for name, path in named.items() if name}

    def files(self) -> dict[str, Path]:
        """Return the files of :meth:`named` that are still on disk."""
        return {name: path for name, path in self.named().items() if path.is_file() and not path.is_symlink()}


# where things are


def open_journal(folder: Path) -> Journal:
    """Open the journal in ``folder`` for reading. Raises ConfigError if there is none, else StorageError."""
    journal = Layout(folder).journal
    try:
        if journal.name in os.listdir(folder):  # noqa: PTH208 - the names are enough
            if not journal.is_file():  # SQLite would wait for a FIFO
                raise ConfigError(f"{journal}: is not a regular file, so there is no log ({_elsewhere()})")
            return Journal(journal, read_only=True)
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{folder}: no such folder, so there is no log ({_elsewhere()})") from None
    except PermissionError:
        owner = _owner(folder)
        raise StorageError(folder, f"only {owner} may read it", f"sudo -u {owner} field-agent log") from None
    except OSError as error:
        raise StorageError(folder, str(error.strerror), "the disk may be failing: see dmesg") from error
    raise ConfigError(f"{folder}: holds no log: {journal.name} is not there ({_elsewhere()})")


def _elsewhere() -> str:
    return "the agent creates it when it first runs; name another folder with --state, or the agent's --config"


def _owner(folder: Path) -> str:
    try:
        return folder.owner()
    except (KeyError, OSError):
        return "another user"


def load(folder: Path, journal: Journal, number: int) -> Record:
    """Return the conversation ``number``. Raises NotKeptError, StorageError."""
    conversation = journal.conversation(number)
    if conversation is None:
        latest = journal.latest_conversation()
        range_ = f"the newest is {latest.number}" if latest else "the log is empty"
        raise NotKeptError(f"conversation {number}: not in the log ({range_}; list them: field-agent log --all)")
    turns, stills, calls = journal.turns(number), journal.stills(number), journal.calls(number)
    return Record(folder, conversation, turns, stills, calls, journal.events(number))


def recording_name(turn: TurnRow) -> str:
    """Return the name of a turn's recording in a job record; '' if it never had one."""
    return f"recordings/{layout.recording_name(turn.number)}" if turn.audio else ""


def answer_name(turn: TurnRow) -> str:
    """Return the name of a turn's stored answer in a job record; '' if it never had one."""
    return f"recordings/{layout.answer_name(turn.number)}" if turn.answer_audio else ""


def picture_name(turn: TurnRow) -> str:
    """Return the name of a note's picture in a job record; '' if it never had one."""
    return f"pictures/{layout.picture_name(turn.number)}" if turn.still else ""


def still_name(still: StillRow) -> str:
    """Return the name of a still in a job record; '' if it never had one."""
    name = Path(still.file).name
    return f"stills/{name}" if name else ""


# what it says


def question(turn: TurnRow) -> str:
    """Return the question's text: its transcript, else what was typed; '' if neither is known."""
    return turn.question.strip() or turn.text.strip()


def answer(turn: TurnRow) -> str:
    """Return the answer's text; of an interrupted answer, only the part that was played."""
    return (turn.played if turn.interrupted else turn.answer).strip()


def length(conversation: ConversationRow) -> float:
    """Return the duration of a conversation in seconds; 0 if the clock was set back."""
    return max(0.0, conversation.last_at - conversation.began_at)


def unheard(turn: TurnRow) -> bool:
    """Return whether the answer to a turn is stored and was not played yet."""
    return bool(turn.answer_audio) and turn.state == "answered" and turn.played_at is None


def local(at: float) -> datetime | None:
    """Return a moment in this machine's time zone; None if no calendar can represent it."""
    try:
        return datetime.fromtimestamp(at, tz=UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return None


# for programs


def as_json(record: Record, kept: Collection[str], made_at: float) -> dict[str, Any]:
    """Return the record as docs/log.md describes it; ``kept``: the names of the files that go with it."""
    row = record.conversation
    ends = {"began_at": _iso(row.began_at), "ended_at": _iso(row.last_at), "duration_s": round(length(row), 3)}
    content = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": _iso(made_at),
        "conversation": {"number": row.number, **ends, "model": row.model},
        "turns": [_turn(turn, kept) for turn in record.turns],
        "stills": [_still(still, kept) for still in record.stills],
        "calls": [_call(call) for call in record.calls],
        "events": [{"at": _iso(event.at), "kind": event.kind, "text": event.text} for event in record.events],
    }
    return {key: _finite(value) for key, value in content.items()}


def _turn(turn: TurnRow, kept: Collection[str]) -> dict[str, Any]:
    asked = {"text": question(turn), "seconds": round(turn.audio_s, 3)}
    told = {"text": answer(turn), "full_text": turn.answer.strip(), "seconds": round(turn.answer_s, 3)}
    told |= {"played_seconds": round(turn.played_s, 3), "interrupted": turn.interrupted}
    return {
        "number": turn.number,
        "kind": turn.kind,
        "state": turn.state,
        **{name: _iso(getattr(turn, column)) for name, column in MOMENTS.items()},
        "question": {**asked, "recording": _file(recording_name(turn), kept)},
        "answer": {**told, "recording": _file(answer_name(turn), kept)},
        "picture": _file(picture_name(turn), kept),
        "ttfab_s": None if turn.ttfab_s is None else round(turn.ttfab_s, 3),
        **{name: getattr(turn, name) for name in FIGURES},
    }


def _still(still: StillRow, kept: Collection[str]) -> dict[str, Any]:
    file = _file(still_name(still), kept)
    return {"name": still.file, "turn": still.turn, "at": _iso(still.at), "bytes": still.size, "file": file}


def _call(call: CallRow) -> dict[str, Any]:
    given = {"name": call.name, "arguments": call.arguments, "result": call.result}
    return {"turn": call.turn, **given, "began_at": _iso(call.began_at), "ended_at": _iso(call.ended_at)}


def _file(name: str, kept: Collection[str]) -> str | None:
    return name if name in kept else None


def _iso(at: float | None) -> str | None:
    moment = None if at is None else local(at)
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _finite(value: Any) -> Any:  # noqa: ANN401 - anything that JSON knows, and the infinities that it does not
    """Return ``value`` with None in place of numbers that JSON cannot represent."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
