import json
from dataclasses import replace
from typing import Any

import pytest

from agent.config import ConversationSettings, SessionSettings, Settings
from agent.wire.events import GoAway, ResumptionUpdate
from agent.wire.history import PastTurn
from agent.wire.session import (
    GO_AWAY_MARGIN_S,
    GO_AWAY_RETRY_S,
    HANDLE_LIFE_S,
    MAX_SHORT,
    SHORT_S,
    Session,
)


@pytest.fixture
def session() -> Session:
    return Session(Settings())


def resumption(session: Session, now: float) -> Any:
    return json.loads(session.setup(now))["setup"]["sessionResumption"]


def test_the_first_connection_asks_for_a_fresh_session(session: Session) -> None:
    assert session.handle(0.0) == ""
    assert resumption(session, 0.0) == {}


def test_the_newest_handle_is_resumed_with(session: Session) -> None:
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.resumption_update(ResumptionUpdate("h2"), 20.0)
    assert resumption(session, 30.0) == {"handle": "h2"}


def test_the_last_handle_stays_good_while_the_service_sends_none(session: Session) -> None:
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.resumption_update(ResumptionUpdate(""), 20.0)
    assert session.handle(30.0) == "h1"


def test_a_handle_is_good_for_two_hours_after_its_connection_ended(session: Session) -> None:
    session.opened(0.0)
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.closed(5000.0, drop_handle=False)
    assert session.handle(5000.0 + HANDLE_LIFE_S - 1) == "h1"
    assert session.handle(5000.0 + HANDLE_LIFE_S) == ""


def test_attempts_that_fail_do_not_make_a_handle_last_longer(session: Session) -> None:
    session.opened(0.0)
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.closed(100.0, drop_handle=False)
    for now in range(130, 10_000, 30):
        session.closed(float(now), drop_handle=False)
    assert session.handle(100.0 + HANDLE_LIFE_S) == ""


def test_a_refused_handle_is_dropped(session: Session) -> None:
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.closed(20.0, drop_handle=True)
    assert session.handle(21.0) == ""
    session.opened(30.0)
    session.resumption_update(ResumptionUpdate("h2"), 31.0)
    assert session.handle(32.0) == "h2"


def test_a_handle_of_before_a_restart_is_good_for_what_is_left_of_its_life(session: Session) -> None:
    session.restore("h1", 3600.0, 10.0, position=3)
    assert resumption(session, 10.0) == {"handle": "h1"}
    assert session.handle(10.0 + HANDLE_LIFE_S - 3600.0 - 1) == "h1"
    assert session.handle(10.0 + HANDLE_LIFE_S - 3600.0) == ""


def test_a_resumed_connection_that_fails_at_once_again_and_again_costs_the_handle(session: Session) -> None:
    session.restore("h1", 0.0, 0.0, position=0)
    for attempt in range(MAX_SHORT):
        assert session.handle(100.0 * attempt) == "h1"
        lived(session, 100.0 * attempt, SHORT_S - 1)
    assert session.handle(100.0 * MAX_SHORT) == ""


def test_short_connections_count_only_in_a_row_and_only_if_they_failed_of_a_resumed_session(session: Session) -> None:
    session.restore("h1", 0.0, 0.0, position=0)
    for attempt in range(MAX_SHORT * 3):
        lived(session, 100.0 * attempt, SHORT_S - 1, failed=bool(attempt % 2))  # every other by our own wish
    for now in (1000.0, 1100.0):
        lived(session, now, SHORT_S + 1)
    lived(session, 1200.0, SHORT_S - 1)
    assert session.handle(1300.0) == "h1"


def test_attempts_that_never_came_up_are_no_short_connections(session: Session) -> None:
    session.restore("h1", 0.0, 0.0, position=0)
    for now in range(9):
        session.setup(float(now))
        session.closed(float(now), drop_handle=False, failed=True)
    assert session.handle(9.0) == "h1"


