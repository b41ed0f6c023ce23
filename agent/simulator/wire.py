"""The simulator's own wire code: strict towards the client, faithful towards the server's frames.

It shares nothing with the agent's codec on purpose, so that each judges the other.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agent.simulator.schema import ENUMS, MESSAGES, SCALARS

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_ARGUMENT: Final = "Request contains an invalid argument."

_TO_STANDARD: Final = str.maketrans("-_", "+/", "=")
_WORD_STARTS: Final = re.compile(r"(?<!^)(?=[A-Z])")


class WireError(ValueError):
    """A client message the service would refuse; the text is the reason of close code 1007 (PROTOCOL 4.9)."""


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """One client message: the name of its only member and the member, names in camelCase, bytes decoded."""

    kind: str
    body: dict[str, Any]


def decode(raw: str | bytes) -> ClientMessage:
    """Parse and check one client message (PROTOCOL 2).

    Raises WireError with the service's kind of wording.
    """
    try:
        tree = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise WireError(f"Invalid JSON payload received. {error}") from error
    message = _message(tree, "ClientMessage", "")
    if not message:
        raise WireError(INVALID_ARGUMENT)
    if len(message) > 1:
        _, second, *_ = message
        raise WireError(f"Invalid value (oneof), oneof field 'message_type' is already set. Cannot set '{second}'")
    ((kind, body),) = message.items()
    return ClientMessage(kind, body)


def encode(message: Mapping[str, Any], *, text: bool = False) -> str | bytes:
    """Serialise a server message: pretty printed JSON, in a binary frame unless `text` (PROTOCOL 3)."""
    pretty = json.dumps(message, indent=2) + "\n"
    return pretty if text else pretty.encode()


def audio_part(pcm: bytes, rate: int) -> dict[str, Any]:
    """Return a modelTurn with one piece of s16le mono audio."""
    blob = {"mimeType": f"audio/pcm;rate={rate}", "data": base64.b64encode(pcm).decode()}
    return {"modelTurn": {"role": "model", "parts": [{"inlineData": blob}]}}


def duration(seconds: float) -> str:
    """Write a google.protobuf.Duration the way proto-JSON does: whole seconds, or three decimals."""
    return f"{seconds:.0f}s" if seconds == int(seconds) else f"{seconds:.3f}s"


def snake(name: str) -> str:
    """Return the proto spelling of a JSON name: realtimeInput becomes realtime_input."""
    return _WORD_STARTS.sub("_", name).lower()


_NAMES: Final = {
    message: {spelling: name for name in fields for spelling in (name, snake(name))}
    for message, fields in MESSAGES.items()
}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise WireError(f'Invalid JSON payload received. Duplicate name "{repeated}"')
    return result


def _no_constant(name: str) -> Any:  # noqa: ANN401 - the signature json.loads asks for
    raise WireError(f"Invalid JSON payload received. Unexpected token. {name}")


def _check(value: Any, kind: str, path: str) -> Any:  # noqa: ANN401 - a JSON value is any of its types
    """Check one value against a kind of the table and give it back normalised."""
    if kind.endswith("*"):
        if not isinstance(value, list):
            raise WireError(f"Invalid value at '{path}' (repeated), {_shown(value)}")
        return [_check(item, kind[:-1], f"{path}[{i}]") for i, item in enumerate(value)]
    if kind.endswith("{}"):
        entries = _object(value, path)
        return {key: _check(item, kind[:-2], f"{path}.{key}") for key, item in entries.items()}
    if kind in SCALARS:
        return _scalar(value, kind, path)
    if kind in ENUMS:
        if value not in ENUMS[kind]:
            raise WireError(f"Invalid value at '{path}' ({kind}), {_shown(value)}")
        return value
    return _message(value, kind, path)


def _message(value: Any, kind: str, path: str) -> dict[str, Any]:  # noqa: ANN401 - a JSON value is any of its types
    result: dict[str, Any] = {}
    for spelling, item in _object(value, path or "the message").items():
        name = _NAMES[kind].get(spelling)
        if name is None:
            where = f" at '{path}'" if path else ""
            raise WireError(f'Invalid JSON payload received. Unknown name "{spelling}"{where}: Cannot find field.')
        if name in result:
            raise WireError(f"Invalid JSON payload received. Duplicate name \"{spelling}\" at '{path}'")
        if item is not None:  # proto-JSON reads null as "not set"
            result[name] = _check(item, MESSAGES[kind][name], f"{path}.{snake(name)}" if path else snake(name))
    return result


def _object(value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - a JSON value is any of its types
    if not isinstance(value, dict):
        raise WireError(f"Invalid value at '{path}' (an object is needed), {_shown(value)}")
    return value


def _scalar(value: Any, kind: str, path: str) -> Any:  # noqa: ANN401 - a JSON value is any of its types
    if kind == "value":
        return value
    if kind in {"struct", "empty"}:
        entries = _object(value, path)
        if kind == "empty" and entries:
            raise WireError(f"Invalid JSON payload received. Unknown name \"{next(iter(entries))}\" at '{path}'")
        return entries
    if kind in {"int", "float"}:
        return _number(value, kind, path)
    if not isinstance(value, bool if kind == "bool" else str):
        raise WireError(f"Invalid value at '{path}' (TYPE_{kind.upper()}), {_shown(value)}")
    return _bytes(str(value), path) if kind == "bytes" else value


def _number(value: Any, kind: str, path: str) -> float:  # noqa: ANN401 - a JSON value is any of its types
    """Read a number; proto-JSON also takes it as a string, and 5.0 where an integer is needed."""
    try:
        number = None if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except ValueError:
        number = None
    if number is None or (kind == "int" and not number.is_integer()):
        raise WireError(f"Invalid value at '{path}' (TYPE_{kind.upper()}), {_shown(value)}")
    return int(number) if kind == "int" else number


def _bytes(value: str, path: str) -> bytes:
    """Decode standard or URL-safe base64, padded or not (PROTOCOL 2)."""
    bare = value.translate(_TO_STANDARD)
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        reason = f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {_shown(value)}"
        raise WireError(reason) from error


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "…"  # noqa: PLR2004 - a close reason holds 123 bytes in all
