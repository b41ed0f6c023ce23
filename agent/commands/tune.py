"""``field-agent tune``: checks microphone and loudspeaker. Plays, records, and says what to change."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import wave
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import config
from agent.config import DEFAULT_PATH
from agent.errors import ConfigError, ExitCode
from agent.outside.text import cleaned, words
from agent.service.process import to_the_end
from agent.terminal import config_option
from agent.tuning import keep, on_cards, verdict
from agent.voice.recordings import Recordings, configured
from hardware.ports import without_library

if TYPE_CHECKING:
    from typing import TextIO

    from agent.config import Settings
    from hardware.tuning.findings import Figures
    from hardware.tuning.session import Opener, TuningResult

EXIT_CODES = {"good": ExitCode.DONE, "limits": ExitCode.LIMITS, "unusable": ExitCode.UNUSABLE}
QUESTION = Path(__file__).parents[1] / "simulator" / "assets" / "questions" / "report.wav"


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub, DEFAULT_PATH)
    sub.add_argument(
        "--microphones", type=names, default=[], metavar="A,B|all", help="compare these with the configured microphone"
    )
    sub.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to stderr")
    sub.add_argument("--no-voice", action="store_true", help="ask in print only; chirp and counting are still played")
    sub.add_argument("--simulated", type=room, metavar="NAME=VALUE,...", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Tune, store the result, print it; return the exit code. Raises ConfigError, StorageError, DeviceError."""
    settings = config.load(arguments.config) if arguments.config or DEFAULT_PATH.exists() else config.Settings()
    screen = ProgressLines(sys.stderr if arguments.json else sys.stdout)
    voice = configured(settings.voice)
    outcome = to_the_end(tune(settings, arguments, screen, voice))
    keep(settings, outcome)
    if arguments.json:
        sys.stdout.write(json.dumps(cleaned(as_json(outcome)), indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(map(words, [*to_copy(outcome, settings), *verdict(outcome)])) + "\n")
    return EXIT_CODES[outcome.result]


async def tune(
    settings: Settings, arguments: argparse.Namespace, screen: ProgressLines, voice: Recordings
) -> TuningResult:
    """Tune on the cards or in a simulated room. Raises DeviceError."""
    try:
        from hardware.tuning.session import TuningSession  # noqa: PLC0415 - numpy, which a box without cards may lack
    except ImportError as error:
        raise without_library(error) from error
    others = arguments.microphones
    if arguments.simulated is not None:
        opened = simulated(arguments.simulated, voice)
    else:
        opened = on_cards(settings, asyncio.get_running_loop())
        others = inputs(settings) if others == ["all"] else others
    microphones = list(dict.fromkeys([settings.audio.microphone, *others]))
    return await TuningSession(opened, voice.say, screen, microphones, spoken=not arguments.no_voice).run()


def names(text: str) -> list[str]:
    """Return the names in ``text``, which commas separate; an option's type."""
    return [each.strip() for each in text.split(",") if each.strip()]


# rigs


def inputs(settings: Settings) -> list[str]:
    """Return the names of all microphones except the configured one."""
    from hardware.inventory import sound_cards  # noqa: PLC0415 - opens every card briefly

    return [card.setting for card in sound_cards().items if card.inputs and card.setting != settings.audio.microphone]


def room(text: str) -> dict[str, float]:
    """Return the parameters of a simulated room; an option's type. Raises ArgumentTypeError."""
    try:
        pairs = [(name, float(value)) for name, _, value in (each.partition("=") for each in names(text))]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE,...") from None
    return {name: int(value) if value.is_integer() else value for name, value in pairs}


def simulated(special: dict[str, float], voice: Recordings) -> Opener:
    """Return a function that opens simulated rigs; each further microphone hears the voice 10 dB less."""
    from hardware.tuning.simulated_rig import RoomModel, SimulatedRig  # noqa: PLC0415 - numpy, as above

    known = [each.name for each in fields(RoomModel)]
    if not special.keys() <= set(known):
        raise ConfigError(f"--simulated: {', '.join(special.keys() - set(known))}: known are {', '.join(known)}")
    plain = RoomModel(**special)  # type: ignore[arg-type] # numbers
    with wave.open(str(QUESTION)) as file:
        question = file.readframes(file.getnframes())
    farther: dict[str, int] = {}

    def opened(microphone: str, *, speaks: bool) -> SimulatedRig:
        del speaks
        away = farther.setdefault(microphone, len(farther))
        here = replace(plain, speech_dbfs=plain.speech_dbfs - 10 * away, seed=1 + away)
        return SimulatedRig(here, f"{microphone} (simulated)", question, voice.say("speak_now"))

    return opened


# What is printed


class ProgressLines:
    """Prints progress in a way that reads well over ssh: each step appears at once, its outcome behind it."""

    def __init__(self, stream: TextIO) -> None:
        """Print to ``stream``."""
        self._stream = stream
        self._open = False

    def begin(self, text: str) -> None:
        """Begin a line with the step ``text``."""
        self._put(text)
        self._open = True

    def end(self, text: str) -> None:
        """End the line with the outcome ``text``."""
        self._put(f" {text}\n" if text else "\n")
        self._open = False

    def line(self, text: str) -> None:
        """Print a line of its own."""
        if self._open:
            self.end("")
        self._put(f"{text}\n")

    def _put(self, text: str) -> None:
        self._stream.write(words(text))
        self._stream.flush()


def to_copy(outcome: TuningResult, settings: Settings) -> list[str]:
    """Return the settings that the outcome suggests, as lines of the configuration; empty if there are none."""
    lines = [each.setting for each in outcome.findings if each.setting]
    if outcome.microphone != settings.audio.microphone:
        lines.insert(0, f"audio.microphone = {json.dumps(outcome.microphone, ensure_ascii=False)}")
    tables: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        table, _, rest = line.partition(".")
        tables.setdefault(table, []).append(f"    {rest}")
    body = [each for table, rows in tables.items() for each in (f"    [{table}]", *rows)]
    return ["copy this into the configuration:", *body] if body else []


def as_json(outcome: TuningResult) -> dict[str, Any]:
    """Return the whole outcome as plain values, ready for JSON."""

    def heard(figures: Figures) -> dict[str, Any]:
        wanted = ("noise_dbfs", "speech_dbfs", "speech_clipping", "dead")
        return {name: figures.rounded[name] for name in wanted}

    return {
        "result": outcome.result,
        "device": outcome.device,
        "microphone": outcome.microphone,
        "figures": outcome.figures.rounded,
        "microphones": {name: heard(each) for name, each in outcome.compared.items()},
        "verdicts": [
            {"problem": each.problem, "change": each.change, "phrases": list(each.phrases), "setting": each.setting}
            for each in outcome.findings
        ],
        "took_s": round(outcome.took_s, 1),
    }
