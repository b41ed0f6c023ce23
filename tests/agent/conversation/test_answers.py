import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.answers import CUT_GRACE_S, Answer, Answers
from agent.turn.events import AnswerBegan, AnswerEnded, AnswerGenerated, AnswerInterrupted
from agent.wire.events import TurnComplete

DONE = TurnComplete(idle=True, reason="", waiting_for_input=False)
MORE = TurnComplete(idle=False, reason="", waiting_for_input=False)


class Owed(Answers):
    """Answers that remember which were lost."""

    def __init__(self) -> None:
        self.lost: list[int | None] = []
        super().__init__(lambda answer: self.lost.append(answer.utterance))

    def piece(self, now: float = 0.0) -> int | str | None:
        """Take a piece of answer: the utterance it is an answer to, or "refused"."""
        answer, _ = self.content(now)
        return answer.utterance if answer is not None else "refused"


@pytest.fixture
def answers() -> Owed:
    return Owed()


def test_an_answer_begins_once_is_generated_and_ends(answers: Owed) -> None:
    expected = answers.expect(1, 0.0, wanted=True)
    assert answers.pending
    assert answers.content(1.0) == (expected, [AnswerBegan()])
    assert answers.content(1.1) == (expected, [])
    assert answers.generation_complete() == (1, [AnswerGenerated()])
    assert answers.turn_complete(DONE) == (1, [AnswerEnded()])
    assert not answers.pending
    assert answers.current is None
    assert answers.lost == []


def test_the_record_of_an_answer_carries_its_number(answers: Owed) -> None:
    assert answers.expect(7, 0.0, wanted=True).record.utterance == 7


