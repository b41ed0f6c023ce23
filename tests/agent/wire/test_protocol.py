import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.outside.text import learn
from agent.wire import protocol
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
from agent.wire.protocol import decode

TRANSCRIPT = Path(__file__).parents[2] / "data" / "transcript.jsonl"
SILENCE = AudioOut(bytes(48), 24_000)
DONE = TurnComplete(idle=True, reason="")
HEARD, SAID = "inputTranscription", "outputTranscription"

numbers = st.integers() | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(
    (
        *("setupComplete", "usageMetadata", "promptTokenCount", "responseTokenCount", "goAway", "timeLeft"),
        *("toolCall", "functionCalls", "id", "name", "args", "toolCallCancellation", "ids"),
        *("serverContent", "modelTurn", "parts", "inlineData", "mimeType", "data", "text", "thought"),
        *("inputTranscription", "outputTranscription", "finished", "interrupted", "generationComplete"),
        *("turnComplete", "interactionStatus", "sessionResumptionUpdate", "newHandle", "resumable"),
        *("voiceActivity", "voiceActivityDetectionSignal"),
    )
)
near_misses = st.recursive(
    values | st.sampled_from(("audio/pcm;rate=24000", "audio/pcm;rate=0000", "50s", "AAA=", "AA==", "A")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


def said(**members: Any) -> bytes:
    """Return a serverContent message as the service sends it: binary, pretty-printed."""
    return json.dumps({"serverContent": members}, indent=2).encode() + b"\n"


def piece(data: str, mime_type: str = "audio/pcm;rate=24000") -> bytes:
    return said(modelTurn={"role": "model", "parts": [{"inlineData": {"mimeType": mime_type, "data": data}}]})


# client messages


@pytest.mark.parametrize("rate", [16_000, 8_000])
@given(pcm=st.binary(max_size=4000))
def test_audio_decodes_back_to_what_was_heard(rate: int, pcm: bytes) -> None:
    blob = json.loads(protocol.audio(pcm, rate))["realtimeInput"]["audio"]
    assert blob["mimeType"] == f"audio/pcm;rate={rate}"
    assert base64.b64decode(blob["data"], validate=True) == pcm
    assert protocol.audio(memoryview(bytearray(pcm)), rate) == protocol.audio(pcm, rate)


@given(st.binary(max_size=4000))
def test_a_frame_decodes_back_to_what_was_seen(jpeg: bytes) -> None:
    message = json.loads(protocol.video(jpeg))
    blob = message["realtimeInput"].pop("video")
    assert message == {"realtimeInput": {}}
    assert blob.pop("mimeType") == "image/jpeg"
    assert base64.b64decode(blob.pop("data"), validate=True) == jpeg
    assert not blob


@given(st.text())
def test_a_typed_line_arrives_as_it_was_typed(line: str) -> None:
    assert json.loads(protocol.text(line)) == {"realtimeInput": {"text": line}}


@given(st.lists(st.tuples(st.sampled_from(("user", "model")), st.text()), max_size=5), st.booleans())
def test_history_arrives_as_it_was_told(turns: list[tuple[str, str]], complete: bool) -> None:  # noqa: FBT001 - given
    assert json.loads(protocol.client_content(turns, turn_complete=complete)) == {
        "clientContent": {
            "turns": [{"role": role, "parts": [{"text": text}]} for role, text in turns],
            "turnComplete": complete,
        }
    }


finite = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), finite, max_size=4))
def test_setup_and_tool_responses_arrive_as_they_were_given(fields: dict[str, Any]) -> None:
    assert json.loads(protocol.setup(fields)) == {"setup": fields}
    responses = [{"id": "1", "name": "look_up", "response": fields}, {"id": "2", "name": "x", "response": {}}]
    assert json.loads(protocol.tool_response(responses)) == {"toolResponse": {"functionResponses": responses}}


def test_the_constant_messages_are_what_the_service_documents() -> None:
    assert json.loads(protocol.ACTIVITY_START) == {"realtimeInput": {"activityStart": {}}}
    assert json.loads(protocol.ACTIVITY_END) == {"realtimeInput": {"activityEnd": {}}}
    assert json.loads(protocol.AUDIO_STREAM_END) == {"realtimeInput": {"audioStreamEnd": True}}


# the canonical transcript


def usage(prompt: int, response: int) -> Usage:
    return Usage(prompt, response, thoughts=0, tool_use=0)


def calls(number: str, name: str, **arguments: Any) -> ToolCall:
    return ToolCall((FunctionCall(number, name, arguments),))


