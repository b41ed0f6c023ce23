"""PURE: the Gemini Live wire format (BidiGenerateContent): client messages to bytes, server messages to events.

Nothing outside this room knows field names. The codec keeps no state and never raises on what a server sends: what it
cannot read becomes :class:`Unreadable`. Sources: the v1beta protos, google-genai 3.3 and the Live API guide.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import TYPE_CHECKING, Any

from agent.outside.text import one_line, words
from agent.wire import bounds
from agent.wire.events import (
    AudioOut,
    FunctionCall,
    GenerationComplete,
    GoAway,
    InputTranscript,
    Interrupted,
    OutputTranscript,
    ResumptionUpdate,
    ServerEvent,
    SetupComplete,
    ToolCall,
    ToolCallCancellation,
    TurnComplete,
    UnplayableAudio,
    Unreadable,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]

# client messages

ACTIVITY_START = b'{"realtimeInput":{"activityStart":{}}}'
ACTIVITY_END = b'{"realtimeInput":{"activityEnd":{}}}'
AUDIO_STREAM_END = b'{"realtimeInput":{"audioStreamEnd":true}}'
_AUDIO_HEAD = {
    rate: b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=%d","data":"' % rate for rate in (16_000, 8_000)
}
_VIDEO_HEAD = b'{"realtimeInput":{"video":{"mimeType":"image/jpeg","data":"'
_BLOB_TAIL = b'"}}}'


def audio(pcm: bytes | bytearray | memoryview, rate: int = 16_000) -> bytes:
    """Return a message with microphone audio, mono s16le at 16 or 8 kHz. Base64 needs no JSON escaping."""
    return _AUDIO_HEAD[rate] + binascii.b2a_base64(pcm, newline=False) + _BLOB_TAIL


def video(jpeg: bytes) -> bytes:
    """Return a message with one camera frame."""
    return _VIDEO_HEAD + binascii.b2a_base64(jpeg, newline=False) + _BLOB_TAIL


def text(line: str) -> bytes:
    """Return a message with a typed line, as realtime input."""
    return _dump({"realtimeInput": {"text": line}})


def client_content(turns: Sequence[tuple[str, str]], *, turn_complete: bool) -> bytes:
    """Return a message with the history: ``(role, text)`` pairs, role "user" or "model"."""
    contents = [{"role": role, "parts": [{"text": part}]} for role, part in turns]
    return _dump({"clientContent": {"turns": contents, "turnComplete": turn_complete}})


def tool_response(responses: Sequence[Json]) -> bytes:
    """Return a message with responses to function calls.

    Each is ``{"id", "name", "response": {...}}``, optionally with ``scheduling`` and ``willContinue``.
    """
    return _dump({"toolResponse": {"functionResponses": list(responses)}})


def setup(fields: Mapping[str, Any]) -> bytes:
    """Return the first message of a connection, with the fields from :func:`agent.wire.setup.setup_fields`."""
    return _dump({"setup": dict(fields)})


def _dump(message: Json) -> bytes:
    # Half an emoji, with which a transcript may end, is not valid UTF-8; the service would close the connection.
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


# server messages


def decode(data: bytes | str) -> list[ServerEvent]:
    """Return the events of one WebSocket message, in the order in which they must be handled.

    Usage comes before the end of the turn that it counts, audio before an interruption in the same message.
    """
    try:
        message = bounds.parse(data)
    except bounds.TooLargeError:
        return [Unreadable("too many members", len(data))]
    except (ValueError, RecursionError) as error:
        return [Unreadable(f"not JSON: {type(error).__name__}", len(data))]
    if not isinstance(message, dict):
        return [Unreadable(f"a JSON {type(message).__name__} instead of an object", len(data))]
    events: list[ServerEvent] = []
    for member, read in _MEMBERS.items():
        value = message.get(member)
        if value is None:
            continue
        try:
            events.extend(read(value))
        except (TypeError, ValueError, AttributeError, KeyError, OverflowError, RecursionError) as error:
            # The error's text is left out, since it may quote somebody's words.
            events.append(Unreadable(f"{member}: {type(error).__name__}", len(data)))
    return events


def _setup_complete(value: Json) -> Iterator[ServerEvent]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    yield SetupComplete()


def _server_content(value: Json) -> Iterator[ServerEvent]:
    for part in bounds.few((value.get("modelTurn") or {}).get("parts") or (), bounds.MOST_PARTS):
        yield from _part(part)
    for member, kind in (("inputTranscription", InputTranscript), ("outputTranscription", OutputTranscript)):
        transcript = value.get(member)
        if transcript:
            yield kind(words(bounds.text(transcript.get("text", ""))))
    if value.get("interrupted"):
        yield Interrupted()
    if value.get("generationComplete"):
        yield GenerationComplete()
    if value.get("turnComplete"):
        idle = value.get("interactionStatus") != "IN_PROGRESS"
        yield TurnComplete(idle=idle, reason=one_line(bounds.name(value.get("turnCompleteReason", ""))))


def _part(part: Json) -> Iterator[ServerEvent]:
    blob = part.get("inlineData")
    if not blob:
        return
    kind, *parameters = (each.strip() for each in str(blob.get("mimeType", "")).lower().split(";"))
    if kind == "audio/pcm":
        yield _pcm(blob, dict(each.partition("=")[::2] for each in parameters))
    elif kind.startswith("audio/"):
        yield UnplayableAudio("another encoding")


def _pcm(blob: Json, parameters: Mapping[str, str]) -> ServerEvent:
    if parameters.get("channels", "1") != "1":
        return UnplayableAudio("more than one channel")
    pcm = decode_base64(blob.get("data", ""))
    if len(pcm) % 2:
        raise ValueError("half a sample")
    rate = parameters.get("rate", "")
    return AudioOut(pcm, int(rate) if re.fullmatch(r"[1-9]\d{3,5}", rate) else 24_000)


def decode_base64(data: str) -> bytes:
    """Return the decoded bytes; plain or url-safe alphabet, padded or not. Raises ValueError on anything else."""
    raw = data.encode("ascii", "replace")
    if b"-" in raw or b"_" in raw:
        raw = raw.translate(_URL_SAFE)
    return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4), strict_mode=True)


_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def _tool_call(value: Json) -> Iterator[ServerEvent]:
    yield ToolCall(
        tuple(
            FunctionCall(bounds.name(call.get("id", "")), bounds.name(call["name"]), bounds.arguments(call.get("args")))
            for call in bounds.few(value.get("functionCalls") or (), bounds.MOST_CALLS)
        )
    )


def _tool_call_cancellation(value: Json) -> Iterator[ServerEvent]:
    yield ToolCallCancellation(tuple(map(bounds.name, bounds.few(value.get("ids") or (), bounds.MOST_IDS))))


def _go_away(value: Json) -> Iterator[ServerEvent]:
    yield GoAway(duration(value.get("timeLeft", "0s")))


def _resumption(value: Json) -> Iterator[ServerEvent]:
    handle = bounds.name(value.get("newHandle", "")) if value.get("resumable") else ""
    yield ResumptionUpdate(handle)


def _usage(value: Json) -> Iterator[ServerEvent]:
    def count(*names: str) -> int:
        return next((bounds.tokens(value[name]) for name in names if name in value), 0)

    yield Usage(
        prompt=count("promptTokenCount"),
        response=count("responseTokenCount", "candidatesTokenCount"),
        thoughts=count("thoughtsTokenCount"),
        tool_use=count("toolUsePromptTokenCount"),
    )


def duration(value: str) -> float:
    """Return the seconds of a protobuf JSON duration such as ``"9.500s"``, a day at most. Raises ValueError."""
    if not re.fullmatch(r"\d+(\.\d+)?s", value):
        raise ValueError(f"{value!r} is not a duration such as '9.5s'")
    return min(float(value[:-1]), bounds.LONGEST_S)


_MEMBERS = {
    "setupComplete": _setup_complete,
    "usageMetadata": _usage,
    "toolCall": _tool_call,
    "toolCallCancellation": _tool_call_cancellation,
    "serverContent": _server_content,
    "goAway": _go_away,
    "sessionResumptionUpdate": _resumption,
}
