"""The sounds of the audio bench: voices, noises, loudspeakers and rooms, the same for the same seed.

Voices are spoken by espeak-ng and kept in the cache directory; all else is computed. Everything is float64 at ``RATE``,
1.0 is full scale.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pathlib import Path

Sound = npt.NDArray[np.float64]

RATE = 48_000
"""What most cards do."""
EDGE_DB = -40.0
"""Below the loudest 20 ms by this much at its ends, a recording is silence and is trimmed."""

TEXTS = {
    "en-gb": [
        "what does the pressure gauge show right now",
        "is the red valve open or closed",
        "which of these bolts do I loosen first",
        "tell me the torque for the flange on the left side",
        "no wait that is the wrong pump",
        "read me the serial number on this plate",
    ],
    "en-us": [
        "the motor makes a grinding noise when it starts",
        "how much oil goes into this gearbox",
        "stop I have found the leak already",
        "show me where the bleed screw is",
        "can I run it without the cover for a minute",
        "the display says error forty two",
    ],
    "de": [
        "welcher Druck steht auf dem Manometer",
        "ist das rote Ventil offen oder geschlossen",
        "warte das ist die falsche Pumpe",
        "wie fest muss ich diese Schraube anziehen",
        "der Motor macht beim Anlaufen ein Geräusch",
        "lies mir bitte die Seriennummer vor",
    ],
    "es": [
        "qué presión marca el manómetro ahora",
        "la válvula roja está abierta o cerrada",
        "espera esta no es la bomba correcta",
        "cuánto aceite lleva esta caja de cambios",
        "el motor hace ruido cuando arranca",
        "dime el número de serie de la placa",
    ],
    "fr": [
        "quelle pression indique le manomètre maintenant",
        "la vanne rouge est ouverte ou fermée",
        "attends ce n'est pas la bonne pompe",
        "combien d'huile faut il dans ce réducteur",
        "le moteur fait un bruit au démarrage",
        "lis moi le numéro de série sur la plaque",
    ],
}
ANSWER = (
    "The gauge shows about four bar, which is inside the green band. Close the red valve first, then open the bleed "
    "screw by half a turn and wait until no more air comes out. After that, tighten the four bolts crosswise with "
    "forty five newton metres. If the grinding does not stop, switch the motor off, because the bearing on the drive "
    "side may be worn."
)
STRANGERS = ["rms", "slt", "kal16", "awb"]
"""Voices of flite: recorded people, cut up or modelled, where espeak-ng computes a throat."""
NEWS = (
    "And now the weather. Rain will spread from the west in the course of the afternoon, with gusts of up to sixty "
    "kilometres an hour on the coast. Tomorrow will be dry at first, then showers, and a little warmer in the south. "
    "On the roads there is a queue of four kilometres before the tunnel, and drivers are asked to be patient."
)
TECHNICIANS = ["m1", "m3", "m7", "f2", "f4", "f5"]
ASSISTANTS = ["en-us+f3", "en-gb+m2", "en-us+m4", "en-gb+f1"]


@dataclass(frozen=True)
class Spoken:
    """Who says it: an espeak-ng voice, words per minute, pitch 0 to 99."""

    voice: str
    pace: int
    pitch: int


class Corpus:
    """Makes sounds from a cache directory and a seeded generator."""

    def __init__(self, cache: Path, rng: np.random.Generator, half: int) -> None:
        """Use every second text, beginning at ``half``, so that tuning and reporting share none."""
        cache.mkdir(parents=True, exist_ok=True)
        self._cache = cache
        self.rng = rng
        self._half = half

    def question(self) -> Sound:
        """Return one thing that a technician says; loudest 20 ms at full scale."""
        language = str(self.rng.choice(list(TEXTS)))
        text = str(self.rng.choice(TEXTS[language][self._half :: 2]))
        who = str(self.rng.choice(TECHNICIANS[self._half :: 2]))
        pace, pitch = int(self.rng.integers(120, 190)) // 10 * 10, int(self.rng.integers(30, 70)) // 10 * 10
        return self.spoken(Spoken(f"{language}+{who}", pace, pitch), text)

    def stranger(self) -> Sound:
        """Return one thing that a technician says, in a voice that ``question`` has not."""
        texts = [text for language in ("en-gb", "en-us") for text in TEXTS[language][self._half :: 2]]
        who = str(self.rng.choice(STRANGERS[self._half :: 2]))
        return self.spoken(Spoken(f"{FLITE}{who}", 0, 0), str(self.rng.choice(texts)))

    def answer(self) -> Sound:
        """Return about 20 s of the assistant."""
        who = str(self.rng.choice(ASSISTANTS[self._half :: 2]))
        return self.spoken(Spoken(who, 160, 50), ANSWER)

    def spoken(self, spoken: Spoken, text: str) -> Sound:
        """Return ``text`` in a voice; loudest 20 ms at full scale."""
        name = hashlib.sha256(repr((spoken, text, RATE)).encode()).hexdigest()[:16]
        file = self._cache / f"{name}.npy"
        if not file.exists():
            np.save(file, trimmed(at_rate(*speak(spoken, text))).astype(np.float32))
        sound: Sound = np.load(file).astype(np.float64)
        return sound

    def noise(self, kind: str, size: int) -> Sound:
        """Return ``size`` samples of a noise named in ``NOISES``, at 1.0 rms."""
        sound = getattr(self, f"_{kind}")(size)
        return np.asarray(sound / np.sqrt(np.mean(sound**2) + 1e-12))

    def _white(self, size: int) -> Sound:
        return self.rng.standard_normal(size)

    def _pink(self, size: int) -> Sound:
        spectrum = np.fft.rfft(self.rng.standard_normal(size))
        return np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 20.0), size)

    def _fan(self, size: int) -> Sound:
        """Blades at 120 Hz and their harmonics, slowly wandering, over low-passed air."""
        t = np.arange(size) / RATE
        turn = 2 * np.pi * 120 * t + 3 * np.sin(2 * np.pi * 0.13 * t)
        hum = sum(np.sin(k * turn + k) / k for k in range(1, 8))
        return np.asarray(hum + 1.5 * self._coloured(size, 0, 900))

    def _babble(self, size: int) -> Sound:
        """Eight people at once."""
        crowd = np.zeros(size)
        for _ in range(8):
            line = np.concatenate([self.question() for _ in range(size // (2 * RATE) + 2)])
            crowd += np.roll(np.resize(line, size), self.rng.integers(size)) * self.rng.uniform(0.5, 1)
        return crowd

    def _clank(self, size: int) -> Sound:
        """Metal on metal, twice a second at random: ringing partials that die in a third of a second."""
        sound = 0.002 * self.rng.standard_normal(size)
        t = np.arange(RATE // 2) / RATE
        for at in self.rng.integers(0, size - len(t), max(1, 2 * size // RATE)):
            partials = self.rng.uniform(500, 6000, 6)
            decays = self.rng.uniform(8, 25, 6)
            blow = sum(np.sin(2 * np.pi * f * t) * np.exp(-d * t) for f, d in zip(partials, decays, strict=True))
            sound[at : at + len(t)] += blow * self.rng.uniform(0.3, 1)
        return sound

    def _drill(self, size: int) -> Sound:
        """Bursts of 2 to 4 s: a whining motor whose speed follows the load, blows at 45 Hz, and grit."""
        t = np.arange(size) / RATE
        speed = 280 + 40 * np.sin(2 * np.pi * 0.4 * t) + 15 * np.sin(2 * np.pi * 1.7 * t)
        turn = 2 * np.pi * np.cumsum(speed) / RATE
        whine = sum(np.sin(k * turn) / k**0.7 for k in range(1, 16))
        blows = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 45 * t))
        on = np.repeat(self.rng.random(size // RATE + 2) < 0.6, RATE)[:size]  # noqa: PLR2004 - works 60 % of the time
        smooth = np.convolve(on, np.ones(2400) / 2400, "same")
        return np.asarray((whine * blows + 2 * self._coloured(size, 1000, 7000)) * smooth)

    def _coloured(self, size: int, low: float, high: float) -> Sound:
        spectrum = np.fft.rfft(self.rng.standard_normal(size))
        frequencies = np.fft.rfftfreq(size, 1 / RATE)
        return np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies <= high)), size)

    def room(self, reverberation_s: float) -> Sound:
        """Return an impulse response of 0.25 s: the case's own sound, then a tail that falls 60 dB in that time."""
        size = RATE // 4
        t = np.arange(size) / RATE
        tail = self.rng.standard_normal(size) * 10 ** (-3 * t / reverberation_s) * 0.03
        tail[: RATE // 500] = 0
        tail[0] = 1.0
        for _ in range(5):
            tail[self.rng.integers(20, RATE // 100)] += self.rng.uniform(-0.4, 0.4)
        return tail

    def _wind(self, size: int) -> Sound:
        """Gusts over the microphone: below 300 Hz for the most part, and a hiss that comes with the strongest."""
        gusts = np.maximum(0.0, 1 + 0.8 * self._slow(size, 0.4) + 0.4 * self._slow(size, 3.0))
        return np.asarray(self._coloured(size, 15, 300) * gusts**2 + 0.05 * self._coloured(size, 300, 3000) * gusts**4)

    def _radio(self, size: int) -> Sound:
        """Somebody who reads the news over chords that change, from a small loudspeaker."""
        news = self.spoken(Spoken(ASSISTANTS[self._half], 170, 40), NEWS)
        t = np.arange(size) / RATE
        chord = np.zeros(size)
        for start in range(0, size, 2 * RATE):
            notes = 220 * 2 ** (self.rng.integers(0, 24, 4) / 12)
            part = slice(start, start + 2 * RATE)
            chord[part] = sum(np.sin(2 * np.pi * note * t[part]) for note in notes)
        voice = np.roll(np.resize(news, size), self.rng.integers(size))
        return loudspeaker(voice / np.sqrt(np.mean(voice**2)) + 0.2 * chord, 0.5)

    def _slow(self, size: int, hertz: float) -> Sound:
        """Return a random curve of about this many turns a second, at 1.0 rms."""
        points = self.rng.standard_normal(round(size / RATE * 2 * hertz) + 4)
        return np.interp(np.arange(size) / RATE * 2 * hertz, np.arange(len(points)), points)


NOISES = ("white", "pink", "fan", "babble", "clank", "drill", "wind", "radio")
FLITE = "flite "
"""Begins the name of a voice that flite speaks."""


def speak(spoken: Spoken, text: str) -> tuple[Sound, int]:
    """Return what espeak-ng or flite says and its rate."""
    command = ["espeak-ng", "-v", spoken.voice, "-s", str(spoken.pace), "-p", str(spoken.pitch), "--stdout", text]
    if spoken.voice.startswith(FLITE):
        command = ["flite", "-voice", spoken.voice.removeprefix(FLITE), "-t", text, "-o", "/dev/stdout"]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a fixed tool with our own texts
    with wave.open(io.BytesIO(done.stdout)) as file:
        # Written to a pipe, the header's length is not the sound's: read to the end.
        pcm = np.frombuffer(done.stdout[44:], dtype="<i2").astype(np.float64) / 32768
        return pcm, file.getframerate()


def at_rate(sound: Sound, rate: int) -> Sound:
    """Convert a whole recording to ``RATE``."""
    size = round(len(sound) * RATE / rate)
    return np.fft.irfft(np.fft.rfft(sound), size) * size / len(sound)


def trimmed(sound: Sound) -> Sound:
    """Cut silence off both ends; scale so that the loudest 20 ms have an rms of 1."""
    frame = RATE // 50
    levels = np.sqrt(np.mean(sound[: len(sound) // frame * frame].reshape(-1, frame) ** 2, axis=1))
    loud = np.flatnonzero(levels > levels.max() * 10 ** (EDGE_DB / 20))
    return np.asarray(sound[loud[0] * frame : (loud[-1] + 1) * frame] / levels.max())


def loudspeaker(sound: Sound, drive: float) -> Sound:
    """Return what a small driver makes of it: nothing below 250 Hz, saturation by ``drive``, a second harmonic."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    thin = np.fft.irfft(spectrum / (1 + (250 / np.maximum(frequencies, 1)) ** 4), len(sound))
    bent = np.tanh(drive * thin) / drive
    return np.asarray(bent + 0.03 * drive * bent**2)


def convolved(sound: Sound, response: Sound) -> Sound:
    """Return the sound in the room, of the same length."""
    size = len(sound) + len(response)
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)]
