"""Short sounds over a voice: the voice makes room, without a step, and the sum never clips."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.voice.earcons import Earcon
from agent.voice.earcons import pcm as earcon
from hardware.ports import SPEAKER_FORMAT
from hardware.sound.chimes import RAMP, Chime, Chimes
from hardware.sound.pcm import mix

BLOCK = SPEAKER_FORMAT.bytes_in(0.01)


def flat(samples: int, value: int) -> bytes:
    return array("h", [value] * samples).tobytes()


def over(chimes: Chimes, voice: bytes, size: int = BLOCK) -> array[int]:
    heard = array("h")
    for start in range(0, len(voice), size):
        heard.frombytes(chimes.over(voice[start : start + size]))
    return heard


@pytest.mark.parametrize("name", Earcon)
@pytest.mark.parametrize("value", [32767, -32768])
def test_no_earcon_makes_the_loudest_voice_clip(name: Earcon, value: int) -> None:
    chimes, sound = Chimes(), array("h", earcon(name))
    chimes.add(Chime(sound.tobytes()), over_voice=True)
    heard = over(chimes, flat(24000, value))
    assert heard[RAMP : RAMP + len(sound)] == array(
        "h", (part + level for part, level in zip(sound, [heard[RAMP] - sound[0]] * len(sound), strict=True))
    ), "clipping would change its shape"
    assert 0.6 < abs(heard[RAMP] - sound[0]) / 32767 < 1
    assert set(heard[-RAMP:]) == {value}, "the voice is as loud as before"
    assert not chimes.sounding


def test_the_voice_is_lowered_and_raised_without_a_step() -> None:
    chimes = Chimes()
    chimes.add(Chime(flat(1000, 16384)), over_voice=True)
    heard = over(chimes, flat(2400, 20000))
    voice = array("h", heard[:RAMP] + array("h", (s - 16384 for s in heard[RAMP : RAMP + 1000])) + heard[RAMP + 1000 :])
    steps = [abs(after - before) for before, after in itertools.pairwise(voice)]
    assert max(steps) <= math.ceil(20000 / RAMP) + 1
    assert min(voice) == pytest.approx(10000, abs=1)


def test_where_no_voice_sounds_a_chime_begins_at_once_and_as_it_is() -> None:
    chimes = Chimes()
    chimes.add(Chime(flat(300, 30000)), over_voice=False)
    assert chimes.sounding
    heard = over(chimes, bytes(BLOCK)) + array("h", chimes.over(bytes(BLOCK)))
    assert heard == array("h", [30000] * 300 + [0] * 180)
    assert not chimes.sounding


def test_a_voice_that_begins_during_a_chime_is_low_from_its_first_sample_on() -> None:
    chimes = Chimes()
    chimes.add(Chime(flat(1000, 16384)), over_voice=False)
    over(chimes, bytes(BLOCK))
    assert over(chimes, flat(240, 32767))[0] <= 32767
    assert over(chimes, flat(240, 32767))[0] == pytest.approx(16384 + 16383, abs=1)


def test_a_chime_over_a_chime_lowers_the_voice_for_both_before_it_begins() -> None:
    chimes = Chimes()
    chimes.add(Chime(flat(2000, 8000)), over_voice=True)
    before = over(chimes, flat(960, 32767))
    chimes.add(Chime(flat(1000, 16000)), over_voice=True)
    after = over(chimes, flat(2400, 32767))
    assert max(before) <= 32767
    assert max(after) <= 32767
    second = after[RAMP : RAMP + 1000]
    assert set(second) == {second[0]}, "no sample was cut"
    assert second[0] - 24000 == pytest.approx(32767 * (32767 - 24000) / 32768, abs=2)


def test_chimes_that_are_too_loud_together_saturate_and_silence_the_voice() -> None:
    chimes = Chimes()
    for _ in range(2):
        chimes.add(Chime(flat(480, -32768)), over_voice=True)
    heard = over(chimes, flat(RAMP + 480, 1000))
    assert set(heard[RAMP:]) == {-32768}


def test_a_voice_alone_is_passed_on_untouched() -> None:
    chimes, voice = Chimes(), flat(240, 123)
    assert chimes.over(voice) is voice


def test_what_a_block_takes_from_the_memory_is_little_more_than_itself() -> None:
    chimes, voice = Chimes(), flat(240, 20000)
    chimes.add(Chime(earcon(Earcon.ASLEEP)), over_voice=True)
    chimes.over(voice)
    tracemalloc.start()
    try:
        for _ in range(20):
            chimes.over(voice)
        assert tracemalloc.get_traced_memory()[1] < 4 * BLOCK
        tracemalloc.reset_peak()
        mix(voice, voice)  # what it would take as a list
        assert tracemalloc.get_traced_memory()[1] > 4 * BLOCK
    finally:
        tracemalloc.stop()


@given(
    sizes=st.lists(st.integers(1, 700), max_size=30),
    added=st.dictionaries(st.integers(0, 29), st.tuples(st.integers(1, 2000), st.integers(-32768, 32767)), max_size=3),
    value=st.integers(-32768, 32767),
)
def test_whatever_comes_when_nothing_is_longer_or_shorter_or_out_of_range(
    sizes: list[int], added: dict[int, tuple[int, int]], value: int
) -> None:
    chimes = Chimes()
    for index, size in enumerate(sizes):
        if index in added:
            samples, level = added[index]
            chimes.add(Chime(flat(samples, level)), over_voice=index > 0)
        assert len(chimes.over(flat(size, value))) == 2 * size
