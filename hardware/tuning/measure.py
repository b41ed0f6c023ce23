"""Measures a microphone and a loudspeaker from what was played and what was captured at the same time.

Pure: recordings in, figures out. Levels leave out everything below 100 Hz: rumble and offsets that nobody hears.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hardware.ports import Trust
from hardware.sound.echo import ENTER_DB
from hardware.sound.front_end import CLIPPED, FULL_SCALE_DB, FrontEnd
from hardware.tuning.findings import Figures

if TYPE_CHECKING:
    import numpy.typing as npt

    from hardware.ports import MicChunk

    Samples = npt.NDArray[np.int16]
    Sound = npt.NDArray[np.float64]
    Spectrum = npt.NDArray[np.complex128]
    Span = tuple[int, int]

CHIRP_S = 0.5
CHIRP_HZ = (300.0, 4000.0)
"""A range that the smallest loudspeakers play and every microphone hears."""
CHIRP_PEAK = 10 ** (-12 / 20)
"""-12 dBFS: as loud as an answer, and far from an amplifier's limit."""
FADE_S = 0.03
HIGH_PASS_HZ = 100.0
FILTER_S = 0.06
"""Length of the high pass: long enough to block 50 Hz, short enough not to smear a blow."""
BLOCK_S = 0.02
LAGS_S = (-0.1, 1.0)
"""Where to look for an echo: from before its sound, if the reference came late, to as late as with radio headsets."""
SMOOTHING_HZ = 100.0
"""Width over which a spectrum is flattened: a hum loses its weight, an echo keeps its shape."""
BANDS = 5
"""Parts of the chirp's range, all of equal duration. A partial of a struck pipe looks like an echo in one of them; a
chirp that was heard is in all of them. Most must agree."""
AROUND_S = 0.12
"""An echo begins within milliseconds, while a struck pipe rings on: a peak is compared with this much around it."""
CLEAR_PEAK = 4.2
"""In 800 trials, noise, speech and blows on metal reached at most 3.9, chirps 10 dB under the noise at least 4.6."""
NEAR_S = (0.02, 0.005)
"""How far before and after the moment that the bands agree on to look: in a narrow band, reflections hide the first
arrival."""
FIRST_SHARE = 0.5
"""Share of the highest peak: the first arrival of a sound may be weaker than a reflection."""
ROOM_S = 0.2
"""How much after the first arrival counts towards the echo's level."""
VOICE_DB = 9.0
"""A voice is this much over the noise; no block of 20 ms of steady noise is."""
VOICE_S = 0.3
"""The least voice that counts: a word."""
LOUDEST = round(1 / BLOCK_S)
"""How many blocks a level is averaged over: the loudest second, without pauses and noise."""
PASSES = 4
"""The canceller hears the phrase this many times, and the last time counts. In its first 2.5 s it lets nothing through,
and a canceller that cannot find an echo which comes too late seems good for two passes."""


class Recording(NamedTuple):
    """What was captured (``near``) and what was played (``far``), mono, aligned as in a duplex stream."""

    near: Samples
    far: Samples
    rate: int
    """Hz, of both."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The first and last sample of each step in a recording; None: not done."""

    quiet: Span | None = None
    speech: Span | None = None
    chirp: Span | None = None
    phrase: Span | None = None


def chirp(rate: int) -> bytes:
    """Return half a second that slides from 300 to 4000 Hz, mono s16le, without a click."""
    low, high = CHIRP_HZ
    t = np.arange(round(CHIRP_S * rate)) / rate
    growth = math.log(high / low)
    sound = np.sin(2 * math.pi * low * CHIRP_S / growth * np.expm1(t / CHIRP_S * growth))
    fade = np.minimum(1.0, np.minimum(t, t[::-1]) / FADE_S)
    sound *= CHIRP_PEAK * 32768 * np.sin(fade * math.pi / 2) ** 2
    return np.rint(sound).astype("<i2").tobytes()


def analyse(near: Samples, far: Samples, rate: int, marks: Marks, known: Figures | None = None) -> Figures:
    """Return ``known``, with the figures of the parts that ``marks`` names added."""
    found = known or Figures()
    dead = not len(near) or bool((near == near[0]).all())
    if known and known.measured:  # some microphones have a gate that opens when there is something to hear
        dead = dead and known.dead
    if marks.quiet:
        noise = noise_floor(near[slice(*marks.quiet)], rate)
        found = found.plus(Figures(frozenset({"quiet"}), noise_dbfs=noise))
    if marks.speech:
        part = near[slice(*marks.speech)]
        level = speech_level(part, rate, found.noise_dbfs)
        found = found.plus(Figures(frozenset({"speech"}), speech_dbfs=level, speech_clipping=clipping(part)))
    if marks.chirp:
        heard = find_chirp(near[slice(*marks.chirp)], far[slice(*marks.chirp)], rate)
        loud = Figures(frozenset({"chirp"}), echo_clipping=clipping(near[slice(*marks.chirp)]))
        found = found.plus(loud).plus(Figures(chirp_dbfs=heard[1], delay_ms=heard[0]) if heard else Figures())
    if marks.phrase:
        part, played = near[slice(*marks.phrase)], far[slice(*marks.phrase)]
        found = found.plus(_phrase(part, played, rate, found))
    return replace(found, dead=dead)


