"""The scenes of the audio bench: what a microphone hears and a card plays, and who spoke when.

Echo scenes are conversations of a minute: answers, some of them interrupted, and questions between them. An answer goes
on for ``CUT_S`` after it is interrupted, whether or not a chain finds that. Quiet scenes are questions with pauses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from audio_corpus import RATE, Corpus, Sound, convolved, loudspeaker
from audio_places import driver, room

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Pcm = npt.NDArray[np.int16]

SEEDS = {"tune": 1_000, "report": 2_000}
SPEECH_DB = -26.0
"""A technician's rms at the microphone, relative to full scale: half a metre from a cheap capsule."""
ANSWER_DB = -20.0
"""The answer's rms on its way to the card."""
FLOOR_DB = -72.0
"""A quiet room and the microphone's own noise."""
CUT_S = 1.0
STRANGE = 0.5
"""Share of voices of flite among the technicians of ``HAND``."""
HICCUP_S = 10.0
"""Between two stumbles of the sound, each of which moves the echo."""
PAUSES_S = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)


@dataclass(frozen=True)
class Setting:
    """What makes a scene hard. ``ser`` and ``snr``: speech over echo and over noise, in dB."""

    name: str
    kind: str  # normal, hard, hand: with echo; quiet: without
    noise: str = "white"
    snr: float = 46.0
    ser: float = 0.0
    drive: float = 0.5
    delay_ms: int = 60
    drift_ppm: int = 0
    room_s: float = 0.2
    change: str = ""  # what happens half way: delay, volume, hiccup (every ten seconds)
    place: str = ""  # a room by its mirror images, or the tail of ``room_s``
    distortion: float | None = None  # of the loudspeaker, or what ``drive`` gives


DISTORTIONS = (0.0, 0.03, 0.08, 0.13, 0.18)
HAND = [
    Setting(f"{place}, {share:.0%}", "hand", place=place, distortion=share, ser=ser, delay_ms=delay_ms, drift_ppm=ppm)
    for place, ser, delay_ms, ppm in (("cabin", -6, 25, 0), ("office", -10, 45, 20), ("workshop", -3, 80, 60))
    for share in DISTORTIONS
] + [
    Setting("office, 8%, hiccups", "hand", place="office", distortion=0.08, ser=-6, change="hiccup"),
    Setting("office, 13%, delay jumps", "hand", place="office", distortion=0.13, ser=-6, change="delay"),
    Setting("workshop, 8%, volume", "hand", place="workshop", distortion=0.08, change="volume"),
    Setting("cabin, 13%, fan", "hand", place="cabin", distortion=0.13, ser=-6, noise="fan", snr=12),
    Setting("workshop, 3%, pink 10 dB", "hand", place="workshop", distortion=0.03, ser=-6, noise="pink", snr=10),
    Setting("office, 3%, radio 15 dB", "hand", place="office", distortion=0.03, ser=-6, noise="radio", snr=15),
    Setting("cabin, 8%, wind 10 dB", "hand", place="cabin", distortion=0.08, ser=-6, noise="wind", snr=10),
    Setting("workshop, 8%, drill 10 dB", "hand", place="workshop", distortion=0.08, noise="drill", snr=10),
    Setting("workshop, 13%, drill 3 dB", "hand", place="workshop", distortion=0.13, ser=-6, noise="drill", snr=3),
]
"""The box in a hand, 12 cm from loudspeaker to microphone: rooms by their images, loudspeakers by their distortion."""
SETTINGS = [
    Setting("soft echo", "normal", ser=6),
    Setting("equal echo", "normal", delay_ms=30),
    Setting("loud echo", "normal", ser=-6, delay_ms=120),
    Setting("10 ms away", "normal", delay_ms=10),
    Setting("200 ms away", "normal", delay_ms=200),
    Setting("hall", "normal", room_s=0.4),
    Setting("fan", "normal", noise="fan", snr=15),
    Setting("fan, loud echo", "normal", noise="fan", snr=15, ser=-6),
    Setting("white 20 dB", "normal", noise="white", snr=20),
    Setting("pink 20 dB", "normal", noise="pink", snr=20, drift_ppm=50),
    Setting("pink 15 dB", "normal", noise="pink", snr=15),
    Setting("50 ppm", "normal", drift_ppm=50, ser=-3),
    Setting("headphones", "normal", ser=60),
    Setting("echo +12 dB", "hard", ser=-12),
    Setting("overdriven", "hard", ser=-6, drive=3.0),
    Setting("200 ppm", "hard", drift_ppm=200),
    Setting("400 ms away", "hard", delay_ms=400),
    Setting("700 ms away", "hard", delay_ms=700),
    Setting("delay jumps 80 ms", "hard", change="delay"),
    Setting("volume +12 dB", "hard", ser=6, change="volume"),
    Setting("pink 5 dB", "hard", noise="pink", snr=5),
    Setting("crowd 10 dB", "hard", noise="babble", snr=10),
    Setting("crowd 0 dB", "hard", noise="babble", snr=0),
    Setting("clank 5 dB", "hard", noise="clank", snr=5),
    Setting("drill 10 dB", "hard", noise="drill", snr=10),
    Setting("drill 0 dB, loud echo", "hard", noise="drill", snr=0, ser=-6),
    Setting("room", "quiet"),
    Setting("room, other voices", "quiet", room_s=0.4),
    Setting("fan 15 dB", "quiet", noise="fan", snr=15),
    Setting("fan 5 dB", "quiet", noise="fan", snr=5),
    Setting("white 15 dB", "quiet", noise="white", snr=15),
    Setting("pink 15 dB", "quiet", noise="pink", snr=15),
    Setting("pink 5 dB", "quiet", noise="pink", snr=5),
    Setting("crowd 10 dB", "quiet", noise="babble", snr=10),
    Setting("clank 5 dB", "quiet", noise="clank", snr=5),
    Setting("drill 5 dB", "quiet", noise="drill", snr=5),
    *HAND,
]
EASY_NOISES = {"white", "pink", "fan"}
"""Steady ones; the others sound like somebody speaking to a detector of the kind used here."""


