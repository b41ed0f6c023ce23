"""The states of the link, and which phase may follow which; that the link keeps to it is in test_link.py."""

from agent.link.state import NEXT_PHASES, LinkPhase, LinkState


def test_away_is_where_an_attempt_failed_and_none_is_being_made() -> None:
    assert {state for state in LinkState if state.away} == {LinkState.OFFLINE, LinkState.REFUSED}


def test_every_phase_can_be_reached_and_none_is_the_last() -> None:
    assert NEXT_PHASES.keys() == set(LinkPhase)
    reached, found = set[LinkPhase](), {LinkPhase.IDLE}
    while found:
        reached |= found
        found = set.union(*(NEXT_PHASES[phase] for phase in found)) - reached
    assert reached == set(LinkPhase)
    assert all(following and phase not in following for phase, following in NEXT_PHASES.items())


def test_a_connection_is_over_before_there_is_another() -> None:
    assert {phase for phase, following in NEXT_PHASES.items() if LinkPhase.OPENING in following} == {
        LinkPhase.IDLE,
        LinkPhase.CLOSED,
        LinkPhase.WAITING,
    }
    assert {phase for phase, following in NEXT_PHASES.items() if LinkPhase.LIVE in following} == {LinkPhase.SETTING_UP}
