import hashlib
import math
import struct
import subprocess
import sys
import tomllib
import wave
from array import array
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from agent.voice import recordings
from agent.voice.phrase import Phrase
from agent.voice.recordings import LARGEST, RATE, Recordings, languages

ROOT = Path(__file__).parents[3]
VOICES = ROOT / "agent" / "voice" / "voices"
TEXTS: dict[str, Any] = tomllib.loads((VOICES / "phrases.toml").read_text(encoding="utf-8"))
RECORDINGS = sorted(VOICES.glob("*/*.wav"))
PAUSE = bytes(2 * round(recordings.PAUSE_S * RATE))

every_language = pytest.mark.parametrize("language", ["de", "en", "es", "fr"])


def samples(pcm: bytes) -> list[int]:
    decoded = array("h", pcm)
    if sys.byteorder == "big":
        decoded.byteswap()
    return decoded.tolist()


def dbfs(value: float) -> float:
    return 20 * math.log10(max(value, 1e-9) / 32768)


def heard(file: Path) -> list[int]:
    return samples(recordings._decode.__wrapped__(file))


@cache
def shipped(language: str) -> dict[str, list[int]]:
    return {file.stem: heard(file) for file in RECORDINGS if file.parent.name == language}


def loudness(sound: list[int]) -> float:
    """Return the level of what is heard, without the pauses, in dBFS."""
    width = RATE // 50
    levels = [math.hypot(*sound[start : start + width]) / math.sqrt(width) for start in range(0, len(sound), width)]
    speech = [level for level in levels if dbfs(level) > dbfs(max(levels)) - 35]
    return dbfs(math.hypot(*speech) / math.sqrt(len(speech)))


def record(file: Path, rate: int, level: int = 8000, seconds: float = 0.1, channels: int = 1) -> None:
    """Write a tone of 400 Hz."""
    tone = (round(level * math.sin(math.tau * 400 * index / rate)) for index in range(round(rate * seconds)))
    with wave.open(str(file), "wb") as recording:
        recording.setparams((channels, 2, rate, 0, "NONE", ""))
        recording.writeframes(b"".join(struct.pack("<h", sample) * channels for sample in tone))


# What is there


def test_these_languages_are_shipped() -> None:
    assert languages() == ["de", "en", "es", "fr"] == sorted(TEXTS)


@every_language
def test_every_language_has_every_phrase_and_no_other(language: str) -> None:
    assert list(TEXTS[language]["phrases"]) == [phrase.value for phrase in Phrase]
    shipped = {path.stem for path in (VOICES / language).glob("*.wav")}
    assert {name for name in shipped if not name[0].isdigit()} == set(Phrase)


@every_language
def test_every_phrase_and_every_number_is_spoken(language: str) -> None:
    voice = Recordings(language)
    for item in [*Phrase, *range(LARGEST + 1)]:
        assert 0.25 * RATE < len(samples(voice.say(item))) < 4 * RATE, item


@every_language
def test_every_number_sounds_unlike_any_other(language: str) -> None:
    voice = Recordings(language)
    assert len({hashlib.sha256(voice.say(number)).digest() for number in range(LARGEST + 1)}) == LARGEST + 1


def test_recordings_manifest_and_page_are_what_the_maker_would_make() -> None:
    maker = [sys.executable, str(ROOT / "scripts" / "make-phrases"), "--check"]
    done = subprocess.run(maker, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_all_recordings_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in RECORDINGS) < 3_000_000


# How it sounds


@every_language
def test_recordings_are_short_alike_in_loudness_and_not_clipped(language: str) -> None:
    for name, sound in shipped(language).items():
        assert 0.25 < len(sound) / RATE < 4, name
        assert loudness(sound) == pytest.approx(-19, abs=1.5), name
        assert dbfs(max(map(abs, sound))) < -1, name