@dataclass
class Utterance:
    """Something the technician says, in seconds; ``pauses`` are (start, length)."""

    start: float
    end: float
    interrupts: bool
    pauses: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Take:
    """A scene, ready to be heard: 48 kHz int16, and the parts that made it."""

    setting: Setting
    heard: Pcm
    played: Pcm
    speech: Sound
    utterances: list[Utterance]
    hiccups: list[float] = field(default_factory=list)
    """Seconds at which the driver reports lost sound."""

    @property
    def steady(self) -> bool:
        """Whether end-pointing is expected to work."""
        return self.setting.noise in EASY_NOISES


def take(setting: Setting, cache: Path, seeds: str, number: int, seconds: float) -> Take:
    """Make one scene for the ``number``-th time. The same arguments make the same samples."""
    rng = np.random.default_rng((SEEDS[seeds], number, SETTINGS.index(setting)))
    corpus = Corpus(cache, rng, half=list(SEEDS).index(seeds))
    size = round(seconds) * RATE
    speech, played, utterances = quiet(corpus, size) if setting.kind == "quiet" else conversation(setting, corpus, size)
    heard = speech + echo(setting, corpus, played, float(np.sqrt(np.mean(speech[speech != 0] ** 2))))
    heard += corpus.noise(setting.noise, size) * amplitude(max(SPEECH_DB - setting.snr, FLOOR_DB))
    return Take(setting, pcm(heard), pcm(played), speech, utterances, hiccups(setting, size))


def hiccups(setting: Setting, size: int) -> list[float]:
    """Return when the sound stumbles."""
    return list(np.arange(HICCUP_S, size / RATE, HICCUP_S)) if setting.change == "hiccup" else []


