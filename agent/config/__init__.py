"""The configuration: loaded from TOML, checked before anything starts, and printed again.

Every error names file, section and key, and all of them are told at once. Unknown keys are errors: a misspelt setting
that is ignored costs a day.
"""

from agent.config.checks import is_loopback
from agent.config.loading import DEFAULT_PATH, describe, load, override, toml
from agent.config.sections import (
    UNNEEDED,
    ConversationSettings,
    EndpointerSettings,
    LinkSettings,
    LogSettings,
    NoteSettings,
    PathSettings,
    ServiceSettings,
    SessionSettings,
    Settings,
    TurnSettings,
    VideoSettings,
    VoiceSettings,
)

__all__ = [
    "DEFAULT_PATH",
    "UNNEEDED",
    "ConversationSettings",
    "EndpointerSettings",
    "LinkSettings",
    "LogSettings",
    "NoteSettings",
    "PathSettings",
    "ServiceSettings",
    "SessionSettings",
    "Settings",
    "TurnSettings",
    "VideoSettings",
    "VoiceSettings",
    "describe",
    "is_loopback",
    "load",
    "override",
    "toml",
]
