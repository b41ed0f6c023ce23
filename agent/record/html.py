"""The job record as one self-contained page: no network, no script, pictures and recordings embedded.

The words of people and of the service are text here and never markup: all of them pass
:func:`agent.terminal.markup`, and the page's content security policy forbids every script and address.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from agent.record.record import answer, answer_name, length, local, picture_name, question, recording_name, still_name
from agent.record.style import STYLE
from agent.record.text import clock, count, day, facts, fate, span, stopped
from agent.store.rows import CallRow, EventRow, StillRow, TurnRow
from agent.terminal import markup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.record.record import Item, Record

    Source = Callable[[str], str]
    """Returns the ``src`` of a file, by its name in the record; '' if it cannot be shown."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data: 'self' file:"


def data_uri(kind: str, content: bytes) -> str:
    """Return a data URI of media type ``kind`` that holds ``content``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def page(record: Record, image: Source, sound: Source, made_at: float) -> Iterator[str]:
    """Yield the page piece by piece, as pictures are large; ``image`` and ``sound`` return each file's ``src``."""
    title = f"Job record {record.conversation.number}, {_date(record.conversation.began_at)}"
    yield "<!DOCTYPE html>\n"
    yield '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
    yield f"<title>{markup(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    yield _header(record)
    yield '<ol class="timeline">\n'
    today = day(record.conversation.began_at)
    for at, item in record.timeline():
        if day(at) != today:
            today = day(at)
            yield f'<li class="day">{markup(_date(at))}</li>\n'
        yield from _item(record, at, item, image, sound)
    yield "</ol>\n"
    made = f"Made {day(made_at)} {clock(made_at)}. Times are {_zone(record.conversation.began_at)}."
    yield f"<footer><p>{markup(made)} Of an interrupted answer, only the played part is shown.</p></footer>\n"
    yield "</main>\n</body>\n</html>\n"


def _header(record: Record) -> str:
    row = record.conversation
    parts = [f"{clock(row.began_at)} to {clock(row.last_at)}", span(length(row)), count(len(record.turns), "turn")]
    if record.stills:
        parts.append(count(len(record.stills), "photo"))
    if record.calls:
        parts.append(count(len(record.calls), "function call"))
    figures = {"Record": str(row.number), "Model": row.model or "unknown"}
    if tokens := sum(turn.tokens for turn in record.turns):
        figures["Tokens"] = str(tokens)
    shown = "".join(f"<div><dt>{name}</dt><dd>{markup(value)}</dd></div>" for name, value in figures.items())
    return (
        f'<header>\n<p class="kind">Job record</p>\n<h1>{markup(_date(row.began_at))}</h1>\n'
        f'<p class="sum">{markup(", ".join(parts))}</p>\n<dl class="facts">{shown}</dl>\n</header>\n'
    )


def _item(record: Record, at: float, item: Item, image: Source, sound: Source) -> Iterator[str]:
    if isinstance(item, EventRow):
        words = f"<b>{markup(item.kind)}</b> {markup(item.text)}"
        yield f'<li class="event">{_stamp(at)}<span dir="auto">{words}</span></li>\n'
        return
    yield f"<li>{_stamp(at, item)}<div>\n"
    if isinstance(item, TurnRow):
        yield from _turn(record, item, image, sound)
    elif isinstance(item, StillRow):
        yield _still(item, image)
    else:
        yield _call(item)
    yield "</div></li>\n"


def _stamp(at: float, item: Item | None = None) -> str:
    moment = local(at)
    machine = "" if moment is None else f' datetime="{moment.isoformat(timespec="seconds")}"'
    turn = f"<span>turn {item.number}</span>" if isinstance(item, TurnRow) else ""
    return f'<div class="stamp"><time{machine}>{clock(at, seconds=True)}</time>{turn}</div>'


def _turn(record: Record, turn: TurnRow, image: Source, sound: Source) -> Iterator[str]:
    asked = question(turn)
    if asked or turn.kind != "unasked":
        words = markup(asked) if asked else '<span class="none">No transcript yet</span>'
        yield f'<span class="who">Technician</span><p class="question" dir="auto">{words}</p>\n'
    yield _sound(sound(recording_name(turn)))
    if turn.still:
        caption = "What the camera saw, kept with the question"
        yield _figure(image(picture_name(turn)), caption, "Picture: no longer kept")
    yield from (_call(call) for call in record.calls_of(turn))
    if turn.answer or turn.interrupted:
        yield _answer(turn, sound)
    yield from (_still(still, image) for still in record.stills_of(turn))
    if fate(turn):
        quiet = " quiet" if turn.state == "answered" and (turn.saved_at is None or turn.played_at is not None) else ""
        yield f'<p class="fate{quiet}">{_sentence(fate(turn))}</p>\n'
    yield f'<p class="meta">{"".join(f"<span>{markup(fact)}</span>" for fact in facts(turn))}</p>\n'


def _answer(turn: TurnRow, sound: Source) -> str:
    words = markup(answer(turn))
    if turn.interrupted:
        mark = markup(stopped(turn).strip("[]"))
        words = f'{words}{" … " if words else ""}<span class="stopped">{mark}</span>'
    player = _sound(sound(answer_name(turn)))
    return f'<div class="answer"><span class="who">Assistant</span><p dir="auto">{words}</p>{player}</div>\n'


def _sound(source: str) -> str:
    return f'<audio controls preload="metadata" src="{markup(source)}"></audio>\n' if source else ""


def _still(still: StillRow, image: Source) -> str:
    caption = f"Photo taken at {clock(still.at, seconds=True)}"
    return _figure(image(still_name(still)), caption, f"Photo {still.file}: no longer kept")


def _figure(source: str, caption: str, otherwise: str) -> str:
    if not source:
        return f'<p class="gone">{markup(otherwise)}</p>\n'
    shown = f'<img src="{markup(source)}" alt="{markup(caption)}">'
    return f"<figure>{shown}<figcaption>{markup(caption)}</figcaption></figure>\n"


def _call(call: CallRow) -> str:
    if call.result is not None:
        given = _pairs(call.result)
    else:
        given = f'<span class="none">{"cancelled" if call.ended_at else "none"}</span>'
    return (
        f'<div class="call"><span class="who">Function call</span><b>{markup(call.name)}</b>{_pairs(call.arguments)}'
        f'<span class="who">Result</span>{given}</div>\n'
    )


def _pairs(values: dict[str, Any]) -> str:
    pairs = (
        (name, each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)) for name, each in values.items()
    )
    shown = "".join(f'<dt>{markup(name)}</dt><dd dir="auto">{markup(text)}</dd>' for name, text in pairs)
    return f"<dl>{shown}</dl>" if shown else ""


def _sentence(text: str) -> str:
    return markup(text[:1].upper() + text[1:])


def _date(at: float) -> str:
    moment = local(at)
    return "at an unknown time" if moment is None else f"{moment:%A}, {moment.day} {moment:%B %Y}"


def _zone(at: float) -> str:
    moment = local(at)
    return "unknown" if moment is None else f"local (UTC{moment.isoformat()[-6:]})"
