"""What a device looks like to the agent: the protocols, the formats and the one error.

Everything here is a type or a constant. A driver satisfies a protocol by shape; nothing is registered or subclassed.
All callbacks given to a device are called on the event loop. A driver with threads gets there with
:class:`hardware.bridge.Inlet`, so nothing above this package ever sees a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES_PER_SAMPLE = 2
"""All audio is signed 16-bit little-endian PCM."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono s16le PCM at ``rate`` samples per second."""

    rate: int

    def bytes_in(self, seconds: float) -> int:
        """Return the number of bytes that hold ``seconds`` of audio, in whole samples."""
        return round(seconds * self.rate) * BYTES_PER_SAMPLE

    def seconds_in(self, size: int) -> float:
        """Return the seconds of audio in ``size`` bytes."""
        return size / (self.rate * BYTES_PER_SAMPLE)


MICROPHONE_FORMAT = AudioFormat(16_000)
"""The format that the service receives (Live API, audio/pcm;rate=16000)."""
SPEAKER_FORMAT = AudioFormat(24_000)
"""The format that the service sends (Live API, audio/pcm;rate=24000)."""
CHUNK_S = 0.020
"""Length of a microphone chunk: webrtcvad accepts 10, 20 or 30 ms, and 20 ms is telephony's usual packet."""
CHUNK_BYTES = MICROPHONE_FORMAT.bytes_in(CHUNK_S)


class Trust(Enum):
    """Why a voice over an answer is, or is not, trusted to be a person's; the value is for the log."""

    ECHO_FREE = "no echo to take out"
    ABSENT = "no canceller"
    LEARNING = "not enough echo heard yet"
    TRUSTED = "the echo is gone"
    POOR = "the echo is not gone"
    SHAKEN = "the sound stumbled"
    WITHDRAWN = "an answer was interrupted by nothing"


class Echo(Enum):
    """What the canceller made of a chunk, while an echo may sound or not."""

    UNKNOWN = auto()  # there is no canceller
    NONE = auto()  # nothing has played for longer than an echo lasts
    CLEAR = auto()  # something plays, and hardly anything was taken out: what is heard is somebody else
    MIXED = auto()  # part of it was taken out
    RESIDUE = auto()  # so much was taken out that what is left is the rest of an echo


@dataclass(frozen=True, slots=True)
class MicChunk:
    """A microphone chunk: ``CHUNK_BYTES`` of 16 kHz mono s16le for each of two listeners, and what is known of it."""

    for_model: bytes
    for_endpointer: bytes
    """The same sound, delayed by up to 6 ms, without noise and without the speaker's echo."""
    trust: Trust
    """Whether a voice in it is a person's or may be the speaker's echo."""
    erle_db: float = 0.0
    """By how much the canceller reduces the echo, in dB."""
    level_dbfs: float = 0.0
    """Rms of the louder half, as captured, before any processing."""
    clipping: float = 0.0
    """Share of captured samples at full scale, 0 to 1."""
    dead: bool = False
    """Whether the microphone has delivered nothing but zeros for a while."""
    echo: Echo = Echo.NONE
    cleaned_dbfs: float = 0.0
    """Rms of the louder half of ``for_endpointer``."""

    @property
    def trusted(self) -> bool:
        """Whether speech in it is a person's and not echo, even while the speaker plays."""
        return self.trust in (Trust.TRUSTED, Trust.ECHO_FREE)

    @classmethod
    def plain(cls, pcm: bytes, *, trusted: bool) -> MicChunk:
        """Return ``pcm``, captured without a canceller, for both listeners; ``trusted`` if it holds no echo."""
        if trusted:
            return cls(pcm, pcm, Trust.ECHO_FREE)
        return cls(pcm, pcm, Trust.ABSENT, echo=Echo.UNKNOWN)


AUDIO_LIBRARIES = ("sounddevice", "numpy")
"""What sound cards cannot do without; ``pywebrtc_audio`` they can, without an echo canceller."""


class DeviceError(Exception):
    """A device cannot be used now: ``device`` names it, ``problem`` says what is wrong, ``fix`` what to do."""

    def __init__(self, device: str, problem: str, fix: str, *, fatal: bool = False) -> None:
        """Make a message of the three texts, in one line.

        ``fatal``: only a new process can use the device again, because its driver holds a thread that never returns.
        """
        super().__init__(f"{device}: {problem} ({fix})")
        self.device = device
        self.problem = problem
        self.fix = fix
        self.fatal = fatal

    def of(self, device: str) -> DeviceError:
        """Return the same error for the part called ``device``: drivers know cards, people know parts."""
        return DeviceError(device, self.problem, self.fix, fatal=self.fatal)


