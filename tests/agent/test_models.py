import pytest

from agent.models import MODELS, UNKNOWN, refusal, rules_for


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("gemini-3.8-live", "gemini-3.8-live"),
        ("models/gemini-3.8-live", "gemini-3.8-live"),
        ("gemini-3.8-live-extended-thinking", "gemini-3.8-live-extended-thinking"),
        ("gemini-3.1-flash-live-preview", "gemini-3.1-flash-live"),
        ("gemini-2.5-flash-native-audio-preview-12-2025", "gemini-2.5-flash-native-audio"),
        ("gemini-live-2.5-flash-native-audio", "gemini-live-2.5-flash-native-audio"),
        ("gemini-5-live", ""),
    ],
)
def test_a_model_is_found_by_the_start_of_its_id(model: str, prefix: str) -> None:
    assert rules_for(model).prefix == prefix


def test_no_row_hides_a_longer_one_behind_it() -> None:
    for place, rules in enumerate(MODELS):
        assert not any(rules.prefix.startswith(earlier.prefix) for earlier in MODELS[:place])


@pytest.mark.parametrize(
    ("model", "level", "fix"),
    [
        ("gemini-3.8-live", "", None),
        ("gemini-3.8-live", "LOW", "gemini-3.8-live takes none; remove it"),
        (
            "gemini-3.8-live-extended-thinking",
            "",
            "gemini-3.8-live-extended-thinking needs one of LOW, MEDIUM, HIGH",
        ),
        ("gemini-3.8-live-extended-thinking", "HIGH", None),
        (
            "gemini-3.8-live-extended-thinking",
            "XHIGH",
            "gemini-3.8-live-extended-thinking takes one of LOW, MEDIUM, HIGH, not XHIGH",
        ),
        ("gemini-3.1-flash-live-preview", "", None),
        ("gemini-3.1-flash-live-preview", "MINIMAL", None),
        ("gemini-5-live", "XHIGH", None),
    ],
)
def test_a_thinking_level_is_refused_before_the_service_refuses_it(model: str, level: str, fix: str | None) -> None:
    refused = refusal(model, level)
    assert refused == (None if fix is None else ("thinking_level", fix))


def test_only_extended_thinking_takes_no_blocking_tools() -> None:
    assert rules_for("gemini-3.8-live-extended-thinking").tool_behaviors == ("NON_BLOCKING",)
    assert not rules_for("gemini-3.8-live-extended-thinking").tool_scheduling
    assert rules_for("gemini-3.8-live").tool_scheduling
    assert UNKNOWN.thinking == "optional"
