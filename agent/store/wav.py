"""WAV files as the spool keeps them (16-bit mono), including files that were being written when the power failed.

The lengths in the header are right only once a file is closed; the samples are whatever follows the header.
"""

from __future__ import annotations

import struct

from hardware.ports import BYTES_PER_SAMPLE, MICROPHONE_FORMAT, SPEAKER_FORMAT

SPEECH_RATE, ANSWER_RATE = MICROPHONE_FORMAT.rate, SPEAKER_FORMAT.rate
RATES = range(4_000, 192_001)
"""Rates that a header may hold; with any other rate it is damaged."""
UNKNOWN = 0xFFFFFFFF
"""The length in the header of a file that is being written, or was when the power failed."""
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_RIFF = 8
"""Bytes that the first length in the header does not count."""


def header(rate: int, size: int | None) -> bytes:
    """Return the header for ``size`` bytes of samples; None: the size is not known yet, as is one of four gigabytes."""
    riff = data = UNKNOWN
    if size is not None and size < UNKNOWN - HEADER.size:
        riff, data = HEADER.size - _RIFF + size, size
    byte_rate = rate * BYTES_PER_SAMPLE
    return HEADER.pack(b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, byte_rate, BYTES_PER_SAMPLE, 16, b"data", data)


def read(content: bytes, otherwise: int = SPEECH_RATE) -> tuple[bytes, int]:
    """Return the samples in a file's ``content`` and their rate; ``otherwise`` if the header does not tell the rate."""
    return content[HEADER.size :][: whole(len(content))], rate_of(content) or otherwise


def whole(size: int) -> int:
    """Return how many bytes of whole samples a file of ``size`` bytes holds."""
    return max(0, size - HEADER.size) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE


def rate_of(content: bytes) -> int:
    """Return the rate in the header of ``content``, 0 if it cannot be right."""
    rate = HEADER.unpack_from(content)[7] if len(content) >= HEADER.size else 0
    return rate if rate in RATES else 0


def repaired(found: bytes, size: int, otherwise: int) -> bytes:
    """Return the correct header for a file of ``size`` bytes that begins with ``found``.

    The rate is kept if everything but the lengths is right, else it is ``otherwise``.
    """
    rate = rate_of(found)
    known = rate and _without_lengths(found) == _without_lengths(header(rate, None))
    return header(rate if known else otherwise, whole(size))


def _without_lengths(found: bytes) -> bytes:
    return found[:4] + found[8:40]
