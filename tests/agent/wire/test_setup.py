"""The setup message, member by member."""

from typing import Any

from agent.config import SessionSettings, Settings, TurnSettings
from agent.wire.setup import setup_fields


def fields(session: SessionSettings | None = None, turn: TurnSettings | None = None, handle: str = "") -> Any:
    chosen = session or SessionSettings()
    return setup_fields(Settings(session=chosen, turn=turn or TurnSettings()), handle)


def test_the_default_setup_is_what_the_canonical_transcript_shows() -> None:
    prompt = SessionSettings().system_instruction
    assert fields() == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {"responseModalities": ["AUDIO"], "mediaResolution": "MEDIA_RESOLUTION_LOW"},
        "realtimeInputConfig": {
            "automaticActivityDetection": {"disabled": True},
            "activityHandling": "START_OF_ACTIVITY_INTERRUPTS",
            "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
        },
        "sessionResumption": {},
        "contextWindowCompression": {"slidingWindow": {}},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "systemInstruction": {"parts": [{"text": prompt}]},
    }


def test_a_model_may_be_named_with_or_without_its_prefix() -> None:
    assert fields(SessionSettings(model="models/gemini-x"))["model"] == "models/gemini-x"
    assert fields(SessionSettings(model="gemini-x"))["model"] == "models/gemini-x"


def test_what_is_not_set_is_not_sent() -> None:
    bare = fields(SessionSettings(system_instruction=""))
    assert not {"systemInstruction", "tools"} & set(bare)
    assert set(bare["generationConfig"]) == {"responseModalities", "mediaResolution"}


def test_every_setting_of_the_model_is_sent_where_the_service_expects_it() -> None:
    sent = fields(
        SessionSettings(
            voice="Kore",
            temperature=0.0,
            thinking_level="HIGH",
            media_resolution="high",
            turn_coverage="TURN_INCLUDES_ONLY_ACTIVITY",
            search=True,
        )
    )
    assert sent["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "mediaResolution": "MEDIA_RESOLUTION_HIGH",
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        "temperature": 0.0,
        "thinkingConfig": {"thinkingLevel": "HIGH"},
    }
    assert sent["realtimeInputConfig"]["turnCoverage"] == "TURN_INCLUDES_ONLY_ACTIVITY"
    assert sent["tools"] == [{"googleSearch": {}}]


def test_the_service_detects_speech_only_when_it_is_asked_to() -> None:
    sent = fields(turn=TurnSettings(detection="server", silence_ms=500))
    assert sent["realtimeInputConfig"]["automaticActivityDetection"] == {
        "disabled": False,
        "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
        "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
        "prefixPaddingMs": 100,
        "silenceDurationMs": 500,
    }


# the handle


def test_functions_are_declared_beside_the_search() -> None:
    settings = Settings(session=SessionSettings(search=True))
    assert setup_fields(settings, "", functions=[{"name": "look"}])["tools"] == [
        {"functionDeclarations": [{"name": "look"}]},
        {"googleSearch": {}},
    ]
