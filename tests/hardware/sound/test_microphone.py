"""Whether a microphone is one: zeros, a gate that closes, a level that clips."""

from __future__ import annotations

from hardware.ports import CHUNK_S, MicChunk, Trust
from hardware.sound.microphone import CLIPPED_S, PATIENCE_S, REOPEN_S, Health


def heard(*, dead: bool = False, level_dbfs: float = -60.0, clipping: float = 0.0) -> MicChunk:
    return MicChunk(b"", b"", Trust.ABSENT, dead=dead, level_dbfs=-101.0 if dead else level_dbfs, clipping=clipping)


def chunks(seconds: float) -> range:
    return range(round(seconds / CHUNK_S))


def test_one_that_never_gave_sound_is_dead_at_once_and_tried_again() -> None:
    health = Health()
    health.feed(heard(level_dbfs=-101.0))
    assert not health.dead
    health.feed(heard(dead=True))
    assert health.dead
    assert health.news
    reopened = 0
    for _ in chunks(2 * REOPEN_S + 1):
        health.feed(heard(dead=True))
        assert not health.news, "it is said once"
        reopened += health.reopen
    assert reopened == 2
    health.feed(heard())
    assert not health.dead
    assert not health.reopen


def test_one_with_a_gate_may_be_silent_for_a_while() -> None:
    health = Health()
    health.feed(heard())
    for _ in chunks(PATIENCE_S - 0.1):
        health.feed(heard(dead=True))
        assert not health.dead
    for _ in chunks(0.3):
        health.feed(heard(dead=True))
    assert health.dead


def test_one_that_clips_all_the_time_is_named_once_and_a_shout_is_not() -> None:
    health = Health()
    said = [health.feed(heard(clipping=0.3)) for _ in chunks(CLIPPED_S - 0.5)]
    said += [health.feed(heard())]
    assert not any(said)
    said = [health.feed(heard(clipping=0.3)) for _ in chunks(3 * CLIPPED_S)]
    assert [words for words in said if words] == [
        "is too loud and clips (set audio.capture_percent to less, or alsamixer, F4)"
    ]
