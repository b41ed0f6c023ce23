"""One answer after the other: what is asked waits its turn, and speech stops the answer under way."""

from __future__ import annotations

import asyncio
from collections import deque

from agent.simulator.answering import Answer, Host
from agent.simulator.effects import Ask, CallAnswered
from agent.simulator.memory import Entry


class Answerer:
    """Gives one answer after the other, and stops the one under way when speech cuts in."""

    def __init__(self, host: Host) -> None:
        """Start idle."""
        self._host = host
        self._asks: deque[Ask] = deque()
        self._answer: Answer | None = None
        self._task: asyncio.Task[None] | None = None

    def ask(self, ask: Ask) -> None:
        """Answer this when everything asked before is done."""
        self._asks.append(ask)
        self._advance()

    async def interrupt(self) -> None:
        """Stop the answer under way, if there is one."""
        task, answer = self._task, self._answer
        if task is None or answer is None:
            return
        self._task = None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await answer.interrupted()
        self._advance()

    async def call_answered(self, answered: CallAnswered) -> None:
        """Resume the turn that waited; give any other result in a turn of its own (PROTOCOL 4.4)."""
        if self._answer is not None:
            self._answer.call_changed()
        if answered.scheduling == "SILENT" or (answered.call.blocking and self._task is not None):
            return
        if answered.scheduling == "INTERRUPT":
            await self.interrupt()
        result = answered.call.responses[-1]["response"]
        session = self._host.conversation.session
        entry = Entry("user", f"[{answered.call.name} returned {result}]")
        session.history.append(entry)
        self.ask(Ask(0, entry, result=str(result.get("output", result))))

    def _advance(self) -> None:
        if self._task is not None:
            return
        speaking = self._host.conversation.window is not None
        ready = next((ask for ask in self._asks if not (speaking and ask.result)), None)
        if ready is not None:
            self._asks.remove(ready)
            self._answer = Answer(self._host, ready)
            self._task = self._host.spawn(self._run(self._answer))

    async def _run(self, answer: Answer) -> None:
        await answer.run()
        self._task = None
        self._advance()
