from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.conversation.answers import CUT_GRACE_S, LATE_S, Answer, Answers, Arrival, Use
from agent.turn.events import AnswerBegan, AnswerEnded, AnswerGenerated, AnswerInterrupted, Event
from agent.wire.events import TurnComplete

DONE = TurnComplete(idle=True, reason="")
MORE = TurnComplete(idle=False, reason="")


class Owed(Answers):
    """Answers that remember which were lost."""

    def __init__(self) -> None:
        self.lost: list[int | None] = []
        super().__init__(lambda answer: self.lost.append(answer.utterance))

    def piece(self, now: float = 0.0) -> int | str | None:
        """Return the utterance that a piece of content answers, or "refused"."""
        answer, _ = self.content(now)
        return answer.utterance if answer is not None else "refused"


@pytest.fixture
def answers() -> Owed:
    return Owed()


def test_an_answer_begins_once_is_generated_and_ends(answers: Owed) -> None:
    expected = answers.expect(1, 0.0, Use.ALOUD)
    assert answers.pending
    assert answers.content(1.0) == (expected, [AnswerBegan()])
    assert answers.content(1.1) == (expected, [])
    assert answers.generation_complete() == (1, [AnswerGenerated()])
    assert answers.turn_complete(DONE) == (1, [AnswerEnded()])
    assert not answers.pending
    assert answers.current is None
    assert answers.lost == []


def test_the_record_of_an_answer_carries_its_number(answers: Owed) -> None:
    assert answers.expect(7, 0.0, Use.ALOUD).record.utterance == 7


