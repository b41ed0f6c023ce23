"""What the place allows, from what was heard and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.config import TurnSettings
from agent.hearing.acoustics import STALE_S, Acoustics
from agent.hearing.interruptions import MOST
from agent.hearing.noise import FALSE_STARTS, LONG_S, QUIET_S
from agent.metrics import TurnRecord
from agent.turn.events import NoiseChanged, TrustChanged
from hardware.ports import CHUNK_BYTES, MicChunk, Trust

if TYPE_CHECKING:
    from agent.turn.events import Event

SILENCE = bytes(CHUNK_BYTES)


class Place:
    def __init__(self, barge_in: str = "auto") -> None:
        self.events: list[Event] = []
        self.alarms = 0
        self.now = 100.0
        self.acoustics = Acoustics(TurnSettings(barge_in=barge_in), self.events.append, self._alarm)

    def _alarm(self) -> None:
        self.alarms += 1

    def hear(self, seconds: float, *, voiced: bool, learn: bool = True, trusted: bool = True) -> None:
        for _ in range(round(seconds * 50)):
            self.now += 0.02
            self.acoustics.chunk(MicChunk.plain(SILENCE, trusted=trusted), self.now, voiced=voiced, learn=learn)

    def answered(  # noqa: PLR0913 - each sets one thing of the answer, all optional
        self,
        utterance: int,
        heard: str,
        *,
        over_answer: bool = False,
        audio_s: float = 0.0,
        lasting_s: float = 2.0,
        after_s: float = 1.0,
    ) -> None:
        self.acoustics.begun(utterance, self.now, over_answer=over_answer)
        self.now += lasting_s
        self.acoustics.ended(utterance, lasting_s)
        self.now += after_s
        record = TurnRecord(utterance, question_text=heard)
        record.answer.add_audio(audio_s)
        self.acoustics.came_of(record, self.now)


def test_voice_alone_is_no_noise_however_long_it_lasts() -> None:
    place = Place()
    place.hear(10 * LONG_S, voiced=True)
    assert place.events == []


def test_a_long_utterance_of_which_nothing_came_is_noise_until_it_is_quiet() -> None:
    place = Place()
    place.answered(1, "", lasting_s=LONG_S)
    place.hear(0.1, voiced=True)
    assert place.events == [NoiseChanged(noisy=True)]
    place.hear(QUIET_S + 2, voiced=False, learn=False)
    assert place.events == [NoiseChanged(noisy=True)], "what it does not learn from is no quiet, either"
    place.hear(QUIET_S + 2, voiced=False)
    assert place.events == [NoiseChanged(noisy=True), NoiseChanged(noisy=False)]


def test_a_long_utterance_that_was_understood_was_somebody() -> None:
    place = Place()
    place.answered(1, "Is it hot?", lasting_s=TurnSettings().max_utterance_s)
    place.hear(0.1, voiced=True)
    assert place.events == []


def test_utterances_of_which_nothing_came_are_false_starts() -> None:
    place = Place()
    for number in range(1, FALSE_STARTS + 3):
        place.answered(number, "", audio_s=1.0)  # answered without a transcript: somebody spoke
    place.hear(0.1, voiced=False)
    assert place.events == []
    for number in range(11, FALSE_STARTS + 12):
        place.answered(number, "")
    place.hear(0.1, voiced=False)
    assert place.events == [NoiseChanged(noisy=True)]


def test_what_comes_of_an_utterance_much_later_tells_nothing_of_now() -> None:
    place = Place()
    for number in range(1, FALSE_STARTS + 3):
        place.answered(number, "", over_answer=True, after_s=STALE_S + 1)
    place.hear(0.1, voiced=False)
    assert (place.events, place.alarms) == ([], 0)


@pytest.mark.parametrize("over_answer", [True, False])
def test_a_voice_that_was_none_is_a_false_alarm_over_an_answer_and_before_the_next(*, over_answer: bool) -> None:
    place = Place()
    place.answered(1, "", over_answer=over_answer)
    place.answered(5, "", over_answer=over_answer, audio_s=1.0)
    place.answered(2, "Stop.")
    assert place.alarms == 1
    place.acoustics.came_of(TurnRecord(3), place.now)  # a typed one, and what nobody asked
    place.acoustics.came_of(TurnRecord(None), place.now)
    assert place.alarms == 1


def test_answers_that_are_interrupted_again_and_again_are_a_false_alarm_whatever_the_service_answers() -> None:
    place = Place()
    for number in range(1, MOST):
        place.answered(number, "Close the valve.", over_answer=True, audio_s=3.0)
    for number in range(MOST, 4 * MOST):
        place.answered(number, "And then?", audio_s=3.0, lasting_s=0.5, after_s=0.5)
    assert place.alarms == 0
    place.answered(4 * MOST, "Close the valve.", over_answer=True, audio_s=3.0)
    assert place.alarms == 1


@pytest.mark.parametrize(
    ("barge_in", "trusted", "told"),
    [("auto", False, True), ("auto", True, False), ("voice", False, False), ("button", True, True)],
)
def test_a_voice_that_cannot_interrupt_is_told(barge_in: str, *, trusted: bool, told: bool) -> None:
    place = Place(barge_in)
    place.hear(0.1, voiced=False, trusted=trusted)
    assert place.events == ([TrustChanged(trusted=False)] if told else [])


def test_what_the_canceller_takes_out_is_told() -> None:
    place = Place()
    assert place.acoustics.echo == "no echo known"
    heard = MicChunk(SILENCE, SILENCE, Trust.TRUSTED, erle_db=37.4)
    place.acoustics.chunk(heard, 1.0, voiced=False, learn=True)
    assert place.acoustics.echo == "echo 37 dB down, the echo is gone"
