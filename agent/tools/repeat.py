"""PURE: the function the model calls to make the box play the last answer again, word for word."""

from __future__ import annotations

from typing import Any

from agent.models import rules_for

NAME = "repeat_last_answer"
DESCRIPTION = (
    "Plays your last answer on the box once more, word for word. Call it when asked to repeat, and say nothing."
)


def declaration(model: str) -> dict[str, Any]:
    """Return the declaration for the setup message; the call does not block where the model allows that."""
    quietly = "NON_BLOCKING" in rules_for(model).tool_behaviors
    return {"name": NAME, "description": DESCRIPTION, **({"behavior": "NON_BLOCKING"} if quietly else {})}


def response(model: str, call_id: str, seconds: float) -> dict[str, Any]:
    """Return the response to a call that plays ``seconds`` again (0: nothing to play).

    Where the model allows it, the response asks for no comment: the repeated answer speaks for itself.
    """
    result = {"output": f"playing {seconds:.0f} s again"} if seconds else {"error": "nothing was said yet"}
    rules = rules_for(model)
    silent = seconds and rules.tool_scheduling and "NON_BLOCKING" in rules.tool_behaviors
    return {"id": call_id, "name": NAME, "response": result} | ({"scheduling": "SILENT"} if silent else {})
