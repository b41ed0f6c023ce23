"""How things stand: what is known, new and shown of link, faults and notes."""

from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn.condition import Condition
from agent.turn.events import LinkChanged, NotesChanged
from agent.turn.light import rhythm
from agent.turn.phase import Phase
from hardware.ports import Rhythm

REFUSED = LinkChanged(LinkState.REFUSED, Fault.KEY)
CONNECTING = LinkChanged(LinkState.CONNECTING)


def test_it_is_away_from_the_first_failure_until_a_connection_is_up() -> None:
    condition, seen = Condition(), []
    for state in ("CONNECTING", "OFFLINE", "CONNECTING", "UP"):
        condition.link_changed(LinkChanged(LinkState[state]))
        seen.append(condition.away)
    assert seen == [False, True, True, False]


def test_a_refusal_is_news_once_and_again_after_it_was_fixed() -> None:
    condition = Condition()
    assert [condition.link_changed(event) for event in (REFUSED, CONNECTING, REFUSED)] == [True, False, False]
    condition.link_changed(LinkChanged(LinkState.UP))
    assert condition.link_changed(REFUSED)
    assert condition.link_changed(LinkChanged(LinkState.REFUSED, Fault.MODEL))


def test_a_fault_is_news_once_and_a_part_without_a_code_has_no_words() -> None:
    condition = Condition()
    assert condition.fault_raised("teapot")
    assert not condition.fault_raised("teapot")
    assert rhythm(Phase.LISTENING, condition) is Rhythm.FAULT
    assert condition.fault_words == ()


def test_notes_and_their_answers_are_shown_to_a_sleeping_box() -> None:
    condition = Condition()
    condition.notes_changed(NotesChanged(3, 0))
    assert rhythm(Phase.ASLEEP, condition) is Rhythm.OFFLINE
    condition.notes_changed(NotesChanged(0, 1))
    assert rhythm(Phase.ASLEEP, condition) is Rhythm.MESSAGE


def test_a_loud_place_and_an_untrusted_echo_show_where_they_matter() -> None:
    condition = Condition()
    condition.link_changed(LinkChanged(LinkState.UP))
    condition.noisy, condition.trusted = True, False
    shown = [rhythm(phase, condition) for phase in (Phase.LISTENING, Phase.HEARING, Phase.ANSWERING, Phase.ASLEEP)]
    assert shown == [Rhythm.LOUD, Rhythm.HEARING, Rhythm.ONE_WAY, Rhythm.READY]
    condition.noisy, condition.trusted = False, True
    assert [rhythm(phase, condition) for phase in (Phase.LISTENING, Phase.ANSWERING)] == [
        Rhythm.LISTENING,
        Rhythm.ANSWERING,
    ]
