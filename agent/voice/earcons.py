"""The box's own sounds: short, gentle, told apart without training.

Every earcon is a few notes of a score, rendered when it is first asked for: importing this module costs nothing.
Each has a shape of its own (up, down, two alike, out and back, short-long, click), because a shape survives a small
speaker in a loud hall better than a pitch does.
"""

import math
import sys
from array import array
from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from hardware.ports import SPEAKER_FORMAT

RATE = SPEAKER_FORMAT.rate  # so that an earcon is played like an answer
ATTACK_S = 0.006  # the shortest swell that is not heard as a click


class Earcon(Enum):
    """What the box has to say without words."""

    LISTENING = auto()  # the microphone is open: speak
    SAVED = auto()  # no network: what was said is on the disk
    THINKING = auto()  # still waiting for the answer
    FAULT = auto()  # a person is needed
    ASLEEP = auto()  # the microphone is shut
    HOLD_TO_TALK = auto()  # a tap will not do here: hold the button while speaking
    STILL = auto()  # a photo was taken
    RETRY = auto()  # no answer came: asking again
    TALK = auto()  # the button is held: recording
    RELEASED = auto()  # the button was released: no longer recording


class Tone(NamedTuple):
    """One tone: a swell of ``ATTACK_S``, then a fall to silence over the rest of its length."""

    start_s: float
    length_s: float
    hertz: float
    overtone: float = 0.25  # share of the octave above: small speakers carry it where they lose the ground tone
    level: float = 1.0  # beside the other notes of the same earcon


class Score(NamedTuple):
    """The notes of one earcon and the level of its loudest sample."""

    peak_dbfs: float
    notes: tuple[Tone, ...]


# Each peak makes the earcon as loud as speech: -22.6 dBFS, A-weighted, over its audible parts, between the recorded
# phrases (-20) and the simulator's answers (-25); the tick, which repeats, has 2 dB less. Answers peak at -6, and no
# earcon exceeds -9, so that the sum does not clip.
SCORES = {
    Earcon.LISTENING: Score(-13.7, (Tone(0, 0.11, 587), Tone(0.08, 0.2, 880))),
    # Two alike, as the light's double blink for notes that wait.
    Earcon.SAVED: Score(-13.5, (Tone(0, 0.12, 698), Tone(0.15, 0.16, 698))),
    Earcon.THINKING: Score(-13, (Tone(0, 0.06, 440, overtone=0.6),)),
    Earcon.FAULT: Score(-12.4, (Tone(0, 0.16, 740), Tone(0.14, 0.16, 523), Tone(0.28, 0.22, 370))),
    Earcon.ASLEEP: Score(-9.2, (Tone(0, 0.16, 440), Tone(0.12, 0.26, 294, overtone=0.5))),
    # Short, then long on the same pitch: what the thumb is asked to do.
    Earcon.HOLD_TO_TALK: Score(-15.2, (Tone(0, 0.05, 1175), Tone(0.09, 0.3, 1175, overtone=0.1))),
    # Tones that fit no key, too short to have a pitch: the two halves of a shutter.
    Earcon.STILL: Score(
        -9.5,
        (
            Tone(0, 0.025, 2130, level=0.8),
            Tone(0, 0.02, 3370, level=0.6),
            Tone(0.075, 0.03, 1710),
            Tone(0.075, 0.025, 2890, level=0.7),
        ),
    ),
    # A blip up and a blip down, so short that they do not cover the word that begins there.
    Earcon.TALK: Score(-15.5, (Tone(0, 0.04, 880), Tone(0.03, 0.05, 1397))),
    Earcon.RELEASED: Score(-15.4, (Tone(0, 0.04, 1397), Tone(0.03, 0.05, 880))),
    # Out and back to where it was: once more.
    Earcon.RETRY: Score(-12.8, (Tone(0, 0.11, 523), Tone(0.09, 0.11, 622), Tone(0.18, 0.18, 523))),
}


@cache
def pcm(earcon: Earcon) -> bytes:
    """Return the earcon as 24 kHz mono s16le: at most half a second, as loud as speech, silent at both ends.

    The first call for each renders it in plain Python, which takes some milliseconds on a slow board: whoever must
    not wait asks once at the start.
    """
    score = SCORES[earcon]
    mix = _mix(score.notes)
    scale = 32767 * 10 ** (score.peak_dbfs / 20) / max(map(abs, mix))
    samples = array("h", (round(sample * scale) for sample in mix))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _mix(notes: tuple[Tone, ...]) -> list[float]:
    """Lay the notes over each other, unscaled."""
    mix = [0.0] * round(max(note.start_s + note.length_s for note in notes) * RATE)
    for note in notes:
        first = round(note.start_s * RATE)
        for offset, sample in enumerate(_render(note)[: len(mix) - first]):
            mix[first + offset] += sample
    return mix


def _render(note: Tone) -> list[float]:
    """Play one note: two partials under a raised-cosine swell and fall."""
    count, attack = round(note.length_s * RATE), round(ATTACK_S * RATE)
    step = math.tau * note.hertz / RATE
    samples = []
    for index in range(count):
        # The share of the swell that is done, or of the fall that is left.
        share = index / attack if index < attack else (count - 1 - index) / (count - attack)
        envelope = note.level * (1 - math.cos(math.pi * share)) / 2
        samples.append(envelope * (math.sin(step * index) + note.overtone * math.sin(2 * step * index)))
    return samples
