"""Tuning, step by step: asks for quiet, asks the technician to speak, chirps, counts to ten, and says what it found.

Cards and recorded voice are passed in. A real box takes less than 30 s, with one microphone or with ten.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hardware.ports import SPEAKER_FORMAT, DeviceError
from hardware.tuning.findings import CLIPPING, Figures, judged
from hardware.tuning.measure import CHIRP_S, Marks, analyse, chirp

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.tuning.findings import Finding
    from hardware.tuning.measure import Recording

    Voice = Callable[..., bytes]

TAIL_S = 0.5
"""How long the echo of a sound may still come: the longest delay that is cancelled, and some of the room."""
QUIET_S = 1.2
SPEAK_S = 3.0
LATE_S = 1.2
"""How long to record after the chirp: even the late echo of a radio headset is captured whole, so it can be timed."""
COUNT = tuple(range(1, 11))
"""The numbers that the box says while its echo is measured: 4 to 5 s, understood as a test in any language."""
SPOKEN = 2
"""How many findings are said aloud; nobody remembers more."""
CLOSE_DB = 6.0
"""A microphone noisier than the best by more than this is not chosen for being loud: its card only amplifies more."""


class Rig(Protocol):
    """A loudspeaker and a microphone, as they will be used."""

    device: str
    """Identifies the pair, also after it was unplugged."""

    async def ready(self) -> None:
        """Wait until sound flows. Raises DeviceError."""

    async def play_and_record(self, pcm: bytes, seconds: float) -> Recording:
        """Play 24 kHz mono s16le (may be empty) and return ``seconds`` of both sides from its beginning.

        Raises DeviceError.
        """

    async def aclose(self) -> None:
        """Release the cards. Idempotent."""


class Opener(Protocol):
    """Opens rigs. Called in a thread."""

    def __call__(self, microphone: str, *, speaks: bool) -> Rig:
        """Return a rig with this microphone, and with the loudspeaker if it ``speaks``. Raises DeviceError."""


class Screen(Protocol):
    """Shows progress."""

    def begin(self, text: str) -> None:
        """Show the step that begins."""

    def end(self, text: str) -> None:
        """Add the outcome of the step."""

    def line(self, text: str) -> None:
        """Show ``text`` on a line of its own."""


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The result of a tuning."""

    device: str
    microphone: str
    figures: Figures
    findings: tuple[Finding, ...]
    compared: dict[str, Figures]
    """What each microphone measured of the room and of the voice."""
    took_s: float

    @property
    def result(self) -> str:
        """``good``, ``limits`` or ``unusable``."""
        if not all(each.usable for each in self.findings):
            return "unusable"
        return "limits" if self.findings else "good"

    @property
    def phrases(self) -> tuple[str, ...]:
        """The names of the phrases to say, most important first."""
        chosen = [name for each in self.findings[:SPOKEN] for name in each.phrases]
        return tuple(dict.fromkeys(chosen)) or ("tune_good",)


