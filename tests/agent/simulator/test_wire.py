from __future__ import annotations

import base64
import json

import pytest

from agent.simulator import wire
from agent.simulator.schema import ENUMS, MESSAGES, SCALARS
from agent.simulator.wire import WireError, decode


def test_every_kind_in_the_table_exists() -> None:
    known = SCALARS | ENUMS.keys() | MESSAGES.keys()
    kinds = {kind.removesuffix("*").removesuffix("{}") for fields in MESSAGES.values() for kind in fields.values()}
    assert kinds <= known


def test_snake_case_at_every_level_reads_as_camel_case() -> None:
    text = (
        '{"setup": {"model": "m", "realtime_input_config": {"automatic_activity_detection": {"disabled": true}},'
        ' "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"x_y": 1}}]}]}}'
    )
    body = decode(text).body
    assert body["realtimeInputConfig"] == {"automaticActivityDetection": {"disabled": True}}
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == {"x_y": 1}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", [True, False])
def test_both_alphabets_with_and_without_padding(encode: object, padding: bool) -> None:  # noqa: FBT001 - a parameter of the table
    data = b"\xfb\xff\xfe\x00"
    assert callable(encode)
    text = encode(data).decode()
    text = text if padding else text.rstrip("=")
    message = decode(json.dumps({"realtimeInput": {"audio": {"data": text}}}))
    assert message.kind == "realtimeInput"
    assert message.body["audio"]["data"] == data


@pytest.mark.parametrize(
    "text",
    [
        '{"setup": {"model": "m", "generationConfig": {"seed": "7", "topK": 5}}}',
        '{"setup": {"model": "m", "generationConfig": {"seed": 7.0}, "contextWindowCompression": null}}',
        b'{"toolResponse": {"functionResponses": [{"id": "1", "response": {"output": [1, {"a": null}]}}]}}',
    ],
)
def test_proto_json_is_generous(text: str | bytes) -> None:
    decode(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Invalid JSON payload received"),
        (b"\xff\xfe{}", "Invalid JSON payload received"),
        ("[]", "an object is needed"),
        ("{}", wire.INVALID_ARGUMENT),
        ('{"setup": {}, "toolResponse": {}}', "oneof field 'message_type' is already set"),
        ('{"setup": {}, "setup": {}}', 'Duplicate name "setup"'),
        ('{"setup": {"model": "m", "topP": NaN}}', "Unexpected token"),
        ('{"setUp": {}}', 'Unknown name "setUp": Cannot find field.'),
        ('{"setup": {"colour": 1}}', "Unknown name \"colour\" at 'setup'"),
        ('{"setup": {"sessionResumption": {}, "session_resumption": {}}}', "Duplicate name"),
        ('{"setup": {"model": 5}}', "'setup.model' (TYPE_STRING), 5"),
        ('{"setup": {"systemInstruction": "be kind"}}', "an object is needed"),
        ('{"setup": {"generationConfig": {"responseModalities": ["audio"]}}}', '(Modality), "audio"'),
        ('{"setup": {"generationConfig": {"responseModalities": "AUDIO"}}}', "(repeated)"),
        ('{"setup": {"generationConfig": {"seed": 1.5}}}', "TYPE_INT"),
        ('{"setup": {"generationConfig": {"seed": true}}}', "TYPE_INT"),
        ('{"realtimeInput": {"activityStart": true}}', "an object is needed"),
        ('{"realtimeInput": {"activityEnd": {"now": 1}}}', "Unknown name"),
        ('{"realtimeInput": {"audioStreamEnd": "true"}}', "TYPE_BOOL"),
        ('{"realtimeInput": {"audio": {"data": "A"}}}', "Base64 decoding failed"),
        ('{"realtimeInput": {"audio": {"data": "AA*A"}}}', "Base64 decoding failed"),
        ('{"toolResponse": {"functionResponses": [{"id": "1", "response": "ok"}]}}', "an object is needed"),
    ],
)
def test_what_the_service_would_not_read_is_refused_with_its_words(text: str | bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(text)
    assert reason in str(caught.value)


def test_server_messages_are_pretty_printed_bytes() -> None:
    assert wire.encode({"setupComplete": {}}) == b'{\n  "setupComplete": {}\n}\n'
    assert wire.encode({"setupComplete": {}}, text=True) == '{\n  "setupComplete": {}\n}\n'


def test_durations_are_proto_json() -> None:
    assert wire.duration(50) == "50s"
    assert wire.duration(9.5) == "9.500s"
