"""Answers every function call once, after it was written to disk: an unanswered call would silence the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agent.wire import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.store.store import Store
    from agent.wire.events import FunctionCall, ToolCall, ToolCallCancellation

    Function = Callable[[FunctionCall], dict[str, Any]]
    """Makes a call and returns its response, as :func:`agent.wire.protocol.tool_response` takes it."""


@dataclass(slots=True)
class _Awaited:
    """A call that is being written to disk, and will then be made."""

    call: FunctionCall
    ticket: int = 0
    """The store's, with which its result is stored."""
    dropped: str = ""
    """Why the call is no longer to be made; empty while it is."""


class ToolCalls:
    """Makes and answers the function calls of one agent."""

    def __init__(self, store: Store, functions: Mapping[str, Function], send: Callable[[bytes], None]) -> None:
        """``functions`` by name; ``send(message)`` sends a response over the present connection."""
        self._store = store
        self._functions = functions
        self._send = send
        self._awaited: list[_Awaited] = []

    def connection_lost(self) -> None:
        """Drop the calls that are not answered yet: they ended with the connection they came over."""
        for each in self._awaited:
            each.dropped = "the connection was lost"

    def cancel(self, event: ToolCallCancellation) -> None:
        """Drop the calls that ``event`` cancels, unless they are answered already."""
        for each in self._awaited:
            if each.call.id in event.ids:
                each.dropped = "cancelled by the service"

    def answer(self, event: ToolCall, turn: int | None) -> None:
        """Make and answer the calls of ``event``, which came in ``turn``, each as soon as it is on disk."""
        for call in event.calls:
            awaited = _Awaited(call)
            self._awaited.append(awaited)
            then = partial(self._on_disk, awaited)
            awaited.ticket = self._store.call(turn, call.id, call.name, call.args, then)

    def _on_disk(self, awaited: _Awaited) -> None:
        """Make and answer a call, unless it was dropped."""
        self._awaited.remove(awaited)
        dropped = {"response": {"error": awaited.dropped}}
        response = dropped if awaited.dropped else self._made(awaited.call)
        self._store.call_ended(awaited.ticket, response["response"])
        if not awaited.dropped:
            self._send(protocol.tool_response([response]))

    def _made(self, call: FunctionCall) -> dict[str, Any]:
        function = self._functions.get(call.name)
        if function is None:
            result = {"error": f"no tool named {call.name}", "retryable": False}
            return {"id": call.id, "name": call.name, "response": result}
        return function(call)
