"""What a microphone and a speaker on sound cards share: the streams, and the path of each block through them.

If both are on one card, there is one duplex stream, which belongs to the speaker's side and is shared by the
microphone. Otherwise there are two streams, and what is played is kept for a moment, until its echo is captured. So it
is behind a sound server, where a duplex stream may spin (docs/portaudio-spin.md).
"""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from hardware.ports import DeviceError
from hardware.sound.cards import driver, find, supervisor
from hardware.sound.dsp_thread import Block, Capture
from hardware.sound.mixer import set_levels
from hardware.sound.playback import PlaybackBuffer
from hardware.sound.reference import EchoReference
from hardware.sound.renderer import Renderer, Volume
from hardware.sound.streams import CardStream, Side, open_stream
from hardware.sound.supervisor import SupervisedStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import MicChunk
    from hardware.settings import AudioSettings
    from hardware.sound.dsp_thread import BlockSink
    from hardware.sound.supervisor import Stream

IDLE_S = 10.0
"""How long the output runs on after a sound. Longer than a follow-up window, so that a conversation starts it only
once: starting takes milliseconds, and clicks on some cards."""
BRIEF_S = 1.0
"""The same while nobody listens, so that a sleeping box does not wake up a hundred times a second and a duplex stream
does not capture, even though that audio is discarded."""

log = logging.getLogger(__name__)


class SoundListener(Protocol):
    """Callbacks for one side of the sound. They are called in threads of the sound system and return at once."""

    @property
    def failed(self) -> Callable[[DeviceError], None]:
        """Called once per outage."""


class SpeakerListener(SoundListener, Protocol):
    """Callbacks for the side that plays."""

    @property
    def drained(self) -> Callable[[int], None]:
        """Called with the number of an answer when its last sample is handed over."""


