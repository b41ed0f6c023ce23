from __future__ import annotations

from typing import Any

import pytest

from agent.simulator import rules

LIVE = "models/gemini-3.8-live"
THINKING = "models/gemini-3.8-live-extended-thinking"
LEGACY = "models/gemini-3.1-flash-live-preview"
NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"


def function(**extra: object) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **extra}]}]}


def thinking(**config: object) -> dict[str, Any]:
    return {"generationConfig": {"thinkingConfig": config}}


@pytest.mark.parametrize(
    ("model", "setup"),
    [
        (LIVE, {}),
        (LIVE, function(behavior="BLOCKING")),
        (LIVE, {"proactivity": {"proactiveAudio": True}}),
        (THINKING, thinking(thinkingLevel="LOW")),
        (LEGACY, thinking(thinkingLevel="MINIMAL")),
        (LEGACY, {"proactivity": {"proactiveAudio": False}}),
        (NATIVE, thinking(thinkingBudget=0)),
    ],
)
def test_accepted(model: str, setup: dict[str, Any]) -> None:
    assert rules.refuse_setup({"model": model, **setup}, "v1beta") is None


@pytest.mark.parametrize(
    ("model", "setup", "word"),
    [
        ("", {}, "must contain a model"),
        (LIVE, {"generationConfig": {"responseModalities": ["TEXT"]}}, "response modalities (TEXT)"),
        (LIVE, {"generationConfig": {"responseModalities": ["AUDIO", "TEXT"]}}, "response modalities (AUDIO, TEXT)"),
        (LIVE, thinking(), "thinking_config"),
        (LIVE, {"generationConfig": {"enableAffectiveDialog": True}}, "affective"),
        (LIVE, {"generationConfig": {"responseMimeType": "x"}}, "responseMimeType"),
        (LIVE, {"proactivity": {"proactiveAudio": False}}, "proactive"),
        (LIVE, {"sessionResumption": {"transparent": True}}, "transparent"),
        (LIVE, {"tools": [{"codeExecution": {}}]}, "codeExecution"),
        (LIVE, {"tools": [{"functionDeclarations": [{"description": "d"}]}]}, "needs a name"),
        (LIVE, function(parameters={}, parametersJsonSchema={}), "Only one of"),
        (LIVE, {"systemInstruction": {"parts": [{"inlineData": {}}]}}, "text parts only"),
        (THINKING, {}, "thinking_level"),
        (THINKING, thinking(thinkingLevel="MINIMAL"), "thinking_level"),
        (THINKING, {**thinking(thinkingLevel="LOW"), **function(behavior="BLOCKING")}, "BLOCKING"),
        (LEGACY, function(behavior="NON_BLOCKING"), "NON_BLOCKING"),
    ],
)
def test_refused_with_1007(model: str, setup: dict[str, Any], word: str) -> None:
    refusal = rules.refuse_setup({"model": model, **setup}, "v1beta")
    assert refusal is not None
    assert refusal.code == 1007
    assert word in refusal.reason


def test_unknown_model_is_refused_with_1008() -> None:
    assert rules.refuse_setup({"model": "models/x"}, "v1beta") == rules.Refusal(
        1008, "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent"
    )


def test_affective_dialog_needs_the_old_model_and_v1alpha() -> None:
    setup = {"model": NATIVE, "generationConfig": {"enableAffectiveDialog": True}}
    assert rules.refuse_setup(setup, "v1alpha") is None
    assert rules.refuse_setup(setup, "v1beta") is not None


def test_whether_calls_block_depends_on_declaration_and_model() -> None:
    declarations = [{"name": "a"}, {"name": "b", "behavior": "BLOCKING"}, {"name": "c", "behavior": "NON_BLOCKING"}]
    tools = {"tools": [{"functionDeclarations": declarations}]}
    assert rules.blocking_calls({"model": LIVE, **tools}) == {"a": False, "b": True, "c": False}
    assert rules.blocking_calls({"model": LEGACY, **tools})["a"] is True
