"""What the server says: the shipped script in a recorded voice, or a sentence about what it heard."""

from __future__ import annotations

import asyncio
import io
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

RATE: Final = 24000  # of every answer (PROTOCOL 3)
ASSETS: Final = Path(__file__).parent / "assets"
_ESPEAK: Final = "espeak-ng"


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
    """The lines of script.toml: (name, question, answer) in their order, and the answer to anything else."""

    lines: tuple[tuple[str, str, str], ...]
    other: str


class Voice:
    """Finds the answer to an utterance and speaks it.

    `answers` is "script" (turn n gets line n) or "report" (says what was heard). `espeak` lets texts
    without a recording be spoken by espeak-ng when it is installed; it runs as a child process.
    """

    def __init__(self, assets: Path | None = None, *, answers: str = "script", espeak: bool = False) -> None:
        """Read nothing yet: assets are opened when the first answer needs them."""
        self._assets = assets or ASSETS
        self._report = answers == "report"
        self._espeak = espeak and shutil.which(_ESPEAK) is not None

    async def answer(self, ask: Ask) -> Spoken:
        """Give the answer to what was asked. Raises AssetError."""
        if ask.result:
            return await self._say(ask.text, f"The answer is {ask.result}.")
        if self._report and ask.utterance is not None:
            return await self._say("", _what_was_heard(ask))
        line = self._line(ask)
        if line is None:
            return await self._say(ask.text, read_script(self._assets).other)
        name, question, answer = line
        return Spoken(question, answer, read_answer(self._assets, name))

    def _line(self, ask: Ask) -> tuple[str, str, str] | None:
        """Find the line for typed text by its words, for speech by the number of the turn."""
        lines = read_script(self._assets).lines
        typed = ask.text.strip().casefold()
        if ask.utterance is None:
            return next((line for line in lines if line[1].casefold() == typed), None)
        return lines[ask.turn - 1] if ask.turn <= len(lines) else None

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


def _what_was_heard(ask: Ask) -> str:
    utterance = ask.utterance
    assert utterance is not None
    level = sound.level(bytes(utterance.pcm))
    frames = f"{utterance.frames} picture{'' if utterance.frames == 1 else 's'}"
    again = f" I had heard that before, as number {utterance.repeat_of}." if utterance.repeat_of else ""
    return f"I heard {utterance.seconds:.1f} seconds at {level:.0f} decibels and saw {frames}.{again}"


async def _synthesise(text: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        _ESPEAK, "--stdout", "-v", "en", "--", text, stdout=asyncio.subprocess.PIPE
    )
    data, _ = await process.communicate()
    with wave.open(io.BytesIO(data)) as file:
        # A streamed header promises more frames than there are, so the file is read to its end.
        return sound.resample(file.readframes(len(data)), file.getframerate(), RATE)
