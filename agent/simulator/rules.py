"""What each model refuses, as the service words it (PROTOCOL 0, 2.1, 4.8, 4.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INVALID: Final = 1007
VIOLATION: Final = 1008

BAD_KEY: Final = "API key not valid. Please pass a valid API key."
SESSION_NOT_FOUND: Final = "BidiGenerateContent session not found"
EXPLICIT_ACTIVITY: Final = "Explicit activity control is not supported when automatic activity detection is enabled."
STREAM_END: Final = "audio_stream_end is not supported when automatic activity detection is disabled."
NO_SCHEDULING: Final = "Function response scheduling is not supported for this model."
ABORTED: Final = "The operation was aborted."
NOT_IMPLEMENTED: Final = "Operation is not implemented, or supported, or enabled."

# Fields of generationConfig the service knows from other methods and does not take in a live session.
_NOT_IN_LIVE: Final = (
    "responseLogprobs",
    "responseMimeType",
    "logprobs",
    "responseSchema",
    "responseJsonSchema",
    "stopSequences",
    "routingConfig",
    "audioTimestamp",
)
_TOOLS_NOT_IN_3X: Final = ("codeExecution", "urlContext", "googleMaps", "fileSearch", "computerUse")


@dataclass(frozen=True, slots=True)
class Model:
    """What one model takes.

    `thinking` is "omit", "level" (required, LOW to HIGH) or "any". `behaviors` are the values a function
    declaration may carry; `blocking` is what a declaration without one means. `status` says whether
    turnComplete comes with an interactionStatus.
    """

    thinking: str = "omit"
    behaviors: frozenset[str] = frozenset({"BLOCKING", "NON_BLOCKING"})
    blocking: bool = False
    scheduling: bool = True
    affective: bool = False
    passive: bool = False  # takes proactiveAudio: false
    extra_tools: bool = False
    status: bool = False


MODELS: Final[Mapping[str, Model]] = {
    "models/gemini-3.8-live": Model(),
    "models/gemini-3.8-live-extended-thinking": Model(
        thinking="level", behaviors=frozenset({"NON_BLOCKING"}), scheduling=False, status=True
    ),
    "models/gemini-3.1-flash-live-preview": Model(
        thinking="any", behaviors=frozenset(), blocking=True, scheduling=False, passive=True
    ),
    "models/gemini-2.5-flash-native-audio-preview-12-2025": Model(
        thinking="any", blocking=True, affective=True, passive=True, extra_tools=True
    ),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A close: its code and its reason."""

    code: int
    reason: str


def unknown_model(name: str, version: str) -> Refusal:
    """Return the refusal of a model that does not exist."""
    return Refusal(
        VIOLATION, f"{name} is not found for API version {version}, or is not supported for bidiGenerateContent"
    )


def refuse_setup(setup: Mapping[str, Any], version: str) -> Refusal | None:
    """Judge a setup by its model: the first thing wrong with it, or None."""
    name = setup.get("model", "")
    if not name:
        return Refusal(INVALID, "setup must contain a model.")
    if name not in MODELS:
        return unknown_model(name, version)
    reason = next(_objections(setup, MODELS[name], version), None)
    return Refusal(INVALID, reason) if reason else None


def blocking_calls(setup: Mapping[str, Any]) -> dict[str, bool]:
    """Return for each declared function whether its calls block the model."""
    default = MODELS[setup["model"]].blocking
    return {
        declaration.get("name", ""): {"BLOCKING": True, "NON_BLOCKING": False}.get(
            declaration.get("behavior", ""), default
        )
        for declaration in _declarations(setup)
    }


def _declarations(setup: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for tool in setup.get("tools", []):
        yield from tool.get("functionDeclarations", [])


def _objections(setup: Mapping[str, Any], model: Model, version: str) -> Iterator[str]:
    config = setup.get("generationConfig", {})
    yield from _modality_objections(config)
    yield from _thinking_objections(config.get("thinkingConfig"), model)
    for name in _NOT_IN_LIVE:
        if name in config:
            yield f"generation_config.{name} is not supported in a live session."
    if "enableAffectiveDialog" in config and not (model.affective and version == "v1alpha"):
        yield "enable_affective_dialog is not supported for this model."
    if setup.get("proactivity", {}).get("proactiveAudio") is False and not model.passive:
        yield "proactive_audio cannot be disabled for this model."
    if "explicitVadSignal" in setup or "transparent" in setup.get("sessionResumption", {}):
        yield "explicit_vad_signal and transparent session resumption are not supported in the Gemini API."
    yield from _tool_objections(setup, model)
    if any("text" not in part for part in setup.get("systemInstruction", {}).get("parts", [])):
        yield "system_instruction takes text parts only."


def _modality_objections(config: Mapping[str, Any]) -> Iterator[str]:
    modalities = config.get("responseModalities", ["AUDIO"])
    if modalities != ["AUDIO"]:
        shown = ", ".join(modalities)
        yield f"The requested combination of response modalities ({shown}) is not supported by the model."


def _thinking_objections(thinking: Mapping[str, Any] | None, model: Model) -> Iterator[str]:
    if model.thinking == "omit" and thinking is not None:
        yield "thinking_config is not supported for this model."
    if model.thinking == "level" and (thinking or {}).get("thinkingLevel") not in {"LOW", "MEDIUM", "HIGH"}:
        yield "thinking_level must be LOW, MEDIUM or HIGH for this model."


def _tool_objections(setup: Mapping[str, Any], model: Model) -> Iterator[str]:
    for tool in setup.get("tools", []):
        for name in _TOOLS_NOT_IN_3X:
            if name in tool and not model.extra_tools:
                yield f"Tool {name} is not supported for this model."
    for declaration in _declarations(setup):
        if not declaration.get("name"):
            yield "function_declarations: a function needs a name."
        if "parameters" in declaration and "parametersJsonSchema" in declaration:
            yield "Only one of parameters and parameters_json_schema may be set."
        behavior = declaration.get("behavior", "UNSPECIFIED")
        if behavior != "UNSPECIFIED" and behavior not in model.behaviors:
            yield f"Function behavior {behavior} is not supported for this model."