class TuningSession:
    """One tuning. ``microphones`` are names as in the configuration, the configured microphone first."""

    def __init__(self, opened: Opener, voice: Voice, screen: Screen, microphones: list[str], *, spoken: bool) -> None:
        """``voice(*names)`` returns phrases as 24 kHz s16le, and is called in a thread; ``spoken``: say what to do.

        Only the first rig that ``opened`` returns plays; the others listen at the same time.
        """
        self._opened, self._voice, self._screen, self._spoken = opened, voice, screen, spoken
        self._names = microphones
        self._rigs: dict[str, Rig] = {}
        self._found: dict[str, Figures] = {}

    async def run(self) -> TuningResult:
        """Do all steps and return the result. Raises DeviceError for a card that cannot be used."""
        began = time.monotonic()
        try:
            await self._open()
            await self._listen("1/5 quiet, please ...", "quiet_please", "quiet", QUIET_S)
            await self._listen("2/5 speak now ...", "speak_now", "speech", SPEAK_S)
            chosen = await self._choose()
            compared = dict(self._found)
            await self._chirp(chosen)
            await self._count(chosen)
            found = self._found[chosen]
            rig = self._rigs[chosen]
            result = TuningResult(rig.device, chosen, found, tuple(judged(found)), compared, time.monotonic() - began)
            self._screen.line(f"5/5 done in {result.took_s:.0f} s")
            if self._spoken:
                await self._say(rig, *result.phrases)
            return result
        finally:
            for rig in self._rigs.values():
                await rig.aclose()

    async def _open(self) -> None:
        for index, name in enumerate(self._names):
            try:
                self._rigs[name] = await asyncio.to_thread(self._opened, name, speaks=index == 0)
                await self._rigs[name].ready()
            except DeviceError as error:
                await self._lose(name, error)

    async def _listen(self, title: str, prompt: str, step: str, seconds: float) -> None:
        """Ask for something, and record it through all microphones at once."""
        self._screen.begin(title)
        asked = await asyncio.to_thread(self._voice, prompt) if self._spoken else b""
        before = SPEAKER_FORMAT.seconds_in(len(asked)) + TAIL_S * bool(asked)
        names = list(self._rigs)
        takes = await asyncio.gather(
            *(rig.play_and_record(asked, before + seconds) for rig in self._rigs.values()), return_exceptions=True
        )
        for name, take in zip(names, takes, strict=True):
            if isinstance(take, BaseException):
                await self._lose(name, take)
            else:
                await self._analyse(name, take, step, before)
        self._report(step)

    async def _lose(self, name: str, error: BaseException) -> None:
        """Leave out a microphone that failed. Raises ``error`` if it is the configured microphone or no DeviceError."""
        if name == self._names[0] or not isinstance(error, DeviceError):
            raise error
        self._screen.line(f"    {name}: {error.problem}, left out")
        if name in self._rigs:
            await self._rigs.pop(name).aclose()

    async def _choose(self) -> str:
        """Return the microphone to go on with, opened along with the loudspeaker."""
        first = self._names[0]
        if len(self._rigs) == 1:
            return first
        heard = loudest(self._found)
        chosen = heard or first
        why = "the loudest clear microphone is" if heard else "no microphone heard a voice, going on with"
        self._screen.line(f"    {why} {chosen}")
        for name in [each for each in self._rigs if each != chosen or chosen != first]:
            await self._rigs.pop(name).aclose()
        if chosen != first:
            self._rigs[chosen] = await asyncio.to_thread(self._opened, chosen, speaks=True)
            await self._rigs[chosen].ready()
        return chosen

    async def _chirp(self, name: str) -> None:
        self._screen.begin("3/5 a chirp ...")
        take = await self._rigs[name].play_and_record(chirp(SPEAKER_FORMAT.rate), CHIRP_S + LATE_S)
        await self._analyse(name, take, "chirp", 0.0)
        self._report("chirp")

    async def _count(self, name: str) -> None:
        self._screen.begin("4/5 counting to ten ...")
        spoken = await asyncio.to_thread(self._voice, *COUNT)
        take = await self._rigs[name].play_and_record(spoken, SPEAKER_FORMAT.seconds_in(len(spoken)) + TAIL_S)
        await self._analyse(name, take, "phrase", 0.0)
        self._report("phrase")

    async def _say(self, rig: Rig, *names: str) -> None:
        pcm = await asyncio.to_thread(self._voice, *names)
        await rig.play_and_record(pcm, SPEAKER_FORMAT.seconds_in(len(pcm)) + TAIL_S)

    async def _analyse(self, name: str, take: Recording, step: str, after_s: float) -> None:
        """Add the figures of a step to those of a microphone; the heavy work is done off the loop."""
        marks = Marks(**{step: (round(after_s * take.rate), len(take.near))})
        known = self._found.get(name)
        self._found[name] = await asyncio.to_thread(analyse, take.near, take.far, take.rate, marks, known)

    def _report(self, step: str) -> None:
        """End the line of a step; with several microphones, each has a line of its own."""
        alone = len(self._rigs) == 1
        if not alone:
            self._screen.end("")
        for name in self._rigs:
            text = result_of(step, self._found[name])
            if alone:
                self._screen.end(text)
            else:
                self._screen.line(f"    {name[:24]:<24} {text}")


def loudest(found: dict[str, Figures]) -> str | None:
    """Return the microphone with the loudest voice among those that neither clip nor drown it; None without a voice."""
    over = {
        name: each.speech_dbfs - (each.noise_dbfs if each.noise_dbfs is not None else 0.0)
        for name, each in found.items()
        if each.speech_dbfs is not None and not each.dead
    }
    clean = [name for name in over if found[name].speech_clipping < CLIPPING] or list(over)
    best = max((over[name] for name in clean), default=0.0)
    fair = [name for name in clean if over[name] >= best - CLOSE_DB]
    return max(fair, key=lambda name: found[name].speech_dbfs or 0.0, default=None)


def result_of(step: str, found: Figures) -> str:
    """Return the figures of a step and a word about it, 55 characters at most."""
    if found.dead:
        return "nothing but silence"
    wrong = next((each.word for each in judged(found) if each.about == step), "good")
    if step == "phrase" and found.delay_ms is None:
        return "not heard"
    figure = {"quiet": _quiet, "speech": _speech, "chirp": _chirp, "phrase": _phrase}[step](found)
    return ", ".join(filter(None, (figure, wrong)))


def _quiet(found: Figures) -> str:
    return f"noise floor {found.noise_dbfs:.0f} dBFS"


def _speech(found: Figures) -> str:
    if found.speech_dbfs is None:
        return ""
    over = f", {found.speech_dbfs - found.noise_dbfs:.0f} dB over noise" if found.noise_dbfs is not None else ""
    return f"voice {found.speech_dbfs:.0f} dBFS{over}"


def _chirp(found: Figures) -> str:
    return "" if found.delay_ms is None else f"heard at {found.chirp_dbfs:.0f} dBFS after {found.delay_ms:.0f} ms"


def _phrase(found: Figures) -> str:
    if found.echo_dbfs is None:
        return "drowned by noise"
    taken = "" if found.erle_db is None else f", {found.erle_db:.0f} dB of it taken out"
    return f"echo {found.echo_dbfs:.0f} dBFS{taken}"