def test_a_fresh_connection_that_fails_at_once_is_not_the_handles_fault(session: Session) -> None:
    for attempt in range(MAX_SHORT - 1):
        session.setup(100.0 * attempt)
        session.opened(100.0 * attempt)
        session.closed(100.0 * attempt + 1, drop_handle=False, failed=True)
    session.resumption_update(ResumptionUpdate("h1"), 500.0)
    lived(session, 600.0, SHORT_S - 1)
    assert session.handle(700.0) == "h1"


def lived(session: Session, now: float, seconds: float, *, failed: bool = True) -> None:
    """Live through one connection."""
    session.setup(now)
    session.opened(now)
    session.closed(now + seconds, drop_handle=False, failed=failed)


# what the service knows of the conversation


def test_a_session_knows_the_utterance_of_whose_answer_it_gave_the_handle(session: Session) -> None:
    session.resumption_update(ResumptionUpdate("h1"), 10.0, answered=3)
    session.resumption_update(ResumptionUpdate(""), 11.0, answered=4)  # no handle leads there
    assert session.known == 0
    session.setup(20.0)
    assert session.known == 3


def test_a_session_that_begins_afresh_knows_nothing(session: Session) -> None:
    session.resumption_update(ResumptionUpdate("h1"), 10.0, answered=3)
    session.setup(10.0 + HANDLE_LIFE_S)
    assert session.known == 0


def test_another_conversation_begins_with_neither_handle_nor_history(session: Session) -> None:
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.history.add(PastTurn("What?", "That."))
    session.forget()
    assert resumption(session, 20.0) == {}
    assert session.seed() is None


def test_a_resumed_session_has_missed_what_was_answered_after_its_handle_was_given(session: Session) -> None:
    session.setup(0.0)
    session.opened(0.0)
    session.history.add(PastTurn("One?", "1."))
    session.caught_up()
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    session.history.add(PastTurn("Two?", "2."))
    session.caught_up()
    assert session.missed() == []
    session.setup(20.0)
    session.opened(20.0)
    assert session.missed() == [("user", "Two?"), ("model", "2.")]
    session.caught_up()  # it was told, and has answered
    assert session.missed() == []
    session.closed(30.0, drop_handle=True)
    session.setup(40.0)  # a fresh one is told all of it instead
    session.opened(40.0)
    assert session.missed() == []


def test_a_handle_from_before_the_first_answer_is_not_trusted_to_know_what_was_only_told(session: Session) -> None:
    session.history.add(PastTurn("One?", "1."))
    session.setup(0.0)
    session.opened(0.0)
    assert session.seed() is not None  # on its way, perhaps never read
    session.resumption_update(ResumptionUpdate("h1"), 1.0)
    session.setup(2.0)
    session.opened(2.0)
    assert session.missed() == [("user", "One?"), ("model", "1.")]


def test_after_a_restart_a_session_has_missed_what_was_answered_since_its_handle_was_given(session: Session) -> None:
    session.history.add(PastTurn("One?", "1."))
    session.history.add(PastTurn("Two?", "2."))
    session.restore("h1", 0.0, 0.0, position=1)
    session.setup(0.0)
    session.opened(0.0)
    assert session.missed() == [("user", "Two?"), ("model", "2.")]


def told(model: str) -> Session:
    session = Session(Settings(session=SessionSettings(model=model)))
    session.history.add(PastTurn("What?", "That."))
    return session


def test_a_fresh_session_is_told_the_conversation_as_its_history() -> None:
    session = told("gemini-3.8-live")
    setup = json.loads(session.setup(0.0))["setup"]
    assert setup["historyConfig"] == {"initialHistoryInClientContent": True}
    seed = session.seed()
    assert seed is not None
    assert json.loads(seed)["clientContent"] == {
        "turns": [
            {"role": "user", "parts": [{"text": "What?"}]},
            {"role": "model", "parts": [{"text": "That."}]},
        ],
        "turnComplete": True,
    }