@every_language
def test_recordings_are_silent_for_30_ms_at_their_ends_and_not_much_longer(language: str) -> None:
    for name, sound in shipped(language).items():
        loud = [index for index, sample in enumerate(sound) if dbfs(abs(sample)) > -45]
        assert 0.025 < loud[0] / RATE < 0.05, name
        assert 0.025 < (len(sound) - loud[-1]) / RATE < 0.05, name
        assert max(map(abs, sound[: RATE // 100] + sound[-RATE // 100 :])) < 100, name


@every_language
def test_a_phrase_takes_about_as_long_as_its_text_takes_to_say(language: str) -> None:
    voice = Recordings(language)
    texts = TEXTS[language]["phrases"]
    for phrase in Phrase:
        seconds = len(samples(voice.say(phrase))) / RATE
        assert len(texts[phrase]) / 25 < seconds < 0.6 + len(texts[phrase]) / 10, phrase


def test_a_recording_is_decoded_in_much_less_time_than_it_takes_to_hear() -> None:
    file = VOICES / "en" / "storage_nearly_full.wav"
    times = []
    for _ in range(5):
        start = perf_counter()
        seconds = len(heard(file)) / RATE
        times.append(perf_counter() - start)
    # It takes a five-hundredth; ten times that on a slow board, and more where every line is counted.
    assert min(times) < seconds / 10


# The interface


@every_language
def test_items_follow_each_other_with_a_pause(language: str) -> None:
    voice = Recordings(language)
    spoken = voice.say(3, Phrase.NOTES_WAITING)
    assert spoken == voice.say(3) + PAUSE + voice.say("notes_waiting")
    assert voice.say(Phrase.FAULT_CODE, 1, 1) == PAUSE.join([voice.say(Phrase.FAULT_CODE), voice.say(1), voice.say(1)])
    assert voice.say() == b""


@pytest.mark.parametrize(
    ("language", "number", "parts"),
    [
        ("en", 29, ["29"]),
        ("en", 70, ["70"]),
        ("en", 42, ["40", "2"]),
        ("de", 31, ["1_and", "30"]),
        ("de", 99, ["9_and", "90"]),
        ("es", 31, ["31"]),
        ("es", 32, ["30_and", "2"]),
        ("fr", 41, ["41"]),
        ("fr", 68, ["60", "8"]),
        ("fr", 71, ["71"]),
        ("fr", 77, ["60", "17"]),
        ("fr", 91, ["80", "11"]),
    ],
)
def test_a_number_is_put_together_as_the_language_says_it(language: str, number: int, parts: list[str]) -> None:
    voice = Recordings(language)
    assert voice.say(number) == b"".join(map(voice._recording, parts))


def test_a_large_number_is_read_digit_by_digit() -> None:
    voice = Recordings("en")
    assert voice.say(120) == voice.say(1, 2, 0)


def test_a_language_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="'it'; there are de, en, es, fr"):
        Recordings("it")


@pytest.mark.parametrize("item", ["no_such_thing", "../en/ready", "", -1])
def test_what_cannot_be_said_is_named(item: str | int) -> None:
    with pytest.raises(KeyError, match=f"no phrase .*{item}"):
        Recordings("en").say(item)


def test_few_recordings_are_kept_and_importing_decodes_none() -> None:
    voice = Recordings("en")
    for phrase in Phrase:
        voice.say(phrase)
    assert recordings._decode.cache_info().currsize == recordings.KEPT
    program = (
        "from agent.voice import recordings; recordings.Recordings('en');"
        "print(recordings._decode.cache_info().currsize, 'numpy' in __import__('sys').modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["0", "False"]


# A person's own recordings


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_a_recording_of_any_common_rate_replaces_the_shipped_one(tmp_path: Path, rate: int) -> None:
    record(tmp_path / "ready.wav", rate)
    record(tmp_path / "24.wav", 24_000)
    voice = Recordings("de", tmp_path)
    tone, model = samples(voice.say(Phrase.READY)), samples(voice.say(24))
    assert len(tone) == len(model) == RATE // 10
    # Whole but for the sinking of a straight line between two samples, and the shift of half a sample.
    assert max(abs(one - other) for one, other in zip(tone[:-6], model, strict=False)) < 500
    assert voice.say(Phrase.STARTING) == Recordings("de").say(Phrase.STARTING)


def test_a_number_that_is_composed_can_be_recorded_whole(tmp_path: Path) -> None:
    record(tmp_path / "67.wav", RATE)
    assert len(samples(Recordings("fr", tmp_path).say(67))) == RATE // 10


def test_at_24_khz_a_recording_is_played_as_it_is_up_to_full_scale(tmp_path: Path) -> None:
    record(tmp_path / "ready.wav", RATE, level=32767)
    with wave.open(str(tmp_path / "ready.wav")) as recording:
        assert Recordings("en", tmp_path).say(Phrase.READY) == recording.readframes(RATE)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_a_recording_at_full_scale_survives_its_change_of_rate(tmp_path: Path, rate: int) -> None:
    record(tmp_path / "ready.wav", rate, level=32767)
    assert max(samples(Recordings("en", tmp_path).say(Phrase.READY))) > 32000


def test_a_recording_that_was_cut_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    record(tmp_path / "ready.wav", RATE)
    whole = (tmp_path / "ready.wav").read_bytes()
    (tmp_path / "ready.wav").write_bytes(whole[:-101])
    assert len(samples(Recordings("en", tmp_path).say(Phrase.READY))) == RATE // 10 - 51


def test_an_empty_recording_says_nothing(tmp_path: Path) -> None:
    record(tmp_path / "ready.wav", 8_000, seconds=0)
    assert Recordings("en", tmp_path).say(Phrase.READY) == b""


@pytest.mark.parametrize(
    ("name", "rate", "channels", "problem"),
    [
        ("raedy", 24_000, 1, "no phrase or number has this name"),
        ("100", 24_000, 1, "no phrase or number has this name"),
        ("ready", 44_100, 1, "not mono 16-bit at 8, 16, 24 or 48 kHz"),
        ("ready", 24_000, 2, "not mono 16-bit"),
    ],
)
def test_a_recording_that_will_not_do_is_named(
    tmp_path: Path, name: str, rate: int, channels: int, problem: str
) -> None:
    record(tmp_path / f"{name}.wav", rate, channels=channels)
    with pytest.raises(ValueError, match=f"{name}.wav: {problem}"):
        Recordings("en", tmp_path)


def test_a_file_that_is_no_recording_and_a_folder_that_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "ready.wav").write_bytes((VOICES / "en" / "ready.wav").read_bytes())
    with pytest.raises(ValueError, match=r"ready.wav: not a PCM WAV"):
        Recordings("en", tmp_path)
    (tmp_path / "ready.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"ready.wav: not a PCM WAV"):
        Recordings("en", tmp_path)
    with pytest.raises(ValueError, match="none: no such folder"):
        Recordings("en", tmp_path / "none")


# The decoder


def test_ima_adpcm_is_decoded_as_its_specification_works_it_out() -> None:
    # Step 16 at index 8: half byte 7 is 16/8 + 16 + 16/2 + 16/4, then index 16, step 34, sign and 34/8.
    block = struct.pack("<hBx", 100, 8) + bytes([0x87])
    assert list(recordings._block(block)) == [100, 100 + 30, 100 + 30 - 4]


def test_between_two_samples_lies_one_that_fits_its_neighbours() -> None:
    slow = [round(8000 * math.sin(index / 4)) for index in range(100)]
    fine = [round(8000 * math.sin(index / 8)) for index in range(200)]
    doubled = recordings._doubled(slow)
    assert max(abs(one - other) for one, other in zip(doubled[2:-4], fine[2:-4], strict=True)) < 20


def test_samples_are_little_endian_whatever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a machine that says it is what it is not, swapping makes big-endian samples: the branch is seen to swap.
    file = VOICES / "en" / "ready.wav"
    swapped = array("h", recordings._decode(file))
    swapped.byteswap()
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    assert recordings._decode.__wrapped__(file) == swapped.tobytes()
