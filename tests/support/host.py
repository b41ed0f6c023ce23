"""The box as a conversation knows it, for tests: remembers all it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import notices

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence

    from agent.errors import LinkError
    from agent.metrics import TurnRecord
    from agent.notices import Notice
    from agent.turn.events import Event

ALIVE = "the service sent something"


class RecordingHost:
    """Satisfies :class:`agent.conversation.exchange.Host`."""

    def __init__(self, events: MutableSequence[Event] | None = None) -> None:
        """``events``: where those of the turn machine go."""
        self.events: MutableSequence[Event] = [] if events is None else events
        self.order: list[Event | str] = []  # the same, with signs of life between them
        self.notices: list[Notice] = []
        self.records: list[TurnRecord] = []
        self.failures: list[LinkError] = []
        self.introduced: list[float] = []  # how old the questions were whose answers were announced

    def dispatch(self, event: Event) -> None:
        self.events.append(event)
        self.order.append(event)

    def service_alive(self) -> None:
        self.order.append(ALIVE)

    def question_heard(self, text: str) -> None:
        self.tell(notices.QuestionHeard(text))

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    def turn_over(self, record: TurnRecord) -> None:
        self.records.append(record)

    def introduce(self, age_s: float, then: Callable[[], None]) -> None:
        self.introduced.append(age_s)
        then()

    def connection_failed(self, error: LinkError) -> None:
        self.failures.append(error)
