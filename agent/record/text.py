"""The log as text: the list of conversations and notes, and one conversation, for a terminal or a pipe.

The words of people and of the service go to a terminal, so they must not contain its control sequences: all of them
pass :func:`agent.outside.text.one_line`. Tested as a user sees it: tests/agent/commands/test_log.py.
"""

from __future__ import annotations

import json
import textwrap
from itertools import islice
from typing import TYPE_CHECKING, Any

from agent.outside.text import one_line
from agent.record.record import (
    answer,
    answer_name,
    length,
    local,
    picture_name,
    question,
    recording_name,
    still_name,
    unheard,
)
from agent.store.rows import CallRow, StillRow, TurnRow
from agent.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from agent.record.record import Item, Record
    from agent.store.erasing import Extent
    from agent.store.journal import Journal
    from agent.store.rows import ConversationRow

HEAD = f"{'no':>5}  {'began':<16}  {'length':>7}  {'turns':>5}  first question"
BEFORE_QUESTION = 42
LEAST_QUESTION, MOST_QUESTION = 16, 100
LEAST_WIDTH, MOST_WIDTH = 40, 100
LABEL = 12
ENDS = {
    "recording": "not finished: being recorded now, or cut short when the power failed",
    "waiting": "waiting to be sent",
    "asked": "sent, not answered yet",
    "unanswered": "never answered",
    "cut": "given up",
}
MINUTE_S, HOUR_S = 60, 3600


# the list


def listing(journal: Journal, limit: int | None, width: int) -> Iterator[str]:
    """Yield the lines of the list: the newest conversations, then the notes, at most ``width`` columns wide.

    ``limit`` None: all, even those in which nothing happened.
    """
    rows = iter(journal.conversations())
    wanted = list(rows if limit is None else islice((row for row in rows if happened(journal, row)), limit + 1))
    unsent, unplayed = journal.unsent(), journal.unplayed()
    if not wanted:
        yield "Nothing has been said yet. The log begins with the first press of the button."
        return
    yield HEAD
    for row in wanted[:limit]:
        yield _conversation(row, journal.turns(row.number), width)
    if len(wanted) > len(wanted[:limit]):
        yield "       and older conversations: field-agent log --all"
    if unsent or unplayed:
        yield ""
        yield f"Notes: {len(unsent)} waiting, {len(unplayed)} answered and not played yet"
        for turn in (*unsent, *unplayed):
            yield f" turn {turn.number:>4}  {_note(turn)}"


def extent(of: Extent) -> str:
    """Return how much is deleted: "2 conversations, 9 turns (1 of them waits to be sent), 3 photos"."""
    owed = f" ({count(of.owed, 'question')} not answered yet)" if of.owed else ""
    parts = [count(len(of.conversations), "conversation")] if of.conversations else []
    return ", ".join([*parts, f"{count(len(of.turns), 'turn')}{owed}", count(len(of.stills), "photo")])


def happened(journal: Journal, row: ConversationRow) -> bool:
    """Return whether a conversation has any turn, photo or function call."""
    return bool(journal.turns(row.number) or journal.stills(row.number) or journal.calls(row.number))


def _conversation(row: ConversationRow, turns: list[TurnRow], width: int) -> str:
    room = min(MOST_QUESTION, max(LEAST_QUESTION, width - BEFORE_QUESTION))
    start = f"{row.number:>5}  {day(row.began_at):<10} {clock(row.began_at):<5}  {span(length(row)):>7}"
    return f"{start}  {len(turns):>5}  {shortened(first_question(turns), room)}".rstrip()


def first_question(turns: list[TurnRow]) -> str:
    """Return the first question of a conversation, or in parentheses what there is instead."""
    asked = next((text for turn in turns if (text := one_line(question(turn)))), "")
    if asked or not turns:
        return asked or "(no question)"
    if any(turn.audio for turn in turns):
        return "(no transcript yet)"
    return f"(unasked) {one_line(answer(turns[0]))}"


def _note(turn: TurnRow) -> str:
    at = turn.began_at if turn.saved_at is None else turn.saved_at
    size = f", {turn.audio_s:.1f} s" if turn.audio_s else ""
    end = (
        "answered, not played yet"
        if unheard(turn)
        else "waiting"
        if turn.saved_at is not None
        else ENDS.get(turn.state, turn.state)
    )
    how = turn.kind if turn.saved_at is None else "saved"
    return f"{how} {day(at)} {clock(at)}{size}, {end}"


# one conversation


def story(record: Record, kept: Collection[str], width: int) -> Iterator[str]:
    """Yield the lines of one conversation, at most about ``width`` columns wide."""
    width = min(MOST_WIDTH, max(LEAST_WIDTH, width))
    row = record.conversation
    yield f"Conversation {row.number}, {day(row.began_at)} {clock(row.began_at)} to {clock(row.last_at)}"
    yield f"{span(length(row))}, {count(len(record.turns), 'turn')}, {one_line(row.model) or 'model unknown'}"
    today = day(row.began_at)
    for at, item in record.timeline():
        if isinstance(item, TurnRow):
            yield ""
        if day(at) != today:
            today = day(at)
            yield today
        yield from _told(record, at, item, kept, width)


