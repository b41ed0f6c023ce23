"""A speaker is its buffer, and somebody is woken whenever there may be something to pull from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardware.ports import SPEAKER_FORMAT, DeviceHealth
from hardware.sound.buffered_speaker import BufferedSpeaker
from hardware.sound.playback import PlaybackBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = bytes([1, 0]) * SPEAKER_FORMAT.rate


class Woken(BufferedSpeaker):
    """Counts its wake-ups."""

    def __init__(self) -> None:
        super().__init__(PlaybackBuffer(0.0))
        self.wakes = 0

    def _wake(self) -> None:
        self.wakes += 1


@pytest.mark.parametrize(
    "act",
    [
        lambda speaker: speaker.start(lambda: None, lambda _: None),
        lambda speaker: speaker.write(SECOND),
        lambda speaker: speaker.finish(),
        lambda speaker: speaker.repeat(),
        lambda speaker: speaker.chime(SECOND),
        lambda speaker: speaker.say(SECOND),
        lambda speaker: speaker.resume(),
    ],
    ids=["start", "write", "finish", "repeat", "chime", "say", "resume"],
)
def test_whoever_pulls_is_woken(act: Callable[[BufferedSpeaker], object]) -> None:
    speaker = Woken()
    act(speaker)
    assert speaker.wakes == 1


def test_what_is_asked_of_it_is_asked_of_its_buffer() -> None:
    speaker = Woken()
    assert not speaker.audible
    assert speaker.write(SECOND)
    assert (speaker.buffered_s, speaker.played_s, speaker.audible) == (1.0, 0.0, True)
    speaker.buffer.pull(SPEAKER_FORMAT.bytes_in(0.25))
    epoch = speaker.epoch
    assert speaker.flush() == 0.25
    assert speaker.epoch == epoch + 1
    assert not speaker.write(SECOND, epoch), "it comes after the cut"
    assert speaker.repeat() == 1.0
    speaker.finish()
    while not speaker.buffer.over:
        speaker.buffer.pull(SPEAKER_FORMAT.bytes_in(0.5))
    speaker.chime(SECOND)
    assert speaker.audible


def test_an_answer_can_be_paused_and_words_be_hushed() -> None:
    speaker = Woken()
    speaker.write(SECOND)
    speaker.pause()
    assert not speaker.audible
    speaker.say(SECOND)
    assert speaker.audible
    speaker.hush()
    assert not speaker.audible
    speaker.resume()
    assert speaker.audible


def test_what_the_buffer_lost_is_the_speakers_health() -> None:
    speaker = Woken()
    assert speaker.health() == DeviceHealth()
    speaker.write(SECOND)
    speaker.buffer.pull(2 * len(SECOND))  # it runs dry
    speaker.write(SECOND)
    speaker.flush()
    speaker.write(SECOND, speaker.epoch - 1)
    speaker.write(SECOND * 121)
    assert speaker.health() == DeviceHealth(underruns=1, dropped_s=1.0, refused_s=1.0)


def test_a_base_alone_wakes_nobody() -> None:
    speaker = BufferedSpeaker(PlaybackBuffer())
    speaker.finish()
    assert speaker.played_s == 0
