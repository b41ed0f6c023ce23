from hypothesis import given
from hypothesis import strategies as st

from agent.hearing.endpointer import PLAIN
from agent.hearing.evidence import FALL_DB, NOTHING, OVER_ANSWER, RISE_S, SETTLE_S, STAND_OUT_DB, YOUNG, Evidence
from hardware.ports import CHUNK_S, Echo, MicChunk, Trust

SECOND = round(1 / CHUNK_S)


def at(level_dbfs: float, echo: Echo = Echo.MIXED, trust: Trust = Trust.TRUSTED) -> MicChunk:
    return MicChunk(b"", b"", trust, echo=echo, cleaned_dbfs=level_dbfs)


def after(*heard: MicChunk) -> Evidence:
    evidence = Evidence()
    for each in heard:
        evidence.weigh(each, speaking=False)
    return evidence


def settled(level_dbfs: float = -90.0) -> list[MicChunk]:
    return [at(level_dbfs)] * (round(SETTLE_S / CHUNK_S) + 1)


def least_that_counts(evidence: Evidence) -> float:
    return next(level / 10 for level in range(-1200, 0) if evidence.weigh(at(level / 10), speaking=True).frames > 0)


def test_in_silence_every_frame_counts_once_whatever_was_there_before() -> None:
    loud = after(*[at(-20.0, Echo.NONE)] * 10 * SECOND)
    assert loud.weigh(at(-60.0, Echo.NONE), speaking=False) == PLAIN


def test_once_the_answer_is_over_nothing_has_to_stand_out_though_its_echo_may_still_be_taken_out() -> None:
    loud = after(*[at(-20.0)] * 10 * SECOND)
    assert loud.weigh(at(-30.0), speaking=False) == NOTHING
    assert loud.weigh(at(-30.0), speaking=False, sounding=False) == PLAIN


def test_over_an_answer_a_frame_counts_for_more_and_without_an_echo_in_it_for_most() -> None:
    evidence = after(*settled())
    told = [evidence.weigh(at(-40.0, echo), speaking=True) for echo in Echo]
    assert told == [OVER_ANSWER[echo] for echo in Echo]
    frames = {echo: weight.frames for echo, weight in zip(Echo, told, strict=True)}
    assert frames[Echo.NONE] == 1.0 < frames[Echo.RESIDUE] == frames[Echo.MIXED] < frames[Echo.CLEAR]
    assert [echo for echo, weight in zip(Echo, told, strict=True) if not weight.sure] == [Echo.RESIDUE]


def test_before_the_trust_has_settled_every_frame_counts_once() -> None:
    evidence = after(*settled()[3:])
    assert evidence.weigh(at(-40.0), speaking=True) == YOUNG[Echo.MIXED]
    assert evidence.weigh(at(-40.0), speaking=True) == OVER_ANSWER[Echo.MIXED]
    evidence.weigh(at(-40.0, Echo.NONE, Trust.ECHO_FREE), speaking=True)
    assert evidence.weigh(at(-40.0), speaking=True) == OVER_ANSWER[Echo.MIXED]  # between two answers
    evidence.weigh(at(-40.0, trust=Trust.SHAKEN), speaking=True)
    assert evidence.weigh(at(-40.0), speaking=True) == YOUNG[Echo.MIXED]
    assert {weight.frames for weight in YOUNG.values()} == {1.0}
    assert not YOUNG[Echo.RESIDUE].sure


def test_over_an_answer_only_what_stands_out_of_the_background_counts() -> None:
    machine = after(*[at(-50.0, Echo.NONE)] * 10 * SECOND)
    assert abs(least_that_counts(machine) - (-50.0 + STAND_OUT_DB)) < 0.2
    assert machine.weigh(at(-50.0, Echo.CLEAR), speaking=True) == NOTHING


def test_a_pause_of_the_background_is_no_quiet_place() -> None:
    machine = after(*[at(-50.0)] * 10 * SECOND, *[at(-90.0)] * 5 * SECOND)
    assert abs(least_that_counts(machine) - (-50.0 + STAND_OUT_DB - 5 * FALL_DB)) < 0.2


def test_the_moment_before_a_start_is_found_does_not_hide_the_person_and_an_utterance_is_no_background() -> None:
    person = after(*[at(-70.0)] * 10 * SECOND, *[at(-30.0)] * (SECOND // 4))
    before = least_that_counts(person)
    assert before < -45.0
    for _ in range(10 * SECOND):
        person.weigh(at(-30.0), speaking=True)
    assert least_that_counts(person) == before


@given(st.lists(st.tuples(st.floats(-101, 0), st.sampled_from(Echo)), max_size=200))
def test_the_background_lies_within_what_was_heard_and_falls_slowly(heard: list[tuple[float, Echo]]) -> None:
    evidence = Evidence()
    for level, echo in heard:
        before = evidence._background_dbfs
        evidence.weigh(at(level, echo), speaking=False)
        now = evidence._background_dbfs
        assert min(before, level) - 1e-9 <= now <= max(before, level) + 1e-9
        assert now >= before - FALL_DB * CHUNK_S - 1e-9
        assert abs(now - before) <= abs(level - before) * CHUNK_S / RISE_S + 1e-9
