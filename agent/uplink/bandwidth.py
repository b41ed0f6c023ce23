"""PURE: measures how much the uplink carries, and decides what may be sent now. Numbers in, verdicts out.

The queue is measured over the whole pipe, in time: the bytes that the library and the kernel hold and the peer has not
acknowledged, divided by the measured rate, less the round trip of an empty pipe. A byte threshold on a single buffer
does not work: at 500 kbit/s some 190 kB, three seconds of speech, are in places it does not see.

The rate is measured on frames, since audio alone does not fill the line. It is measured twice: by the slope of
acknowledged bytes while a frame drains, and end to end by the pong to a ping sent right behind the frame, which queues
behind it wherever the frame is stored. The lower value counts; through a proxy that splits TCP, only the pong is right.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

START_RATE = 80_000.0
"""Bytes/s assumed before anything is measured (640 kbit/s): short chunks, and a first frame that is small enough."""
LEAST_RATE = 4_000.0
MOST_RATE = 12_500_000.0
GROWTH = 1.5
"""The most that one measurement may raise the rate: a burst between two samples can seem infinitely fast."""
FULL_WEIGHT_BYTES = 30_000
MOST_WEIGHT, MOST_WEIGHT_DOWN = 0.7, 1.0
"""A measurement is weighted by its size; a full frame nearly replaces the estimate, so that steps are followed at once.
Downwards more than upwards: too low an estimate costs a frame, too high an estimate makes speech late."""
STALL_S = 0.5
"""After this long without progress the line was out; a measurement across the outage says nothing about its rate."""
QUICK_S = 0.030
"""A frame that drained in less was not slowed by the line; it only proves that the line is faster than assumed."""
FULL_WINDOW_S = 0.3
"""While audio itself fills the line, the rate is measured over this long."""
SPURT_WINDOW_S = 0.100
"""While catching up with audio, the rate is measured over this short a time, to notice soon that it has risen."""

FRAME_GATE_S = 0.030
"""A frame starts only while the queue is shorter than this, so that audio is never late by more than one frame."""
FRAME_LINE_S = 0.25
"""The longest that one frame may occupy the line: audio behind it waits for as long."""
FRAME_SHARE = 0.65
"""The share of the rate left by audio that frames may use; the rest is for bursts and for errors of the estimate."""
LEAST_FRAME = 6_000
"""Bytes of the smallest JPEG that is still useful."""
EXPLORE_S = 5.0
"""If the line has no room for video and nothing has measured it for this long, a smallest frame is sent to do so."""
EXPLORE_ANYHOW_S = 15.0
"""After this long a smallest frame is sent in any case: too low an estimate must not perpetuate itself."""
QUEUED_S = 0.050
QUEUE_BYTES = 6_000
"""A heartbeat this late behind this many bytes also gives the rate (Little's law). Without it, a line that became slow
while no frame was under way would be taken for fast, and its queue for short."""
RECEIPT_S = 2.0
"""A pong is awaited this long at most: services answer pings up to 30 s late, and acknowledgements also give a rate."""
BASE64 = 4 / 3

AUDIO_HOLD_S = 0.100
"""While the queue is longer than this, audio waits in the ledger, where it can still be coalesced and trimmed."""
AUDIO_RATE = 48_000.0
"""Bytes/s that 16 kHz audio takes in messages of 20 ms, with base64, JSON, WebSocket and TLS."""
LONG_CHUNK_AUDIO_RATE = 45_500.0
"""The same in messages of 40 ms."""
NARROW = 1.25
"""Below this multiple of the speech rate, a line that fell behind hardly catches up."""
FITS = 1.05
"""Above this multiple of the speech rate, a line carries speech at all."""
SPLIT = 0.6
"""If pongs give less than this share of the rate that acknowledgements give, a proxy acknowledges for the service.
Otherwise acknowledgements are the better measure: a pong is also delayed by the audio in front of it."""
TINY_RATE = 30_000.0
"""240 kbit/s: 8 kHz audio only just fits, in messages of 60 ms."""
SMALL_CHUNK_RATE = 75_000.0
"""600 kbit/s: below this, the overhead of 20 ms messages costs more than their shorter delay is worth."""

DEAD_S = 3.0
"""Without acknowledged progress for this long while bytes are outstanding, the line is dead. In all measurements, no
congested line was ever silent longer; 2.5 s gave one false alarm."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """What the socket reports at one moment."""

    outstanding: int  # bytes written and not acknowledged, in library and kernel
    acked: int  # bytes acknowledged since the connection began
    round_trip_s: float  # the least that was seen
    certain: bool = True  # the kernel was asked; else `acked` only counts what the library handed to the kernel


@dataclass(slots=True)
class _Frame:
    """A frame under way, whose drain is being timed."""

    sent_at: float
    behind: int  # count of acked bytes at which everything before it is through
    until: int  # count of acked bytes at which it is through itself
    began: tuple[float, int] | None = None  # when its own bytes began to be acknowledged, and how many were
    slope: float | None = None  # bytes/s, inf if too quick to tell
    receipt_s: float | None = None  # time to its pong, less that of an empty pipe


class Uplink:
    """One connection's uplink. Feed :meth:`observe` every 10 to 20 ms while something is under way."""

    def __init__(self, rate: float = START_RATE) -> None:
        """Begin with the estimate ``rate`` (bytes/s); the last connection's is better than none."""
        self.rate = rate
        """Bytes per second that the line carries."""
        self._pipe = Pipe(0, 0, 0.0)
        self._frame: _Frame | None = None
        self._explored_at = -inf
        self._progress_at = 0.0
        self._full_since: tuple[float, int] | None = None
        self._spurt: tuple[float, int] | None = None
        self._been_full = False  # audio alone has filled this line: spurts then come from a router's queue
        self._pings: deque[tuple[float, int]] = deque(maxlen=64)  # not answered: when sent, bytes in the pipe then
        self._learned_at = -inf
        self._least_pong: float | None = None

    # what the socket says

    def observe(self, now: float, pipe: Pipe, *, line_full: bool, behind: bool = False) -> None:
        """Handle what the socket reports.

        ``line_full``: audio waits because the queue is long, so the line is full. ``behind``: much audio waits, so the
        line gets as much as it lets through.
        """
        stalled = now - self._progress_at > STALL_S
        if pipe.acked != self._pipe.acked or not pipe.outstanding:
            self._progress_at = now
        self._pipe = pipe
        if stalled:
            self._forget()
        if self._frame is not None:
            self._follow(self._frame, now, pipe)
        elif line_full:
            self._measure_full(now, pipe)
        else:
            self._full_since = None
        if behind and self._frame is None and not self._been_full:
            self._measure_spurt(now, pipe)
        else:
            self._spurt = None

    def written(self, size: int) -> None:
        """Note that ``size`` bytes were handed over since the last :meth:`observe`."""
        pipe = self._pipe
        self._pipe = Pipe(pipe.outstanding + size, pipe.acked, pipe.round_trip_s, pipe.certain)

    def frame_sent(self, now: float, size: int) -> None:
        """Note that a frame of ``size`` bytes (as sent) is about to be handed over."""
        behind = self._pipe.acked + self._pipe.outstanding
        self._frame = _Frame(now, behind, behind + size)
        self._explored_at = now
        self._full_since = None

    def ping_sent(self, now: float) -> None:
        """Note that a ping was handed over, behind everything written before it."""
        self._pings.append((now, self._pipe.outstanding))

    def pong(self, now: float, pinged_at: float) -> None:
        """Handle the pong to the ping sent at ``pinged_at``; it also answers all earlier pings."""
        behind = 0
        while self._pings and self._pings[0][0] <= pinged_at:
            behind = self._pings.popleft()[1]
        took = now - pinged_at
        self._least_pong = took if self._least_pong is None else min(self._least_pong, took)
        frame = self._frame
        queued = self._pipe.certain and behind >= QUEUE_BYTES and took - self._least_pong > QUEUED_S
        if frame is None and queued:
            self._learn(now, behind / took, behind)
        elif frame is not None and pinged_at >= frame.sent_at and frame.receipt_s is None:
            frame.receipt_s = took - self._least_pong
            self._follow(frame, now, self._pipe)

    # verdicts

    @property
    def measuring(self) -> bool:
        """Whether a frame is under way whose drain is being timed."""
        return self._frame is not None

    @property
    def outstanding(self) -> int:
        """Bytes written and not acknowledged."""
        return self._pipe.outstanding

    @property
    def queue_s(self) -> float:
        """Seconds that a byte written now waits before the line takes it."""
        return max(0.0, self._pipe.outstanding / self.rate - self._pipe.round_trip_s)

    @property
    def audio_open(self) -> bool:
        """Whether audio may be handed over."""
        return self.queue_s <= AUDIO_HOLD_S

    @property
    def chunk_s(self) -> float:
        """How long a live audio message should be, in seconds."""
        if self.rate >= SMALL_CHUNK_RATE:
            return 0.020
        return 0.040 if self.rate >= TINY_RATE else 0.060

    @property
    def narrow(self) -> bool:
        """Whether the line carries little more than speech."""
        return self.rate < NARROW * self.audio_rate

    @property
    def fits(self) -> bool:
        """Whether the line carries speech at its full sample rate."""
        return self.rate > FITS * self.audio_rate

    @property
    def audio_rate(self) -> float:
        """Bytes/s of speech in messages of :attr:`chunk_s`."""
        return AUDIO_RATE if self.rate >= SMALL_CHUNK_RATE else LONG_CHUNK_AUDIO_RATE

    @property
    def pacing_rate(self) -> int:
        """The limit for the kernel in bytes/s: faster bursts only fill the router's queue."""
        return round(max(1.5 * self.rate, 100_000))

    def frame_refusal(self, now: float) -> str:
        """Return why no frame may start now ("receipt" or "queue"), an empty string if one may."""
        if self._frame is not None and not self._overdue(self._frame, now):
            return "receipt"
        return "queue" if max(self.queue_s, self._pong_overdue_s(now)) > FRAME_GATE_S else ""

    def frame_budget(self, now: float, fps: float) -> int:
        """Return the size of the largest JPEG that may be sent now, in bytes, 0 for none; see :meth:`frame_refusal`."""
        line = min(FRAME_LINE_S * self.rate, FRAME_SHARE * (self.rate - self.audio_rate) / fps)
        budget = int(line / BASE64)
        if budget >= LEAST_FRAME:
            return budget
        unmeasured = now - max(self._explored_at, self._learned_at) >= EXPLORE_S
        return LEAST_FRAME if unmeasured or now - self._explored_at >= EXPLORE_ANYHOW_S else 0

    def dead(self, now: float) -> bool:
        """Whether the line is dead."""
        return self._pipe.certain and self._pipe.outstanding > 0 and now - self._progress_at >= DEAD_S

    # measuring

    def _pong_overdue_s(self, now: float) -> float:
        """Return by how many seconds the oldest ping is later than through an empty pipe; 0 if that says nothing."""
        if not self._pings or self._least_pong is None:
            return 0.0
        age = now - self._pings[0][0]
        return 0.0 if age > RECEIPT_S else age - self._least_pong

    def _overdue(self, frame: _Frame, now: float) -> bool:
        return frame.slope is not None and now - frame.sent_at >= RECEIPT_S

    def _forget(self) -> None:
        """Discard measurements that an outage interrupted."""
        self._full_since = None
        if self._frame is not None:  # only its pong is still awaited
            self._frame.slope, self._frame.behind = inf, self._frame.until

    def _follow(self, frame: _Frame, now: float, pipe: Pipe) -> None:
        """Continue a frame's measurement; end it once slope and pong are both in, or the pong is overdue."""
        if frame.began is None and pipe.acked > frame.behind:
            frame.began = (now, pipe.acked)
        if frame.slope is None and frame.began is not None and pipe.acked >= frame.until:
            frame.slope = slope(frame.began, now, pipe.acked)
        if frame.slope is None or (frame.receipt_s is None and not self._overdue(frame, now)):
            return
        self._frame = None
        size = frame.until - frame.behind
        received = size / frame.receipt_s if frame.receipt_s is not None and frame.receipt_s > QUICK_S else inf
        self._learn(now, received if received < SPLIT * frame.slope else frame.slope, size)

    def _measure_full(self, now: float, pipe: Pipe) -> None:
        if self._full_since is None:
            self._full_since = (now, pipe.acked)
            return
        since, acked = self._full_since
        if now - since >= FULL_WINDOW_S:
            self._been_full = self._been_full or pipe.acked - acked <= self.rate * (now - since)
            self._learn(now, (pipe.acked - acked) / (now - since), pipe.acked - acked)
            self._full_since = (now, pipe.acked)

    def _measure_spurt(self, now: float, pipe: Pipe) -> None:
        """Raise the estimate if more came through; never lower it, since little may have been handed over."""
        since, acked = self._spurt = self._spurt or (now, pipe.acked)
        took, size = now - since, pipe.acked - acked
        if took >= SPURT_WINDOW_S:
            self._spurt = (now, pipe.acked)
            if size > self.rate * took:
                self._learn(now, size / took, size)

    def _learn(self, now: float, measured: float, size: int) -> None:
        """Move the estimate towards a measurement over ``size`` bytes."""
        if not size:
            return
        self._learned_at = now
        bounded = min(measured, self.rate * GROWTH)
        most = MOST_WEIGHT_DOWN if measured < self.rate else MOST_WEIGHT
        weight = 1.0 if measured == inf else min(most, size / FULL_WEIGHT_BYTES)
        self.rate = min(max(self.rate + weight * (bounded - self.rate), LEAST_RATE), MOST_RATE)


def slope(began: tuple[float, int], now: float, acked: int) -> float:
    """Return the rate in bytes/s since ``began`` (time, bytes acknowledged); infinite if it was too quick to tell."""
    took = now - began[0]
    return (acked - began[1]) / took if took > QUICK_S else inf
