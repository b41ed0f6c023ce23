"""What the server says: the shipped script in a recorded voice, or a sentence about what it heard."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shutil
import tomllib
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.simulator import sound

if TYPE_CHECKING:
    from agent.simulator.effects import Ask
    from agent.simulator.memory import Utterance

RATE: Final = 24000  # of every answer (PROTOCOL 3)
ASSETS: Final = Path(__file__).parent / "assets"
SAMPLE_RATE: Final = 16000  # of every recorded question
_SAMPLE_S: Final = 0.5  # of a question, enough to know it by
_ESPEAK: Final = "espeak-ng"
_PASSED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "ESPEAK_DATA_PATH")  # of the environment, which may hold a key
_HEARD: Final = re.compile(r'already heard: "(.*?)"', re.DOTALL)
_APOSTROPHES: Final = str.maketrans("", "", "'\u2019")

Line = tuple[str, str, str]
"""A line of the script: name, question, answer."""


class AssetError(RuntimeError):
    """The recorded answers are missing or unusable; the text names the file and the cure."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One answer: what the server understood, what it says, and the sound of it at RATE."""

    heard: str
    text: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """The lines of script.toml in their order, and the answer to anything else."""

    lines: tuple[Line, ...]
    other: str


class Voice:
    """Finds the answer to an utterance and speaks it.

    `answers` is "script" (a question of the script gets its answer, other speech of turn n the n-th) or "report"
    (says what was heard). `espeak` lets texts without a recording be spoken by espeak-ng when it is installed; it runs
    as a child process.
    """

    def __init__(self, assets: Path | None = None, *, answers: str = "script", espeak: bool = False) -> None:
        """Read nothing yet: assets are opened when the first answer needs them."""
        self._assets = assets or ASSETS
        self._report = answers == "report"
        self._espeak = espeak and shutil.which(_ESPEAK) is not None

    async def answer(self, ask: Ask) -> Spoken:
        """Return the answer to what was asked. Raises AssetError."""
        if ask.result:
            return await self._say(ask.text, f"The answer is {ask.result}.")
        if self._report and ask.utterance is not None:
            return await self._say("", _what_was_heard(ask))
        script = read_script(self._assets)
        speech = ask.utterance if ask.utterance is not None and ask.utterance.pcm else None
        line = self._spoken(speech, ask.turn) if speech else _typed(script, ask.text)
        if line is None:
            return await self._say(ask.text, script.other)
        name, question, answer = line
        spoken = Spoken(question if speech else ask.text, answer, read_answer(self._assets, name))
        return _rest(spoken, speech.texts) if speech else spoken

    def _spoken(self, speech: Utterance, turn: int) -> Line | None:
        """Find the line whose recorded question is in the speech, the last one if several are; else that of the turn.

        Only the same samples are recognised: a simulated box delivers them, a real microphone or a thin line does not.
        """
        lines = read_script(self._assets).lines
        heard = {line: speech.pcm.rfind(sample) for line in lines if (sample := read_sample(self._assets, line[0]))}
        found = max(heard, key=lambda line: heard[line], default=None)
        if speech.rate == SAMPLE_RATE and found is not None and heard[found] >= 0:
            return found
        return lines[turn - 1] if turn <= len(lines) else None

    async def _say(self, heard: str, text: str) -> Spoken:
        if self._espeak:
            return Spoken(heard, text, await _synthesise(text))
        return Spoken(heard, text, read_answer(self._assets, "other"))


@cache
def read_script(assets: Path) -> Script:
    """Read script.toml of an asset folder. Raises AssetError."""
    path = assets / "script.toml"
    try:
        tree: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        lines = tuple((turn["name"], turn["question"], turn["answer"]) for turn in tree["turn"])
        return Script(lines, tree["other"]["answer"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise AssetError(f"{path}: cannot be used ({error!r}); scripts/make-assets writes it") from error


@cache
def read_answer(assets: Path, name: str) -> bytes:
    """Read answers/NAME.wav of an asset folder as PCM at RATE. Raises AssetError."""
    path = assets / "answers" / f"{name}.wav"
    try:
        pcm, rate = sound.read_wav(path)
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise AssetError(f"{path}: cannot be used ({error!r}); scripts/make-assets writes it") from error
    return sound.resample(pcm, rate, RATE)


@cache
def read_sample(assets: Path, name: str) -> bytes:
    """Read the middle of questions/NAME.wav of an asset folder; empty when there is no such recording at 16 kHz."""
    try:
        pcm, rate = sound.read_wav(assets / "questions" / f"{name}.wav")
    except (OSError, EOFError, ValueError, wave.Error):
        return b""
    size = int(_SAMPLE_S * SAMPLE_RATE) * sound.SAMPLE_BYTES
    start = (len(pcm) - size) // 2 // sound.SAMPLE_BYTES * sound.SAMPLE_BYTES
    sample = pcm[start : start + size] if start >= 0 else b""
    return sample if rate == SAMPLE_RATE and any(sample) else b""


def _typed(script: Script, text: str) -> Line | None:
    """Find the line with this question, whatever its case and punctuation."""
    return next((line for line in script.lines if _words(line[1]) == _words(text)), None)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().translate(_APOSTROPHES))


def _rest(whole: Spoken, remarks: list[str]) -> Spoken:
    """Leave out what the client says was heard already, as a model does that is asked to go on; to about a word."""
    quoted = next((match[1] for match in map(_HEARD.search, remarks) if match), "").strip()
    if not quoted or not whole.text.startswith(quoted):
        return whole
    start = round(len(quoted) / len(whole.text) * len(whole.pcm)) // sound.SAMPLE_BYTES * sound.SAMPLE_BYTES
    return Spoken(whole.heard, whole.text[len(quoted) :].strip(), whole.pcm[start:])


def _what_was_heard(ask: Ask) -> str:
    utterance = ask.utterance
    assert utterance is not None
    level = sound.level(bytes(utterance.pcm))
    frames = f"{utterance.frames} picture{'' if utterance.frames == 1 else 's'}"
    again = f" I had heard that before, as number {utterance.repeat_of}." if utterance.repeat_of else ""
    return f"I heard {utterance.seconds:.1f} seconds at {level:.0f} decibels and saw {frames}.{again}"


async def _synthesise(text: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(_ESPEAK, "--stdout", "-v", "en", "--", text),
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name in _PASSED},
    )
    data, _ = await process.communicate()
    with wave.open(io.BytesIO(data)) as file:
        # A streamed header promises more frames than there are, so the file is read to its end.
        return sound.resample(file.readframes(len(data)), file.getframerate(), RATE)