def test_answers_come_in_the_order_of_the_questions(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.expect(2, 0.1, Use.ALOUD)
    assert answers.piece() == 1
    assert answers.turn_complete(DONE)[0] == 1
    assert answers.piece() == 2
    assert answers.turn_complete(DONE)[0] == 2


def test_an_answer_that_is_dropped_is_no_longer_owed_and_acknowledges_nothing(answers: Owed) -> None:
    first, second = answers.expect(1, 0.0, Use.ALOUD), answers.expect(2, 0.1, Use.ALOUD)
    assert answers.drop() is first
    assert answers.current is second
    assert answers.lost == []


def test_the_newest_answer_is_that_to_the_last_question(answers: Owed) -> None:
    assert answers.newest is None
    first = answers.expect(1, 0.0, Use.ALOUD)
    assert answers.newest is first is answers.current
    second = answers.expect(2, 0.1, Use.ALOUD)
    assert answers.newest is second
    assert answers.current is first


def test_an_answer_is_generated_only_once(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.generation_complete()
    assert answers.generation_complete() == (None, [])


def test_an_empty_turn_ends_without_having_begun(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    assert answers.turn_complete(DONE) == (1, [AnswerEnded()])


def test_a_cut_answer_is_refused_until_its_end_and_the_turn_machine_hears_no_more_of_it(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.cut()
    assert not answers.pending
    assert answers.content(1.0) == (None, [])
    assert answers.interrupted() == []
    assert answers.generation_complete() == (1, [])
    assert answers.turn_complete(DONE) == (1, [])


def test_late_audio_of_a_cut_answer_is_not_taken_for_the_next(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece(1.0)
    answers.cut()
    answers.expect(2, 5.0, Use.ALOUD)
    assert answers.piece(5.1) == "refused"
    answers.turn_complete(DONE)
    assert answers.piece(5.2) == 2


def test_a_cut_answer_that_never_ends_stands_in_the_way_of_the_next_for_a_moment_only(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece(1.0)
    answers.cut()
    answers.expect(2, 5.0, Use.ALOUD)
    assert answers.piece(5.0 + CUT_GRACE_S - 0.1) == "refused"
    assert answers.piece(5.0 + CUT_GRACE_S) == 2
    assert answers.lost == [1]
    assert answers.turn_complete(DONE) == (2, [AnswerEnded()])


def test_a_question_cut_before_its_answer_began_was_merged_into_the_next(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.cut()
    answers.expect(2, 0.1, Use.ALOUD)
    assert answers.piece(0.2) == 2
    assert answers.lost == [1]


def test_a_question_that_was_cut_may_still_have_an_empty_turn_of_its_own(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.cut()
    answers.expect(2, 0.1, Use.ALOUD)
    assert answers.interrupted() == []  # about the first, though nothing of it came
    assert answers.turn_complete(DONE) == (1, [])
    assert answers.content(0.2)[1] == [AnswerBegan()]
    assert answers.lost == []


def test_a_cut_answer_with_no_question_after_it_is_refused_for_ever(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.cut()
    assert answers.piece(1000.0) == "refused"


def test_a_question_that_nobody_waits_for_is_answered_to_nobody(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.UNWANTED)
    assert not answers.pending
    assert answers.piece() == "refused"
    assert answers.turn_complete(DONE) == (1, [])


def test_a_missing_turn_complete_is_made_good_when_the_next_answer_begins(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.generation_complete()
    following = answers.expect(2, 3.0, Use.ALOUD)
    assert answers.content(3.1) == (following, [AnswerBegan()])
    assert answers.lost == [1]
    assert answers.generation_complete() == (2, [AnswerGenerated()])
    assert answers.turn_complete(DONE) == (2, [AnswerEnded()])


def test_an_answer_that_is_still_wanted_and_not_generated_is_never_given_up_for_the_next(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.expect(2, 3.0, Use.ALOUD)
    assert answers.piece(100.0) == 1


def test_a_turn_that_is_complete_but_not_idle_goes_on(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.generation_complete()
    assert answers.turn_complete(MORE) == (None, [])
    assert answers.pending
    answers.expect(2, 1.0, Use.ALOUD)
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
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    assert answers.interrupted() == [AnswerInterrupted()]
    assert answers.piece() == "refused"
    assert answers.interrupted() == []
    assert answers.turn_complete(DONE) == (1, [])


def test_an_interruption_before_an_answers_first_piece_does_not_cost_it(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    assert answers.interrupted() == []
    assert answers.piece() == 1


def test_an_interruption_with_nothing_owed_is_about_what_still_plays(answers: Owed) -> None:
    assert answers.interrupted() == [AnswerInterrupted()]


def test_a_lost_connection_leaves_nothing_owed(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.expect(2, 1.0, Use.ALOUD)
    answers.piece()
    answers.connection_lost()
    assert answers.lost == [1, 2]
    assert not answers.pending


def test_the_rest_of_an_answer_that_broke_off_goes_on_with_its_record(answers: Owed) -> None:
    broken = answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.connection_lost()
    rest = answers.expect(1, 9.0, Use.ALOUD, broken.record)
    assert rest.record is broken.record
    assert answers.content(9.1) == (rest, [AnswerBegan()])


def owner(answers: Answers, now: float) -> int | None:
    """The utterance in whose record a piece of content is written."""
    answer, _ = answers.content(now)
    assert answer is not None
    return answer.record.utterance


def test_what_comes_after_an_end_that_was_another_answers_belongs_to_the_question_all_the_same(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.turn_complete(DONE)
    assert owner(answers, 1.0) == 1
    assert answers.turn_complete(DONE) == (None, [AnswerEnded()]), "the question is accounted for"
    assert owner(answers, 2.0) is None


@pytest.mark.parametrize(("reason", "at"), [("NEED_MORE_INPUT", 1.0), ("", LATE_S + 0.1)])
def test_what_comes_long_after_an_empty_turn_or_one_with_a_reason_is_unasked(
    answers: Owed, reason: str, at: float
) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.turn_complete(TurnComplete(idle=True, reason=reason))
    assert owner(answers, at) is None


@pytest.mark.parametrize("forget", [Answers.cut, Answers.connection_lost])
def test_what_comes_after_a_cut_or_over_another_connection_is_unasked(
    answers: Owed, forget: Callable[[Answers], None]
) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.turn_complete(DONE)
    forget(answers)
    assert owner(answers, 1.0) is None


def test_a_question_that_follows_an_empty_turn_has_the_answer_that_comes(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.turn_complete(DONE)
    answers.expect(2, 1.0, Use.ALOUD)
    assert owner(answers, 2.0) == 2
    answers.turn_complete(DONE)
    assert owner(answers, 3.0) is None


def test_nothing_more_comes_of_an_answer_that_the_service_has_stopped(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.interrupted()
    answers.expect(2, 1.0, Use.ALOUD)
    assert answers.piece(1.1) == 2
    assert answers.lost == [1]


def test_an_answer_that_was_played_out_is_over_when_the_next_question_is_answered(answers: Owed) -> None:
    first = answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.played_out(first.record)
    assert not answers.incomplete
    assert answers.piece(1.0) == 1, "as long as nothing else was asked"
    answers.expect(2, 3.0, Use.ALOUD)
    assert answers.piece(3.1) == 2


def test_an_answer_that_the_service_goes_on_with_is_not_over_because_it_was_played_out(answers: Owed) -> None:
    first = answers.expect(1, 0.0, Use.ALOUD)
    answers.piece()
    answers.turn_complete(MORE)
    answers.played_out(first.record)
    answers.expect(2, 3.0, Use.ALOUD)
    assert answers.piece(3.1) == 1


# answers to notes: kept instead of spoken


def held(answers: Owed, utterance: int = 1) -> Answer:
    return answers.expect(utterance, 0.0, Use.DEFERRED)


def test_the_turn_machine_is_told_nothing_of_an_answer_that_is_kept(answers: Owed) -> None:
    kept = held(answers)
    assert answers.pending
    assert answers.incomplete
    assert answers.content(1.0) == (kept, [])
    assert answers.generation_complete() == (1, [])
    assert answers.turn_complete(DONE) == (1, [])


def test_an_answer_is_incomplete_until_all_of_it_has_come_or_nobody_wants_it(answers: Owed) -> None:
    assert not answers.incomplete
    answers.expect(1, 0.0, Use.ALOUD)
    assert answers.incomplete
    answers.generation_complete()
    assert (answers.incomplete, answers.pending) == (False, True)
    answers.turn_complete(MORE)
    assert answers.incomplete
    answers.cut()
    assert not answers.incomplete


def test_silencing_what_plays_does_not_touch_what_is_kept(answers: Owed) -> None:
    answers.expect(1, 0.0, Use.ALOUD)
    held(answers, 2)
    answers.cut()
    answers.turn_complete(DONE)
    assert answers.piece() == 2


def test_what_is_dropped_is_not_acknowledged_so_that_it_is_put_again(answers: Owed) -> None:
    spoken = answers.expect(7, 0.0, Use.ALOUD)
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
    answer = answers.expect(1, 0.0, Use.ALOUD)
    answers.cut()
    assert not answer.aloud
    assert answer.acknowledges == 1


def test_an_answer_starts_as_wanted_and_unheard() -> None:
    fresh = Answer(1, 0.0)
    assert (fresh.use, fresh.arrival) == (Use.ALOUD, Arrival.EXPECTED)
    assert (fresh.wanted, fresh.begun, fresh.generated) == (True, False, False)
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
                answers.expect(asked, float(now), Use.ALOUD)
            case "note":
                asked += 1
                notes.add(asked)
                answers.expect(asked, float(now), Use.DEFERRED)
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


@dataclass
class Owing:
    """What the model knows of one answer."""

    utterance: int | None
    asked_at: float
    kept: bool  # for later, instead of played
    refused: bool
    begun: bool = False
    generated: bool = False
    stopped: bool = False

    @property
    def told(self) -> bool:
        """Whether the turn machine may hear of it."""
        return not (self.kept or self.refused)

    @property
    def acknowledged(self) -> int | None:
        return None if self.kept and self.refused else self.utterance


class Service(RuleBasedStateMachine):
    """Questions and answers in any order, against a model that is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = Owed()
        self.owing: list[Owing] = []
        self.lost: list[int | None] = []
        self.closed: list[int] = []  # utterances whose answer has ended
        self.now, self.asked = 0.0, 0

    @rule(seconds=st.sampled_from([0.1, 1.0, CUT_GRACE_S, LATE_S]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(use=st.sampled_from([Use.ALOUD, Use.DEFERRED, Use.UNWANTED]), numbered=st.booleans())
    def ask(self, use: Use, *, numbered: bool) -> None:
        self.asked += numbered
        utterance = self.asked if numbered else None
        self.owing.append(Owing(utterance, self.now, use is Use.DEFERRED, use is Use.UNWANTED))
        answer = self.answers.expect(utterance, self.now, use)
        assert answer is self.answers.newest

    @rule()
    def cut(self) -> None:
        self.answers.cut()
        for each in self.owing:
            each.refused = each.refused or not each.kept

    @rule()
    def drop_deferred(self) -> None:
        self.answers.drop_deferred()
        for each in self.owing:
            each.refused = each.refused or each.kept

    @rule()
    def piece(self) -> None:
        while len(self.owing) > 1 and (self.owing[0].generated or self.owing[0].refused):
            first, following = self.owing[:2]
            if first.begun and not (first.generated or first.stopped) and self.now < following.asked_at + CUT_GRACE_S:
                break
            self.lost.append(self.owing.pop(0).utterance)
        if not self.owing:
            self.owing.append(Owing(None, self.now, kept=False, refused=False))
        first = self.owing[0]
        news = [AnswerBegan()] if first.told and not first.begun else []
        first.begun = True
        answer, told = self.answers.content(self.now)
        assert (answer is None) == first.refused
        assert answer is None or (answer.utterance, answer.use is Use.DEFERRED) == (first.utterance, first.kept)
        assert told == news

    @rule()
    def generated(self) -> None:
        expected: tuple[int | None, list[Event]] = None, []
        if self.owing and not self.owing[0].generated:
            first = self.owing[0]
            first.generated = True
            expected = first.acknowledged, [AnswerGenerated()] if first.told else []
        assert self.answers.generation_complete() == expected

    @rule()
    def more(self) -> None:
        if self.owing:
            self.owing[0].generated = False
        assert self.answers.turn_complete(MORE) == (None, [])

    @precondition(lambda self: self.owing)
    @rule()
    def done(self) -> None:
        first = self.owing.pop(0)
        number, told = self.answers.turn_complete(DONE)
        assert (number, told) == (first.acknowledged, [AnswerEnded()] if first.told else [])
        if number is not None:
            assert number not in self.closed
            self.closed.append(number)

    @rule()
    def interrupted(self) -> None:
        expected: list[Event] = [] if self.owing else [AnswerInterrupted()]
        if self.owing and self.owing[0].begun:
            first = self.owing[0]
            expected = [AnswerInterrupted()] if first.told else []
            first.refused = first.stopped = True
        assert self.answers.interrupted() == expected

    @rule()
    def connection_lost(self) -> None:
        self.lost += [each.utterance for each in self.owing]
        self.owing.clear()
        self.answers.connection_lost()

    @invariant()
    def both_owe_the_same(self) -> None:
        assert self.answers.pending == any(not each.refused for each in self.owing)
        assert self.answers.incomplete == any(not (each.refused or each.generated) for each in self.owing)
        assert self.answers.lost == self.lost
        current = self.answers.current
        assert (current is None) == (not self.owing)
        if current is not None:
            arrivals = {
                (False, False): Arrival.EXPECTED,
                (True, False): Arrival.BEGUN,
                (True, True): Arrival.GENERATED,
                (False, True): Arrival.EMPTY,
            }
            first = self.owing[0]
            assert current.arrival is arrivals[first.begun, first.generated]
            assert (current.begun, current.generated) == (first.begun, first.generated)
            assert (current.aloud, current.wanted) == (first.told, not first.refused)


TestService = Service.TestCase