GENERATED: list[list[ServerEvent]] = [[SILENCE], [GenerationComplete()], [DONE]]
CANONICAL: dict[str, list[list[ServerEvent]]] = {
    "1-setup": [[SetupComplete()], [ResumptionUpdate("Cih...h1")]],
    "2-manual-turn": [
        [InputTranscript(" What is")],
        [InputTranscript(" this?")],
        [SILENCE],
        [SILENCE, OutputTranscript("That is a ")],
        [OutputTranscript("teapot.")],
        [SILENCE],
        [GenerationComplete()],
        [usage(420, 61), DONE],
        [ResumptionUpdate("Cih...h2")],
    ],
    "3-barge-in": [
        [ResumptionUpdate("")],
        [SILENCE],
        [OutputTranscript("Once upon a time there")],
        [SILENCE],
        [Interrupted()],
        [usage(510, 40), DONE],
        *GENERATED,
    ],
    "4-tool-blocking": [[calls("function-call-1", "set_volume", level=5)], *GENERATED],
    "5-tool-non-blocking": [[calls("function-call-2", "look_up", q="bus 42")], *GENERATED, *GENERATED],
    "6-tool-cancel": [
        [calls("function-call-3", "set_volume", level=9)],
        [ToolCallCancellation(("function-call-3",))],
        [Interrupted()],
        [DONE],
        *GENERATED,
    ],
    "7-goaway-resume": [
        [ResumptionUpdate("Cih...h9")],
        [GoAway(50.0)],
        [SetupComplete()],
        [ResumptionUpdate("Cih...h10")],
    ],
    "8-fallback-seed": [[SetupComplete()]],
    "9-auto-vad": [[SetupComplete()]],
    "10-extended-thinking": [
        [],
        [SILENCE],
        [GenerationComplete()],
        [TurnComplete(idle=False, reason="")],
        [calls("fc-9", "look_up")],
        *GENERATED,
    ],
    "11-sdk-3.3.0-new": [
        [],
        [],
        [],
        [TurnComplete(idle=True, reason="NEED_MORE_INPUT")],
        [],
    ],
}


def server_messages(scene: str) -> Iterator[Any]:
    for line in TRANSCRIPT.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["scene"] == scene and entry["dir"] == "S":
            yield entry["msg"]


@pytest.mark.parametrize("scene", CANONICAL)
def test_a_scene_of_the_canonical_transcript_decodes_to_what_it_means(scene: str) -> None:
    told = [decode(json.dumps(message, indent=2).encode()) for message in server_messages(scene)]
    assert told == CANONICAL[scene]


def test_no_scene_of_the_canonical_transcript_is_left_out() -> None:
    scenes = {json.loads(line)["scene"] for line in TRANSCRIPT.read_text(encoding="utf-8").splitlines()}
    assert scenes == set(CANONICAL)


# server messages


def test_text_frames_are_read_like_binary_ones() -> None:
    assert decode('{"setupComplete": {"sessionId": "s-1"}}') == decode(b'{"setupComplete": {"sessionId": "s-1"}}')
    assert decode('{"setupComplete": {"sessionId": "s-1"}}') == [SetupComplete()]


def test_all_members_of_a_message_are_told_in_the_order_in_which_they_must_be_acted_on() -> None:
    message = {
        "sessionResumptionUpdate": {"newHandle": "h", "resumable": True},
        "goAway": {"timeLeft": "9.500s"},
        "serverContent": {
            "turnComplete": True,
            "generationComplete": True,
            "interrupted": True,
            SAID: {"text": "yes", "finished": True},
            HEARD: {"text": "really?"},
            "modelTurn": {"parts": [{"text": "aside"}, {"inlineData": {"mimeType": "audio/pcm", "data": "AAAA/w=="}}]},
        },
        "toolCall": {"functionCalls": [{"name": "look"}]},
        "usageMetadata": {"promptTokenCount": 1},
    }
    assert decode(json.dumps(message)) == [
        usage(1, 0),
        ToolCall((FunctionCall("", "look", {}),)),
        AudioOut(b"\0\0\0\xff", 24_000),
        InputTranscript("really?"),
        OutputTranscript("yes"),
        Interrupted(),
        GenerationComplete(),
        DONE,
        GoAway(9.5),
        ResumptionUpdate("h"),
    ]


@pytest.mark.parametrize("message", ["{}", '{"serverContent":{}}', '{"serverContent":null}', '{"news":{"x":1}}'])
def test_what_is_empty_or_unknown_is_nothing(message: str) -> None:
    assert decode(message) == []


