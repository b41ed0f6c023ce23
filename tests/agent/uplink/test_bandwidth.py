"""The uplink's estimate and verdicts, on a modelled line: bytes wait their turn, acknowledgements and pongs return."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.uplink.bandwidth import AUDIO_HOLD_S, DEAD_S, EXPLORE_S, FRAME_GATE_S, LEAST_FRAME, START_RATE, Pipe, Uplink

LOOK_S = 0.010
CHUNK_S = 0.020
AUDIO_BYTES = 960  # one 20 ms message with all that is around it
ROUND_TRIP_S = 0.060
FPS = 2.0


@dataclass
class Line:
    """A line of ``rate`` bytes/s behind an Uplink, with speech and a camera in front; advances in steps of LOOK_S."""

    rate: float
    splitting: bool = False  # a proxy acknowledges everything at once
    pongs: bool = True
    now: float = 100.0
    written: int = 0
    through: float = 0.0  # bytes that the far end has
    lag: int = 0  # audio bytes waiting in front
    frames: list[tuple[float, int]] = field(default_factory=list)
    lags: list[tuple[float, float]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.uplink = Uplink()
        self._past: list[tuple[float, float]] = [(self.now, 0.0)]
        self._pings: list[tuple[int, float]] = []  # bytes in front of it, when sent
        self._answers: list[tuple[float, float]] = []  # when it arrives, when the ping was sent
        self._due = self._frame_due = self._heartbeat = self.now

    def run(self, seconds: float) -> Line:
        end = self.now + seconds
        while self.now < end:
            self.step()
        return self

    def step(self) -> None:
        self.now += LOOK_S
        self.through = min(self.written, self.through + self.rate * LOOK_S)
        self._past.append((self.now, self.through))
        self._return_pongs()
        self.uplink.observe(self.now, self.pipe(), line_full=self.lag > 0)
        if self.now >= self._due:
            self._due += CHUNK_S
            self.lag += AUDIO_BYTES
        self._send()
        self.lags.append(
            (self.now, self.lag / AUDIO_BYTES * CHUNK_S + (self.written - self.through) / max(self.rate, 1))
        )

    def pipe(self) -> Pipe:
        acked = self.written if self.splitting else self._acked()
        return Pipe(self.written - acked, acked, ROUND_TRIP_S)

    def _acked(self) -> int:
        while len(self._past) > 1 and self._past[1][0] <= self.now - ROUND_TRIP_S:
            self._past.pop(0)
        return int(self._past[0][1]) if self._past[0][0] <= self.now - ROUND_TRIP_S else 0

    def _return_pongs(self) -> None:
        for ping in [ping for ping in self._pings if ping[0] <= self.through]:
            self._pings.remove(ping)
            self._answers.append((self.now + ROUND_TRIP_S, ping[1]))
        for answer in [answer for answer in self._answers if answer[0] <= self.now]:
            self._answers.remove(answer)
            self.uplink.pong(self.now, answer[1])

    def _ping(self) -> None:
        self.uplink.ping_sent(self.now)
        if self.pongs:
            self._pings.append((self.written, self.now))

    def _send(self) -> None:
        self.uplink.observe(self.now, self.pipe(), line_full=self.lag > 0)
        while self.lag and self.uplink.audio_open:
            self.lag -= AUDIO_BYTES
            self.written += AUDIO_BYTES
            self.uplink.observe(self.now, self.pipe(), line_full=self.lag > 0)
        if self.now >= self._heartbeat:
            self._heartbeat += 1.0
            self._ping()
        if self.now >= self._frame_due and not self.lag:
            self._offer_frame()

    def _offer_frame(self) -> None:
        refusal = self.uplink.frame_refusal(self.now)
        budget = 0 if refusal else self.uplink.frame_budget(self.now, FPS)
        if not budget:
            self.refusals[refusal or "budget"] = self.refusals.get(refusal or "budget", 0) + 1
            return
        size = int(min(30_000, budget) * 4 / 3)
        self.delays.append((self.written - self.through) / max(self.rate, 1))
        self.uplink.frame_sent(self.now, size)
        self.uplink.written(size)
        self.written += size
        self.frames.append((self.now, size))
        self._frame_due = self.now + 1 / FPS
        self._ping()


def bytes_per_s(kbit_per_s: float) -> float:
    return kbit_per_s * 125


@pytest.mark.parametrize("kbit", [450, 500, 700, 1000, 2000, 8000])
@pytest.mark.parametrize("splitting", [False, True])
def test_the_rate_is_found_within_ten_seconds(kbit: float, splitting: bool) -> None:  # noqa: FBT001 - a test's parameter
    line = Line(bytes_per_s(kbit), splitting=splitting).run(10)
    assert line.uplink.rate >= 0.75 * min(line.rate, bytes_per_s(1500))  # where full frames fit, more is not needed
    if line.rate < bytes_per_s(1500):
        assert line.uplink.rate <= 1.3 * line.rate


@pytest.mark.parametrize("kbit", [420, 500, 700, 1000, 2000])
def test_speech_is_never_later_than_one_frame_and_the_hold(kbit: float) -> None:
    line = Line(bytes_per_s(kbit)).run(5)
    line.lags.clear()
    line.run(30)
    assert max(lag for _, lag in line.lags) <= 0.25 * 1.5 + AUDIO_HOLD_S


@pytest.mark.parametrize("kbit", [700, 1000, 2000])
def test_frames_flow_where_there_is_room(kbit: float) -> None:
    line = Line(bytes_per_s(kbit)).run(10)
    line.frames.clear()
    line.run(20)
    assert len(line.frames) >= 0.95 * 20 * FPS


@pytest.mark.parametrize("kbit", [450, 700, 1000])
def test_a_frame_starts_only_behind_a_shallow_queue(kbit: float) -> None:
    line = Line(bytes_per_s(kbit)).run(5)
    line.delays.clear()
    line.run(20)
    assert max(line.delays) <= ROUND_TRIP_S + 2 * FRAME_GATE_S


def test_a_line_without_room_for_video_sees_a_small_frame_now_and_then() -> None:
    line = Line(bytes_per_s(410)).run(20)
    gaps = [later[0] - earlier[0] for earlier, later in zip(line.frames, line.frames[1:], strict=False)]
    assert all(size <= LEAST_FRAME * 4 / 3 for _, size in line.frames[3:])
    assert max(gaps) <= EXPLORE_S + 4


def test_after_a_step_down_speech_is_on_time_again_within_three_seconds() -> None:
    line = Line(bytes_per_s(2000)).run(10)
    line.rate = bytes_per_s(500)  # audio at its full rate can catch up here
    line.run(3)
    line.lags.clear()
    line.run(10)
    assert max(lag for _, lag in line.lags) < 0.4


def test_after_a_step_up_frames_grow_again() -> None:
    line = Line(bytes_per_s(410)).run(20)
    line.rate = bytes_per_s(2000)
    line.run(40)
    line.frames.clear()
    line.run(10)
    assert max(size for _, size in line.frames) == 40_000


def test_without_pongs_frames_still_flow() -> None:
    line = Line(bytes_per_s(1000), pongs=False).run(10)
    line.frames.clear()
    line.run(20)
    assert len(line.frames) >= 8  # each waits for a receipt that does not come, two seconds at most


def test_an_outage_teaches_nothing_about_the_rate() -> None:
    line = Line(bytes_per_s(1000)).run(10)
    before = line.uplink.rate
    line.rate = 0
    line.run(2)
    line.rate = bytes_per_s(1000)
    line.run(1)
    assert line.uplink.rate >= 0.5 * before


def test_no_progress_with_bytes_outstanding_is_a_dead_line_after_three_seconds() -> None:
    line = Line(bytes_per_s(1000)).run(5)
    line.rate = 0
    line.run(DEAD_S - 0.1)
    assert not line.uplink.dead(line.now)
    line.run(0.3)
    assert line.uplink.dead(line.now)


def test_silence_is_not_a_dead_line() -> None:
    uplink = Uplink()
    uplink.observe(100.0, Pipe(0, 5000, ROUND_TRIP_S), line_full=False)
    uplink.observe(200.0, Pipe(0, 5000, ROUND_TRIP_S), line_full=False)
    assert not uplink.dead(200.0)
    uplink.observe(200.1, Pipe(600, 5000, ROUND_TRIP_S), line_full=False)
    assert not uplink.dead(200.2)


@pytest.mark.parametrize("kbit", [100, 200, 300])
def test_a_congested_line_is_never_declared_dead(kbit: float) -> None:
    line = Line(bytes_per_s(kbit))
    for _ in range(6000):
        line.step()
        assert not line.uplink.dead(line.now)


def test_chunks_get_longer_on_a_slow_line() -> None:
    assert Line(bytes_per_s(2000)).run(10).uplink.chunk_s == 0.020
    assert Line(bytes_per_s(420)).run(10).uplink.chunk_s == 0.040


def test_the_kernel_is_paced_above_the_rate() -> None:
    assert Uplink(60_000).pacing_rate == 100_000
    assert Uplink(200_000).pacing_rate == 300_000


TRACES = st.lists(
    st.tuples(st.floats(0.1, 8.0), st.sampled_from([0, 60, 200, 400, 700, 2000, 20_000])), min_size=1, max_size=6
)


@settings(max_examples=40, deadline=None)
@given(TRACES, st.booleans(), st.booleans())
def test_after_any_past_the_gate_reopens_and_the_estimate_is_not_locked(
    trace: list[tuple[float, float]],
    splitting: bool,  # noqa: FBT001 - drawn
    pongs: bool,  # noqa: FBT001 - drawn
) -> None:
    line = Line(bytes_per_s(trace[0][1]), splitting=splitting, pongs=pongs)
    for seconds, kbit in trace:
        line.rate = bytes_per_s(kbit)
        line.run(seconds)
        assert line.uplink.rate > 0
    line.rate = bytes_per_s(1500)
    line.run(60)
    line.frames.clear()
    line.run(20)
    assert line.frames
    assert line.uplink.rate >= 0.6 * line.rate
    assert line.lags[-1][1] < 0.5


def test_what_there_is_room_for_follows_from_the_rate() -> None:
    wide, narrow, tight = Uplink(200_000), Uplink(55_000), Uplink(30_000)
    assert (wide.narrow, wide.fits) == (False, True)
    assert (narrow.narrow, narrow.fits) == (True, True)
    assert (tight.narrow, tight.fits) == (True, False)
    assert Uplink(20_000).chunk_s == 0.060


def test_a_frame_under_way_is_being_measured() -> None:
    uplink = Uplink()
    assert not uplink.measuring
    uplink.frame_sent(0.0, 10_000)
    uplink.written(10_000)
    assert uplink.measuring
    assert uplink.outstanding == 10_000


def caught_up(line_rate: float, seconds: float) -> Uplink:
    """Catch up over a line of that rate: the pipe is filled whenever that is allowed, and empties as the line does."""
    uplink, now, acked, outstanding = Uplink(), 0.0, 0.0, 0.0
    while now < seconds:
        now += 0.01
        through = min(outstanding, 0.01 * line_rate)
        acked, outstanding = acked + through, outstanding - through
        uplink.observe(now, Pipe(int(outstanding), int(acked), 0.0), line_full=not uplink.audio_open, behind=True)
        while uplink.audio_open:
            uplink.written(9000)
            outstanding += 9000
    return uplink


def test_what_is_caught_up_with_shows_soon_that_the_line_carries_more() -> None:
    assert caught_up(1_000_000, 0.6).rate > 3 * START_RATE
    assert caught_up(1_000_000, 2.0).rate > 0.6 * 1_000_000


def test_catching_up_over_a_slow_line_raises_nothing() -> None:
    assert caught_up(60_000, 3.0).rate < 70_000