def _phrase(near: Samples, far: Samples, rate: int, known: Figures) -> Figures:
    level = echo_level(near, far, rate, known)
    erle = cancelled(near, far, rate)
    return Figures(
        frozenset({"phrase"}),
        echo_dbfs=level,
        echo_clipping=max(clipping(near), known.echo_clipping),
        erle_db=erle,
        interruptible=erle is not None and erle >= ENTER_DB,
    )


# Levels


def noise_floor(near: Samples, rate: int) -> float:
    """Return the level in dBFS of the quietest second, or of all if there is less."""
    powers = _powers(near, rate)
    count = min(len(powers), round(1 / BLOCK_S))
    sums = np.convolve(powers, np.ones(count) / count, "valid")
    return _decibels(float(sums.min()))


def speech_level(near: Samples, rate: int, noise_dbfs: float | None) -> float | None:
    """Return the level in dBFS of the loudest second of speech, put together from blocks; None without a word."""
    powers = np.sort(_powers(near, rate))[::-1]
    noise = _power(noise_dbfs) if noise_dbfs is not None else float(np.quantile(powers, 0.1))
    voiced = int(np.count_nonzero(powers > noise * 10 ** (VOICE_DB / 10)))
    if voiced * BLOCK_S < VOICE_S:
        return None
    return _decibels(float(powers[: min(voiced, LOUDEST)].mean()) - noise)


def echo_level(near: Samples, far: Samples, rate: int, known: Figures) -> float | None:
    """Return the level in dBFS of the echo of the loudest second that was played; None if only noise is heard."""
    if known.delay_ms is None:
        return None
    heard, played = _powers(_later(near, -round(known.delay_ms * rate / 1000)), rate), _powers(far, rate)
    loudest = np.argsort(played)[::-1][:LOUDEST]
    power = float(heard[loudest].mean()) - (_power(known.noise_dbfs) if known.noise_dbfs is not None else 0.0)
    return _decibels(power) if power > 0 else None


def _later(samples: Samples, count: int) -> Samples:
    """Return ``samples`` delayed by ``count``, in the same length, padded with silence."""
    moved = np.zeros_like(samples)
    whole = len(samples)
    moved[max(0, count) : whole + min(0, count)] = samples[max(0, -count) : whole - max(0, count)]
    return moved


def clipping(near: Samples) -> float:
    """Return the share of samples at full scale, 0 to 1."""
    return float(np.mean(np.abs(near.astype(np.int32)) >= CLIPPED)) if len(near) else 0.0


