"""What the chain costs: processor time per 10 ms, and memory."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from agent.hearing.silero import silero
from agent.hearing.vad import webrtc_detector
from hardware.sound.echo import PassThrough, WebRtcCanceller
from hardware.sound.front_end import FrontEnd
from hardware.sound.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Pcm = npt.NDArray[np.int16]

BLOCK_S = 0.010
RSS = "int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6"
WARM_UP = 300


def stages(blocks: int) -> list[tuple[str, float]]:
    """Return processor microseconds per 10 ms for each stage, by itself and together."""
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 300, (blocks, 480)), rng.normal(0, 3000, (blocks, 480))
    near[:, 100:] += 0.3 * far[:, :-100]
    near, far = near.astype(np.int16), far.astype(np.int16)
    silent = np.zeros(480, dtype=np.int16)
    down, down44 = Resampler(48_000, 16_000), Resampler(44_100, 16_000)
    hushed, plain, vad = WebRtcCanceller(hush=True), WebRtcCanceller(hush=False), webrtc_detector(3)
    network, pieces = silero(), [each.tobytes() * 2 for each in near[:, :256]]
    frames = [each.tobytes() for each in near[:, :320]]
    listening, playing, bare = (
        FrontEnd(48_000, 48_000),
        FrontEnd(48_000, 48_000),
        FrontEnd(48_000, 48_000, make=missing),
    )
    native = FrontEnd(16_000, 16_000)
    return [
        ("48 to 16 kHz, one direction", cost(blocks, lambda i: down.convert(near[i]))),
        ("44.1 to 16 kHz, one direction", cost(blocks, lambda i: down44.convert(near[i, :441]))),
        ("canceller + suppressor, playing", cost(blocks, lambda i: hushed.process(near[i, :160], far[i, :160]))),
        ("canceller alone, playing", cost(blocks, lambda i: plain.process(near[i, :160], far[i, :160]))),
        ("canceller + suppressor, silent", cost(blocks, lambda i: hushed.process(near[i, :160], silent[:160]))),
        ("front end 48 kHz, listening", cost(blocks, lambda i: listening.process(near[i], silent))),
        ("front end 48 kHz, playing", cost(blocks, lambda i: playing.process(near[i], far[i]))),
        ("front end 16 kHz, playing", cost(blocks, lambda i: native.process(near[i, :160], far[i, :160]))),
        ("front end 48 kHz, library missing", cost(blocks, lambda i: bare.process(near[i], far[i]))),
        ("webrtcvad and level", cost(blocks, lambda i: vad(frames[i])) / 2),
        ("Silero, only while it is asked", cost(blocks, lambda i: network(pieces[i])) / 3.2),
    ]


def missing(*, hush: bool) -> PassThrough:
    """Return what stands in for a missing pywebrtc-audio."""
    del hush
    return PassThrough()


def cost(blocks: int, work: Callable[[int], object]) -> float:
    """Return processor microseconds per call; time that others have the processor does not count."""
    for index in range(WARM_UP):
        work(index)
    began = time.process_time()
    for index in range(WARM_UP, blocks):
        work(index)
    return (time.process_time() - began) / (blocks - WARM_UP) * 1e6


def memory() -> list[tuple[str, float]]:
    """Return MB added, step by step, in a process of their own."""
    steps = [
        ("the interpreter", "pass"),
        ("numpy", "import numpy"),
        ("the front end, 48 kHz", "from hardware.sound.front_end import FrontEnd; f = FrontEnd(48000, 48000)"),
        ("playing for 1 s", "z = numpy.ones(480, numpy.int16); [f.process(z * 999, z * (i % 99)) for i in range(100)]"),
    ]
    code = "".join(f"{step}\nprint({RSS})\n" for _, step in steps)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - above
    sizes = [0.0, *map(float, done.stdout.split())]
    return [(name, sizes[at + 1] - sizes[at]) for at, (name, _) in enumerate(steps)]
