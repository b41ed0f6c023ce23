"""Where everything lies in the state folder. No other module knows a name in it.

::

    journal.db                      the journal, with what SQLite keeps beside it
    lock  devices.json              whose folder it is; what tuning found
    stills/NAME.jpg                 photos of the job
    spool/unsent/000042.wav         a recording that is owed to the service
    spool/sent/000042.wav           a recording that is owed no more
    spool/sent/000042-answer.wav    an answer to a note
    spool/000042.jpg                what the camera saw with a note
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SOUND = re.compile(r"(\d{6,})(-answer)?\.wav")


class SoundName(NamedTuple):
    """What the name of a sound file says."""

    number: int
    answer: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one state folder; numbers are those of turns. No method reads or writes one."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / "journal.db"

    @property
    def lock(self) -> Path:
        """The file that the process which owns the folder has locked."""
        return self.folder / "lock"

    @property
    def devices(self) -> Path:
        """What tuning found."""
        return self.folder / "devices.json"

    @property
    def stills(self) -> Path:
        """The folder of the photos of the job."""
        return self.folder / "stills"

    @property
    def spool(self) -> Path:
        """The folder of what was recorded."""
        return self.folder / "spool"

    @property
    def unsent(self) -> Path:
        """The folder of the recordings that are owed to the service."""
        return self.spool / "unsent"

    @property
    def sent(self) -> Path:
        """The folder of the recordings that are owed no more, and of answers."""
        return self.spool / "sent"

    @property
    def written(self) -> tuple[Path, ...]:
        """The folders in which only the owner of the state folder writes."""
        return self.spool, self.unsent, self.sent, self.stills

    def unsent_recording(self, number: int) -> Path:
        """Return where the recording of a turn is while it is owed."""
        return self.unsent / recording_name(number)

    def sent_recording(self, number: int) -> Path:
        """Return where the recording of a turn is once it is owed no more."""
        return self.sent / recording_name(number)

    def recording(self, number: int) -> Path:
        """Return where the recording of a turn is now, or would be."""
        unsent = self.unsent_recording(number)
        return unsent if unsent.is_file() else self.sent_recording(number)  # it moves from the one to the other

    def answer(self, number: int) -> Path:
        """Return where the answer to a note is, or would be."""
        return self.sent / answer_name(number)

    def picture(self, name: str) -> Path:
        """Return where the picture of a note is; whatever ``name`` is, in the spool."""
        return self.spool / Path(name).name

    def still(self, name: str) -> Path:
        """Return where a photo is; whatever ``name`` is, among the photos."""
        return self.stills / Path(name).name


def recording_name(number: int) -> str:
    """Return the name of a turn's recording."""
    return f"{number:06}.wav"


def answer_name(number: int) -> str:
    """Return the name of a turn's kept answer."""
    return f"{number:06}-answer.wav"


def picture_name(number: int) -> str:
    """Return the name of what the camera saw when a turn began."""
    return f"{number:06}.jpg"


def sound_of(name: str) -> SoundName | None:
    """Return whose recording or answer a file is by its name; None for another file."""
    found = _SOUND.fullmatch(name)
    return None if found is None else SoundName(int(found[1]), bool(found[2]))
