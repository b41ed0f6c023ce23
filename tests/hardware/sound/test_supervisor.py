"""Sound card streams with a driver that fails in every way a real one was seen to."""

from __future__ import annotations

import functools
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from hardware.ports import DeviceError
from hardware.sound import supervisor
from hardware.sound.supervisor import StreamSupervisor, SupervisedStream, limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def patient(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no stream for dead on a busy machine."""
    del impatient
    for name in ("HEARTBEAT_S", "FIRST_BEAT_S"):
        monkeypatch.setattr(supervisor, name, 5.0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {
        "HEARTBEAT_S": 0.05,
        "FIRST_BEAT_S": 0.1,
        "WATCH_S": 0.01,
        "RETRY_S": 0.1,
        "RESCAN_S": 0.5,
        "CALL_LIMIT_S": 0.2,
    }.items():
        monkeypatch.setattr(supervisor, name, seconds)


class FakeStream:
    """Beats while started, unless told to fail."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.started = False
        self.closed = False
        self.spinning = False
        self.glitches = 0
        self.starts = 0
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not (self.closed or self.rig.over):
            if self.started and self.rig.plugged:
                self.rig.supervised.beat()
            time.sleep(0.01)

    def start(self) -> None:
        if self.rig.refuses_start:
            raise DeviceError("fake", "busy", "wait")
        self.spinning = False
        self.starts += 1
        self.started = True

    def abort(self) -> None:
        if self.rig.hangs:
            time.sleep(0.4)
        self.started = False

    def close(self) -> None:
        self.closed = True


class Rig:
    def __init__(self, supervisor: StreamSupervisor) -> None:
        self.plugged = True
        self.refuses_start = False
        self.hangs = False
        self.wanted = False
        self.over = False
        self.opened = 0
        self.faults: list[str] = []
        self.fatal = False
        self.noted: Callable[[], object] = bool
        self.supervised = SupervisedStream("fake", self.open, lambda: self.wanted)
        supervisor.add(self.supervised, self.fail)
        supervisor.add(self.supervised, self.fail)

    def fail(self, error: DeviceError) -> None:
        self.faults.append(error.problem)
        self.fatal = error.fatal

    def open(self) -> FakeStream:
        self.noted()
        if not self.plugged:
            raise DeviceError("fake", "not found", "plug it in")
        self.opened += 1
        return FakeStream(self)

    @property
    def stream(self) -> FakeStream:
        assert isinstance(self.supervised.stream, FakeStream)
        return self.supervised.stream

    @property
    def running(self) -> bool:
        stream = self.supervised.stream
        return isinstance(stream, FakeStream) and stream.started


class Board:
    def __init__(self) -> None:
        self.rescans = 0
        self.changed = False
        self.supervisor = StreamSupervisor(self.rescan, lambda: self.changed)
        self.rigs: list[Rig] = []

    def rescan(self) -> None:
        self.rescans += 1
        self.changed = False

    def rig(self) -> Rig:
        self.rigs.append(Rig(self.supervisor))
        return self.rigs[-1]


@contextmanager
def board() -> Iterator[Board]:
    made = Board()
    yield made
    for rig in made.rigs:
        made.supervisor.remove(rig.supervised)
        made.supervisor.remove(rig.supervised)
        rig.over = True
    until(lambda: made.supervisor._thread is None)


def until(holds: Callable[[], bool], seconds: float = 2.0) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "took too long"
        time.sleep(0.005)


def test_it_is_open_before_it_is_wanted_and_runs_while_it_is() -> None:
    with board() as b:
        rig = b.rig()
        until(lambda: rig.opened == 1)
        assert not rig.running
        for wanted in (True, False, True):
            rig.wanted = wanted
            b.supervisor.poke()
            until(lambda: rig.running is rig.wanted)
        assert (rig.opened, rig.faults, b.rescans) == (1, [], 0)


def test_a_silent_card_is_reported_once_and_taken_back() -> None:
    with board() as b:
        rig = b.rig()
        rig.wanted = True
        b.supervisor.poke()
        until(lambda: rig.running)
        time.sleep(0.2)
        rig.plugged = False
        until(lambda: bool(rig.faults))
        assert rig.faults == ["stopped delivering"]
        until(lambda: b.rescans >= 2)
        rig.plugged = True
        until(lambda: rig.running and rig.supervised.fault is None)
        assert len(rig.faults) == 1
        rig.plugged = False
        until(lambda: len(rig.faults) == 2)


def test_a_card_that_never_begins_is_a_dead_one() -> None:
    with board() as b:
        rig = b.rig()
        until(lambda: rig.opened == 1)
        rig.plugged = False
        rig.wanted = True
        b.supervisor.poke()
        until(lambda: rig.faults == ["stopped delivering"])


def test_a_refused_start_is_an_outage() -> None:
    with board() as b:
        rig = b.rig()
        rig.refuses_start = rig.wanted = True
        b.supervisor.poke()
        until(lambda: rig.faults == ["busy"])
        rig.refuses_start = False
        until(lambda: rig.running and rig.supervised.fault is None)


def test_a_hanging_driver_is_fatal_after_the_outage_was_reported_and_is_not_touched_again() -> None:
    with board() as b:
        rig, other = b.rig(), b.rig()
        rig.wanted = other.wanted = True
        b.supervisor.poke()
        until(lambda: rig.running and other.running)
        rig.hangs, rig.plugged = True, False
        until(lambda: rig.faults == ["stopped delivering"], 0.5)
        assert not rig.fatal
        until(lambda: rig.faults == ["stopped delivering", "its driver hangs"], 0.5)
        assert rig.fatal
        rig.plugged, rescans = True, b.rescans
        time.sleep(0.3)
        assert (rig.opened, b.rescans, rig.supervised.stuck, b.supervisor.stuck) == (1, rescans, True, True)
        began = time.monotonic()
    assert time.monotonic() - began < 0.2, "nor is anybody waited for"


def test_when_all_hang_one_is_waited_for() -> None:
    with board() as b:
        rig, other = b.rig(), b.rig()
        rig.wanted = other.wanted = True
        b.supervisor.poke()
        until(lambda: rig.running and other.running)
        for each in (rig, other):
            each.hangs, each.plugged = True, False
        until(lambda: rig.fatal or other.fatal)
        time.sleep(0.3)
        assert sorted([rig.faults, other.faults]) == [[], ["stopped delivering", "its driver hangs"]]


def test_an_opening_that_hangs_is_fatal_too() -> None:
    with board() as b:
        rig = b.rig()
        until(lambda: rig.opened == 1)
        rig.supervised._opened = lambda: time.sleep(0.4)  # type: ignore[assignment,return-value] # it never returns a stream
        rig.supervised.reopen()
        b.supervisor.poke()
        until(lambda: rig.fatal)
        assert rig.faults == ["its driver hangs"]


def test_a_stream_can_be_opened_anew_without_an_outage() -> None:
    with board() as b:
        rig = b.rig()
        rig.wanted = True
        b.supervisor.poke()
        until(lambda: rig.running)
        rig.supervised.reopen()
        b.supervisor.poke()
        until(lambda: rig.opened == 2 and rig.running)
        assert rig.faults == []


@pytest.mark.usefixtures("patient")
def test_a_driver_that_spins_is_started_again_and_only_if_that_is_no_cure_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with board() as b:
        rig = b.rig()
        rig.wanted = True
        b.supervisor.poke()
        until(lambda: rig.running)
        stream = rig.stream
        stream.spinning = True
        until(lambda: stream.starts == 2 and rig.running)
        assert (rig.opened, b.rescans) == (1, 0)
        stream.spinning = True
        until(lambda: rig.opened == 2 and rig.running)
        monkeypatch.setattr(supervisor, "CALM_S", 0.0)
        rig.stream.spinning = True
        until(lambda: rig.stream.starts == 2)
        assert (rig.opened, b.rescans, rig.faults) == (2, 0, [])


@pytest.mark.usefixtures("patient")
def test_glitches_are_those_of_all_streams() -> None:
    with board() as b:
        rig = b.rig()
        assert rig.supervised.glitches == 0
        rig.wanted = True
        for opened in (1, 2, 3):
            until(lambda opened=opened: rig.opened == opened and rig.running)  # type: ignore[misc] # binds it
            rig.stream.glitches = 5
            assert rig.supervised.glitches == 5 * opened
            rig.supervised.reopen()
            b.supervisor.poke()
        until(lambda: rig.opened == 4 and rig.running)
        assert rig.supervised.glitches == 15
        rig.stream.glitches, rig.hangs = 1, True
        rig.supervised.reopen()
        b.supervisor.poke()
        until(lambda: rig.fatal)
        assert rig.supervised.glitches == 16


def test_streams_that_wait_for_their_cards_try_together_and_in_order() -> None:
    with board() as b:
        first, second = b.rig(), b.rig()
        order: list[str] = []
        for name, rig in (("first", first), ("second", second)):
            until(lambda rig=rig: rig.opened == 1)  # type: ignore[misc] # a default is what binds it
            rig.plugged, rig.wanted = False, True
            rig.noted = functools.partial(order.append, name)
        b.supervisor.poke()
        until(lambda: bool(first.faults and second.faults))
        order.clear()
        second.supervised._retry_at += 1
        until(lambda: len(order) >= 6)
        begin = order.index("first")  # it may have been in the middle of a round
        assert order[begin : begin + 4] == ["first", "second"] * 2


def test_a_good_stream_is_not_sacrificed_unless_the_cards_have_changed() -> None:
    with board() as b:
        good, bad = b.rig(), b.rig()
        good.wanted = True
        b.supervisor.poke()
        until(lambda: good.running)
        bad.plugged = False
        bad.wanted = True
        b.supervisor.poke()
        until(lambda: bool(bad.faults))
        time.sleep(0.3)
        assert (b.rescans, good.opened) == (0, 1)
        b.changed = True
        until(lambda: b.rescans == 1)
        until(lambda: good.opened == 2 and good.running)
        assert good.faults == []


def test_a_stream_that_is_only_ready_is_sacrificed_now_and_then() -> None:
    with board() as b:
        ready, bad = b.rig(), b.rig()
        until(lambda: ready.opened == 1)
        bad.plugged, bad.wanted = False, True
        b.supervisor.poke()
        until(lambda: bool(bad.faults))
        began = time.monotonic()
        until(lambda: b.rescans == 2)
        assert time.monotonic() - began > 0.5
        until(lambda: ready.opened == 3)
        assert ready.faults == []


def test_a_rescan_that_hangs_is_the_fault_of_all() -> None:
    with board() as b:
        rig = b.rig()
        b.supervisor._rescan = lambda: time.sleep(0.4)
        rig.plugged = False
        rig.wanted = True
        b.supervisor.poke()
        until(lambda: rig.fatal)
        assert rig.faults[-1] == "its driver hangs"


def test_limited_calls_return_raise_or_time_out() -> None:
    assert limited("x", lambda: 5) == 5
    with pytest.raises(DeviceError, match="driver hangs") as caught:
        limited("x", lambda: time.sleep(0.4))
    assert caught.value.fatal


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_failure_is_a_fault_too() -> None:
    with pytest.raises(DeviceError, match="failed unexpectedly"):
        limited("x", lambda: 1 // 0)
