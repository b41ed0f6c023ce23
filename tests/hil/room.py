"""A room between the sound server's speaker and its microphone, in real time.

What the box plays into the sink ``speaker`` comes back at the sink ``micfeed``, which is the box's microphone: later,
reverberant and fainter. With it come the room's noise and whoever speaks. Everything is kept, to be identified.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt

    from tests.support.sound_server import SoundServer

    Samples = npt.NDArray[np.float32]

RATE = 48_000
BLOCK = RATE // 100
BYTES = 2 * BLOCK
DECAY_S = 0.030
"""Of a workshop's small reverberation: 60 dB down after 0.2 s."""
LENGTH_S = 0.12
LATE_S = 0.05
"""What the microphone's sink holds: less is made up for."""
NOISE_DBFS = -64.0
VOICE_RATE = 16_000


class Room:
    """Runs while the ``with`` block does."""

    def __init__(self, server: SoundServer, *, echo_db: float = -12.0, delay_s: float = 0.02, seed: int = 1) -> None:
        """Let the microphone hear the speaker ``echo_db`` fainter, ``delay_s`` later than the sound server takes."""
        self._server = server
        random = np.random.default_rng(seed)
        self._response = np.fft.rfft(impulse_response(random, echo_db, delay_s), 4 * RATE // 10)
        noise = random.standard_normal(RATE).astype(np.float32)
        self._noise = noise * np.float32(10 ** (NOISE_DBFS / 20))
        self._lock = threading.Lock()
        self._voice: Samples = np.zeros(0, dtype=np.float32)
        self._tail: Samples = np.zeros(0, dtype=np.float32)
        self._blocks = 0
        self.missed = 0
        """Blocks that the microphone was not given, because this room itself was late."""
        self._played: list[bytes] = []
        self._heard: list[bytes] = []
        self._ears: subprocess.Popen[bytes] | None = None
        self._mouth: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="room", daemon=True)

    def __enter__(self) -> Self:
        common = ("--format=s16le", f"--rate={RATE}", "--channels=1", "--raw")
        environment = self._server.process_environment
        self._ears = subprocess.Popen(
            ["parec", "--device=speaker.monitor", "--latency-msec=10", *common],
            env=environment,
            stdout=subprocess.PIPE,
        )
        self._mouth = subprocess.Popen(
            ["pacat", "--playback", "--device=micfeed", "--latency-msec=50", *common],
            env=environment,
            stdin=subprocess.PIPE,
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ears is not None
        assert self._mouth is not None
        for process in (self._ears, self._mouth):
            process.kill()
            process.wait()
        self._thread.join(5)
        for pipe in (self._ears.stdout, self._mouth.stdin):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what was still to be played
                pipe.close()

    @property
    def now(self) -> float:
        """Seconds of the recordings so far."""
        return self._blocks / 100

    def say(self, pcm: bytes, level_db: float = 0.0) -> float:
        """Speak 16 kHz s16le from now on; return its length in seconds."""
        voice = _samples([pcm]) * np.float32(10 ** (level_db / 20))
        at = np.arange(len(voice) * RATE // VOICE_RATE) * (VOICE_RATE / RATE)
        louder = np.interp(at, np.arange(len(voice)), voice).astype(np.float32)
        with self._lock:
            self._voice = _sum(self._voice, louder)
        return len(pcm) / 2 / VOICE_RATE

    def played(self, since: float = 0.0) -> Samples:
        """What came out of the speaker since that second, at ``RATE``, full scale being 1."""
        return _samples(self._played[round(100 * since) :])

    def heard(self, since: float = 0.0) -> Samples:
        """What the microphone was given since that second, likewise."""
        return _samples(self._heard[round(100 * since) :])

    def _run(self) -> None:
        assert self._ears is not None
        assert self._mouth is not None
        ears, mouth = self._ears.stdout, self._mouth.stdin
        assert ears is not None
        assert mouth is not None
        surplus = 0
        began = time.monotonic()
        while len(block := ears.read(BYTES)) == BYTES:
            # Sound that a sound server holds back for a while must not come back that much later for ever.
            late = time.monotonic() - began - LATE_S
            surplus = max(surplus, round(100 * late)) if late > 0 else surplus
            began = time.monotonic()
            self._played.append(block)
            self._blocks += 1
            if surplus:
                surplus -= 1
                self.missed += 1
                self._heard.append(b"")
                continue
            sound = self._mix(_samples([block]))
            heard = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
            self._heard.append(heard)
            try:
                mouth.write(heard)
                mouth.flush()
            except (BrokenPipeError, ValueError):
                return

    def _mix(self, played: Samples) -> Samples:
        """Return what the microphone hears while ``played`` sounds."""
        size = 4 * RATE // 10
        echo = np.fft.irfft(np.fft.rfft(played, size) * self._response, size).astype(np.float32)
        self._tail = _sum(self._tail, echo)
        sound, self._tail = self._tail[:BLOCK], self._tail[BLOCK:]
        first = self._blocks * BLOCK % (RATE - BLOCK)
        with self._lock:
            voice, self._voice = self._voice[:BLOCK], self._voice[BLOCK:]
        return _sum(sound + self._noise[first : first + BLOCK], voice)


def impulse_response(random: np.random.Generator, echo_db: float, delay_s: float) -> Samples:
    """The direct sound after ``delay_s``, and a decaying tail; its energy is ``echo_db``."""
    t = np.arange(round(LENGTH_S * RATE)) / RATE
    tail = random.standard_normal(len(t)) * np.exp(-t / DECAY_S) * 0.05
    tail[0] += 1.0
    response = np.concatenate((np.zeros(round(delay_s * RATE)), tail))
    return np.asarray(response / np.sqrt(np.sum(response**2)) * 10 ** (echo_db / 20), dtype=np.float32)


def _sum(one: Samples, other: Samples) -> Samples:
    """Lay both over each other from their beginnings."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    both = longer.copy()
    both[: len(shorter)] += shorter
    return both


def _samples(blocks: list[bytes]) -> Samples:
    return np.frombuffer(b"".join(blocks), dtype="<i2").astype(np.float32) / np.float32(32768)
