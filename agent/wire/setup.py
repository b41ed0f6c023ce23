"""PURE: the setup message, made from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.config import Settings


def setup_fields(
    settings: Settings, handle: str, *, seeding: bool = False, functions: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return the fields of the setup message; an empty ``handle`` asks for a fresh session.

    ``seeding``: the next message will be the history of the conversation, which must not be answered.
    ``functions``: declarations of the functions that the model may call.

    Resumption, context-window compression and both transcriptions are always requested: a box that stays on all day
    needs them.
    """
    session = settings.session
    fields: dict[str, Any] = {
        "model": f"models/{session.model.removeprefix('models/')}",
        "generationConfig": _generation_config(settings),
        "realtimeInputConfig": _realtime_input(settings),
        "sessionResumption": {"handle": handle} if handle else {},
        "contextWindowCompression": {"slidingWindow": {}},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }
    if session.system_instruction:
        fields["systemInstruction"] = {"parts": [{"text": session.system_instruction}]}
    if seeding:
        fields["historyConfig"] = {"initialHistoryInClientContent": True}
    tools: list[dict[str, Any]] = [{"functionDeclarations": list(functions)}] if functions else []
    tools += [{"googleSearch": {}}] if session.search else []
    if tools:
        fields["tools"] = tools
    return fields


def _generation_config(settings: Settings) -> dict[str, Any]:
    session = settings.session
    config: dict[str, Any] = {
        "responseModalities": ["AUDIO"],
        "mediaResolution": f"MEDIA_RESOLUTION_{session.media_resolution.upper()}",
    }
    if session.voice:
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": session.voice}}}
    if session.temperature >= 0:
        config["temperature"] = session.temperature
    if session.thinking_level:
        config["thinkingConfig"] = {"thinkingLevel": session.thinking_level}
    return config


def _realtime_input(settings: Settings) -> dict[str, Any]:
    if settings.turn.local_detection:
        detection: dict[str, Any] = {"disabled": True}
    else:
        detection = {
            "disabled": False,
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
            "prefixPaddingMs": 100,
            "silenceDurationMs": settings.turn.silence_ms,
        }
    return {
        "automaticActivityDetection": detection,
        "activityHandling": "START_OF_ACTIVITY_INTERRUPTS",
        "turnCoverage": settings.session.turn_coverage,
    }
