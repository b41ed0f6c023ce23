"""Loudspeakers and rooms of the audio bench: how far a driver distorts, and a room by its mirror images."""

from __future__ import annotations

import numpy as np
from audio_corpus import RATE, Sound

ROOMS = {"cabin": (1.6, 1.4, 1.3), "office": (4.2, 3.1, 2.6), "workshop": (9.0, 7.0, 4.0)}
"""Metres: inside a vehicle, a room, a hall with a floor of concrete."""
REFLECTS = {"cabin": 0.75, "office": 0.80, "workshop": 0.86}
"""Share of the amplitude that a wall sends back, on average over its frequencies and surfaces."""
APART_M = 0.12
"""From loudspeaker to microphone, in one handheld box."""
SOUND_M_S = 343.0
LONGEST_S = 0.35
STEEPEST = 400.0
"""Drives a voice into a square wave: more than any share of distortion that is asked for."""
SETTLED = 40
"""Halvings, until the drive is exact to many digits."""


def driver(sound: Sound, distortion: float) -> Sound:
    """Return what a small loudspeaker makes of it: nothing below 250 Hz, and ``distortion`` (0..1).

    That is the share of the output's amplitude (rms, over the whole answer) that is not the input, scaled. It saturates
    unevenly, so that even harmonics come with the odd ones.
    """
    thin = thinned(sound)
    if not distortion:
        return thin
    probe = thin[:: max(1, len(thin) // 200_000)]
    least, most = 0.0, STEEPEST
    for _ in range(SETTLED):
        middle = (least + most) / 2
        least, most = (middle, most) if strangeness(probe, bent(probe, middle)) < distortion else (least, middle)
    return bent(thin, most)


def thinned(sound: Sound) -> Sound:
    """Take out what a driver of two centimetres cannot move."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    return np.fft.irfft(spectrum / (1 + (250 / np.maximum(frequencies, 1)) ** 4), len(sound))


def bent(sound: Sound, drive: float) -> Sound:
    """Saturate; more on one side."""
    return np.asarray(np.tanh(drive * sound + 0.2) - np.tanh(0.2))


def strangeness(sound: Sound, other: Sound) -> float:
    """Return the share of ``other`` (amplitude) that is not ``sound``."""
    gain = float(sound @ other) / float(sound @ sound)
    return float(np.sqrt(np.mean((other - gain * sound) ** 2) / np.mean(other**2)))


def room(name: str, rng: np.random.Generator) -> Sound:
    """Return the impulse response from the box's loudspeaker to its microphone, somewhere in the room.

    Mirror images of a shoebox; the direct way is 1.0 at sample 0.
    """
    size = np.array(ROOMS[name])
    microphone = size * rng.uniform(0.25, 0.75, 3)
    away = rng.normal(size=3)
    loudspeaker = microphone + APART_M * away / np.linalg.norm(away)
    response = np.zeros(round(LONGEST_S * RATE))
    for flip in np.ndindex(2, 2, 2):
        distance, bounces = images(size, microphone, loudspeaker, np.array(flip))
        at = np.rint((distance - APART_M) / SOUND_M_S * RATE).astype(int)
        near = at < len(response)
        np.add.at(response, at[near], REFLECTS[name] ** bounces[near] * APART_M / distance[near])
    return response


def images(size: Sound, microphone: Sound, loudspeaker: Sound, flip: Sound) -> tuple[Sound, Sound]:
    """Return how far the images that are mirrored in the axes of ``flip`` are, and how many walls they met."""
    squares, bounces = [], []
    for axis, length in enumerate(size):
        most = int(np.ceil(LONGEST_S * SOUND_M_S / (2 * length)))
        steps = np.arange(-most, most + 1)
        place = (1 - 2 * flip[axis]) * loudspeaker[axis] + 2 * steps * length
        squares.append((place - microphone[axis]) ** 2)
        bounces.append(np.abs(2 * steps - flip[axis]))
    distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    return distance.ravel(), (bounces[0][:, None, None] + bounces[1][:, None] + bounces[2]).ravel()
