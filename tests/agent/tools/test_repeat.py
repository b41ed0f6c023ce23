"""The function that plays the last answer again."""

import pytest

from agent.tools import repeat


@pytest.mark.parametrize(
    ("model", "behavior", "silent"),
    [
        ("gemini-3.8-live", "NON_BLOCKING", True),
        ("gemini-3.8-live-extended-thinking", "NON_BLOCKING", False),
        ("gemini-3.1-flash-live-preview", None, False),
    ],
)
def test_the_box_can_be_asked_to_repeat_in_the_way_that_the_model_takes(
    model: str, behavior: str | None, *, silent: bool
) -> None:
    declared = repeat.declaration(model)
    assert (declared["name"], declared.get("behavior")) == (repeat.NAME, behavior)
    assert (repeat.response(model, "1", 4.2).get("scheduling") == "SILENT") is silent
    assert repeat.response(model, "1", 0.0)["response"] == {"error": "nothing was said yet"}
