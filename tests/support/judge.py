"""The official protos as a judge of client messages, with a short list of what they do not know yet."""

from __future__ import annotations

import json
from typing import Any

from google.ai import generativelanguage_v1beta
from google.protobuf import json_format

_PATHS = (
    "contextUpdate",
    "setup.proactivity",
    "setup.historyConfig",
    "setup.safetySettings",
    "setup.labels",
    "setup.generationConfig.thinkingConfig.thinkingLevel",
    "setup.generationConfig.enableAffectiveDialog",
    *(
        f"setup.{side}AudioTranscription.{name}"
        for side in ("input", "output")
        for name in ("languageCodes", "customVocabulary", "wordTimestamp", "diarization", "mode")
    ),
    "setup.realtimeInputConfig.interimTranscriptTimestampEnabled",
)
_VALUES = {"setup.realtimeInputConfig.turnCoverage": {"TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"}}


def strict_client_message(text_or_bytes: str | bytes) -> dict[str, Any]:
    """Parse a client message strictly and give its JSON; AssertionError names what is wrong."""
    try:
        message = json.loads(text_or_bytes)
    except ValueError as error:
        raise AssertionError(f"not JSON: {error}") from error
    assert isinstance(message, dict), f"not an object: {message!r}"
    assert len(message) == 1, f"exactly one member is needed, not {sorted(message)}"
    known = {} if "contextUpdate" in message else _without_news(json.loads(text_or_bytes))
    proto = generativelanguage_v1beta.BidiGenerateContentClientMessage.pb()()
    try:
        json_format.Parse(json.dumps(known), proto, ignore_unknown_fields=False)
    except json_format.ParseError as error:
        raise AssertionError(str(error)) from error
    return message


def _without_news(message: dict[str, Any]) -> dict[str, Any]:
    for path in _PATHS:
        _drop(message, path, None)
    for path, values in _VALUES.items():
        _drop(message, path, values)
    return message


def _drop(message: Any, path: str, values: set[str] | None) -> None:
    """Remove a member by its path; with values, only when it has one of them."""
    *parents, last = path.split(".")
    for name in parents:
        if not isinstance(message, dict) or name not in message:
            return
        message = message[name]
    if isinstance(message, dict) and last in message and (values is None or message[last] in values):
        del message[last]
