"""A simulated box in virtual time, and the sounds of its tests."""

from __future__ import annotations

import asyncio
import wave
from array import array
from functools import partial
from typing import TYPE_CHECKING, Any

from hardware.ports import MICROPHONE_FORMAT, SPEAKER_FORMAT, DeviceError
from hardware.simulated.box import SimulatedBox
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from hardware.ports import AudioFormat


def no_fault(error: DeviceError) -> None:
    raise error


def ignore() -> None:
    pass


def constant(fmt: AudioFormat, seconds: float, value: int = 1000) -> bytes:
    return array("h", [value]).tobytes() * round(seconds * fmt.rate)


voice = partial(constant, MICROPHONE_FORMAT)
answer = partial(constant, SPEAKER_FORMAT)


def loudness(pcm: bytes) -> float:
    samples = array("h", pcm)
    return float((sum(s * s for s in samples) / len(samples)) ** 0.5)


def in_a_box(script: Callable[[SimulatedBox], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        box = SimulatedBox.build(asyncio.get_running_loop(), **options)
        await script(box)
        await box.devices.aclose()

    run_virtual(run())


def write_wav(path: Path, pcm: bytes, rate: int = 16000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setparams((channels, 2, rate, 0, "NONE", ""))
        wav.writeframes(pcm)
    return path
