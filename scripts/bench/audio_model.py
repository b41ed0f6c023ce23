"""Should the model hear noise-suppressed speech? What that does to the speech, beside what it takes of the noise.

Speech is compared in 32 mel bands, where it is within 20 dB of the loudest band of its frame: root mean square of the
difference in dB from the clean recording (log-spectral distance). Noise is what the pauses lose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from audio_corpus import RATE, Corpus, Sound
from audio_scenes import SEEDS, SPEECH_DB, amplitude, pcm, quiet

from hardware.sound.echo import BLOCK
from hardware.sound.echo import RATE as HEARD_RATE
from hardware.sound.resample import Resampler

if TYPE_CHECKING:
    from pathlib import Path

NOISES = ("white", "pink", "fan", "babble")
SNRS = (20, 10, 5, 0)
LEVELS = (0, 1, 2)
SIZE = 512
HOP = 160
BANDS = 32
NEAR_DB = 20.0
LOUD_DB = 35.0
LONGEST_DELAY = 400
"""Samples within which the delay of a processor is looked for."""


class Verdict(NamedTuple):
    """One processor on one noise."""

    noise: str
    snr: int
    processor: str
    distance_db: float
    removed_db: float


def verdicts(cache: Path, seeds: str, seconds: float) -> list[Verdict]:
    """Measure all noises at all levels."""
    found: list[Verdict] = []
    for noise in NOISES:
        rng = np.random.default_rng((SEEDS[seeds], NOISES.index(noise)))
        corpus = Corpus(cache, rng, half=list(SEEDS).index(seeds))
        speech, _, _ = quiet(corpus, round(seconds) * RATE)
        hum = corpus.noise(noise, len(speech))
        for snr in SNRS:
            mixed = at_16k(speech + hum * amplitude(SPEECH_DB - snr))
            found += [Verdict(noise, snr, *each) for each in compared(at_16k(speech), mixed)]
    return found


def compared(clean: Sound, mixed: Sound) -> list[tuple[str, float, float]]:
    """Return for every processor: its name, distance of the speech, noise removed."""
    import pywebrtc_audio  # noqa: PLC0415 - levels other than the product's are tried here only

    pause = ~loud(clean, 60.0)
    silence = np.zeros(len(mixed), dtype=np.int16)
    results = [("cancelled only", processed(pywebrtc_audio.AudioProcessor(echo_cancellation=True), mixed, silence))]
    for level in LEVELS:
        library = pywebrtc_audio.AudioProcessor(echo_cancellation=True, noise_suppression=True, ns_level=level)
        results.append((f"suppressed, level {level}", processed(library, mixed, silence)))
    outcome = [("as captured", distance(mixed, clean), 0.0)]
    for name, heard in results:
        shifted = heard[delay(heard, clean) :]
        removed = power(mixed, pause) - power(np.resize(shifted, len(mixed)), pause)
        outcome.append((name, distance(shifted, clean[: len(shifted)]), removed))
    return outcome


def processed(library: object, mixed: Sound, silence: Sound) -> Sound:
    """Run a library object over everything."""
    size = len(mixed) // BLOCK * BLOCK
    near = mixed.astype(np.int16)
    return np.asarray(library.process(near[:size], silence[:size])).astype(float)  # type: ignore[attr-defined] # any of its classes


def delay(heard: Sound, clean: Sound) -> int:
    """Return how many samples the processor held back."""
    part = slice(2 * HEARD_RATE, 6 * HEARD_RATE)
    return max(range(LONGEST_DELAY), key=lambda d: float(heard[part.start + d : part.stop + d] @ clean[part]))


def distance(heard: Sound, clean: Sound) -> float:
    """Return the log-spectral distance in dB, where there is speech."""
    frames = min(len(heard), len(clean))
    ours, wanted = mel(heard[:frames]), mel(clean[:frames])
    loudest = wanted.max(axis=1, keepdims=True)
    speech = (wanted > loudest - NEAR_DB) & (loudest > loudest.max() - LOUD_DB)
    return float(np.sqrt(np.mean((ours - wanted)[speech] ** 2)))


def mel(sound: Sound) -> Sound:
    """Return dB[frames, bands]."""
    count = (len(sound) - SIZE) // HOP
    sound = np.ascontiguousarray(sound, dtype=float)
    strides = (HOP * sound.itemsize, sound.itemsize)
    frames = np.lib.stride_tricks.as_strided(sound, (count, SIZE), strides, writeable=False)
    power_of = np.abs(np.fft.rfft(frames * np.hanning(SIZE))) ** 2
    pitch = 2595 * np.log10(1 + np.fft.rfftfreq(SIZE, 1 / HEARD_RATE) / 700)
    edges = np.linspace(pitch[4], pitch[224], BANDS + 2)  # 125 Hz to 7 kHz
    rising = (pitch - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - pitch) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(10 * np.log10(power_of @ np.maximum(0, np.minimum(rising, falling)).T + 100))


def loud(clean: Sound, below_db: float) -> Sound:
    """Return for each block of 20 ms whether it is within this many dB of the loudest."""
    powers = np.mean(clean[: len(clean) // 320 * 320].reshape(-1, 320) ** 2, axis=1)
    return np.asarray(powers > powers.max() * 10 ** (-below_db / 10))


def power(sound: Sound, blocks: Sound) -> float:
    """Return the power of the chosen blocks of 20 ms in dB, the first two seconds aside."""
    chosen = sound[: len(blocks) * 320].reshape(-1, 320)[blocks][100:]
    return float(10 * np.log10(np.mean(chosen**2) + 1 / 12))


def at_16k(sound: Sound) -> Sound:
    """Return what the front end makes of it."""
    return Resampler(RATE, HEARD_RATE).convert(pcm(sound)).astype(float)
