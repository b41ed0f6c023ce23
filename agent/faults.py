"""PURE: the faults that need a person, each with a code to read out over the phone and the words that the box says."""

from __future__ import annotations

from enum import Enum
from typing import Self

from agent.voice.phrase import Phrase, Words


class Fault(Enum):
    """Code and phrase of each fault.

    First digit: 1 the service refuses us, 2 the box cannot tell whom it talks to, 4 a part of the box, 5 its storage.
    """

    code: int  # two digits, spoken one by one
    phrase: Phrase

    def __init__(self, code: int, phrase: Phrase) -> None:
        """Set the code and the phrase from a row of the table."""
        self.code, self.phrase = code, phrase

    KEY = (11, Phrase.KEY_REFUSED)
    ACCESS = (12, Phrase.ACCESS_REFUSED)
    MODEL = (13, Phrase.MODEL_REFUSED)
    REGION = (14, Phrase.REGION_REFUSED)
    ADDRESS = (15, Phrase.ADDRESS_REFUSED)
    REQUEST = (16, Phrase.REQUEST_REFUSED)
    QUOTA = (17, Phrase.QUOTA_USED_UP)
    CLOCK = (21, Phrase.CLOCK_NOT_SET)
    MICROPHONE = (41, Phrase.MICROPHONE_FAULT)
    SPEAKER = (42, Phrase.SPEAKER_FAULT)
    CAMERA = (43, Phrase.CAMERA_FAULT)
    STORAGE = (51, Phrase.STORAGE_FAULT)
    STORAGE_NEARLY_FULL = (52, Phrase.STORAGE_NEARLY_FULL)
    STORAGE_FULL = (53, Phrase.STORAGE_FULL)

    @property
    def words(self) -> Words:
        """The words that the box says: the code, then its meaning."""
        return (Phrase.FAULT_CODE, *divmod(self.code, 10), self.phrase)

    @classmethod
    def of_part(cls, name: str) -> Self | None:
        """Return the fault of the part called ``name`` ("microphone", "storage", ...), if there is one."""
        return cls.__members__.get(name.upper().replace(" ", "_"))
