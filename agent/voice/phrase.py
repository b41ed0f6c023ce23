"""PURE: the vocabulary of the box: every phrase that it can say, and how one is put together with numbers.

That each phrase is recorded is tested in tests/agent/voice/test_recordings.py.
"""

from __future__ import annotations

from enum import StrEnum, auto


class Phrase(StrEnum):
    """Everything that can be said; a phrase's value is the name of its file."""

    SAVED_NOT_SENT = auto()
    NOTES_WAITING = auto()  # after a number
    NOTE_WAITING = auto()
    NO_NOTES = auto()
    STORAGE_NEARLY_FULL = auto()
    STORAGE_FULL = auto()
    NETWORK_GOOD = auto()
    NETWORK_SLOW = auto()
    NO_NETWORK = auto()
    NO_INTERNET = auto()
    NO_SERVICE = auto()
    CONNECTED_AGAIN = auto()
    FAULT_CODE = auto()  # before the digits of the code
    KEY_REFUSED = auto()
    ACCESS_REFUSED = auto()
    MODEL_REFUSED = auto()
    REGION_REFUSED = auto()
    ADDRESS_REFUSED = auto()
    QUOTA_USED_UP = auto()
    REQUEST_REFUSED = auto()
    MICROPHONE_FAULT = auto()
    SPEAKER_FAULT = auto()
    CAMERA_FAULT = auto()
    STORAGE_FAULT = auto()
    MICROPHONE_SILENT = auto()
    TOO_LOUD_HOLD_BUTTON = auto()
    HOLD_TO_INTERRUPT = auto()
    SPEAK_NOW = auto()
    QUIET_PLEASE = auto()
    TUNE_GOOD = auto()
    TUNE_SPEAKER_TOO_QUIET = auto()
    TUNE_SPEAKER_TOO_LOUD = auto()
    TUNE_MICROPHONE_TOO_QUIET = auto()
    TUNE_MICROPHONE_CLIPPING = auto()
    TUNE_NO_SOUND_HEARD = auto()
    TUNE_DELAY = auto()
    TUNE_NOISY_PLACE = auto()
    TUNE_ECHO_POOR = auto()
    ANSWER_TO_NOTE = auto()
    ANSWER_CUT = auto()
    NO_ANSWER = auto()
    STILL_FAILED = auto()
    STARTING = auto()
    READY = auto()
    BATTERY_UNKNOWN = auto()
    GOOD_BYE = auto()
    CLOCK_NOT_SET = auto()
    MINUTE_AGO = auto()
    MINUTES_AGO = auto()  # after a number
    HOUR_AGO = auto()
    HOURS_AGO = auto()  # after a number


Words = tuple[Phrase | int, ...]
"""What :meth:`agent.voice.recordings.Recordings.say` says."""

MINUTE_S, HOUR_S = 60, 3600
MOST = 99
"""The largest number that is said as one; an older question is one from a clock that was not set, or of last week."""


def about_note(age_s: float) -> Words:
    """Return what is said before the answer to a question that was asked ``age_s`` seconds ago."""
    for unit_s, one, many in (
        (MINUTE_S, Phrase.MINUTE_AGO, Phrase.MINUTES_AGO),
        (HOUR_S, Phrase.HOUR_AGO, Phrase.HOURS_AGO),
    ):
        count = round(age_s / unit_s)
        if count == 1:
            return (Phrase.ANSWER_TO_NOTE, one)
        if 1 < count <= (MOST if unit_s == HOUR_S else HOUR_S // MINUTE_S - 1):
            return (Phrase.ANSWER_TO_NOTE, count, many)
    return (Phrase.ANSWER_TO_NOTE,)
