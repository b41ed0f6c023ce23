"""Answers every function call once, and only after the call is on disk: an unanswered one would mute the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.wire import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.store.store import Store
    from agent.wire.events import FunctionCall, ToolCall

    Function = Callable[[FunctionCall], dict[str, Any]]
    """Makes a call and returns its response, as :func:`agent.wire.protocol.tool_response` takes it."""


class ToolCalls:
    """The calls of one agent."""

    def __init__(self, store: Store, functions: Mapping[str, Function], send: Callable[[bytes], None]) -> None:
        """``functions`` by name; ``send(message)`` gives a response to the present connection."""
        self._store = store
        self._functions = functions
        self._send = send
        self._losses = 0  # of connections

    def connection_lost(self) -> None:
        """Answer no call that came over the connection that ended: it went down with it."""
        self._losses += 1

    def answer(self, event: ToolCall, turn: int | None) -> None:
        """Make the calls of ``event``, which came in ``turn``, each as soon as it is on disk."""
        losses = self._losses
        for call in event.calls:

            def make(number: int | None, call: FunctionCall = call) -> None:
                lost = self._losses != losses
                response = {"response": {"error": "the connection was lost"}} if lost else self._made(call)
                if number is not None:
                    self._store.call_ended(number, response["response"])
                if not lost:
                    self._send(protocol.tool_response([response]))

            self._store.call(turn, call.id, call.name, call.args, make)

    def _made(self, call: FunctionCall) -> dict[str, Any]:
        function = self._functions.get(call.name)
        if function is None:
            result = {"error": f"no tool named {call.name}", "retryable": False}
            return {"id": call.id, "name": call.name, "response": result}
        return function(call)