def _powers(samples: Samples, rate: int) -> Sound:
    """Return the power of each block of 20 ms, in squared sample steps."""
    half = round(FILTER_S * rate) // 2
    t = np.arange(-half, half + 1)
    low = np.sinc(2 * HIGH_PASS_HZ / rate * t) * np.blackman(len(t))
    whole = np.pad(samples.astype(np.float64), min(2 * half, max(0, len(samples) - 1)), "reflect", reflect_type="odd")
    size = 1 << (len(whole) + len(t)).bit_length()
    smooth = np.fft.irfft(np.fft.rfft(whole, size) * np.fft.rfft(low / low.sum(), size), size)
    edge = (len(whole) - len(samples)) // 2
    sound = samples - smooth[edge + half : edge + half + len(samples)]
    size = round(BLOCK_S * rate)
    blocks = sound[: len(sound) // size * size].reshape(-1, size)
    powers: Sound = (blocks**2).mean(axis=1)
    return powers


def _decibels(power: float) -> float:
    return 10 * math.log10(max(power, 1 / 12)) - FULL_SCALE_DB


def _power(dbfs: float) -> float:
    return float(10 ** ((dbfs + FULL_SCALE_DB) / 10))


# The chirp


def find_chirp(near: Samples, far: Samples, rate: int) -> tuple[float, float] | None:
    """Return the delay in ms of ``far``'s echo in ``near`` and its level in dBFS; None if there is none."""
    size = 1 << (len(near) + len(far) + round(-LAGS_S[0] * rate)).bit_length()
    heard, played = (np.fft.rfft(each.astype(np.float64), size) for each in (near, far))
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    band = (frequencies >= CHIRP_HZ[0]) & (frequencies <= CHIRP_HZ[1])
    if not far.any() or not near.any():
        return None
    width = max(1, round(SMOOTHING_HZ * size / rate))
    flat = np.sqrt(_smooth(heard, width) * _smooth(played, width)) + 1e-9
    cross = heard * played.conj() / flat
    edges = np.geomspace(*CHIRP_HZ, BANDS + 1)
    bands = [_lags(np.where((frequencies >= a) & (frequencies < b), cross, 0), rate) for a, b in pairwise(edges)]
    about = _agreed(bands, rate)
    if about is None:
        return None
    lag = _first_peak(_lags(np.where(band, cross, 0), rate), about, rate)
    return 1000 * lag / rate, _loudness(heard, played, band, rate, lag)


def _agreed(bands: list[Sound], rate: int) -> int | None:
    """Return the lag at which most bands have a peak that stands out from their noise; None if there is none."""
    clear = np.median([_clearness(each, round(AROUND_S * rate)) for each in bands], axis=0)
    return int(clear.argmax()) if clear.max() >= CLEAR_PEAK else None


def _clearness(lags: Sound, width: int) -> Sound:
    """Return by how much each lag stands out, from all lags and from those around it."""
    padded = np.concatenate((np.zeros(width // 2 + 1), lags, np.zeros(width)))
    total = np.cumsum(padded)
    around = (total[width:] - total[:-width])[: len(lags)] / width
    clear: Sound = lags / (np.median(lags) + around + 1e-12)
    return clear


def _first_peak(lags: Sound, about: int, rate: int) -> int:
    """Return the lag in samples at which the echo begins."""
    start = max(0, about - round(NEAR_S[0] * rate))
    near = lags[start : about + round(NEAR_S[1] * rate)]
    at = start + int(np.argmax(near >= FIRST_SHARE * near.max()))
    while at + 1 < len(lags) and lags[at + 1] > lags[at]:
        at += 1
    return at + round(LAGS_S[0] * rate)


def _lags(spectrum: Spectrum, rate: int) -> Sound:
    """Return the correlation's envelope over ``LAGS_S``."""
    whole = np.zeros(2 * (len(spectrum) - 1), dtype=np.complex128)
    whole[: len(spectrum)] = spectrum
    envelope = np.abs(np.fft.ifft(whole))
    first, last = (round(each * rate) for each in LAGS_S)
    lags: Sound = np.concatenate((envelope[first:], envelope[:last]))
    return lags


def _loudness(heard: Spectrum, played: Spectrum, band: npt.NDArray[np.bool_], rate: int, lag: int) -> float:
    """Return the level of the echo alone in dBFS: the chirp over the echo path, less the noise in as much time."""
    power = np.abs(played) ** 2
    least = 1e-4 * float(power.max())
    path = np.fft.irfft(np.where(band, heard * played.conj() / (power + least), 0))
    length = round(ROOM_S * rate)
    start = lag - round(0.002 * rate)

    def energy(begin: int) -> float:
        part = np.take(path, np.arange(begin, begin + length), mode="wrap")
        again = np.abs(np.fft.rfft(part, len(path))) ** 2 * power
        return 2 * float(again.sum()) / len(path)

    alone = energy(start) - energy(min(start, 0) - length)  # before the sound there is only noise
    return _decibels(alone / (CHIRP_S * rate))


def _smooth(spectrum: Spectrum, width: int) -> Sound:
    """Return the power spectrum, averaged over ``width`` lines."""
    total = np.concatenate(([0.0], np.cumsum(np.abs(spectrum) ** 2)))
    middle = np.arange(len(spectrum))
    low, high = np.maximum(middle - width // 2, 0), np.minimum(middle + width // 2 + 1, len(spectrum))
    averaged: Sound = (total[high] - total[low]) / (high - low)
    return averaged


# The canceller


def cancelled(near: Samples, far: Samples, rate: int) -> float | None:
    """Return by how many dB the box's front end reduces the echo once it has learned; None without a canceller."""
    front = FrontEnd(rate, rate)
    size = rate // 100
    chunks: list[MicChunk] = []
    for _ in range(PASSES):
        chunks = []
        for start in range(0, len(near) - size + 1, size):
            chunk = front.process(near[start : start + size], far[start : start + size])
            if chunk is not None:
                chunks.append(chunk)
    if not chunks or chunks[-1].trust is Trust.ABSENT:
        return None
    return float(np.median([each.erle_db for each in chunks]))
