"""PURE: our side of the server's memory: the setup message, handle or replay, the go-away deadline.

A connection either resumes with the handle or starts fresh and is told the conversation in words
(:mod:`agent.wire.history`), never both (Live API, history in clientContent).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.models import rules_for
from agent.wire import protocol
from agent.wire.history import History, Lines, as_one_text

if TYPE_CHECKING:
    from agent.config import Settings
    from agent.wire.events import GoAway, ResumptionUpdate

REPEAT = "repeat_last_answer"
HANDLE_LIFE_S = 2 * 3600.0
"""How long a handle is good after its connection ended (Developer API; Vertex AI says 24 h)."""
GO_AWAY_MARGIN_S = 5.0
"""Change over at the latest this long before the server would cut us off."""
GO_AWAY_RETRY_S = 20.0
"""A connection younger than this is not changed over again unless its deadline presses."""
SHORT_S = 10.0
"""A resumed connection that fails sooner says that the session behind the handle is not well."""
MAX_SHORT = 2
"""So many of them in a row, and a fresh session is told the conversation instead (python-genai#2290)."""


def setup_fields(settings: Settings, handle: str, *, seeding: bool = False) -> dict[str, Any]:
    """Return the fields of the setup message; an empty ``handle`` asks for a fresh session.

    ``seeding``: the first message after it will be the history of the conversation, which is not to be answered.

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
    if seeding:
        fields["historyConfig"] = {"initialHistoryInClientContent": True}
    tools: list[dict[str, Any]] = (
        [{"functionDeclarations": [repeat_declaration(session.model)]}] if session.repeat else []
    )
    tools += [{"googleSearch": {}}] if session.search else []
    if tools:
        fields["tools"] = tools
    return fields


def repeat_declaration(model: str) -> dict[str, Any]:
    """Return the declaration of the function that plays the last answer again."""
    quietly = "NON_BLOCKING" in rules_for(model).tool_behaviors
    behavior = {"behavior": "NON_BLOCKING"} if quietly else {}
    told = "Plays your last answer on the box once more, word for word. Call it when asked to repeat, and say nothing."
    return {"name": REPEAT, "description": told, **behavior}


def repeated(model: str, call_id: str, seconds: float) -> dict[str, Any]:
    """Return the response to that function, after which the model need not speak."""
    result = {"output": f"playing {seconds:.0f} s again"} if seconds else {"error": "nothing was said yet"}
    rules = rules_for(model)
    silent = seconds and rules.tool_scheduling and "NON_BLOCKING" in rules.tool_behaviors
    return {"id": call_id, "name": REPEAT, "response": result} | ({"scheduling": "SILENT"} if silent else {})


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


class Session:
    """What one conversation must remember to go on over many connections."""

    def __init__(self, settings: Settings) -> None:
        """Start without a handle, and with nothing to tell."""
        self._settings = settings
        self._takes_history = rules_for(settings.session.model).history_config
        self._handle = ""
        self._handle_until = 0.0
        self._answered_at_handle = 0
        self._position_at_handle = 0
        self._position = 0  # what the present session has in its memory of the history, for certain: it has answered
        self._opened_at = 0.0
        self._open = False
        self._resumed = False
        self._short = 0
        self._seed: Lines = []
        self._go_away_at: float | None = None
        self.history = History(settings.conversation.replay_tokens)
        """What was said in this conversation."""

    def setup(self, now: float) -> bytes:
        """Return the first message of a connection opened at ``now``."""
        handle = self.handle(now)
        self._resumed = bool(handle)
        self._seed = [] if handle else self.history.seed()
        seeding = bool(self._seed) and self._takes_history
        return protocol.setup(setup_fields(self._settings, handle, seeding=seeding))

    def seed(self) -> bytes | None:
        """Return the message that must follow the setup at once, if any."""
        if not self._seed:
            return None
        if self._takes_history:
            return protocol.client_content(self._seed, turn_complete=True)
        return protocol.client_content(as_one_text(self._seed), turn_complete=False)

    def handle(self, now: float) -> str:
        """Return the handle to resume with, or an empty string when there is none that can be good."""
        return self._handle if now < self._handle_until else ""

    def restore(self, handle: str, age_s: float, now: float, position: int) -> None:
        """Take a ``handle`` that this box was given ``age_s`` ago, at ``position`` of the history, before a restart."""
        self._handle, self._handle_until, self._position_at_handle = handle, now + HANDLE_LIFE_S - age_s, position

    def forget(self) -> None:
        """Begin another conversation: the next connection knows nothing of this one."""
        self._handle, self._short = "", 0
        self.history.clear()
        self._position = self._position_at_handle = self.history.position

    @property
    def known(self) -> int:
        """The last utterance that the session has in its memory for certain; 0 if none, or if it was only told."""
        return self._answered_at_handle if self._resumed else 0

    def missed(self) -> Lines:
        """Return what was answered after the handle was given: the session that it led back to has no memory of it."""
        return self.history.since(self._position) if self._resumed else []

    def caught_up(self) -> None:
        """Note that the session has answered, after it was told what it had missed."""
        self._position = self.history.position

    def opened(self, now: float) -> None:
        """Note that a connection is ready."""
        self._opened_at, self._go_away_at, self._open = now, None, True
        self._position = self._position_at_handle if self._resumed else 0

    def closed(self, now: float, *, drop_handle: bool, failed: bool = False) -> None:
        """Note that it is gone, or that an attempt was, which does not make a handle last longer.

        ``failed``: not by our own wish.
        """
        if self._open:
            self._handle_until = now + HANDLE_LIFE_S
            short = failed and self._resumed and now - self._opened_at < SHORT_S
            self._short = self._short + 1 if short else 0
        self._go_away_at, self._open = None, False
        if drop_handle or self._short >= MAX_SHORT:
            self._handle, self._short = "", 0

    def resumption_update(self, update: ResumptionUpdate, now: float, answered: int = 0) -> None:
        """Keep the newest handle; while generating the server sends none, and the last one stays good.

        ``answered``: the last utterance of which an answer has come; whoever resumes with this handle has heard it.
        """
        if update.handle:
            self._handle, self._handle_until = update.handle, now + HANDLE_LIFE_S
            self._answered_at_handle, self._position_at_handle = answered, self._position

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