@pytest.mark.parametrize(
    ("mime_type", "rate"),
    [
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm;rate=16000", 16_000),
        ("audio/pcm", 24_000),
        ("audio/pcm;rate=x", 24_000),
        ("audio/pcm;rate=0000", 24_000),
        ("audio/pcm;rate=24000000", 24_000),
        ("Audio/PCM; Rate=16000", 16_000),
        ("audio/pcm;rate=48000;channels=1", 48_000),
        ("audio/pcm;codec=x;rate=8000", 8_000),
    ],
)
def test_the_rate_of_an_answer_is_read_from_its_type(mime_type: str, rate: int) -> None:
    assert decode(piece("AAA=", mime_type)) == [AudioOut(bytes(2), rate)]


def test_a_part_that_is_no_sound_is_nothing() -> None:
    assert decode(piece("AAA=", "image/png")) == []
    assert decode(said(modelTurn={"parts": [{"executableCode": {}}, {"text": "thinking", "thought": True}, {}]})) == []


@pytest.mark.parametrize(
    ("mime_type", "problem"),
    [
        ("audio/opus", "another encoding"),
        ("audio/L16;rate=24000", "another encoding"),
        ("audio/pcmu;rate=8000", "another encoding"),
        ("audio/pcm;rate=24000;channels=2", "more than one channel"),
    ],
)
def test_sound_that_cannot_be_played_is_told(mime_type: str, problem: str) -> None:
    assert decode(piece("AAA=", mime_type)) == [UnplayableAudio(problem)]


def test_half_a_sample_is_unreadable_and_never_reaches_the_speaker() -> None:
    told = decode(piece("AAAA"))
    assert told == [Unreadable("serverContent: ValueError", len(piece("AAAA")))]


def test_what_came_before_the_unreadable_part_of_a_message_is_still_told() -> None:
    whole, half = ({"inlineData": {"mimeType": "audio/pcm", "data": data}} for data in ("AAA=", "A"))
    told = decode(said(modelTurn={"parts": [whole, half]}))
    assert told[0] == AudioOut(bytes(2), 24_000)
    assert isinstance(told[1], Unreadable)


@given(st.binary(max_size=200))
def test_base64_is_read_in_both_alphabets_with_and_without_padding(data: bytes) -> None:
    plain, url_safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    for text in (plain, url_safe, plain.rstrip("="), url_safe.rstrip("=")):
        assert protocol.decode_base64(text) == data


@pytest.mark.parametrize("text", ["A", "AAAAA", "????", "ÄÖÜß", "AA=A", "AA==AA=="])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        protocol.decode_base64(text)


@pytest.mark.parametrize(("text", "seconds"), [("50s", 50.0), ("9.500s", 9.5), ("0s", 0.0)])
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert protocol.duration(text) == seconds
    assert decode(json.dumps({"goAway": {"timeLeft": text}})) == [GoAway(seconds)]