def _told(record: Record, at: float, item: Item, kept: Collection[str], width: int) -> Iterator[str]:
    if isinstance(item, TurnRow):
        yield from _turn(record, item, kept, width)
        return
    yield ""
    if isinstance(item, StillRow):
        yield from _labelled("photo", f"{clock(at, seconds=True)}  {_picture(item, kept)}", width)
    elif isinstance(item, CallRow):
        yield from _labelled("call", f"{clock(at, seconds=True)}  {call_line(item)}", width)
    else:
        told = f"{clock(at, seconds=True)}  {one_line(item.kind)}: {one_line(item.text)}"
        yield from _labelled("event", told, width)


def _turn(record: Record, turn: TurnRow, kept: Collection[str], width: int) -> Iterator[str]:
    title = f"turn {turn.number}  {clock(turn.began_at, seconds=True)}"
    yield from textwrap.wrap(f"{title}  {', '.join(facts(turn))}", width, subsequent_indent=" " * LABEL)
    asked = question(turn) or ("" if turn.kind == "unasked" else "(no transcript)")
    if asked:
        yield from _labelled("technician", one_line(asked), width)
    if turn.answer or turn.interrupted:
        words = one_line(answer(turn))
        yield from _labelled("box", f"{words} {stopped(turn)}".strip(), width)
    for call in record.calls_of(turn):
        yield from _labelled("call", call_line(call), width)
    for still in record.stills_of(turn):
        yield from _labelled("photo", _picture(still, kept), width)
    if turn.still:
        gone = "" if picture_name(turn) in kept else ", no longer kept"
        yield from _labelled("picture", f"what the camera saw{gone}", width)
    if fate(turn):
        yield from _labelled("note" if turn.saved_at is not None else "state", fate(turn), width)
    missing = [name for name in (recording_name(turn), answer_name(turn)) if name and name not in kept]
    if missing and turn.state != "recording":
        yield from _labelled("audio", "deleted to make room for newer recordings", width)


def _labelled(label: str, text: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, width - LABEL, break_on_hyphens=False) or [""]
    return [f"{label if index == 0 else '':>{LABEL - 2}}  {line}" for index, line in enumerate(lines)]


def _picture(still: StillRow, kept: Collection[str]) -> str:
    gone = "" if still_name(still) in kept else ", no longer kept"
    return f"{one_line(still.file)}, {still.size / 1000:.0f} kB{gone}"


# the same words for terminal and page


def facts(turn: TurnRow) -> list[str]:
    """Return the figures of a turn, each as a few words."""
    found = [f"spoken {turn.audio_s:.1f} s" if turn.kind == "spoken" and turn.audio_s else turn.kind]
    if turn.ttfab_s is not None:
        found.append(f"first sound after {turn.ttfab_s:.2f} s")
    if turn.answer_s:
        found.append(f"answer {turn.answer_s:.1f} s")
    if turn.tokens:
        found.append(f"{turn.tokens} tokens")
    if turn.frames or turn.frames_dropped:
        dropped = f" ({turn.frames_dropped} dropped)" if turn.frames_dropped else ""
        found.append(f"{count(turn.frames, 'frame')}{dropped}")
    if turn.connections > 1:
        found.append(f"connection {turn.connections}")
    if turn.attempts > 1:
        found.append(f"sent again {count(turn.attempts - 1, 'time')}")
    return found


def fate(turn: TurnRow) -> str:
    """Return what became of a turn that was not simply answered, or ''."""
    told = [one_line(turn.reason)] if turn.reason.strip() else []
    if turn.state in ENDS:
        told.insert(0, ENDS[turn.state])
    if turn.state == "answered" and turn.answered_at is not None and (turn.answer_audio or turn.saved_at is not None):
        played = "not played yet" if turn.played_at is None else f"played {_later(turn.played_at, turn)}"
        told[:0] = [f"answered {_later(turn.answered_at, turn)}", *([played] if turn.answer_audio else [])]
    saved = [] if turn.saved_at is None else [f"saved {_later(turn.saved_at, turn)}"]
    return ", ".join([*saved, *told])


def _later(at: float, turn: TurnRow) -> str:
    """Return a local time, with the date if the turn began on another day."""
    return clock(at) if day(at) == day(turn.began_at) else f"{day(at)} {clock(at)}"


def stopped(turn: TurnRow) -> str:
    """Return the mark that follows an interrupted answer, else ''."""
    if not turn.interrupted:
        return ""
    return f"[stopped after {turn.played_s:.1f} of {turn.answer_s:.1f} s]"


def call_line(call: CallRow) -> str:
    """Return a function call with its result in one line."""
    end = compact(call.result) if call.result is not None else "cancelled" if call.ended_at else "no result"
    took = "" if call.ended_at is None else f" ({max(0.0, call.ended_at - call.began_at):.1f} s)"
    return f"{one_line(call.name)}({compact(call.arguments)}) -> {end}{took}"


def compact(value: dict[str, Any]) -> str:
    """Return an object as JSON in one line; '' if it is empty."""
    return one_line(json.dumps(value, ensure_ascii=False)) if value else ""


def count(number: int, thing: str) -> str:
    """Return "1 thing" or "``number`` things"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def day(at: float) -> str:
    """Return the local date of a moment."""
    moment = local(at)
    return "????-??-??" if moment is None else moment.strftime("%Y-%m-%d")


def clock(at: float, *, seconds: bool = False) -> str:
    """Return the local time of a moment."""
    moment = local(at)
    return "??:??" if moment is None else moment.strftime("%H:%M:%S" if seconds else "%H:%M")


def span(seconds: float) -> str:
    """Return a duration as a person would write it: "42 s", "5 min", "2 h 05"."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    hours, rest = divmod(round(seconds / MINUTE_S), 60)
    return f"{hours} h {rest:02}"
