"""The voice detector behind the endpointer: webrtcvad, loaded when the first microphone opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE_RATE = 16_000


def webrtc_detector(aggressiveness: int) -> Callable[[bytes], bool]:
    """Return a verdict on 10, 20 or 30 ms of 16 kHz s16le; ``aggressiveness`` 0 (lenient) to 3 (strict)."""
    import webrtcvad  # noqa: PLC0415 - not needed before somebody speaks, and start-up time is part of the product

    vad = webrtcvad.Vad(aggressiveness)

    def is_speech(frame: bytes) -> bool:
        return bool(vad.is_speech(frame, SAMPLE_RATE))

    return is_speech
