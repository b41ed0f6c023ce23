"""The figures of a tuning, and what follows from them: what is wrong and what to change.

The figures come from :mod:`hardware.tuning.measure`. Levels are in dBFS, where a full-scale square wave is 0, and count
only what is above 100 Hz.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DELAYS_MS = (10.0, 400.0)
"""The delays that the echo canceller finds by itself."""
CLIPPING = 0.001
"""Share of samples, 1 ms in a second: a voice a little nearer or louder would be distorted at every vowel."""
FAINT_DBFS = -45.0
"""The voice detector ignores everything below -60 dBFS, and the ends of words are 15 dB quieter than their middles."""
NOISY_DBFS = -40.0
CLEAR_DB = 15.0
"""Voice over noise: down to here, endpointing and interruptions worked in the scenes of docs/audio.md."""
LOUD_DB = 12.0
"""Echo over voice: above this, only about half of the interruptions are found (docs/audio.md)."""
SOFT_DB = 20.0
"""Echo under voice: below this, the loudspeaker sounds like a whisper where the technician stands."""
AUDIBLE_DB = 10.0
"""Echo over noise: with less, words drown."""
BUTTON_ONLY = 'turn.barge_in = "button"'


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; None: no figure. ``measured`` tells "not heard" from "not tried"."""

    measured: frozenset[str] = field(default_factory=frozenset)
    """The steps that were done: quiet, speech, chirp, phrase."""
    noise_dbfs: float | None = None
    """Level of the quietest second."""
    speech_dbfs: float | None = None
    """Level of the technician's words, without pauses."""
    speech_clipping: float = 0.0
    """Share of samples at full scale, 0 to 1, while the technician speaks."""
    chirp_dbfs: float | None = None
    """Level of the chirp at the microphone."""
    delay_ms: float | None = None
    """From playing a sound to its echo."""
    echo_dbfs: float | None = None
    """Level of the loudspeaker's words at the microphone."""
    echo_clipping: float = 0.0
    """Share of samples at full scale while the loudspeaker speaks."""
    erle_db: float | None = None
    """By how much the canceller reduces the echo; None without a canceller."""
    interruptible: bool = False
    """Whether a voice over an answer could be told from the answer."""
    dead: bool = False
    """Whether all samples of the microphone were the same."""

    def plus(self, other: Figures) -> Figures:
        """Return both; where both have a figure, that of ``other`` counts, and so does its ``dead``."""
        blank = Figures()
        given = {each.name: getattr(other, each.name) for each in fields(other)}
        new = {name: value for name, value in given.items() if value != getattr(blank, name)}
        new["measured"] = self.measured | other.measured
        new["dead"] = other.dead
        return Figures(**{each.name: getattr(self, each.name) for each in fields(self)} | new)

    @property
    def rounded(self) -> dict[str, float | bool | None]:
        """The figures to store: tenths of a dB and of a millisecond, shares to five digits."""
        plain = asdict(self)
        del plain["measured"]
        digits = {"speech_clipping": 5, "echo_clipping": 5}
        return {name: round(v, digits.get(name, 1)) if isinstance(v, float) else v for name, v in plain.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    about: str
    """The step that showed it: quiet, speech, chirp or phrase."""
    word: str
    """The problem in two words, for the line of that step."""
    problem: str
    """What is wrong, with its figure."""
    change: str
    """What to change."""
    phrases: tuple[str, ...]
    """The names of the recorded phrases that say it."""
    usable: bool = True
    """Whether the box can still be used."""
    setting: str = ""
    """The setting to copy into the configuration, as ``table.name = value``; empty if there is none to recommend."""

    @property
    def line(self) -> str:
        """Problem and change, 75 characters at most."""
        return f"{self.problem}: {self.change}"


def judged(figures: Figures) -> list[Finding]:
    """Return what is wrong, causes before effects; empty if all is well."""
    if figures.dead:
        unmute = "unmute it (alsamixer, F4)"
        return [Finding("quiet", "dead", "the microphone is dead", unmute, ("microphone_silent",), usable=False)]
    return [*_unheard(figures), *_microphone(figures), *_delay(figures), *_speaker(figures), *_echo(figures)]


def _unheard(figures: Figures) -> Iterator[Finding]:
    if "chirp" in figures.measured and figures.delay_ms is None:
        change = "raise audio.playback_percent"
        problem = "the loudspeaker is not heard"
        yield Finding("chirp", "not heard", problem, change, ("tune_no_sound_heard",), usable=False)


def _microphone(figures: Figures) -> Iterator[Finding]:
    noise, speech = figures.noise_dbfs, figures.speech_dbfs
    if figures.speech_clipping >= CLIPPING:
        problem = f"your voice clips ({100 * figures.speech_clipping:.1f} %)"
        change = "lower audio.capture_percent"
        yield Finding("speech", "clips", problem, change, ("tune_microphone_clipping",))
    noisy = noise is not None and noise > NOISY_DBFS
    faint = ("tune_microphone_too_quiet",)
    if "speech" in figures.measured and speech is None and not noisy:
        change = "speak when asked, or raise audio.capture_percent"
        yield Finding("speech", "nobody heard", "no voice was heard", change, faint)
    if speech is not None and speech < FAINT_DBFS:
        change = "raise audio.capture_percent, or go nearer"
        yield Finding("speech", "too faint", f"your voice is faint ({speech:.0f} dBFS)", change, faint)
    if noise is None:
        return
    if speech is not None and speech - noise < CLEAR_DB:
        yield _noisy("speech", f"voice only {speech - noise:.0f} dB over noise")
    elif noisy and speech is None:
        yield _noisy("quiet", f"it is noisy here ({noise:.0f} dBFS)")


def _noisy(about: str, problem: str) -> Finding:
    change = 'quieter place, or turn.mode = "push-to-talk"'
    return Finding(about, "noisy", problem, change, ("tune_noisy_place",))


def _delay(figures: Figures) -> Iterator[Finding]:
    least, most = DELAYS_MS
    delay = figures.delay_ms
    if delay is None or least <= delay <= most:
        return
    problem = f"sound after {delay:.0f} ms ({least:.0f} to {most:.0f} wanted)"
    setting = "" if figures.interruptible else BUTTON_ONLY
    if delay > most:
        change = "no Bluetooth; one card for both"
        yield Finding("chirp", "too late", problem, change, ("tune_delay",), setting=setting)
    else:
        change = "one card for both"
        phrases = ("tune_echo_poor", "hold_to_interrupt")
        yield Finding("chirp", "too early", problem, change, phrases, setting=setting)


def _speaker(figures: Figures) -> Iterator[Finding]:
    echo, speech, noise = figures.echo_dbfs, figures.speech_dbfs, figures.noise_dbfs
    lower, loud, soft = "lower audio.playback_percent", ("tune_speaker_too_loud",), ("tune_speaker_too_quiet",)
    if figures.echo_clipping >= CLIPPING > figures.speech_clipping:  # else the microphone is what is too loud
        problem = f"the loudspeaker clips the microphone ({100 * figures.echo_clipping:.1f} %)"
        yield Finding("phrase", "clips", problem, lower, loud)
    elif echo is not None and speech is not None and echo > speech + LOUD_DB:
        problem = f"loudspeaker {echo - speech:.0f} dB over your voice"
        yield Finding("phrase", "too loud", problem, lower, loud)
    if echo is None:
        return
    change = "raise audio.playback_percent"
    if noise is not None and echo < noise + AUDIBLE_DB:
        side = "over" if echo > noise else "under"
        problem = f"loudspeaker {abs(echo - noise):.0f} dB {side} the noise"
        yield Finding("phrase", "too quiet", problem, change, soft)
    elif speech is not None and echo < speech - SOFT_DB:
        problem = f"loudspeaker {speech - echo:.0f} dB under your voice"
        yield Finding("phrase", "too quiet", problem, change, soft)


def _echo(figures: Figures) -> Iterator[Finding]:
    """Yield what is wrong with cancelling: a voice over an answer is trusted only if the echo is gone."""
    if "phrase" not in figures.measured or figures.interruptible or figures.delay_ms is None:
        return
    phrases = ("tune_echo_poor", "hold_to_interrupt")
    if figures.erle_db is None:
        change = "pip install '.[audio]', till then the button"
        yield Finding("phrase", "no canceller", "no echo canceller", change, phrases, setting=BUTTON_ONLY)
    else:
        problem = f"echo stays (only {max(0, figures.erle_db):.0f} dB taken out)"
        yield Finding("phrase", "too little", problem, "interrupt by button", phrases, setting=BUTTON_ONLY)
