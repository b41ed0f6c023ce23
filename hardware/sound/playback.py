"""The playback buffer: a locked buffer between the loop, which writes answers, and the sound card, which pulls.

    EMPTY --write--> PRIMING --prebuffer full, or the writer pauses, or finish--> PLAYING
    PLAYING --last byte handed over--> finished? DRAINED : DRY --write--> PRIMING (with a longer prebuffer)
    any --flush--> EMPTY

One voice at a time: the box's own words and an answer never sound together, whichever comes second waits. Only a chime,
which is short and no voice, is mixed over either, which is softer meanwhile.

Time is counted in pulled audio, so the buffer needs no clock and behaves the same in real and virtual time.
"""

from __future__ import annotations

from enum import Enum, auto
from threading import Lock

from hardware.ports import BYTES_PER_SAMPLE, SPEAKER_FORMAT
from hardware.sound.chimes import Chime, Chimes
from hardware.sound.pcm import fade_out

CAPACITY_S = 120.0
"""The service sends at up to 1.7 times real time for 20 s; two minutes of backlog mean that something is broken."""
FADE_S = 0.005
"""Long enough that a cut does not click, short enough to fit into the same output period."""
FADE_BYTES = SPEAKER_FORMAT.bytes_in(FADE_S)
GROWTH = 2.0
"""Factor for the prebuffer after running dry: one doubling covers the pause between the service's 200-290 ms pieces."""
KEPT_S = 60.0
"""How much of the last answer is kept, from its start: 2.9 MB, longer than anybody wants to hear twice."""
DECAY = 0.75
"""Factor for the prebuffer after an answer without a break: shrinks slower than it grows, to remember a bad hour."""


class PlaybackPhase(Enum):
    """Where the answer stands; the module's docstring draws the transitions."""

    EMPTY = auto()
    PRIMING = auto()
    PLAYING = auto()
    DRY = auto()
    DRAINED = auto()