class CardSound:
    """Sound on cards that may be unplugged and come back. One object for both directions; either may be missing."""

    def __init__(self, audio: AudioSettings, dsp: BlockSink, buffer: PlaybackBuffer | None = None) -> None:
        """Set up the microphone and the speaker that ``audio`` names; ``dsp`` gets the captured blocks.

        Raises DeviceError if the sound library is not installed.
        """
        driver()
        self.audio = audio
        self.buffer = buffer or PlaybackBuffer()
        self.volume = Volume(audio.volume_db)
        self._dsp = dsp
        self._supervisor = supervisor()
        self._deliver: Callable[[MicChunk], None] | None = None
        self._hears = False
        self._on_drained: Callable[[int], None] = ignore
        self._reference = EchoReference(slipped=self._stumbled)
        self._held = b""  # what a microphone's own stream captured last
        self._output: CardStream | None = None
        self._audible_at = time.monotonic() if audio.keep_alive_s else -math.inf
        self.speaker = SupervisedStream(f"speaker '{audio.speaker}'", self._open_output, self._plays)
        self.microphone = SupervisedStream(f"microphone '{audio.microphone}'", self._open_input, self._listening)

    def open(self, microphone: SoundListener | None, speaker: SpeakerListener | None) -> None:
        """Begin to open the cards in the background; None for a side that is not on a card."""
        self._hears = microphone is not None
        if speaker is not None:  # first, so that a duplex stream is there when the microphone looks for one
            self._on_drained = speaker.drained
            self._supervisor.add(self.speaker, speaker.failed)
        if microphone is not None:
            self._supervisor.add(self.microphone, microphone.failed)

    def listen(self, deliver: Callable[[MicChunk], None] | None) -> None:
        """Call ``deliver`` with each chunk from now on, in a thread; None: stop, and the microphone may rest.

        What was captured before still goes to the ``deliver`` of that time.
        """
        self._deliver = deliver
        self._held = b""
        self.wake()

    def wake(self) -> None:
        """Wake the supervisor to check the streams now, since they may have to start or stop."""
        self._supervisor.poke()

    def close(self, side: SupervisedStream) -> None:
        """Release ``microphone`` or ``speaker``; blocks while the driver does. Idempotent."""
        self._supervisor.remove(side)

    @property
    def duplex(self) -> bool:
        """Whether one stream serves both directions at present."""
        return self._output is not None and self._output.duplex and self.speaker.stream is self._output

    def glitches(self, side: SupervisedStream) -> int:
        """Return how often sound of ``side`` was lost or displaced so far, however often its card was opened."""
        return side.glitches

    def reopen_microphone(self) -> None:
        """Reopen a microphone that delivers only zeros, but not while an answer plays on the same stream."""
        if not (self.duplex and self.buffer.audible):
            (self.speaker if self.duplex else self.microphone).reopen()
            self.wake()

    # opening, in the supervisor's threads

    def _open_output(self) -> Stream:
        side = Side(find(self.audio.speaker, "output"), self.audio.speaker_channel)
        set_levels(side.card.number, "playback", self.audio.playback_percent)
        stream = self._open_duplex(side) or open_stream(None, side)
        renderer = Renderer(self.buffer, stream.rate, self.volume, self._on_drained)
        renderer.awake = self.audio.keep_alive_s > 0
        stream.stumbled = self._stumbled
        stream.block = (
            partial(self._both, capture(stream), renderer) if stream.duplex else partial(self._play, renderer)
        )
        self._output = stream
        if stream.duplex:  # a microphone that shares it already stays where it is
            self._dsp.prepare(stream.rate, stream.rate)
        log.info("%s: %s, %s", self.speaker.name, side.card.name, described(stream))
        return stream

    def _open_duplex(self, out: Side) -> CardStream | None:
        """Open and return one stream for both directions, if both are on one card that can do that; else None."""
        if not self._hears:
            return None
        try:
            into = self._input_side()
            return open_stream(into, out) if into.card.shares(out.card) else None
        except DeviceError as error:
            log.info("%s: not in one stream with the microphone: %s", self.speaker.name, error)
            return None

    def _open_input(self) -> Stream:
        if self._output and self.duplex:
            self._dsp.prepare(self._output.rate, self._output.rate)
            return SharedStream(self.speaker)
        stream = open_stream(self._input_side(), None)
        stream.stumbled = self._stumbled
        stream.block = partial(self._hear, capture(stream))
        self._held = b""
        self._dsp.prepare(stream.rate, self._output.rate if self._output else stream.rate)
        log.info("%s: %s", self.microphone.name, described(stream))
        return stream

    def _input_side(self) -> Side:
        card = find(self.audio.microphone, "input")
        set_levels(card.number, "capture", self.audio.capture_percent)
        return Side(card, self.audio.microphone_channel)

    def _plays(self) -> bool:
        """Return whether the output should run."""
        now = time.monotonic()
        if self.buffer.audible:
            self._audible_at = now
        idle_s = max(self.audio.keep_alive_s, IDLE_S if self._listening() else BRIEF_S)
        return now - self._audible_at < idle_s or (self._listening() and self.duplex)

    def _listening(self) -> bool:
        return self._deliver is not None

    # one block, in PortAudio's thread

    def _both(self, source: Capture, renderer: Renderer, captured: bytes) -> bytes:
        self.speaker.beat()
        played = renderer.block()
        if isinstance(self.microphone.stream, SharedStream):
            self._feed(source, captured, renderer.rate, played)
        return played

    def _play(self, renderer: Renderer, captured: bytes) -> bytes:
        del captured
        self.speaker.beat()
        played = renderer.block()
        self._reference.put(renderer.rate, played)
        return played

    def _hear(self, source: Capture, captured: bytes) -> bytes:
        """Pass on the block before this one: what was played by now surely comes before its echo."""
        output = self._output
        held, self._held = self._held, captured
        reference = self._reference.take(output.rate if output else source.rate)
        if held:
            self._feed(source, held, *reference)
        return b""

    def _feed(self, source: Capture, captured: bytes, rate_out: int, played: bytes) -> None:
        """Pass a block on while somebody listens; otherwise discard it."""
        deliver = self._deliver
        if deliver is not None and self._dsp.alive:
            self.microphone.beat()
            self._dsp.feed(Block(source, captured, rate_out, played, deliver))

    def _stumbled(self) -> None:
        """Sound was lost or displaced. While nobody listens nothing is measured; who begins to is doubted anyway."""
        if self._deliver is not None:
            self._dsp.doubt()


class SharedStream:
    """Stands in for the microphone's stream while a duplex stream, supervised as the speaker's, serves both."""

    spinning = False

    def __init__(self, owner: SupervisedStream) -> None:
        """Share the stream of ``owner``, and its glitches from now on."""
        self._owner = owner
        self._before = owner.glitches

    @property
    def glitches(self) -> int:
        """How often sound was lost or displaced while it was shared."""
        return self._owner.glitches - self._before

    def start(self) -> None:
        """No-op: the stream runs while somebody listens."""

    def abort(self) -> None:
        """No-op, as ``start``."""

    def close(self) -> None:
        """No-op, as ``start``."""


def capture(stream: CardStream) -> Capture:
    """Return the layout of the samples that ``stream`` captures."""
    channel = stream.into.channel if stream.into else 1
    return Capture(stream.rate, stream.channels[0], channel, stream.wide)


def described(stream: CardStream) -> str:
    """Return a description of ``stream`` for the log."""
    into, out = (f"{each} channel{'s' * (each > 1)}" for each in stream.channels)
    sides = f"{into} in and {out} out in one stream" if stream.duplex else f"{into} in" if stream.into else f"{out} out"
    latency = " and ".join(f"{1000 * each:.0f}" for each in sorted(set(stream.latency_s)))
    bare = all(side.card.number is not None for side in (stream.into, stream.out) if side)
    hint = "" if bare else "; ALSA or a sound server may convert this, name the card itself to avoid that"
    return f"{stream.rate} Hz {stream.depth}, {sides}, {latency} ms in the driver{hint}"


def ignore(_: object) -> None:
    """Do nothing; the default for a callback."""