def test_answers_come_in_the_order_of_the_questions(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.expect(2, 0.1, wanted=True)
    assert answers.piece() == 1
    assert answers.turn_complete(DONE)[0] == 1
    assert answers.piece() == 2
    assert answers.turn_complete(DONE)[0] == 2


def test_the_newest_answer_is_that_to_the_last_question(answers: Owed) -> None:
    assert answers.newest is None
    first = answers.expect(1, 0.0, wanted=True)
    assert answers.newest is first is answers.current
    second = answers.expect(2, 0.1, wanted=True)
    assert answers.newest is second
    assert answers.current is first


def test_an_answer_is_generated_only_once(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.generation_complete()
    assert answers.generation_complete() == (None, [])


def test_an_empty_turn_ends_without_having_begun(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    assert answers.turn_complete(DONE) == (1, [AnswerEnded()])


def test_a_cut_answer_is_refused_until_its_end_and_the_turn_machine_hears_no_more_of_it(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece()
    answers.cut()
    assert not answers.pending
    assert answers.content(1.0) == (None, [])
    assert answers.interrupted() == []
    assert answers.generation_complete() == (1, [])
    assert answers.turn_complete(DONE) == (1, [])


def test_late_audio_of_a_cut_answer_is_not_taken_for_the_next(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece(1.0)
    answers.cut()
    answers.expect(2, 5.0, wanted=True)
    assert answers.piece(5.1) == "refused"
    answers.turn_complete(DONE)
    assert answers.piece(5.2) == 2


def test_a_cut_answer_that_never_ends_stands_in_the_way_of_the_next_for_a_moment_only(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece(1.0)
    answers.cut()
    answers.expect(2, 5.0, wanted=True)
    assert answers.piece(5.0 + CUT_GRACE_S - 0.1) == "refused"
    assert answers.piece(5.0 + CUT_GRACE_S) == 2
    assert answers.lost == [1]
    assert answers.turn_complete(DONE) == (2, [AnswerEnded()])


def test_a_question_cut_before_its_answer_began_was_merged_into_the_next(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.cut()
    answers.expect(2, 0.1, wanted=True)
    assert answers.piece(0.2) == 2
    assert answers.lost == [1]


def test_a_question_that_was_cut_may_still_have_an_empty_turn_of_its_own(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.cut()
    answers.expect(2, 0.1, wanted=True)
    assert answers.interrupted() == []  # about the first, though nothing of it came
    assert answers.turn_complete(DONE) == (1, [])
    assert answers.content(0.2)[1] == [AnswerBegan()]
    assert answers.lost == []


def test_a_cut_answer_with_no_question_after_it_is_refused_for_ever(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.cut()
    assert answers.piece(1000.0) == "refused"


def test_a_question_that_nobody_waits_for_is_answered_to_nobody(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=False)
    assert not answers.pending
    assert answers.piece() == "refused"
    assert answers.turn_complete(DONE) == (1, [])


def test_a_missing_turn_complete_is_made_good_when_the_next_answer_begins(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece()
    answers.generation_complete()
    following = answers.expect(2, 3.0, wanted=True)
    assert answers.content(3.1) == (following, [AnswerBegan()])
    assert answers.lost == [1]
    assert answers.generation_complete() == (2, [AnswerGenerated()])
    assert answers.turn_complete(DONE) == (2, [AnswerEnded()])


def test_an_answer_that_is_still_wanted_and_not_generated_is_never_given_up_for_the_next(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece()
    answers.expect(2, 3.0, wanted=True)
    assert answers.piece(100.0) == 1


def test_a_turn_that_is_complete_but_not_idle_goes_on(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece()
    answers.generation_complete()
    assert answers.turn_complete(MORE) == (None, [])
    assert answers.pending
    answers.expect(2, 1.0, wanted=True)
    assert answers.content(2.0) == (answers.current, [])
    assert answers.piece(2.0) == 1
    assert answers.generation_complete() == (1, [AnswerGenerated()])
    assert answers.turn_complete(DONE) == (1, [AnswerEnded()])


def test_the_service_may_speak_unasked(answers: Owed) -> None:
    answer, events = answers.content(4.0)
    assert answer is not None
    assert (answer.utterance, answer.asked_at) == (None, 4.0)
    assert events == [AnswerBegan()]
    assert answers.pending
    assert answers.generation_complete() == (None, [AnswerGenerated()])
    assert answers.turn_complete(DONE) == (None, [AnswerEnded()])


def test_ends_of_answers_that_nobody_expects_mean_nothing(answers: Owed) -> None:
    assert answers.generation_complete() == (None, [])
    assert answers.turn_complete(DONE) == (None, [])
    assert answers.turn_complete(MORE) == (None, [])


def test_an_interrupted_answer_is_not_wanted_any_more(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.piece()
    assert answers.interrupted() == [AnswerInterrupted()]
    assert answers.piece() == "refused"
    assert answers.interrupted() == []
    assert answers.turn_complete(DONE) == (1, [])


def test_an_interruption_before_an_answers_first_piece_does_not_cost_it(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    assert answers.interrupted() == []
    assert answers.piece() == 1


def test_an_interruption_with_nothing_owed_is_about_what_still_plays(answers: Owed) -> None:
    assert answers.interrupted() == [AnswerInterrupted()]


def test_a_lost_connection_leaves_nothing_owed(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    answers.expect(2, 1.0, wanted=True)
    answers.piece()
    answers.connection_lost()
    assert answers.lost == [1, 2]
    assert not answers.pending


def test_the_rest_of_an_answer_that_broke_off_goes_on_with_its_record(answers: Owed) -> None:
    broken = answers.expect(1, 0.0, wanted=True)
    answers.piece()
    answers.connection_lost()
    rest = answers.expect(1, 9.0, wanted=True, record=broken.record)
    assert rest.record is broken.record
    assert answers.content(9.1) == (rest, [AnswerBegan()])


# answers to notes: kept instead of spoken


def held(answers: Owed, utterance: int = 1) -> Answer:
    return answers.expect(utterance, 0.0, wanted=True, deferred=True)


def test_the_turn_machine_is_told_nothing_of_an_answer_that_is_kept(answers: Owed) -> None:
    kept = held(answers)
    assert answers.pending
    assert answers.incomplete
    assert answers.content(1.0) == (kept, [])
    assert answers.generation_complete() == (1, [])
    assert answers.turn_complete(DONE) == (1, [])


def test_an_answer_is_incomplete_until_all_of_it_has_come_or_nobody_wants_it(answers: Owed) -> None:
    assert not answers.incomplete
    answers.expect(1, 0.0, wanted=True)
    assert answers.incomplete
    answers.generation_complete()
    assert (answers.incomplete, answers.pending) == (False, True)
    answers.turn_complete(MORE)
    assert answers.incomplete
    answers.cut()
    assert not answers.incomplete


def test_silencing_what_plays_does_not_touch_what_is_kept(answers: Owed) -> None:
    answers.expect(1, 0.0, wanted=True)
    held(answers, 2)
    answers.cut()
    answers.turn_complete(DONE)
    assert answers.piece() == 2


def test_what_is_dropped_is_not_acknowledged_so_that_it_is_put_again(answers: Owed) -> None:
    spoken = answers.expect(7, 0.0, wanted=True)
    held(answers, 2)
    answers.drop_deferred()
    assert spoken.wanted
    assert answers.turn_complete(DONE) == (7, [AnswerEnded()])
    assert answers.piece() == "refused"
    assert answers.generation_complete() == (None, [])
    assert answers.turn_complete(DONE) == (None, [])


def test_an_answer_that_the_service_stopped_before_it_was_whole_is_not_kept(answers: Owed) -> None:
    held(answers)
    answers.piece()
    assert answers.interrupted() == []
    assert answers.turn_complete(DONE) == (None, [])


def test_what_is_cut_is_acknowledged_because_nobody_wants_it_again(answers: Owed) -> None:
    answer = answers.expect(1, 0.0, wanted=True)
    answers.cut()
    assert not answer.aloud
    assert answer.acknowledges == 1


def test_an_answer_starts_as_wanted_and_unheard() -> None:
    fresh = Answer(1, 0.0)
    assert (fresh.wanted, fresh.deferred, fresh.began, fresh.generated) == (True, False, False, False)
    assert fresh.aloud


@given(
    st.lists(
        st.sampled_from(("ask", "note", "cut", "drop", "piece", "generated", "done", "more", "interrupted", "lost")),
        max_size=50,
    )
)
def test_whatever_comes_every_question_is_accounted_for_once_and_nothing_cut_is_heard(steps: list[str]) -> None:
    answers, ended, asked, cut = Owed(), list[int | None](), 0, 0
    notes, dropped = set[int](), set[int]()
    for now, step in enumerate(steps):
        match step:
            case "ask":
                asked += 1
                answers.expect(asked, float(now), wanted=True)
            case "note":
                asked += 1
                notes.add(asked)
                answers.expect(asked, float(now), wanted=True, deferred=True)
            case "cut":
                cut = asked
                answers.cut()
            case "drop":
                dropped |= notes
                answers.drop_deferred()
            case "piece":
                piece = answers.piece(float(now))
                assert not isinstance(piece, int) or piece > cut or piece in notes
                assert piece not in dropped
            case "generated":
                number, events = answers.generation_complete()
                assert number not in dropped
                assert not events or number not in notes
            case "done" | "more":
                current = answers.current
                number, _ = answers.turn_complete(DONE if step == "done" else MORE)
                assert number not in dropped
                ended += [current.utterance] if current is not None and step == "done" else []
            case "interrupted":
                answers.interrupted()
            case "lost":
                answers.connection_lost()
    answers.connection_lost()
    accounted = [number for number in (*ended, *answers.lost) if number is not None]
    assert sorted(accounted) == list(range(1, asked + 1))
