"""How things stand: what is shown and said of link, faults and notes."""

from agent.faults import Trouble
from agent.link.state import LinkState
from agent.turn.condition import Standing
from agent.turn.effects import Play
from agent.turn.events import LinkChanged, NoteSaved, NotesChanged
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase
from hardware.ports import Rhythm

REFUSED = LinkChanged(LinkState.REFUSED, Trouble.KEY)
CONNECTING = LinkChanged(LinkState.CONNECTING)


def test_it_is_away_from_the_first_failure_until_a_connection_is_up() -> None:
    standing, seen = Standing(), []
    for state in ("CONNECTING", "OFFLINE", "CONNECTING", "UP"):
        standing.link_changed(LinkChanged(LinkState[state]))
        seen.append(standing.away)
    assert seen == [False, True, True, False]


def test_a_refusal_is_told_once_with_its_code_and_again_after_it_was_mended() -> None:
    standing = Standing()
    told = Play(Earcon.FAULT, Trouble.KEY.words)
    said = [standing.link_changed(event) for event in (REFUSED, CONNECTING, REFUSED)]
    assert said == [[told], [], []]
    standing.link_changed(LinkChanged(LinkState.UP))
    assert standing.link_changed(REFUSED) == [told]
    assert standing.link_changed(LinkChanged(LinkState.REFUSED, Trouble.MODEL)) == [
        Play(Earcon.FAULT, Trouble.MODEL.words)
    ]


def test_a_part_without_a_code_is_told_by_its_sound_alone() -> None:
    standing = Standing()
    assert standing.fault_raised("teapot") == [Play(Earcon.FAULT)]
    assert standing.fault_raised("teapot") == []
    assert standing.rhythm(Phase.LISTENING) is Rhythm.FAULT
    assert standing.troubles == ()


def test_a_saved_note_is_counted_from_the_second_on() -> None:
    standing = Standing()
    standing.notes_changed(NotesChanged(1, 0))
    assert standing.note_saved(NoteSaved()) == Play(Earcon.SAVED, (Phrase.SAVED_NOT_SENT,))
    standing.notes_changed(NotesChanged(3, 0))
    assert standing.note_saved(NoteSaved(delivered=True)).words == (Phrase.NO_ANSWER, 3, Phrase.NOTES_WAITING)
    assert standing.rhythm(Phase.ASLEEP) is Rhythm.OFFLINE
    standing.notes_changed(NotesChanged(0, 1))
    assert standing.rhythm(Phase.ASLEEP) is Rhythm.MESSAGE


def test_a_loud_place_and_an_untrusted_echo_show_where_they_matter() -> None:
    standing = Standing()
    standing.link_changed(LinkChanged(LinkState.UP))
    assert standing.noise_changed(noisy=True) == [Play(Earcon.HOLD_TO_TALK, (Phrase.TOO_LOUD_HOLD_BUTTON,))]
    standing.trusted = False
    shown = [standing.rhythm(phase) for phase in (Phase.LISTENING, Phase.HEARING, Phase.ANSWERING, Phase.ASLEEP)]
    assert shown == [Rhythm.LOUD, Rhythm.HEARING, Rhythm.ONE_WAY, Rhythm.READY]
    assert standing.noise_changed(noisy=False) == [Play(Earcon.LISTENING, (Phrase.HANDS_FREE_AGAIN,))]
    standing.trusted = True
    assert [standing.rhythm(phase) for phase in (Phase.LISTENING, Phase.ANSWERING)] == [
        Rhythm.LISTENING,
        Rhythm.ANSWERING,
    ]
