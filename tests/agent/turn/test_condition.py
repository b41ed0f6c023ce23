"""How things stand: what is shown and said of link, faults and notes."""

from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn.condition import Condition
from agent.turn.effects import Play
from agent.turn.events import LinkChanged, NoteSaved, NotesChanged
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from hardware.ports import Rhythm

REFUSED = LinkChanged(LinkState.REFUSED, Fault.KEY)
CONNECTING = LinkChanged(LinkState.CONNECTING)


def test_it_is_away_from_the_first_failure_until_a_connection_is_up() -> None:
    condition, seen = Condition(), []
    for state in ("CONNECTING", "OFFLINE", "CONNECTING", "UP"):
        condition.link_changed(LinkChanged(LinkState[state]))
        seen.append(condition.away)
    assert seen == [False, True, True, False]


def test_a_refusal_is_told_once_with_its_code_and_again_after_it_was_fixed() -> None:
    condition = Condition()
    told = Play(Earcon.FAULT, Fault.KEY.words)
    said = [condition.link_changed(event) for event in (REFUSED, CONNECTING, REFUSED)]
    assert said == [[told], [], []]
    condition.link_changed(LinkChanged(LinkState.UP))
    assert condition.link_changed(REFUSED) == [told]
    assert condition.link_changed(LinkChanged(LinkState.REFUSED, Fault.MODEL)) == [
        Play(Earcon.FAULT, Fault.MODEL.words)
    ]


def test_a_part_without_a_code_is_told_by_its_sound_alone() -> None:
    condition = Condition()
    assert condition.fault_raised("teapot") == [Play(Earcon.FAULT)]
    assert condition.fault_raised("teapot") == []
    assert condition.rhythm(Phase.LISTENING) is Rhythm.FAULT
    assert condition.fault_words == ()


def test_a_saved_note_is_counted_from_the_second_on() -> None:
    condition = Condition()
    condition.notes_changed(NotesChanged(1, 0))
    assert condition.note_saved(NoteSaved()) == Play(Earcon.SAVED, (Phrase.SAVED_NOT_SENT,))
    condition.notes_changed(NotesChanged(3, 0))
    assert condition.note_saved(NoteSaved(delivered=True)).words == (Phrase.NO_ANSWER, 3, Phrase.NOTES_WAITING)
    assert condition.rhythm(Phase.ASLEEP) is Rhythm.OFFLINE
    condition.notes_changed(NotesChanged(0, 1))
    assert condition.rhythm(Phase.ASLEEP) is Rhythm.MESSAGE


def test_a_loud_place_and_an_untrusted_echo_show_where_they_matter() -> None:
    condition = Condition()
    condition.link_changed(LinkChanged(LinkState.UP))
    assert condition.noise_changed(noisy=True) == [Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))]
    condition.trusted = False
    shown = [condition.rhythm(phase) for phase in (Phase.LISTENING, Phase.HEARING, Phase.ANSWERING, Phase.ASLEEP)]
    assert shown == [Rhythm.LOUD, Rhythm.HEARING, Rhythm.ONE_WAY, Rhythm.READY]
    assert condition.noise_changed(noisy=False) == [Play(Earcon.LISTENING, (Phrase.HANDS_FREE_AGAIN,))]
    condition.trusted = True
    assert [condition.rhythm(phase) for phase in (Phase.LISTENING, Phase.ANSWERING)] == [
        Rhythm.LISTENING,
        Rhythm.ANSWERING,
    ]
