"""PURE: the notes that wait: utterances kept on disk because they could not be sent or were not answered."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

FIRST_WAIT_S = 30.0
"""How long to wait before an unanswered note is sent again, doubling each time up to ``LONGEST_WAIT_S``."""
LONGEST_WAIT_S = 1800.0
LONGEST_AGE_S = 366 * 86_400.0
"""An older note was recorded with a clock that was not set: a box without a clock starts in 1970."""
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


@dataclass(slots=True)
class Note:
    """A note that waits to be sent; ``due`` is in loop time, ``recorded_at`` in wall-clock time."""

    number: int
    recorded_at: float
    attempts: int = 0
    due: float = -inf


class Notes:
    """The notes that the service has not answered yet, oldest first."""

    def __init__(self) -> None:
        """Start without notes."""
        self._notes: dict[int, Note] = {}

    def __len__(self) -> int:
        """Return how many notes wait."""
        return len(self._notes)

    def __contains__(self, number: int) -> bool:
        """Return whether utterance ``number`` is a note that waits."""
        return number in self._notes

    def add(self, number: int, recorded_at: float) -> None:
        """Add note ``number``; does nothing if it is there already."""
        self._notes.setdefault(number, Note(number, recorded_at))

    def remove(self, number: int) -> bool:
        """Remove note ``number``; return whether it was there."""
        return self._notes.pop(number, None) is not None

    def next(self, now: float) -> Note | None:
        """Return the oldest note that is due, None if there is none."""
        return min((note for note in self._notes.values() if note.due <= now), key=_number, default=None)

    @property
    def due(self) -> float | None:
        """When the next note is due, in loop time; None without notes."""
        return min((note.due for note in self._notes.values()), default=None)

    def failed(self, number: int, now: float) -> None:
        """Note that ``number`` was sent and not answered: it is sent again later, and other notes go first."""
        note = self._notes.get(number)
        if note is not None:
            note.due = now + min(FIRST_WAIT_S * 2.0**note.attempts, LONGEST_WAIT_S)
            note.attempts += 1


def _number(note: Note) -> int:
    return note.number


def label(clock: str, age_s: float) -> str:
    """Return what the model is told before a note: when it was recorded (``clock``, as 14:05) and how long ago."""
    if age_s < MINUTE_S:
        return "(This was said a moment ago, while there was no connection.)"
    if age_s > LONGEST_AGE_S:  # a clock that had not been set
        return "(This is a note that the technician recorded earlier, while there was no connection.)"
    return (
        f"(This is a note that the technician recorded while there was no connection, said {clock}, {ago(age_s)}. "
        "The technician hears your answer later, and is told before it when the note was recorded.)"
    )


def ago(age_s: float) -> str:
    """Return an age of a minute or more in words, as "5 minutes ago"."""
    units = ((MINUTE_S, "minute", 59), (HOUR_S, "hour", 23), (DAY_S, "day", inf))
    counted = ((max(1, round(age_s / unit_s)), name, most) for unit_s, name, most in units)
    count, name = next((count, name) for count, name, most in counted if count <= most)
    return f"{count} {name}{'' if count == 1 else 's'} ago"


def rest_wanted(said: str) -> str:
    """Return what the model is told before a question whose answer broke off after ``said``."""
    return (
        "(The connection broke while you were answering the question that follows. The technician has already heard: "
        f'"{said}" Go on exactly where that ends. Repeat nothing of it, and do not mention the break.)'
    )
