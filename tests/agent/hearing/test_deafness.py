from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.deafness import BLIND, FOUND_S, MOST_S, WORD_S, Deafness
from hardware.ports import CHUNK_S, MicChunk, Trust


def chunks(seconds: float) -> int:
    return round(seconds / CHUNK_S)


def told(  # noqa: PLR0913 - what a chunk may be, each seldom
    deafness: Deafness,
    seconds: float,
    trust: Trust = Trust.SHAKEN,
    *,
    deaf: bool = False,
    hearing_it: bool = False,
    voice: bool = False,
) -> list[bool]:
    """Let time pass, of which the box sounds if it is deaf or ``hearing_it``; return what was told."""
    sounding = deaf or hearing_it
    heard = [
        deafness.over(MicChunk(b"", b"", trust), deaf=deaf, sounding=sounding, voice=voice and (first or not sounding))
        for first in [True] + [False] * (chunks(seconds) - 1)
    ]
    return [missed for missed in heard if missed is not None]


def test_the_end_of_a_deaf_stretch_is_told_once_and_when_whoever_speaks_has_been_found() -> None:
    ear = Deafness()
    assert told(ear, 5.0, deaf=True) == []
    assert told(ear, FOUND_S - 0.02) == []
    assert told(ear, 0.02) == [False]
    assert told(ear, 60.0) == []


def test_a_sound_of_the_box_is_no_stretch() -> None:
    ear = Deafness()
    for _ in range(5):
        assert told(ear, WORD_S - 0.02, deaf=True) + told(ear, 1.0) == []
    assert told(ear, WORD_S, deaf=True) + told(ear, 1.0) == [False]


def test_what_sounds_like_a_voice_may_have_been_missed_and_so_may_any_where_no_voice_comes_through() -> None:
    for trust in Trust:
        for overheard in (False, True):
            ear = Deafness()
            told(ear, 2.0, trust, deaf=True, voice=overheard)
            assert told(ear, 1.0) == [overheard or trust in BLIND]
            told(ear, 2.0, deaf=True)
            assert told(ear, 1.0) == [False], "the next stretch has nothing to do with it"


def test_an_answer_whose_end_is_heard_is_told_of_when_it_is_over() -> None:
    ear = Deafness()
    told(ear, 2.0, deaf=True, voice=True)
    assert told(ear, 10.0, Trust.TRUSTED, hearing_it=True) == []
    assert told(ear, 1.0) == [True]


def test_a_pause_for_breath_does_not_end_a_stretch() -> None:
    ear = Deafness()
    for _ in range(3):
        assert told(ear, 0.5, deaf=True) + told(ear, FOUND_S - 0.04) == []
    assert told(ear, 1.0) == [False]


def test_a_voice_that_begins_before_it_is_told_is_not_talked_over_unless_nothing_comes_of_it() -> None:
    ear = Deafness()
    told(ear, 2.0, deaf=True)
    assert told(ear, 0.2) + told(ear, 0.2, voice=True) + told(ear, FOUND_S - 0.02) == []
    assert told(ear, 0.02) == [False]
    told(ear, 2.0, deaf=True)
    assert told(ear, MOST_S - 0.02, voice=True) == []
    assert told(ear, 1.0, voice=True) == [False]


def test_who_was_found_has_missed_nothing() -> None:
    ear = Deafness()
    told(ear, 5.0, deaf=True, voice=True)
    ear.forget()
    assert told(ear, 5.0) == []


@given(st.lists(st.tuples(st.floats(0.02, 3.0), st.booleans(), st.booleans(), st.sampled_from(Trust)), max_size=20))
def test_nothing_is_told_twice_or_while_the_box_sounds(parts: list[tuple[float, bool, bool, Trust]]) -> None:
    ear, deaf_s = Deafness(), 0.0
    for seconds, sounding, deaf, trust in parts:
        deaf_s += seconds if sounding and deaf else 0.0
        said = told(ear, seconds, trust, deaf=sounding and deaf, hearing_it=sounding)
        assert len(said) <= (not sounding)
        assert not said or deaf_s > WORD_S - 0.5
        deaf_s = 0.0 if said else deaf_s
