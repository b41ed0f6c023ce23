"""Where everything is in the state folder. No other module uses a name in it.

::

    journal.db                      the journal, with what SQLite keeps beside it
    lock  devices.json              which process owns the folder; the results of tuning
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

LONGEST_NAME = 255
"""Bytes in a name, on every file system that a box may have."""
NO_NAME = "-"
"""Stands for a name that no file can have; none has this one."""
_SOUND = re.compile(r"(\d{6,18})(-answer)?\.wav")  # a journal has no number of more digits


class SoundName(NamedTuple):
    """What the name of a sound file tells: the number of its turn, and whether it is an answer."""

    number: int
    answer: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths in one state folder; numbers are those of turns. No method reads or writes a file."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The path of the journal."""
        return self.folder / "journal.db"

    @property
    def lock(self) -> Path:
        """The file that is locked by the process that owns the folder."""
        return self.folder / "lock"

    @property
    def devices(self) -> Path:
        """The file with the results of tuning."""
        return self.folder / "devices.json"

    @property
    def stills(self) -> Path:
        """The folder of the photos of the job."""
        return self.folder / "stills"

    @property
    def spool(self) -> Path:
        """The folder of recordings and answers."""
        return self.folder / "spool"

    @property
    def unsent(self) -> Path:
        """The folder of the recordings that are owed to the service."""
        return self.spool / "unsent"

    @property
    def sent(self) -> Path:
        """The folder of the recordings that are no longer owed, and of answers."""
        return self.spool / "sent"

    @property
    def written(self) -> tuple[Path, ...]:
        """The folders in which only the owner of the state folder writes."""
        return self.spool, self.unsent, self.sent, self.stills

    def unsent_recording(self, number: int) -> Path:
        """Return where the recording of a turn is while it is owed."""
        return self.unsent / recording_name(number)

    def sent_recording(self, number: int) -> Path:
        """Return where the recording of a turn is once it is no longer owed."""
        return self.sent / recording_name(number)

    def recording(self, number: int) -> Path:
        """Return where the recording of a turn is now, or would be."""
        unsent = self.unsent_recording(number)
        return unsent if unsent.is_file() else self.sent_recording(number)  # it moves from the one to the other

    def answer(self, number: int) -> Path:
        """Return where the answer to a note is, or would be."""
        return self.sent / answer_name(number)

    def picture(self, name: str) -> Path:
        """Return where the picture of a note is; never outside the spool, whatever ``name`` is."""
        return _inside(self.spool, name)

    def still(self, name: str) -> Path:
        """Return where a photo is; never outside the folder of photos, whatever ``name`` is."""
        return _inside(self.stills, name)


def _inside(folder: Path, name: str) -> Path:
    last = Path(name).name
    possible = last != ".." and "\0" not in last and len(last.encode("utf-8", "replace")) <= LONGEST_NAME
    return folder / (last if possible else NO_NAME)


def recording_name(number: int) -> str:
    """Return the name of a turn's recording."""
    return f"{number:06}.wav"


def answer_name(number: int) -> str:
    """Return the name of a turn's stored answer."""
    return f"{number:06}-answer.wav"


def picture_name(number: int) -> str:
    """Return the name of the picture that belongs to a turn."""
    return f"{number:06}.jpg"


def sound_of(name: str) -> SoundName | None:
    """Return what the name of a recording or an answer tells; None for any other file."""
    found = _SOUND.fullmatch(name)
    return None if found is None else SoundName(int(found[1]), bool(found[2]))
