"""PURE: what we know of the server's session: the handle, what it remembers, the go-away deadline.

A connection either resumes with the handle, or starts a fresh session that is sent the conversation as text
(:mod:`agent.wire.history`); never both (Live API, history in clientContent).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.models import rules_for
from agent.wire import protocol
from agent.wire.history import History, Lines, as_one_text
from agent.wire.setup import setup_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.config import Settings
    from agent.wire.events import GoAway, ResumptionUpdate

HANDLE_LIFE_S = 2 * 3600.0
"""How long a handle is valid after its connection ended (Developer API; Vertex AI says 24 h)."""
GO_AWAY_MARGIN_S = 5.0
"""The connection is replaced at the latest this long before the server would close it."""
GO_AWAY_RETRY_S = 20.0
"""A connection younger than this is replaced only at its deadline, not in a quiet moment."""
SHORT_S = 10.0
"""If a resumed connection fails sooner, something may be wrong with the session behind the handle."""
MAX_SHORT = 2
"""After this many in a row, the handle is dropped and a fresh session is seeded instead (python-genai#2290)."""


class Session:
    """What a conversation must remember to go on over many connections."""

    def __init__(self, settings: Settings, functions: Sequence[dict[str, Any]] = ()) -> None:
        """Start without a handle or history; ``functions`` are declared to each session."""
        self._settings = settings
        self._functions = functions
        self._takes_history = rules_for(settings.session.model).history_config
        self._handle = ""
        self._handle_until = 0.0
        self._answered_at_handle = 0
        self._position_at_handle = 0
        self._position = 0  # how much of the history the present session certainly remembers: it has answered
        self._opened_at = 0.0
        self._open = False
        self._resumed = False
        self._short = 0
        self._seed: Lines = []
        self._go_away_at: float | None = None
        self.history = History(settings.conversation.replay_tokens)
        """The turns of this conversation."""

    def setup(self, now: float) -> bytes:
        """Return the first message of a connection opened at ``now``."""
        handle = self.handle(now)
        self._resumed = bool(handle)
        self._seed = [] if handle else self.history.seed()
        seeding = bool(self._seed) and self._takes_history
        return protocol.setup(setup_fields(self._settings, handle, seeding=seeding, functions=self._functions))

    def seed(self) -> bytes | None:
        """Return the message that must follow the setup at once, if any."""
        if not self._seed:
            return None
        if self._takes_history:
            return protocol.client_content(self._seed, turn_complete=True)
        return protocol.client_content(as_one_text(self._seed), turn_complete=False)

    def handle(self, now: float) -> str:
        """Return the handle to resume with, or an empty string if there is none that may be valid."""
        return self._handle if now < self._handle_until else ""

    def restore(self, handle: str, age_s: float, now: float, position: int) -> None:
        """Restore a ``handle`` from before a restart; it was received ``age_s`` ago, at ``position`` of the history."""
        self._handle, self._handle_until, self._position_at_handle = handle, now + HANDLE_LIFE_S - age_s, position

    def forget(self) -> None:
        """Forget handle and history: a new conversation begins with the next connection."""
        self._handle, self._short = "", 0
        self.history.clear()
        self._position = self._position_at_handle = self.history.position

    @property
    def known(self) -> int:
        """The last utterance that the session certainly remembers as audio; 0 if none."""
        return self._answered_at_handle if self._resumed else 0

    def missed(self) -> Lines:
        """Return the turns since the handle was received, which the resumed session does not remember."""
        return self.history.since(self._position) if self._resumed else []

    def caught_up(self) -> None:
        """Note that the session has answered after it was sent what it had missed."""
        self._position = self.history.position

    def opened(self, now: float) -> None:
        """Note that a connection is ready."""
        self._opened_at, self._go_away_at, self._open = now, None, True
        self._position = self._position_at_handle if self._resumed else 0

    def closed(self, now: float, *, drop_handle: bool, failed: bool = False) -> None:
        """Note that the connection ended, or that an attempt failed, which does not prolong the handle.

        ``failed``: we did not end the connection ourselves.
        """
        if self._open:
            self._handle_until = now + HANDLE_LIFE_S
            short = failed and self._resumed and now - self._opened_at < SHORT_S
            self._short = self._short + 1 if short else 0
        self._go_away_at, self._open = None, False
        if drop_handle or self._short >= MAX_SHORT:
            self._handle, self._short = "", 0

    def resumption_update(self, update: ResumptionUpdate, now: float, answered: int = 0) -> None:
        """Keep the newest handle. While it generates, the server sends none, and the last handle stays valid.

        ``answered``: the last utterance to which an answer has come; a session resumed with this handle remembers it.
        """
        if update.handle:
            self._handle, self._handle_until = update.handle, now + HANDLE_LIFE_S
            self._answered_at_handle, self._position_at_handle = answered, self._position

    def go_away(self, event: GoAway, now: float) -> None:
        """Note when the server will close this connection."""
        self._go_away_at = now + max(0.0, event.time_left_s - GO_AWAY_MARGIN_S)

    @property
    def change_over_at(self) -> float | None:
        """When the connection must be replaced, even in the middle of something; None without a go-away."""
        return self._go_away_at

    def should_change_over(self, now: float, *, quiet: bool) -> bool:
        """Return whether to replace the connection now: at the deadline, or in a ``quiet`` moment before it."""
        if self._go_away_at is None:
            return False
        settled = now - self._opened_at >= GO_AWAY_RETRY_S
        return now >= self._go_away_at or (quiet and settled)
