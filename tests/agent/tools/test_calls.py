"""Function calls: each is on disk before it is made, and answered once, on the connection that it came over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from agent.tools.calls import ToolCalls
from agent.wire.events import FunctionCall, ToolCall, ToolCallCancellation

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.store.store import Store

LOOK, POINT = FunctionCall("1", "look", {}), FunctionCall("2", "point", {"x": 1})


class SlowStore:
    """A disk that is done when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Callable[[], None]] = []
        self.ended: list[tuple[int, dict[str, Any]]] = []

    def call(self, _: int | None, __: str, ___: str, ____: dict[str, Any], then: Callable[[], None]) -> int:
        self.begun.append(then)
        return 6 + len(self.begun)

    def call_ended(self, ticket: int, result: dict[str, Any]) -> None:
        self.ended.append((ticket, result))


class Rig:
    def __init__(self) -> None:
        self.store, self.sent = SlowStore(), list[dict[str, Any]]()
        self.calls = ToolCalls(cast("Store", self.store), {"look": self.look}, self.send)

    def look(self, call: FunctionCall) -> dict[str, Any]:
        return {"id": call.id, "name": call.name, "response": {"output": "a valve"}}

    def send(self, message: bytes) -> None:
        (response,) = json.loads(message)["toolResponse"]["functionResponses"]
        self.sent.append(response)


def test_a_call_is_made_when_it_is_on_disk_and_its_result_is_kept() -> None:
    rig = Rig()
    rig.calls.answer(ToolCall((LOOK,)), turn=3)
    assert rig.sent == []
    rig.store.begun[0]()
    assert rig.sent == [{"id": "1", "name": "look", "response": {"output": "a valve"}}]
    assert rig.store.ended == [(7, {"output": "a valve"})]


def test_an_unknown_function_is_answered_too_since_silence_would_mute_the_model() -> None:
    rig = Rig()
    rig.calls.answer(ToolCall((LOOK, POINT)), turn=None)
    for then in rig.store.begun:
        then()
    assert [response["id"] for response in rig.sent] == ["1", "2"]
    assert rig.sent[1]["response"] == {"error": "no tool named point", "retryable": False}
    assert [(ticket, set(result)) for ticket, result in rig.store.ended] == [
        (7, {"output"}),
        (8, {"error", "retryable"}),
    ]


def test_a_call_goes_down_with_its_connection() -> None:
    rig = Rig()
    rig.calls.answer(ToolCall((LOOK,)), turn=3)
    rig.calls.connection_lost()
    rig.store.begun[0]()
    assert rig.sent == []
    assert rig.store.ended == [(7, {"error": "the connection was lost"})]
    rig.calls.answer(ToolCall((POINT,)), turn=3)
    rig.store.begun[1]()
    assert [response["id"] for response in rig.sent] == ["2"]


def test_a_call_that_is_cancelled_is_neither_made_nor_answered() -> None:
    rig = Rig()
    rig.calls.answer(ToolCall((LOOK, POINT)), turn=3)
    rig.calls.cancel(ToolCallCancellation(("1", "of nobody")))
    rig.store.begun[0]()
    rig.store.begun[1]()
    assert [response["id"] for response in rig.sent] == ["2"]
    assert rig.store.ended[0] == (7, {"error": "cancelled by the service"})


def test_a_call_that_was_answered_is_not_cancelled() -> None:
    rig = Rig()
    rig.calls.answer(ToolCall((LOOK,)), turn=3)
    rig.store.begun[0]()
    rig.calls.cancel(ToolCallCancellation(("1",)))
    assert rig.store.ended == [(7, {"output": "a valve"})]