def without_library(error: ImportError) -> DeviceError:
    """Return the DeviceError for a missing library of the extra ``audio``; raises ``error`` if it is another's."""
    if error.name not in AUDIO_LIBRARIES:
        raise error
    return DeviceError("sound", f"{error.name} is not installed", "scripts/setup demo,audio, or pip install '.[audio]'")


def reason(error: BaseException) -> str:
    """Return what went wrong, for people: never empty, and without the errno."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Rhythm(Enum):
    """What the light shows. Only the rhythm tells them apart; :mod:`hardware.panel.rhythm` defines each over time."""

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
    """Whether a device works, and what it has lost or had to make up for so far; zero if it has nothing to lose."""

    dropped: int = 0
    """Chunks or edges that were lost because the loop or the processor stalled."""
    glitches: int = 0
    """How often sound was lost or displaced between driver and card."""
    underruns: int = 0
    """How often an answer ran dry and then went on."""
    dropped_s: float = 0.0
    """Seconds of answers that were lost because too much was waiting."""
    refused_s: float = 0.0
    """Seconds of answers that arrived after their answer was cut."""
    missed_edges: int = 0
    """Edges of a button that only polling found."""
    working: bool | None = None
    """Whether it works at present, if it can tell without being used."""


class Microphone(Protocol):
    """A source of 20 ms chunks."""

    def start(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Begin to capture; returns at once. ``on_fault`` gets every fault, now or later."""

    def stop(self) -> None:
        """Stop capturing; no chunk is delivered after this returns. Idempotent."""

    def speech(self, *, on: bool, over_answer: bool = False) -> None:
        """Tell the device whether the technician is speaking, so that their speech is not measured as echo.

        ``over_answer``: their speech interrupts an answer, unless it is the answer's own echo.
        """

    def false_alarm(self) -> None:
        """Report that the last voice was none; voice barge-in is distrusted for a while."""

    def overheard(self) -> None:
        """Report a voice, or what sounds like one, in an answer that no voice may interrupt: it may be the echo."""

    def health(self) -> DeviceHealth:
        """Return what was lost so far."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Speaker(Protocol):
    """A sink for 24 kHz mono PCM that never makes its caller wait.

    An *answer* is what is written between one ``flush`` or drained report and the next. Positions count from its first
    sample.
    """

    @property
    def epoch(self) -> int:
        """A number that each ``flush`` raises; writes with an earlier epoch come too late and are refused."""

    @property
    def played_s(self) -> float:
        """Seconds of the present answer already handed to the sound card."""

    @property
    def buffered_s(self) -> float:
        """Seconds written and not yet handed to the sound card."""

    @property
    def audible(self) -> bool:
        """Whether anything (answer, words or chime) plays or is about to; an answer that is paused does not."""

    def start(self, on_drained: Callable[[], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Open the output. ``on_drained`` is called once after ``finish``, when the last sample was handed over."""

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        """Append answer audio of any even length; return False if ``epoch`` is over because the answer was cut."""

    def finish(self) -> None:
        """Mark the answer as complete: play what is left, then report drained."""

    def flush(self) -> float:
        """Silence the answer within one output period and discard the rest; return the seconds that were played."""

    def repeat(self) -> float:
        """Play the last answer again from its start, as far as it is kept; return its seconds, 0.0 if there is none."""

    def pause(self) -> None:
        """Silence the answer within one output period, and keep it, until ``resume`` or ``flush``."""

    def resume(self) -> None:
        """Play a paused answer on. Idempotent."""

    def say(self, pcm: bytes) -> None:
        """Play the box's own words, never together with an answer: whichever comes second waits."""

    def hush(self) -> None:
        """Silence the box's own words, and discard those that wait."""

    def chime(self, pcm: bytes) -> None:
        """Mix a short sound over whatever plays; it does not count as part of an answer."""

    def health(self) -> DeviceHealth:
        """Return what was lost so far."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Camera(Protocol):
    """A source of JPEGs, taken when asked for."""

    def start(self, on_fault: Callable[[DeviceError], None]) -> None:
        """Switch the camera on; returns at once."""

    def stop(self) -> None:
        """Switch the camera off. Idempotent."""

    async def frame(self, max_bytes: int) -> bytes:
        """Return a small JPEG of the present view, of about ``max_bytes`` at most. Raises DeviceError."""

    async def still(self) -> bytes:
        """Return a full-resolution JPEG. Raises DeviceError."""

    async def aclose(self) -> None:
        """Release the device. Idempotent."""


class Button(Protocol):
    """One push button."""

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report debounced edges from now on: True for a press, False for a release."""

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
    """All devices of the box. ``camera`` is None if the configuration says so."""

    microphone: Microphone
    speaker: Speaker
    camera: Camera | None
    button: Button
    indicator: Indicator

    def health(self) -> dict[str, DeviceHealth]:
        """Return the health of each part by its name; cameras and lights have nothing to lose."""
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
