"""What the box says of itself: in order, each thing once, and nothing that is no longer true."""

from __future__ import annotations

import pytest

from agent.faults import Fault
from agent.link.state import LinkState
from agent.turn.condition import Condition
from agent.turn.effects import Play
from agent.turn.events import LinkChanged, NotesChanged
from agent.turn.news import NOISE_AGAIN_S, ONE_WAY_AGAIN_S, News, Topic
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase

OFFLINE, UP = LinkChanged(LinkState.OFFLINE), LinkChanged(LinkState.UP)
REFUSED = LinkChanged(LinkState.REFUSED, Fault.KEY)


class Box:
    """A condition and the news about it."""

    def __init__(self) -> None:
        self.condition = Condition()
        self.news = News(self.condition)

    def says(self, now: float = 0.0, *, awake: bool = True) -> list[tuple[Phrase | int, ...]]:
        return [play.words for play in self.news.due(now, awake=awake)]


def test_each_thing_is_said_once_in_the_order_in_which_it_happened() -> None:
    box = Box()
    box.condition.link_changed(REFUSED)
    box.condition.fault_raised("camera")
    for topic, part in ((Topic.REFUSAL, ""), (Topic.FAULT, "camera"), (Topic.REFUSAL, "")):
        box.news.add(topic, part)
    assert box.says() == [Fault.KEY.words, Fault.CAMERA.words]
    assert box.says() == []


def test_what_is_no_longer_true_is_not_said() -> None:
    box = Box()
    box.condition.fault_raised("camera")
    box.condition.noisy = True
    for topic, part in ((Topic.FAULT, "camera"), (Topic.NOISE, ""), (Topic.SAVED, ""), (Topic.REFUSAL, "")):
        box.news.add(topic, part)
    box.news.connected(heard=True)
    box.condition.faults.clear()
    box.condition.noisy = False
    assert box.says() == []


def test_a_part_without_a_code_is_told_by_its_sound_alone() -> None:
    box = Box()
    box.condition.fault_raised("teapot")
    box.news.add(Topic.FAULT, "teapot")
    assert box.news.due(0.0, awake=True) == [Play(Earcon.FAULT)]


@pytest.mark.parametrize(
    ("topic", "phrase"), [(Topic.SAVED, Phrase.SAVED_NOT_SENT), (Topic.NO_ANSWER, Phrase.NO_ANSWER)]
)
def test_a_saved_note_is_counted_from_the_second_on(topic: Topic, phrase: Phrase) -> None:
    box = Box()
    for count, words in ((1, (phrase,)), (3, (phrase, 3, Phrase.NOTES_WAITING))):
        box.condition.notes_changed(NotesChanged(count, 0))
        box.news.add(topic)
        assert box.says() == [words]


def test_that_it_is_too_loud_is_said_to_somebody_who_is_there_and_not_again_for_a_while() -> None:
    box = Box()
    box.condition.noisy = True
    said = []
    for now, awake in ((0.0, False), (1.0, True), (NOISE_AGAIN_S, True), (1.0 + NOISE_AGAIN_S, True)):
        box.news.add(Topic.NOISE)
        said.append(box.says(now, awake=awake))
    assert said == [[], [(Phrase.TOO_LOUD_HOLD_BUTTON,)], [], [(Phrase.TOO_LOUD_HOLD_BUTTON,)]]


def test_that_the_box_hears_again_sounds_at_once_and_why_is_said_at_parting_and_not_again_for_a_while() -> None:
    box, said = Box(), []
    for now, trusted in ((0.0, True), (1.0, False), (ONE_WAY_AGAIN_S, False), (1.0 + ONE_WAY_AGAIN_S, False)):
        box.condition.trusted = trusted
        box.news.add(Topic.ONE_WAY)
        assert box.news.due(now, awake=True) == [Play(Earcon.LISTENING)]
        said.append(box.news.parting(now))
        assert box.news.parting(now) == ()
    assert said == [(), (Phrase.HOLD_TO_INTERRUPT,), (), (Phrase.HOLD_TO_INTERRUPT,)]


@pytest.mark.parametrize("topic", [Topic.SAVED, Topic.CUT])
def test_who_was_told_that_there_is_no_connection_is_told_when_there_is_one(topic: Topic) -> None:
    box = Box()
    box.condition.notes_changed(NotesChanged(1, 0))
    box.condition.link_changed(OFFLINE)
    assert not box.news.told_away
    box.news.add(topic)
    box.says()
    assert box.news.told_away
    box.condition.link_changed(UP)
    box.news.connected(heard=True)
    assert not box.news.told_away
    assert box.says() == [(Phrase.CONNECTED_AGAIN,)]


def test_who_has_left_is_not_told_that_there_is_a_connection() -> None:
    box = Box()
    box.condition.link_changed(UP)
    box.news.connected(heard=False)
    assert box.says() == []


def test_what_is_said_while_connected_says_nothing_of_the_connection() -> None:
    box = Box()
    box.condition.link_changed(UP)
    box.news.add(Topic.CUT)
    assert box.says() == [(Phrase.ANSWER_CUT,)]
    assert not box.news.told_away
