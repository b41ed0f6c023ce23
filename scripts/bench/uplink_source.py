"""What every client of the uplink bench sends: continuous speech, frames that do not compress, their wrapping.

No library beyond the standard one here: the clients import this.
"""

from __future__ import annotations

import binascii
import random

RATE, CHUNK_S, CHUNK_BYTES = 16_000, 0.020, 640
FPS, FRAME_BYTES = 2.0, 30_000
GOLDEN = 0.618034
TAIL_S = 1.5
"""Speech beyond the end of a run: clients stop a little late, never early."""
START = b'{"realtimeInput":{"activityStart":{}}}'
END = b'{"realtimeInput":{"activityEnd":{}}}'
SETUP = b'{"setup":{"model":"models/gemini-3.8-live"}}'
AUDIO_HEAD = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"'
VIDEO_HEAD = b'{"realtimeInput":{"video":{"mimeType":"image/jpeg","data":"'
TAIL = b'"}}}'
NOISE = random.Random(1).randbytes(2 * FRAME_BYTES)  # noqa: S311 - frames, not secrets


def audio(pcm: bytes) -> bytes:
    """One message of audio."""
    return AUDIO_HEAD + binascii.b2a_base64(pcm, newline=False) + TAIL


def video(jpeg: bytes) -> bytes:
    """One message with a frame."""
    return VIDEO_HEAD + binascii.b2a_base64(jpeg, newline=False) + TAIL


def camera_time(number: int) -> float:
    """When a camera offers a frame: twice a second, in no phase with the microphone."""
    return number / FPS + number * GOLDEN % 1 * CHUNK_S


def frame(number: int, size: int = FRAME_BYTES) -> bytes:
    """Something that looks like a JPEG from both ends and cannot be compressed."""
    offset = number * 97 % FRAME_BYTES
    return b"\xff\xd8\xff\xe0" + NOISE[offset : offset + size - 6] + b"\xff\xd9"
