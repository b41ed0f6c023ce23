"""What a device looks like to the agent: the protocols, the formats and the one error.

Everything here is a type or a constant. A driver satisfies a protocol by shape; nothing is registered or subclassed.
All callbacks given to a device are called on the event loop: a driver with threads crosses over with
:class:`hardware.bridge.Inlet`, so nobody above this package ever meets a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES_PER_SAMPLE = 2
"""Everything is signed 16-bit little-endian PCM."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono s16le PCM at ``rate`` samples per second."""

    rate: int

    def bytes_in(self, seconds: float) -> int:
        """Bytes that hold ``seconds`` of audio, whole samples only."""
        return round(seconds * self.rate) * BYTES_PER_SAMPLE

    def seconds_in(self, size: int) -> float:
        """Duration of ``size`` bytes."""
        return size / (self.rate * BYTES_PER_SAMPLE)


MICROPHONE_FORMAT = AudioFormat(16_000)
"""What the service listens to (Live API, audio/pcm;rate=16000)."""
SPEAKER_FORMAT = AudioFormat(24_000)
"""What the service speaks (Live API, audio/pcm;rate=24000)."""
CHUNK_S = 0.020
"""One microphone chunk: webrtcvad takes 10, 20 or 30 ms, and 20 is the usual packet of telephony."""
CHUNK_BYTES = MICROPHONE_FORMAT.bytes_in(CHUNK_S)


class Trust(Enum):
    """Why speech that is heard while the speaker plays does, or does not, interrupt it; the value is for the log."""

    ECHO_FREE = "no echo to take out"
    ABSENT = "no canceller"
    LEARNING = "not enough echo heard yet"
    TRUSTED = "the echo is gone"
    POOR = "the echo is not gone"
    WITHDRAWN = "an answer was interrupted by nothing"


@dataclass(frozen=True, slots=True)
class MicChunk:
    """One chunk, ``CHUNK_BYTES`` of 16 kHz mono s16le for each of two listeners, and what is known about it."""

    for_model: bytes
    for_endpointer: bytes
    """The same moment, up to 6 ms later: without noise and without what the speaker plays."""
    trust: Trust
    """What is known about the speaker's sound in it."""
    erle_db: float = 0.0
    """How much quieter the speaker's sound leaves than it came."""
    level_dbfs: float = 0.0
    """Rms of the louder half, as captured: before anything was taken out."""
    clipping: float = 0.0
    """Share of captured samples at full scale, 0 to 1."""
    dead: bool = False
    """Whether the microphone has delivered nothing but zeros for a while."""

    @property
    def trusted(self) -> bool:
        """Whether speech in it, while the speaker plays, is a person's and not the speaker's."""
        return self.trust in (Trust.TRUSTED, Trust.ECHO_FREE)

    @classmethod
    def plain(cls, pcm: bytes, *, trusted: bool) -> MicChunk:
        """Return ``pcm``, captured without a canceller, for both listeners; ``trusted`` if it holds no echo."""
        return cls(pcm, pcm, Trust.ECHO_FREE if trusted else Trust.ABSENT)


class DeviceError(Exception):
    """A device cannot be used now: ``device`` names it, ``problem`` says what is wrong, ``fix`` what to do."""

    def __init__(self, device: str, problem: str, fix: str, *, fatal: bool = False) -> None:
        """Keep the parts; the message is the three texts in one line.

        ``fatal``: only a new process can use it again, because its driver holds a thread that never returns.
        """
        super().__init__(f"{device}: {problem} ({fix})")
        self.device = device
        self.problem = problem
        self.fix = fix
        self.fatal = fatal

    def of(self, device: str) -> DeviceError:
        """Return the same fault under another name: a driver knows cards, people know parts."""
        return DeviceError(device, self.problem, self.fix, fatal=self.fatal)


