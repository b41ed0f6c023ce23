import math
import subprocess
import sys
import wave
from array import array
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agent.simulator.voice import ASSETS
from agent.voice.earcons import RATE, SCORES, Earcon, pcm
from agent.voice.phrase import Phrase
from agent.voice.recordings import Recordings, languages

Samples = npt.NDArray[np.float64]

every_earcon = pytest.mark.parametrize("earcon", list(Earcon), ids=lambda earcon: earcon.name)


def samples(earcon: Earcon) -> list[int]:
    decoded = array("h", pcm(earcon))
    if sys.byteorder == "big":
        decoded.byteswap()
    return decoded.tolist()


def dbfs(value: float) -> float:
    return 20 * math.log10(max(value, 1e-9) / 32767)


def pitch(part: list[int]) -> float:
    """Count the rising zero crossings of a part: its pitch in Hz, roughly."""
    loud = [index for index, sample in enumerate(part) if abs(sample) > 30]
    heard = part[loud[0] : loud[-1]]
    rising = sum(before < 0 <= after for before, after in pairwise(heard))
    return rising * RATE / len(heard)


def ends(earcon: Earcon) -> tuple[float, float]:
    """Return the pitch of the first and of the last third."""
    heard = samples(earcon)
    third = len(heard) // 3
    return pitch(heard[:third]), pitch(heard[-third:])


def decoded(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def answer(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return decoded(file.readframes(file.getnframes()))


ANSWERS = {path.stem: answer(path) for path in sorted((ASSETS / "answers").glob("*.wav"))}


def loudness(sound: Samples) -> float:
    """Return the A-weighted level (IEC 61672) of the parts that are heard, in dBFS."""
    spectrum, squared = np.fft.rfft(sound, len(sound) + RATE), np.fft.rfftfreq(len(sound) + RATE, 1 / RATE) ** 2
    weight = 12194**2 * squared**2 / (squared + 20.6**2) / (squared + 12194**2)
    weight /= np.sqrt((squared + 107.7**2) * (squared + 737.9**2))
    weighted = np.fft.irfft(spectrum * weight * 10 ** (2.0 / 20))[: len(sound)]
    slices = [weighted[start : start + RATE // 50] for start in range(0, len(weighted), RATE // 50)]
    powers = np.array([float(np.mean(part**2)) for part in slices])
    return float(10 * np.log10(powers[powers > powers.max() / 10**3.5].mean() / 32768**2))


@cache
def loudness_of_phrases(language: str) -> float:
    recordings = Recordings(language)
    return float(np.median([loudness(decoded(recordings.say(phrase))) for phrase in Phrase]))


def envelope(earcon: Earcon) -> list[float]:
    """Return the loudness in slices of 10 ms, over half a second."""
    padded = [*samples(earcon), *[0] * (RATE // 2)][: RATE // 2]
    width = RATE // 100
    return [math.hypot(*padded[start : start + width]) for start in range(0, len(padded), width)]


@every_earcon
def test_every_earcon_is_whole_samples_and_at_most_half_a_second(earcon: Earcon) -> None:
    assert len(pcm(earcon)) % 2 == 0
    assert 0.03 <= len(samples(earcon)) / RATE <= 0.5


@every_earcon
def test_every_earcon_peaks_where_its_score_says(earcon: Earcon) -> None:
    assert dbfs(max(map(abs, samples(earcon)))) == pytest.approx(SCORES[earcon].peak_dbfs, abs=0.05)


@every_earcon
def test_every_earcon_is_heard_as_loud_as_speech(earcon: Earcon) -> None:
    answers = float(np.mean([loudness(answer) for answer in ANSWERS.values()]))
    for language in languages():
        speech = (answers + loudness_of_phrases(language)) / 2  # 5 dB lie between them
        assert abs(loudness(np.array(samples(earcon))) - speech) < 3


@every_earcon
@pytest.mark.parametrize("answer", ANSWERS)
def test_no_earcon_clips_over_an_answer(earcon: Earcon, answer: str) -> None:
    assert max(map(abs, samples(earcon))) + int(np.abs(ANSWERS[answer]).max()) < 32767


@every_earcon
def test_no_earcon_clicks_at_its_ends(earcon: Earcon) -> None:
    millisecond = RATE // 1000
    heard, peak = samples(earcon), max(map(abs, samples(earcon)))
    assert heard[0] == 0
    assert abs(heard[-1]) <= 1
    assert max(map(abs, heard[: millisecond // 2])) < peak / 10
    assert max(map(abs, heard[-millisecond:])) < peak / 10


@every_earcon
def test_no_earcon_jumps_in_the_middle(earcon: Earcon) -> None:
    heard = samples(earcon)
    steepest = max(abs(after - before) for before, after in pairwise(heard))
    highest = max(note.hertz for note in SCORES[earcon].notes)
    # A tone with its octave climbs no faster than this; a cut-off note would.
    assert steepest < 2 * math.tau * highest / RATE * max(map(abs, heard))


@pytest.mark.parametrize(("one", "other"), list(combinations(Earcon, 2)), ids=lambda earcon: earcon.name)
def test_any_two_earcons_differ_in_pitch_or_in_rhythm(one: Earcon, other: Earcon) -> None:
    pitches = zip(ends(one), ends(other), strict=True)
    interval = max(abs(12 * math.log2(here / there)) for here, there in pitches)
    first, second = envelope(one), envelope(other)
    alike = sum(here * there for here, there in zip(first, second, strict=True))
    assert interval > 4 or alike / math.hypot(*first) / math.hypot(*second) < 0.8


def test_listening_rises_and_fault_and_asleep_fall() -> None:
    for earcon, direction in ((Earcon.LISTENING, 1), (Earcon.FAULT, -1), (Earcon.ASLEEP, -1)):
        start, end = ends(earcon)
        assert direction * (end - start) > 100, earcon


def test_the_tick_that_repeats_is_the_softest() -> None:
    assert min(Earcon, key=lambda earcon: loudness(np.array(samples(earcon)))) is Earcon.THINKING


def test_an_earcon_is_rendered_once() -> None:
    assert pcm(Earcon.SAVED) is pcm(Earcon.SAVED)


def test_importing_renders_nothing() -> None:
    told = "earcons.pcm.cache_info().currsize, 'numpy' in __import__('sys').modules"
    program = f"from agent.voice import earcons; print({told})"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["0", "False"]


def test_samples_are_little_endian_whatever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a machine that says it is what it is not, swapping makes big-endian samples: the branch is seen to swap.
    swapped = array("h", pcm(Earcon.SAVED))
    swapped.byteswap()
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    assert pcm.__wrapped__(Earcon.SAVED) == swapped.tobytes()
