"""Sends notes to the service: oldest first, one at a time, and only while nothing else is asked or answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from agent.conversation.delivery import Delivery
    from agent.uplink.utterance import Utterance


class NoteSender:
    """Sends the next note when :meth:`look` is called or a note is due, if the line is idle."""

    def __init__(  # noqa: PLR0913 - its collaborators, each given once by the one place that wires the conversation
        self,
        delivery: Delivery,
        loop: asyncio.AbstractEventLoop,
        *,
        patience_s: float,
        quiet: Callable[[], bool],
        send: Callable[[], None],
        unanswered: Callable[[], None],
    ) -> None:
        """``quiet()`` returns whether the link is up and nothing else is asked or answered; ``send()`` pumps the link.

        ``unanswered()`` is called if a note makes no progress for ``patience_s``: nothing sent, nothing received.
        """
        self._delivery = delivery
        self._loop = loop
        self._patience_s = patience_s
        self._quiet = quiet
        self._send = send
        self._unanswered = unanswered
        self._fetching = False
        self._carrying = 0  # number of the note that was sent last, 0 for none
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Send the next note if the line is idle."""
        self._carrying = self._carrying if self._carrying in self._delivery.notes else 0
        if self._fetching or not self._quiet():
            return
        note = self._delivery.notes.next(self._loop.time())
        if note is None:
            self._wake_at(self._delivery.notes.due)
            return
        self._fetching = True
        self._delivery.fetch(note.number, self._fetched)

    def progress(self) -> None:
        """Extend the wait for an answer: the service gave a sign of life, or sending made progress."""
        if self._carrying:
            self._wake_at(self._loop.time() + self._patience_s)

    def close(self) -> None:
        """Cancel the timer."""
        self._wake_at(None)

    def _fetched(self, note: Utterance | None) -> None:
        self._fetching = False
        if note is None:
            self.look()
            return
        if not self._quiet() or note.number not in self._delivery.notes:
            return  # somebody speaks: the note is fetched again when they are done
        self._carrying = note.number
        self._delivery.offer(note)
        self.progress()
        self._send()

    def _wake_at(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        number, self._carrying = self._carrying, 0
        if number and any(entry.number == number for entry in self._delivery.ledger.over):
            self._unanswered()  # a new connection: the old one may still be about to answer
        else:
            self.look()