def test_a_model_that_takes_no_history_is_told_as_the_users_words_which_it_is_not_to_answer() -> None:
    session = told("gemini-2.5-flash-native-audio-preview")
    assert "historyConfig" not in json.loads(session.setup(0.0))["setup"]
    seed = session.seed()
    assert seed is not None
    content = json.loads(seed)["clientContent"]
    (turn,) = content["turns"]
    assert turn["role"] == "user"
    assert "Technician: What?\nYou: That." in turn["parts"][0]["text"]
    assert not content["turnComplete"]


def test_a_session_is_resumed_or_told_and_never_both() -> None:
    session = told("gemini-3.8-live")
    session.resumption_update(ResumptionUpdate("h1"), 10.0)
    assert "historyConfig" not in json.loads(session.setup(20.0))["setup"]
    assert session.seed() is None
    session.closed(30.0, drop_handle=True)
    assert "historyConfig" in json.loads(session.setup(40.0))["setup"]
    assert session.seed() is not None


def test_a_conversation_of_no_words_is_not_told(session: Session) -> None:
    assert "historyConfig" not in json.loads(session.setup(0.0))["setup"]
    assert session.seed() is None


def test_how_much_is_told_is_a_setting() -> None:
    session = Session(Settings(conversation=ConversationSettings(replay_tokens=0)))
    session.history.add(PastTurn("What?", "That."))
    session.setup(0.0)
    assert session.seed() is None


# the go-away


def test_nothing_is_changed_over_unless_the_service_says_good_bye(session: Session) -> None:
    session.opened(0.0)
    assert session.change_over_at is None
    assert not session.should_change_over(1000.0, quiet=True)


def test_a_quiet_moment_before_the_deadline_is_taken(session: Session) -> None:
    session.opened(0.0)
    session.go_away(GoAway(50.0), 500.0)
    assert session.should_change_over(500.0, quiet=True)
    assert not session.should_change_over(500.0, quiet=False)


def test_at_the_deadline_the_change_is_made_in_the_middle_of_whatever_it_is(session: Session) -> None:
    session.opened(0.0)
    session.go_away(GoAway(50.0), 500.0)
    deadline = 550.0 - GO_AWAY_MARGIN_S
    assert session.change_over_at == deadline
    assert not session.should_change_over(deadline - 0.1, quiet=False)
    assert session.should_change_over(deadline, quiet=False)


def test_a_go_away_that_leaves_no_time_is_due_at_once_and_not_in_the_past(session: Session) -> None:
    session.go_away(GoAway(1.0), 500.0)
    assert session.change_over_at == 500.0
    assert session.should_change_over(500.0, quiet=False)


def test_a_young_connection_is_not_changed_over_again_before_its_deadline(session: Session) -> None:
    session.opened(100.0)
    session.go_away(GoAway(60.0), 101.0)
    assert not session.should_change_over(100.0 + GO_AWAY_RETRY_S - 0.1, quiet=True)
    assert session.should_change_over(100.0 + GO_AWAY_RETRY_S, quiet=True)


def test_the_good_bye_of_one_connection_is_none_of_the_next(session: Session) -> None:
    session.opened(0.0)
    session.go_away(GoAway(50.0), 500.0)
    session.closed(510.0, drop_handle=False)
    assert session.change_over_at is None
    session.go_away(GoAway(50.0), 511.0)
    session.opened(512.0)
    assert session.change_over_at is None


def test_the_settings_of_one_session_do_not_reach_another() -> None:
    settings = Settings()
    other = replace(settings, session=replace(settings.session, voice="Kore"))
    assert "speechConfig" not in json.loads(Session(settings).setup(0.0))["setup"]["generationConfig"]
    assert "speechConfig" in json.loads(Session(other).setup(0.0))["setup"]["generationConfig"]
