"""PURE: a table of what each Live model accepts (Live API guide 2026-09, google-genai 3.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a family of models accepts; ``prefix`` is the start of its ids."""

    prefix: str
    thinking: str  # "refused", "required", "optional"
    thinking_levels: tuple[str, ...] = ()
    history_config: bool = False  # takes initialHistoryInClientContent
    tool_behaviors: tuple[str, ...] = ("BLOCKING", "NON_BLOCKING")
    tool_scheduling: bool = True


MODELS = (
    ModelRules(
        "gemini-3.8-live-extended-thinking",
        thinking="required",
        thinking_levels=("LOW", "MEDIUM", "HIGH"),
        history_config=True,
        tool_behaviors=("NON_BLOCKING",),
        tool_scheduling=False,
    ),
    ModelRules("gemini-3.8-live", thinking="refused", history_config=True),
    ModelRules(
        "gemini-3.1-flash-live",
        thinking="optional",
        thinking_levels=("MINIMAL", "LOW", "MEDIUM", "HIGH"),
        history_config=True,
        tool_behaviors=(),
        tool_scheduling=False,
    ),
    ModelRules("gemini-2.5-flash-native-audio", thinking="refused"),
    ModelRules("gemini-live-2.5-flash-native-audio", thinking="refused"),
)
"""The first matching prefix counts, so longer prefixes stand first."""

UNKNOWN = ModelRules("", thinking="optional", thinking_levels=("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"))
"""The row for a model newer than this table: nothing is refused here, the service decides."""


def rules_for(model: str) -> ModelRules:
    """Return the row for a model id, with or without ``models/``."""
    name = model.removeprefix("models/")
    return next((rules for rules in MODELS if name.startswith(rules.prefix)), UNKNOWN)


def refusal(model: str, level: str) -> tuple[str, str] | None:
    """Return the setting that ``model`` refuses with this thinking ``level`` and what to do about it, or None."""
    rules = rules_for(model)
    if rules.thinking == "refused" and level:
        return "thinking_level", f"{model} takes none; remove it"
    if rules.thinking == "required" and not level:
        return "thinking_level", f"{model} needs one of {', '.join(rules.thinking_levels)}"
    if level and level not in rules.thinking_levels:
        return "thinking_level", f"{model} takes one of {', '.join(rules.thinking_levels)}, not {level}"
    return None