def conversation(setting: Setting, corpus: Corpus, size: int) -> tuple[Sound, Sound, list[Utterance]]:
    """Answers and questions in turn; every second answer is interrupted."""
    speech, played = np.zeros(size), np.zeros(size)
    utterances: list[Utterance] = []
    now, interrupted = 1.5, False
    while True:
        interrupted = not interrupted
        length = float(corpus.rng.uniform(5, 9))
        strange = setting.kind == "hand" and corpus.rng.random() < STRANGE
        words = voiced(corpus.stranger() if strange else corpus.question())
        onset = now + length - CUT_S if interrupted else now + length + 1.2
        end = onset + len(words) / RATE
        if (end + 1.5) * RATE >= size:
            return speech, played, utterances
        put(played, faded(level(corpus.answer(), ANSWER_DB)[: round(length * RATE)]), now)
        put(speech, words, onset)
        utterances.append(Utterance(onset, end, interrupted))
        now = end + 1.5


def quiet(corpus: Corpus, size: int) -> tuple[Sound, Sound, list[Utterance]]:
    """Questions of two parts with a pause between them, each length of pause in turn, and nothing played."""
    speech = np.zeros(size)
    utterances: list[Utterance] = []
    now = 2.0
    pauses = list(corpus.rng.permutation(PAUSES_S)) * 4
    for pause in pauses:
        first, second = voiced(corpus.question()), voiced(corpus.question())
        middle = now + len(first) / RATE
        end = middle + pause + len(second) / RATE
        if (end + 2) * RATE >= size:
            break
        put(speech, first, now)
        put(speech, second, middle + pause)
        utterances.append(Utterance(now, end, interrupts=False, pauses=[(middle, float(pause))]))
        now = end + float(corpus.rng.uniform(2.0, 2.5))
    return speech, np.zeros(size), utterances


def echo(setting: Setting, corpus: Corpus, played: Sound, speech: float) -> Sound:
    """Return what the microphone hears of what is played, ``ser`` dB below an rms of ``speech``."""
    if not played.any():
        return played
    sound = quantised(played)
    if setting.distortion is None:
        sound = convolved(loudspeaker(sound, setting.drive * 5), corpus.room(setting.room_s))
    else:
        sound = convolved(driver(sound, setting.distortion), room(setting.place, corpus.rng))
    sound *= speech / amplitude(setting.ser) / np.sqrt(np.mean(sound[played != 0] ** 2))
    at = np.arange(len(sound)) * (1 + setting.drift_ppm * 1e-6) - setting.delay_ms * RATE / 1000
    half = len(sound) // 2
    if setting.change == "delay":
        at[half:] -= 0.08 * RATE
    for number, second in enumerate(hiccups(setting, len(sound))):
        at[round(second * RATE) :] -= (0.06 if number % 2 else -0.04) * RATE
    if setting.change == "volume":
        sound[half:] *= amplitude(12)
    return np.interp(at, np.arange(len(sound)), sound, left=0)


def voiced(sound: Sound) -> Sound:
    """Return a question at the level of a technician."""
    return level(sound, SPEECH_DB)


def level(sound: Sound, decibels: float) -> Sound:
    """Scale to an rms."""
    return np.asarray(sound * amplitude(decibels) / np.sqrt(np.mean(sound**2)))


def faded(sound: Sound) -> Sound:
    """End as a flush does: within one block."""
    sound[-RATE // 100 :] *= np.linspace(1, 0, RATE // 100)
    return sound


def put(track: Sound, sound: Sound, at: float) -> None:
    """Add a sound to a track, in place."""
    start = round(at * RATE)
    track[start : start + len(sound)] += sound[: len(track) - start]


def amplitude(decibels: float) -> float:
    """Return this many dB as a factor."""
    return float(10 ** (decibels / 20))


def pcm(sound: Sound) -> Pcm:
    """Return s16; what is too loud is clipped, as a converter does."""
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def quantised(sound: Sound) -> Sound:
    """Return what leaves the card."""
    return pcm(sound).astype(np.float64) / 32768
