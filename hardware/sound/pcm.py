"""Arithmetic on s16le PCM with the standard library, for the few milliseconds that need it.

``array("h")`` is in machine order; every machine this runs on is little-endian, as the format is.
"""

from __future__ import annotations

from array import array

LOUDEST = 32767
QUIETEST = -32768


def mix(first: bytes, second: bytes) -> bytes:
    """Return the sum of two sounds of equal length, saturating."""
    sums = map(int.__add__, array("h", first), array("h", second))
    return array("h", [min(max(total, QUIETEST), LOUDEST) for total in sums]).tobytes()


def scale(pcm: bytes, gain: float) -> bytes:
    """Return ``pcm`` times ``gain`` (0..1)."""
    return array("h", [int(sample * gain) for sample in array("h", pcm)]).tobytes()


def fade_out(pcm: bytes) -> bytes:
    """Return ``pcm`` faded linearly to silence."""
    samples = array("h", pcm)
    count = len(samples)
    return array("h", [sample * (count - i) // (count + 1) for i, sample in enumerate(samples)]).tobytes()


def spread(pcm: bytes, channels: int, channel: int, *, wide: bool = False) -> bytes:
    """Return mono ``pcm`` interleaved into ``channels``: on channel number ``channel`` (from 1), or on all for 0.

    ``wide``: make 32-bit samples, each of them two 16-bit words with the upper word last.
    """
    if channels == 1 and not wide:
        return pcm
    step = 2 * channels if wide else channels
    samples, out = array("h", pcm), array("h", bytes(len(pcm) * step))
    for each in range(channels) if channel == 0 else (channel - 1,):
        out[(2 * each + 1 if wide else each) :: step] = samples
    return out.tobytes()


def two_thirds(pcm: bytes) -> bytes:
    """Return 24 kHz ``pcm``, a multiple of 6 bytes, at 16 kHz: one sample, then the mean of the next two."""
    samples = array("h", pcm)
    out = array("h", bytes(len(pcm) // 3 * 2))
    out[0::2] = samples[0::3]
    out[1::2] = array("h", [(a + b) // 2 for a, b in zip(samples[1::3], samples[2::3], strict=True)])
    return out.tobytes()
