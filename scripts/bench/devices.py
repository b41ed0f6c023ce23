"""The simulated devices without an agent: ``devices.py WAV PLAN ASSETS``; prints the CPU seconds that they took.

The microphone delivers the WAV to nobody, the camera films while the plan's utterances are open, and after each of them
the speaker is given an answer in the pieces, and at the pace, of the simulator.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import wave
from pathlib import Path

from hardware.ports import CHUNK_S, SPEAKER_FORMAT
from hardware.simulated.camera import FolderCamera
from hardware.simulated.microphones import WavMicrophone
from hardware.simulated.speakers import WavSpeaker

ANSWERS = ("gauge", "valve", "interjection", "report")
THINK_S, PIECE_S, PACE = 0.4, 0.24, 1.7
FRAME_S = 1.0


async def main() -> None:
    """Run the devices for as long as the WAV."""
    wav, plan, assets = map(Path, sys.argv[1:])
    loop = asyncio.get_running_loop()
    microphone = WavMicrophone(loop, wav)
    speaker = WavSpeaker(loop, wav.with_suffix(".out.wav"))
    camera = FolderCamera(loop, assets / "frames")
    began, origin = time.process_time(), loop.time()
    microphone.start(lambda chunk: None, lambda error: None)  # noqa: ARG005 - they are for nobody
    speaker.start(lambda: None, lambda error: None)  # noqa: ARG005 - as above
    camera.start(lambda error: None)  # noqa: ARG005 - as above
    for name, (_, opens, ends) in zip(ANSWERS, json.loads(plan.read_text()), strict=False):
        await asyncio.sleep(origin + opens * CHUNK_S - loop.time())
        while loop.time() < origin + ends * CHUNK_S:
            await camera.frame(0)
            await asyncio.sleep(min(FRAME_S, origin + ends * CHUNK_S - loop.time()))
        await asyncio.sleep(THINK_S)
        await answer(speaker, assets / "answers" / f"{name}.wav")
    await microphone.ended.wait()
    print(time.process_time() - began)
    await microphone.aclose()
    await speaker.aclose()


async def answer(speaker: WavSpeaker, path: Path) -> None:
    """Hand over one answer as the service would."""
    with wave.open(str(path), "rb") as wav:
        while pcm := wav.readframes(round(PIECE_S * SPEAKER_FORMAT.rate)):
            speaker.write(pcm)
            await asyncio.sleep(PIECE_S / PACE)
    speaker.finish()


if __name__ == "__main__":
    asyncio.run(main())
