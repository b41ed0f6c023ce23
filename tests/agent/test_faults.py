"""Codes that can be read over the phone."""

from agent.faults import Trouble
from agent.voice.phrase import Phrase


def test_no_two_troubles_have_one_code() -> None:
    assert len({trouble.code for trouble in Trouble}) == len(Trouble)
    assert all(11 <= trouble.code <= 99 for trouble in Trouble)


def test_the_code_is_spoken_digit_by_digit_before_what_it_means() -> None:
    assert Trouble.MODEL.words == (Phrase.FAULT_CODE, 1, 3, Phrase.MODEL_REFUSED)
    assert Trouble.LIGHT.words == (Phrase.FAULT_CODE, 4, 5)


def test_the_parts_of_the_box_have_their_troubles() -> None:
    assert Trouble.of_part("microphone") is Trouble.MICROPHONE
    assert Trouble.of_part("storage full") is Trouble.STORAGE_FULL
    assert Trouble.of_part("teapot") is None
