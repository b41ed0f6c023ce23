from __future__ import annotations

import asyncio
import os
import shutil
import wave
from typing import TYPE_CHECKING

import pytest

from agent.simulator import AssetError, sound, voice
from agent.simulator.effects import Ask
from agent.simulator.memory import Entry, Utterance
from agent.simulator.voice import RATE, Spoken, Voice
from tests.support.simulator_client import small_assets, tone

if TYPE_CHECKING:
    from pathlib import Path


def ask(turn: int, frames: int = 0, repeat_of: int | None = None) -> Ask:
    utterance = Utterance(1, 1, 1, turn, 0.0, pcm=bytearray(tone(0.5)), frames=frames, repeat_of=repeat_of)
    return Ask(turn, Entry("user"), utterance=utterance)


def answer(speaker: Voice, asked: Ask) -> Spoken:
    return asyncio.run(speaker.answer(asked))


def test_the_shipped_script_has_a_recording_for_every_answer() -> None:
    script = voice.read_script(voice.ASSETS)
    for name in (*(line[0] for line in script.lines), "other"):
        assert 1 < sound.seconds(voice.read_answer(voice.ASSETS, name), RATE) < 30


def test_speech_is_answered_by_turn_and_text_by_its_words(tmp_path: Path) -> None:
    speaker = Voice(small_assets(tmp_path / "a"))
    assert answer(speaker, ask(2)).text == "It is the second thing."
    assert answer(speaker, ask(3)).text == "Something else."
    assert answer(speaker, Ask(9, Entry("user"), "WHAT is this?")).text == "It is the first thing."
    assert answer(speaker, Ask(1, Entry("user"), "hello")).text == "Something else."


def test_typed_text_is_matched_whatever_its_case_and_punctuation(tmp_path: Path) -> None:
    speaker = Voice(small_assets(tmp_path / "a"))
    for text, says in (("what is this", "It is the first thing."), (" AND  that?! ", "It is the second thing.")):
        for utterance in (None, Utterance(1, 1, 1, 7, 0.0, texts=[text])):
            assert answer(speaker, Ask(7, Entry("user"), text, utterance)).text == says
    typed = Utterance(1, 1, 1, 1, 0.0, texts=["And what?"])
    spoken = answer(speaker, Ask(1, Entry("user"), "And what?", typed))
    assert (spoken.text, spoken.heard) == ("Something else.", "And what?")


def question(name: str) -> bytes:
    return sound.read_wav(voice.ASSETS / "questions" / f"{name}.wav")[0]


def said(turn: int, pcm: bytes, rate: int = 16000) -> str:
    utterance = Utterance(1, 1, 1, turn, 0.0, rate=rate, pcm=bytearray(pcm))
    return answer(Voice(), Ask(turn, Entry("user"), utterance=utterance)).heard


def test_a_shipped_question_is_recognised_in_any_turn() -> None:
    lines = voice.read_script(voice.ASSETS).lines
    for name, text, _ in lines:
        for turn in (1, 2, 9):
            assert said(turn, tone(0.3) + question(name) + bytes(6400)) == text
    assert said(1, question("gauge") + question("report") + question("valve")) == lines[1][1], "the last one counts"


def test_what_is_not_recognised_follows_the_order_of_the_script() -> None:
    lines = voice.read_script(voice.ASSETS).lines
    assert said(2, sound.resample(question("gauge"), 16000, 8000), rate=8000) == lines[1][1]
    assert said(3, sound.quiet(question("gauge"), 0.5)) == lines[2][1]
    assert said(5, tone(1.0)) == ""


@pytest.mark.parametrize("pcm", [tone(0.2), bytes(32000)], ids=["short", "silence"])
def test_a_useless_recording_of_a_question_recognises_nothing(tmp_path: Path, pcm: bytes) -> None:
    folder = small_assets(tmp_path / "a")
    (folder / "questions").mkdir()
    for name, heard, rate in (("one", pcm, 16000), ("two", tone(1.0, rate=24000), 24000)):
        with (folder / "questions" / f"{name}.wav").open("wb") as file:
            sound.write_wav(file, heard, rate)
    utterance = Utterance(1, 1, 1, 2, 0.0, pcm=bytearray(pcm + tone(1.0, rate=24000)))
    assert answer(Voice(folder), Ask(2, Entry("user"), utterance=utterance)).heard == "And that?"


def test_a_report_counts_pictures_and_notices_repetition(tmp_path: Path) -> None:
    speaker = Voice(small_assets(tmp_path / "a"), answers="report")
    text = answer(speaker, ask(1, frames=1, repeat_of=4)).text
    assert text == "I heard 0.5 seconds at -13 decibels and saw 1 picture. I had heard that before, as number 4."


@pytest.mark.parametrize("broken", ["script.toml", "answers/one.wav"])
def test_missing_or_broken_assets_name_the_file(tmp_path: Path, broken: str) -> None:
    folder = small_assets(tmp_path / "a")
    (folder / broken).write_text("turn = 1")
    with pytest.raises(AssetError, match=broken):
        answer(Voice(folder), ask(1))


WITHOUT_A_VOICE = shutil.which("espeak-ng") is None and not os.environ.get("CI")


@pytest.mark.skipif(WITHOUT_A_VOICE, reason="espeak-ng is not installed")
def test_espeak_speaks_what_has_no_recording(tmp_path: Path) -> None:
    speaker = Voice(small_assets(tmp_path / "a"), answers="report", espeak=True)
    spoken = answer(speaker, ask(1))
    assert sound.seconds(spoken.pcm, RATE) > 2
    assert sound.level(spoken.pcm) > -40


def test_levels() -> None:
    assert sound.level(b"") == sound.level(bytes(100)) == sound.SILENCE_DBFS
    assert sound.level(tone(0.5, level=1.0)) == pytest.approx(-3.0, abs=0.1)
    assert sound.level(sound.quiet(tone(0.5, level=1.0))) < -60


def test_pieces_are_around_their_size_and_lose_nothing() -> None:
    pcm = tone(5.0, rate=RATE)
    pieces = list(sound.pieces(pcm, RATE, 0.24))
    assert b"".join(pieces) == pcm
    assert {round(sound.seconds(piece, RATE), 2) for piece in pieces[:-1]} == {0.2, 0.24, 0.28}


def test_resampling_keeps_length_and_level() -> None:
    pcm = sound.resample(tone(1.0, rate=22050), 22050, RATE)
    assert sound.seconds(pcm, RATE) == pytest.approx(1.0, abs=0.001)
    assert sound.level(pcm) == pytest.approx(sound.level(tone(1.0)), abs=0.3)


@pytest.mark.parametrize("chunk", [2, 640, 999, 100_000])
def test_automatic_detection_counts_audio_whatever_the_chunks(chunk: int) -> None:
    pcm = bytes(3200) + tone(0.3) + bytes(9600) + tone(0.04) + bytes(9600) + tone(0.2)
    vad = sound.EnergyVad(0.2, -45.0)
    edges = [edge for start in range(0, len(pcm), chunk) for edge in vad.feed(pcm[start : start + chunk], 16000)]
    assert edges == ["start", "end", "start"]


def test_espeak_sees_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "a-key")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program, silence = tmp_path / "espeak-ng", tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
        file.writeframes(bytes(22_050))
    program.write_text(f"#!/bin/sh\nenv >{tmp_path}/environment\ncat {silence}\n")
    program.chmod(0o700)
    answer(Voice(small_assets(tmp_path / "a"), answers="report", espeak=True), ask(1))
    assert "PATH=" in (tmp_path / "environment").read_text()
    assert "a-key" not in (tmp_path / "environment").read_text()