@pytest.mark.parametrize("text", ["50", "s", "-1s", "1e3s", "5 s", ".5s", "50s\n"])
def test_what_is_not_a_duration_is_unreadable(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        protocol.duration(text)
    assert [type(event) for event in decode(json.dumps({"goAway": {"timeLeft": text}}))] == [Unreadable]


def test_a_go_away_without_a_time_is_due_now() -> None:
    assert decode('{"goAway":{}}') == [GoAway(0.0)]


def test_a_handle_counts_only_while_the_session_can_be_resumed() -> None:
    assert decode('{"sessionResumptionUpdate":{"newHandle":"h","resumable":true}}') == [ResumptionUpdate("h")]
    assert decode('{"sessionResumptionUpdate":{"newHandle":"h"}}') == [ResumptionUpdate("")]
    assert decode('{"sessionResumptionUpdate":{"resumable":true}}') == [ResumptionUpdate("")]


def test_usage_is_counted_under_either_name_and_totals_what_is_billed() -> None:
    counts = {"promptTokenCount": 100, "thoughtsTokenCount": 7, "toolUsePromptTokenCount": 20, "totalTokenCount": 121}
    for name in ("responseTokenCount", "candidatesTokenCount"):
        told = decode(json.dumps({"usageMetadata": {**counts, name: "1"}}))
        assert told == [Usage(prompt=100, response=1, thoughts=7, tool_use=20)]
        assert isinstance(told[0], Usage)
        assert told[0].total == 128


def test_what_is_not_json_is_unreadable_and_not_quoted() -> None:
    assert decode(b"secret speech") == [Unreadable("not JSON: JSONDecodeError", 13)]
    assert decode(b"\xff\xfe\x00") == [Unreadable("not JSON: UnicodeDecodeError", 3)]
    assert decode('{"x":NaN}') == [Unreadable("not JSON: ValueError", 9)]
    assert decode("[1, 2]") == [Unreadable("a JSON list instead of an object", 6)]


@pytest.mark.parametrize(
    "message",
    [
        '{"usageMetadata":{"promptTokenCount":1e999}}',
        '{"setupComplete":[]}',
        '{"toolCall":{"functionCalls":[{"id":"1"}]}}',
        '{"toolCallCancellation":{"ids":5}}',
        '{"usageMetadata":{"promptTokenCount":9223372036854775808}}',
        '{"usageMetadata":{"promptTokenCount":-1}}',
        '{"usageMetadata":{"promptTokenCount":"' + "9" * 5000 + '"}}',
        '{"sessionResumptionUpdate":{"resumable":true,"newHandle":"' + "h" * 5000 + '"}}',
        '{"toolCall":{"functionCalls":[' + '{"name":"x"},' * 16 + '{"name":"x"}]}}',
        '{"toolCall":{"functionCalls":[{"name":"x","args":{"x":' + "[" * 900 + "]" * 900 + "}}]}}",
        '{"toolCallCancellation":{"ids":[' + '"x",' * 256 + '"x"]}}',
        '{"serverContent":{"modelTurn":{"parts":[' + "{}," * 256 + "{}]}}}",
        '{"serverContent":{"modelTurn":{"parts":["x"]}}}',
    ],
)
def test_a_member_that_cannot_be_read_is_named(message: str) -> None:
    (told,) = decode(message)
    assert isinstance(told, Unreadable)
    assert told.problem.startswith(f"{next(iter(json.loads(message)))}: ")
    assert told.size == len(message)


def test_an_absurd_number_of_tokens_does_not_take_the_end_of_the_turn_with_it() -> None:
    told = decode('{"usageMetadata":{"promptTokenCount":9223372036854775808},"serverContent":{"turnComplete":true}}')
    assert [type(event) for event in told] == [Unreadable, TurnComplete]


def test_a_far_go_away_is_a_day_away() -> None:
    assert decode('{"goAway":{"timeLeft":"' + "9" * 400 + 's"}}') == [GoAway(86_400.0)]


def test_a_problem_is_told_without_a_word_of_what_was_sent() -> None:
    (told,) = decode(json.dumps({"goAway": {"timeLeft": "x" * 5000}}))
    assert isinstance(told, Unreadable)
    assert told.problem == "goAway: ValueError"
    assert told.size > 5000


def test_text_nested_as_deep_as_json_goes_is_told_or_unreadable() -> None:
    for depth in range(900, 1010, 3):
        nested = "[" * depth + "]" * depth
        (told,) = decode('{"serverContent":{"outputTranscription":{"text":' + nested + "}}}")
        assert isinstance(told, OutputTranscript | Unreadable)


@given(st.binary() | st.text())
def test_decode_never_raises_on_anything(data: bytes | str) -> None:
    assert all(isinstance(event, ServerEvent) for event in decode(data))


@given(st.dictionaries(names | st.text(max_size=5), near_misses, max_size=5) | values)
@example({"usageMetadata": {"promptTokenCount": float("inf")}})
@example({"usageMetadata": {"promptTokenCount": float("nan")}})
@example({"toolCall": {"functionCalls": [{"name": "x", "args": [1]}]}})
def test_decode_never_raises_on_any_json(message: Any) -> None:
    for event in decode(json.dumps(message)):
        assert isinstance(event, ServerEvent)
        if isinstance(event, AudioOut):
            assert len(event.pcm) % 2 == 0
            assert event.rate > 0


def test_half_an_emoji_is_not_sent() -> None:
    message = protocol.client_content([("model", "fine \ud83d")], turn_complete=True)
    assert json.loads(message)["clientContent"]["turns"][0]["parts"] == [{"text": "fine ?"}]


def test_the_words_of_the_service_hold_no_secret_and_nothing_invisible() -> None:
    learn("opensesame")
    evil = " opense\u200bsame\x1b[2J\u202e\nline "
    said = {"inputTranscription": {"text": evil}, "outputTranscription": {"text": evil}}
    ended = {"turnComplete": True, "turnCompleteReason": evil}
    assert decode(json.dumps({"serverContent": said | ended})) == [
        InputTranscript(" [redacted][2J\nline "),
        OutputTranscript(" [redacted][2J\nline "),
        TurnComplete(idle=True, reason="[redacted][2J line"),
    ]
