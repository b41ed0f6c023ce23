"""Codes that can be read over the phone."""

from agent.faults import Fault
from agent.store.errors import Trouble
from agent.voice.phrase import Phrase


def test_no_two_troubles_have_one_code() -> None:
    assert len({fault.code for fault in Fault}) == len(Fault)
    assert all(11 <= fault.code <= 99 for fault in Fault)


def test_the_code_is_spoken_digit_by_digit_before_what_it_means() -> None:
    assert Fault.MODEL.words == (Phrase.FAULT_CODE, 1, 3, Phrase.MODEL_REFUSED)
    assert Fault.STORAGE_FULL.words == (Phrase.FAULT_CODE, 5, 3, Phrase.STORAGE_FULL)


def test_the_parts_of_the_box_have_their_troubles() -> None:
    assert Fault.of_part("microphone") is Fault.MICROPHONE
    assert {Fault.of_part(trouble.value) for trouble in Trouble} == {
        *(None, Fault.STORAGE, Fault.STORAGE_NEARLY_FULL, Fault.STORAGE_FULL)
    }
    assert Fault.of_part("teapot") is None