def reason(error: BaseException) -> str:
    """What went wrong, for people: never empty, and without a number of errno."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Rhythm(Enum):
    """What the light says. Told apart by rhythm alone; :mod:`hardware.panel.rhythm` draws each over time."""

    READY = "asleep, ready"
    CONNECTING = "connecting"
    LISTENING = "listening"
    HEARING = "hearing speech"
    THINKING = "thinking"
    LOUD = "too loud, hold to talk"
    ANSWERING = "answering"
    ONE_WAY = "answering, press to interrupt"
    OFFLINE = "offline"
    MESSAGE = "answer waiting"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """What a device lost or had to make up for, over its life; all zero where it has nothing to lose."""

    dropped: int = 0
    """Chunks or edges that nobody got, because the loop or the processor stalled."""
    glitches: int = 0
    """Over- and underruns that the driver reported since the card was last opened."""
    underruns: int = 0
    """How often an answer ran dry and went on."""
    dropped_s: float = 0.0
    """Seconds of answers lost because too much was waiting."""
    refused_s: float = 0.0
    """Seconds of answers that came after their answer was cut."""
    missed_edges: int = 0
    """Edges of a button that only polling found."""


class Microphone(Protocol):
    """A source of 20 ms chunks."""

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin capture; returns at once. Faults, now or later, come through ``on_fault``."""

    def stop(self) -> None:
        """End capture; no chunk is delivered after this returns. Idempotent."""

    def speech(self, *, on: bool) -> None:
        """Tell the device whether the technician is speaking, so that their speech is not measured as echo."""

    def false_alarm(self) -> None:
        """Report that the last barge-in was a false alarm; voice barge-in is distrusted for a while."""

    def health(self) -> DeviceHealth:
        """Return what was lost so far."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Speaker(Protocol):
    """A sink for 24 kHz mono PCM that never makes its caller wait.

    One *answer* is what is written between two ``flush``/drained points. Positions count from its first sample.
    """

    @property
    def epoch(self) -> int:
        """Number that each ``flush`` raises; what is written with an earlier one comes too late and is refused."""

    @property
    def played_s(self) -> float:
        """Seconds of the present answer already handed to the sound card."""

    @property
    def buffered_s(self) -> float:
        """Seconds written and not yet handed over."""

    @property
    def audible(self) -> bool:
        """Whether anything (answer or chime) is sounding or about to."""

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Open the output. ``on_drained`` is called once after ``finish`` when the last sample is handed over."""

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        """Append answer audio, any even length. Returns False if ``epoch`` is over: an answer that was cut."""

    def finish(self) -> None:
        """Say that the answer is whole; play out what is left, then report drained."""

    def flush(self) -> float:
        """Silence the answer within one output period and forget the rest; returns the seconds that were played."""

    def repeat(self) -> float:
        """Play the last answer again from its first sample, as far as it is kept; returns its seconds, 0.0 for none."""

    def chime(self, pcm: bytes) -> None:
        """Mix a short sound over whatever plays; does not count as answer."""

    def health(self) -> DeviceHealth:
        """Return what was lost so far."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Camera(Protocol):
    """A source of JPEGs, taken when asked for."""

    def start(self, on_fault: Callable[[DeviceError], None]) -> None:
        """Switch the camera on; returns at once."""

    def stop(self) -> None:
        """Switch it off. Idempotent."""

    async def frame(self, max_bytes: int) -> bytes:
        """Return a small JPEG of what is in view now, of at most about ``max_bytes``. Raises DeviceError."""

    async def still(self) -> bytes:
        """Return a full-resolution JPEG. Raises DeviceError."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Button(Protocol):
    """One push button."""

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report debounced edges: True on press-down, False on release."""

    def health(self) -> DeviceHealth:
        """Return what was lost so far."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Indicator(Protocol):
    """One light."""

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Show ``rhythm`` until told otherwise; HEARING follows the loudness ``level`` (0..1). Cheap to repeat."""

    async def aclose(self) -> None:
        """Switch off and release. Idempotent."""


@dataclass(frozen=True, slots=True)
class Devices:
    """The whole box. ``camera`` is None where the configuration says that there is none."""

    microphone: Microphone
    speaker: Speaker
    camera: Camera | None
    button: Button
    indicator: Indicator

    def health(self) -> dict[str, DeviceHealth]:
        """Return what each part lost so far, by its name; cameras and lights have nothing to lose."""
        return {
            "microphone": self.microphone.health(),
            "speaker": self.speaker.health(),
            "button": self.button.health(),
        }

    async def aclose(self) -> None:
        """Release everything, the light last so that it stays lit while a sensor is open."""
        await self.microphone.aclose()
        if self.camera is not None:
            await self.camera.aclose()
        await self.speaker.aclose()
        await self.button.aclose()
        await self.indicator.aclose()
