import hashlib
import subprocess
import sys
import tomllib
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "agent" / "simulator" / "assets"
SCRIPT: dict[str, Any] = tomllib.loads((ASSETS / "script.toml").read_text(encoding="utf-8"))
NAMES = [turn["name"] for turn in SCRIPT["turn"]]
QUESTIONS = {f"questions/{turn['name']}.wav": turn["question"] for turn in SCRIPT["turn"]}
ANSWERS = {f"answers/{turn['name']}.wav": turn["answer"] for turn in SCRIPT["turn"]}
ANSWERS["answers/other.wav"] = SCRIPT["other"]["answer"]
RECORDINGS = QUESTIONS | ANSWERS
FRAMES = [ASSETS / "frames" / f"{index:02}.jpg" for index in range(12)]


def samples(file: str) -> list[int]:
    with wave.open(str(ASSETS / file)) as recording:
        decoded = array("h", recording.readframes(recording.getnframes()))
    if sys.byteorder == "big":
        decoded.byteswap()
    return decoded.tolist()


def rate(file: str) -> int:
    return 16_000 if file in QUESTIONS else 24_000


def seconds(file: str) -> float:
    return len(samples(file)) / rate(file)


def loudest(part: list[int]) -> int:
    return max(map(abs, part))


def test_the_demo_says_four_things_in_this_order() -> None:
    assert NAMES == ["gauge", "valve", "interjection", "report"]


def test_the_script_and_the_files_name_the_same_recordings() -> None:
    assert {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*.wav")} == set(RECORDINGS)


def test_the_maker_of_the_assets_would_speak_these_texts_into_these_files() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make-assets"), "--list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert dict(line.split("\t") for line in listed.splitlines()) == RECORDINGS


@pytest.mark.parametrize("file", RECORDINGS)
def test_a_recording_is_mono_16_bit_at_the_rate_of_its_direction(file: str) -> None:
    with wave.open(str(ASSETS / file)) as recording:
        assert (recording.getnchannels(), recording.getsampwidth(), recording.getframerate()) == (1, 2, rate(file))


@pytest.mark.parametrize(("file", "text"), RECORDINGS.items(), ids=list(RECORDINGS))
def test_a_recording_lasts_as_long_as_its_text_takes_to_say(file: str, text: str) -> None:
    assert 10 < len(text) / seconds(file) < 20


@pytest.mark.parametrize("file", RECORDINGS)
def test_a_recording_is_loud_enough_and_not_clipped(file: str) -> None:
    assert 0.4 < loudest(samples(file)) / 32768 < 0.6


@pytest.mark.parametrize("file", RECORDINGS)
def test_a_recording_is_quiet_at_its_ends_for_less_than_150_ms(file: str) -> None:
    heard = samples(file)
    hush, soon = rate(file) // 20, rate(file) * 150 // 1000
    assert loudest(heard[:hush]) < 100
    assert loudest(heard[-hush:]) < 100
    assert loudest(heard[:soon]) > 100
    assert loudest(heard[-soon:]) > 100


@pytest.mark.parametrize("file", QUESTIONS)
def test_a_question_has_no_pause_that_could_be_taken_for_its_end(file: str) -> None:
    heard, width = samples(file), rate(file) // 50
    slices = [loudest(heard[start : start + width]) > 300 for start in range(0, len(heard), width)]
    pauses = "".join("x" if loud else "." for loud in slices).strip(".").split("x")
    assert max(map(len, pauses)) * 20 <= 300


def test_the_answer_that_is_spoken_over_leaves_room_for_it() -> None:
    assert seconds("answers/valve.wav") > 10
    assert seconds("answers/report.wav") > 7


def test_there_are_twelve_frames_of_a_camera() -> None:
    assert sorted((ASSETS / "frames").glob("*.jpg")) == FRAMES
    for folder, most in (("small", 20_000), ("tiny", 8_000)):
        smaller = sorted((ASSETS / "frames" / folder).iterdir())
        assert [file.name for file in smaller] == [frame.name for frame in FRAMES]
        assert max(file.stat().st_size for file in smaller) <= most


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.name)
def test_a_frame_decodes_and_has_the_size_of_a_real_one(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (768, 576))
    assert 15_000 <= path.stat().st_size <= 40_000


def test_every_frame_differs_from_the_one_before() -> None:
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in FRAMES}) == len(FRAMES)
    for before, after in zip([FRAMES[-1], *FRAMES], FRAMES, strict=False):
        with Image.open(before) as one, Image.open(after) as other:
            difference = ImageStat.Stat(ImageChops.difference(one, other)).mean
        assert min(difference) > 1, after.name


def test_all_assets_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 3_000_000
