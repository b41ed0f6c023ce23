"""What recognisers make of what the model could be given: errors per processor, noise and judge.

Two judges that ship their models in their packages: pocketsphinx (words, an old recogniser with a language model) and
hama (phonemes, a small network without one). The references are the texts, and the phonemes that hama hears in the
clean recording. pocketsphinx does not understand espeak-ng even in silence and hears the voices of flite only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from audio_corpus import FLITE, RATE, STRANGERS, TEXTS, Corpus, Sound, Spoken
from audio_model import at_16k, processed
from audio_scenes import FLOOR_DB, SEEDS, SPEECH_DB, amplitude, voiced

from hardware.sound.echo import RATE as HEARD_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

NOISES = (("white", 46), ("pink", 20), ("fan", 10), ("babble", 10))
"""With the speech's distance in dB; the first is a quiet room."""
PROCESSORS = ("raw", "cancelled only", "suppressed, level 0", "suppressed, level 2")
SPEAKERS = tuple(Spoken(f"{FLITE}{who}", 0, 0) for who in STRANGERS) + tuple(
    Spoken(voice, 150, 50) for voice in ("en-us+f3", "en-gb+m2", "en-us+steph", "en-gb+m7")
)
LEAD_S = 3.0
"""Of noise before the first words: a suppressor learns it."""
PAUSE_S = 0.6
BREADTH = 5000
"""Of pocketsphinx's search, a sixth of its default: in noise it would take longer than the words."""
MARGIN_S = 0.2
"""Before and after the words, for the recogniser; the processors delay by 14 ms."""


class Errors(NamedTuple):
    """One judge on one processor in one noise."""

    judge: str
    noise: str
    processor: str
    wrong: int
    units: int


def errors(cache: Path, seeds: str, quick: int) -> Iterator[Errors]:
    """Measure everything; ``quick``: take every so manieth text only."""
    corpus = Corpus(cache, np.random.default_rng(SEEDS[seeds]), half=0)
    texts = [text for language in ("en-gb", "en-us") for text in TEXTS[language]][::quick]
    lines = [(who, text, voiced(corpus.spoken(who, text))) for who in SPEAKERS for text in texts]
    speech, places = laid_out([sound for _, _, sound in lines])
    hears_words, hears_phonemes = words(), phonemes()
    clean = [hears_phonemes(piece) for piece in cut(at_16k(speech), places)]
    for noise, snr in NOISES:
        mixed = at_16k(speech + corpus.noise(noise, len(speech)) * amplitude(max(SPEECH_DB - snr, FLOOR_DB)))
        for processor in PROCESSORS:
            pieces = cut(through(processor, mixed), places)
            name = f"{noise} {snr} dB"
            spoken = [
                (text.split(), piece) for (who, text, _), piece in zip(lines, pieces, strict=True) if is_flite(who)
            ]
            wrong = sum(distance(text, hears_words(piece)) for text, piece in spoken)
            yield Errors("words", name, processor, wrong, sum(len(text) for text, _ in spoken))
            wrong = sum(distance(told, hears_phonemes(piece)) for told, piece in zip(clean, pieces, strict=True))
            yield Errors("phonemes", name, processor, wrong, sum(map(len, clean)))


def is_flite(who: Spoken) -> bool:
    """Whether flite speaks."""
    return who.voice.startswith(FLITE)


def laid_out(sounds: list[Sound]) -> tuple[Sound, list[tuple[float, float]]]:
    """Return all sounds in a row, and where each begins and ends, in seconds."""
    places, now = [], LEAD_S
    for sound in sounds:
        places.append((now, now + len(sound) / RATE))
        now = places[-1][1] + PAUSE_S
    track = np.zeros(-(-round(now * RATE) // RATE) * RATE)
    for (start, _), sound in zip(places, sounds, strict=True):
        track[round(start * RATE) :][: len(sound)] += sound
    return track, places


def cut(sound: Sound, places: list[tuple[float, float]]) -> list[Sound]:
    """Return the pieces of a track at 16 kHz."""
    return [
        sound[round((start - MARGIN_S) * HEARD_RATE) : round((end + MARGIN_S) * HEARD_RATE)] for start, end in places
    ]


def through(processor: str, mixed: Sound) -> Sound:
    """Return what a processor makes of a track."""
    import pywebrtc_audio  # noqa: PLC0415 - levels other than the product's are tried here only

    if processor == "raw":
        return mixed
    level = int(processor[-1]) if processor[-1].isdigit() else None
    suppress = {} if level is None else {"noise_suppression": True, "ns_level": level}
    library = pywebrtc_audio.AudioProcessor(sample_rate=HEARD_RATE, echo_cancellation=True, **suppress)
    return processed(library, mixed, np.zeros(len(mixed), dtype=np.int16))


def words() -> Callable[[Sound], Sequence[str]]:
    """Return pocketsphinx."""
    from pocketsphinx import Decoder  # noqa: PLC0415 - installed for this part only

    decoder: Any = Decoder(samprate=HEARD_RATE, loglevel="FATAL", maxhmmpf=BREADTH)

    def recognise(piece: Sound) -> Sequence[str]:
        decoder.start_utt()
        decoder.process_raw(piece.astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr.split() if found else []

    return recognise


def phonemes() -> Callable[[Sound], Sequence[str]]:
    """Return hama's network."""
    import hama  # noqa: PLC0415 - installed for this part only

    model: Any = hama.ASRModel()
    return lambda piece: list(model.transcribe_waveform(piece.astype(np.float32) / 32768, HEARD_RATE).phonemes)


def distance(wanted: Sequence[str], told: Sequence[str]) -> int:
    """Return how many units must be put in, left out or exchanged."""
    row = list(range(len(told) + 1))
    for at, unit in enumerate(wanted, 1):
        before, row[0] = row[0], at
        for column, other in enumerate(told, 1):
            before, row[column] = row[column], min(before + (unit != other), row[column] + 1, row[column - 1] + 1)
    return row[-1]
