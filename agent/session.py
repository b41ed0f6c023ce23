"""PURE: our side of the server's memory: the setup message, the resumption handle, the go-away deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent import protocol

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.wire_events import GoAway, ResumptionUpdate

HANDLE_LIFE_S = 2 * 3600.0
"""How long a handle is good after its connection ended (Developer API; Vertex AI says 24 h)."""
GO_AWAY_MARGIN_S = 5.0
"""Change over at the latest this long before the server would cut us off."""
GO_AWAY_RETRY_S = 20.0
"""A connection younger than this is not changed over again unless its deadline presses."""


def setup_fields(settings: Settings, handle: str) -> dict[str, Any]:
    """Return the fields of the setup message; an empty ``handle`` asks for a fresh session.

    Resumption, context-window compression and both transcriptions are always asked for: a box that stays on all day
    needs each of them.
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
    if session.search:
        fields["tools"] = [{"googleSearch": {}}]
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
    if settings.turn.detection == "local":
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


class Session:
    """What one conversation must remember to go on over many connections."""

    def __init__(self, settings: Settings) -> None:
        """Start without a handle."""
        self._settings = settings
        self._handle = ""
        self._handle_until = 0.0
        self._opened_at = 0.0
        self._open = False
        self._go_away_at: float | None = None

    def setup(self, now: float) -> bytes:
        """Return the first message of a connection opened at ``now``."""
        return protocol.setup(setup_fields(self._settings, self.handle(now)))

    def handle(self, now: float) -> str:
        """Return the handle to resume with, or an empty string when there is none that can be good."""
        return self._handle if now < self._handle_until else ""

    def opened(self, now: float) -> None:
        """Note that a connection is ready."""
        self._opened_at, self._go_away_at, self._open = now, None, True

    def closed(self, now: float, *, drop_handle: bool) -> None:
        """Note that it is gone, or that an attempt failed, which does not make a handle last longer."""
        if self._open:
            self._handle_until = now + HANDLE_LIFE_S
        self._go_away_at, self._open = None, False
        if drop_handle:
            self._handle = ""

    def resumption_update(self, update: ResumptionUpdate, now: float) -> None:
        """Keep the newest handle; while generating the server sends none, and the last one stays good."""
        if update.handle:
            self._handle, self._handle_until = update.handle, now + HANDLE_LIFE_S

    def go_away(self, event: GoAway, now: float) -> None:
        """Note when the server will close this connection."""
        self._go_away_at = now + max(0.0, event.time_left_s - GO_AWAY_MARGIN_S)

    @property
    def change_over_at(self) -> float | None:
        """When to change over even in the middle of something, if the server announced its end."""
        return self._go_away_at

    def should_change_over(self, now: float, *, quiet: bool) -> bool:
        """Whether to reconnect now: at the deadline, or in a ``quiet`` moment before it."""
        if self._go_away_at is None:
            return False
        settled = now - self._opened_at >= GO_AWAY_RETRY_S
        return now >= self._go_away_at or (quiet and settled)
