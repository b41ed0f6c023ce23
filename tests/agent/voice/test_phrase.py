"""How phrases and numbers are put together, in words that every language has recorded."""

import pytest

from agent.voice.phrase import Phrase, about_note
from agent.voice.recordings import Recordings, languages


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (-5.0, ()),
        (20.0, ()),
        (31.0, (Phrase.MINUTE_AGO,)),
        (100.0, (2, Phrase.MINUTES_AGO)),
        (3540.0, (59, Phrase.MINUTES_AGO)),
        (3580.0, (Phrase.HOUR_AGO,)),
        (7200.0, (2, Phrase.HOURS_AGO)),
        (99 * 3600.0, (99, Phrase.HOURS_AGO)),
        (100 * 3600.0, ()),
        (1e9, ()),
    ],
)
def test_the_answer_to_a_note_is_introduced_by_the_age_of_the_question(
    age_s: float, said: tuple[Phrase | int, ...]
) -> None:
    assert about_note(age_s) == (Phrase.ANSWER_TO_NOTE, *said)
    for language in languages():
        assert Recordings(language).say(*about_note(age_s))