class PlaybackBuffer:
    """Passes 24 kHz mono s16le on at the sound card's pace; it inserts silence, and never alters or loses audio.

    There are three exceptions: ``flush`` discards, beyond ``CAPACITY_S`` the oldest audio is dropped (``dropped_s``),
    because the end of an answer is worth more than its middle, and what a chime sounds over is softer meanwhile, so
    that both together never clip. Safe to call from any thread.
    """

    def __init__(self, prebuffer_s: float = 0.1, max_prebuffer_s: float = 0.4) -> None:
        """Collect ``prebuffer_s`` before playing, up to ``max_prebuffer_s`` after running dry."""
        self._lock = Lock()
        self._least_prebuffer = prebuffer_s
        self._most_prebuffer = max(prebuffer_s, max_prebuffer_s)
        self._prebuffer = prebuffer_s
        self._phase = PlaybackPhase.EMPTY
        self._pcm = bytearray()
        self._fading = b""
        self._chimes = Chimes()
        self._words = bytearray()
        self._saying = False  # some of the words were pulled
        self._held = False  # the answer waits for resume
        self._kept = bytearray()  # of the present answer
        self._whole = b""  # the last answer that was finished or cut
        self._finishing = False
        self._clean = True
        self._waited = 0  # bytes pulled since the last write
        self._played = 0
        self._dropped = 0
        self._refused = 0
        self.epoch = 1
        """A number that each flush raises."""
        self.answer = 1
        """The number of the present answer, so that a late report about the last answer can be told apart."""
        self.underruns = 0
        """How often an answer ran dry and then went on."""

    @property
    def played_s(self) -> float:
        """Seconds of the present answer handed over; after its end, until the next begins, those of the last."""
        return SPEAKER_FORMAT.seconds_in(self._played)

    @property
    def buffered_s(self) -> float:
        """Seconds written and not yet handed over."""
        return SPEAKER_FORMAT.seconds_in(len(self._pcm))

    @property
    def dropped_s(self) -> float:
        """Seconds lost because more than ``CAPACITY_S`` was waiting, over the buffer's life."""
        return SPEAKER_FORMAT.seconds_in(self._dropped)

    @property
    def refused_s(self) -> float:
        """Seconds that came after their answer was cut, over the buffer's life."""
        return SPEAKER_FORMAT.seconds_in(self._refused)

    @property
    def prebuffer_s(self) -> float:
        """Seconds collected at present before an answer starts or goes on."""
        return self._prebuffer

    @property
    def audible(self) -> bool:
        """Whether pulling matters: sound is waiting or playing, or the end of an answer is still to be reported.

        An answer that is paused does not count.
        """
        own = self._chimes.sounding or self._words or self._fading
        return bool(own or (not self._held and (self._pcm or self._finishing)))

    @property
    def over(self) -> bool:
        """Whether there is no answer at present: none has begun, or the last was flushed or drained."""
        return self._phase in (PlaybackPhase.EMPTY, PlaybackPhase.DRAINED)

    def write(self, pcm: bytes, epoch: int | None = None) -> bool:
        """Append answer audio; after ``finish`` it continues the same answer, which then needs another ``finish``.

        Returns False, and discards ``pcm``, if there was a flush since ``epoch``. Raises ValueError for half a sample.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"{len(pcm)} bytes are not whole samples")
        with self._lock:
            if epoch not in (None, self.epoch):
                self._refused += len(pcm)
                return False
            if pcm:
                self._append(pcm)
        return True

    def last_answer(self) -> bytes:
        """Return the last answer that was finished or cut (not the present one), at most ``KEPT_S`` of it."""
        with self._lock:
            return self._whole

    def repeat(self) -> float:
        """Play the last answer again, as an answer of its own, in place of what plays; return its seconds."""
        pcm = self.last_answer()
        self.flush()
        self.write(pcm)
        if pcm:
            self.finish()
        return SPEAKER_FORMAT.seconds_in(len(pcm))

    def finish(self) -> None:
        """Mark the answer as complete: what is left plays at once, then ``pull`` reports drained."""
        with self._lock:
            self._finishing = self._phase is not PlaybackPhase.DRAINED
            self._keep()
            if self._phase is PlaybackPhase.PRIMING:
                self._phase = PlaybackPhase.PLAYING

    def flush(self) -> float:
        """Discard what waits; the next pull fades out what was playing. Return the played seconds of this answer.

        A second flush returns 0.0. Words and chimes play on.
        """
        with self._lock:
            self._keep()
            self._fade_answer()
            self._pcm.clear()
            self._held = False
            played = self.played_s
            self._played = 0
            self._finishing = False
            self._phase = PlaybackPhase.EMPTY
            self.answer += 1
            self.epoch += 1
        return played

    def pause(self) -> None:
        """Silence the answer, like ``flush``, but keep it until ``resume``; one that comes meanwhile waits as well."""
        with self._lock:
            if not self._held:
                self._fade_answer()
                self._held = True

    def resume(self) -> None:
        """Play the answer on from where ``pause`` silenced it. Idempotent."""
        with self._lock:
            self._held = False

    def say(self, pcm: bytes) -> None:
        """Play words of the box when neither an answer nor earlier words sound; no answer begins before they end."""
        with self._lock:
            self._words += pcm

    def hush(self) -> None:
        """Discard the box's words; the next pull fades out those that were sounding."""
        with self._lock:
            if self._saying:
                self._fading = fade_out(bytes(self._words[:FADE_BYTES]))
            self._words.clear()
            self._saying = False

    def chime(self, pcm: bytes) -> None:
        """Mix ``pcm`` over whatever plays: from the next pull on, or, over a voice, 10 ms later."""
        chime = Chime(pcm)
        with self._lock:
            self._chimes.add(chime, over_voice=self._voiced)

    def pull(self, size: int) -> tuple[bytes, int]:
        """Return exactly ``size`` bytes to play, and the number of the answer that ends with them (once), else 0."""
        with self._lock:
            sound = self._fading or self._voice(size)
            self._fading = b""
            if len(sound) < size:
                sound += bytes(size - len(sound))
            sound = self._chimes.over(sound[:size])
            drained = self._finishing and not self._pcm and not self._held
            if drained:
                self._end()
            return sound, self.answer if drained else 0

    def _append(self, pcm: bytes) -> None:
        if self.over:
            self._begin()
        elif self._phase is PlaybackPhase.DRY:
            self._resume()
        self._finishing = False
        self._waited = 0
        self._pcm += pcm
        self._kept += pcm[: max(0, SPEAKER_FORMAT.bytes_in(KEPT_S) - len(self._kept))]
        surplus = len(self._pcm) - SPEAKER_FORMAT.bytes_in(CAPACITY_S)
        if surplus > 0:
            del self._pcm[:surplus]
            self._dropped += surplus

    @property
    def _answering(self) -> bool:
        """Whether an answer has begun to sound and may go on any moment."""
        return self._played > 0 and not self.over and not self._held

    @property
    def _voiced(self) -> bool:
        """Whether a voice sounds, or has just done so."""
        playing = self._phase is PlaybackPhase.PLAYING and not self._held
        return bool(self._fading) or self._saying or playing

    def _fade_answer(self) -> None:
        if self._phase is PlaybackPhase.PLAYING and not self._held:
            self._fading = fade_out(bytes(self._pcm[:FADE_BYTES]))

    def _voice(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the box's words, else of the answer."""
        self._saying = bool(self._words) and (self._saying or not self._answering)
        if not self._saying:
            return b"" if self._held else self._take(size)
        piece = bytes(self._words[:size])
        del self._words[:size]
        return piece

    def _keep(self) -> None:
        if self._kept and not self.over:
            self._whole = bytes(self._kept)

    def _begin(self) -> None:
        self._phase = PlaybackPhase.PRIMING
        self._kept.clear()
        self._played = 0
        self._clean = True
        self.answer += 1

    def _resume(self) -> None:
        """Go on after a break. The break is counted only now: the empty buffer might have been the answer's end."""
        self._phase = PlaybackPhase.PRIMING
        self._clean = False
        self.underruns += 1
        self._prebuffer = min(self._prebuffer * GROWTH, self._most_prebuffer)

    def _end(self) -> None:
        self._phase = PlaybackPhase.DRAINED
        self._finishing = False
        if self._clean:
            self._prebuffer = max(self._prebuffer * DECAY, self._least_prebuffer)

    def _take(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the answer, and update the phase."""
        if self._phase is PlaybackPhase.PRIMING:
            wanted = SPEAKER_FORMAT.bytes_in(self._prebuffer)
            if len(self._pcm) >= wanted or self._waited >= wanted:
                self._phase = PlaybackPhase.PLAYING
            self._waited += size
        if self._phase is not PlaybackPhase.PLAYING:
            return b""
        piece = bytes(self._pcm[:size])
        del self._pcm[:size]
        self._played += len(piece)
        if len(piece) < size:
            self._phase = PlaybackPhase.DRY
        return piece
