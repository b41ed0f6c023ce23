"""The thread that cleans what was heard: which channel, in order, never waiting, and back after a failure."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hardware.ports import CHUNK_BYTES, MicChunk, Trust
from hardware.sound import dsp_thread
from hardware.sound.card_sound import ignore
from hardware.sound.dsp_thread import Block, Capture, DspThread, mono

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MONO = Capture(16000, 1, 1, wide=False)


def block(deliver: Callable[[MicChunk], None], capture: Capture = MONO, rate_out: int = 16000) -> Block:
    captured = np.full(capture.rate // 100 * capture.channels, 1000, dtype="<i2").tobytes()
    return Block(capture, captured, rate_out, bytes(2 * rate_out // 100), deliver)


def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "took too long"
        time.sleep(0.005)


class Listener(list[MicChunk]):
    def __call__(self, chunk: MicChunk) -> None:
        self.append(chunk)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def dsp() -> Iterator[DspThread]:
    made = DspThread()
    yield made
    made.close()
    made.close()


@pytest.mark.parametrize(
    ("capture", "dtype", "expected"),
    [
        (Capture(48000, 1, 1, wide=False), "<i2", [0, 1, 2, 3]),
        (Capture(48000, 2, 2, wide=False), "<i2", [1, 3]),
        (Capture(48000, 2, 1, wide=True), "<i4", [0, 2]),
        (Capture(48000, 1, 1, wide=True), "<i4", [0, 1, 2, 3]),
    ],
)
def test_the_microphones_channel_is_taken_out(capture: Capture, dtype: str, expected: list[int]) -> None:
    scale = 65536 if capture.wide else 1
    captured = (np.arange(4) * scale).astype(dtype).tobytes()
    assert mono(Block(capture, captured, 48000, b"", ignore)).tolist() == expected


def test_two_blocks_are_a_chunk_for_who_listened_then(dsp: DspThread, listener: Listener) -> None:
    earlier = Listener()
    dsp.prepare(16000, 16000)
    for each in (earlier, listener):
        for _ in range(6):
            dsp.feed(block(each))
    until(lambda: len(listener) == 3)
    assert len(earlier) == 3
    heard = listener[-1]
    assert len(heard.for_model) == len(heard.for_endpointer) == CHUNK_BYTES
    assert -35 < heard.level_dbfs < -25
    assert heard.trust in (Trust.LEARNING, Trust.ABSENT)
    assert not heard.dead
    assert [thread.name for thread in threading.enumerate()].count("sound-dsp") == 1


def test_other_cards_may_come_at_any_time(dsp: DspThread, listener: Listener) -> None:
    dsp.prepare(16000, 16000)
    for rate_out in (16000, 48000, 44100, 16000):
        listener.clear()
        for _ in range(2):
            dsp.feed(block(listener, capture=MONO._replace(rate=48000), rate_out=rate_out))
        until(lambda: len(listener) == 1)


def test_who_speaks_and_who_did_not_is_passed_on(dsp: DspThread) -> None:
    dsp.speech(on=True)  # before there is anything to tell it to
    dsp.false_alarm()
    dsp.overheard()
    dsp.prepare(16000, 16000)
    dsp.prepare(16000, 16000)
    until(lambda: dsp._front is not None)
    dsp.feed(block(ignore))
    until(lambda: bool(dsp._front.technician_speaks))
    dsp.false_alarm()
    assert len(dsp._front._notes) == 1
    dsp.speech(on=True, over_answer=True)
    assert len(dsp._front._notes) == 2
    dsp.speech(on=False)
    assert len(dsp._front._notes) == 2
    dsp.overheard()
    assert len(dsp._front._notes) == 3


def doubts(dsp: DspThread, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    dsp.prepare(16000, 16000)
    until(lambda: dsp._front is not None)
    told: list[float] = []
    monkeypatch.setattr(dsp._front, "doubt", lambda: told.append(time.monotonic()))
    return told


def test_a_card_that_calls_back_late_is_told_as_a_gap_and_one_in_time_is_not(
    dsp: DspThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, now = doubts(dsp, monkeypatch), [100.0]
    monkeypatch.setattr("hardware.sound.dsp_thread.time.monotonic", lambda: now[0])
    for pause, gaps in ((0.0, 1), (0.01, 1), (dsp_thread.GAP_S - 0.01, 1), (dsp_thread.GAP_S + 0.01, 2), (0.01, 2)):
        now[0] += pause
        dsp.feed(block(ignore))
        assert len(told) == gaps


def test_the_same_card_again_is_a_gap_and_nothing_is_learnt_anew(
    dsp: DspThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, front = doubts(dsp, monkeypatch), dsp._front
    dsp.prepare(16000, 16000)
    until(lambda: bool(told))
    assert dsp._front is front
    dsp.prepare(48000, 16000)
    until(lambda: dsp._front is not front)


def hold(dsp: DspThread) -> threading.Event:
    """Keep the thread from its work until the event is set."""
    held = threading.Event()
    dsp._work.put(held.wait)  # type: ignore[arg-type] # what it returns is not looked at
    until(dsp._work.empty)
    return held


def test_what_comes_in_a_burst_after_a_hiccup_of_two_seconds_is_all_heard(dsp: DspThread, listener: Listener) -> None:
    dsp.prepare(48000, 48000)
    until(lambda: dsp._front is not None)
    held = hold(dsp)
    usb = Capture(48000, 2, 1, wide=False)
    for _ in range(200):
        dsp.feed(block(listener, capture=usb, rate_out=48000))
    held.set()
    until(lambda: len(listener) == 100)
    assert dsp.dropped == 0


def test_of_a_longer_burst_the_oldest_blocks_are_dropped_and_leave_a_gap(
    dsp: DspThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = doubts(dsp, monkeypatch)
    held = hold(dsp)
    for _ in range(dsp_thread.BURST):
        dsp.feed(block(ignore))
    before = len(told)
    dsp.feed(block(ignore))
    held.set()
    assert (dsp.dropped, len(told)) == (1, before + 1)


def test_a_processor_that_does_not_catch_up_is_half_a_second_late_at_most(
    dsp: DspThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, now = doubts(dsp, monkeypatch), [100.0]
    held = hold(dsp)
    monkeypatch.setattr("hardware.sound.dsp_thread.time.monotonic", lambda: now[0])
    for _ in range(dsp_thread.BURST):
        dsp.feed(block(ignore))
    before = len(told)
    now[0] += dsp_thread.CATCH_UP_S - 0.01
    dsp._work.get()  # one block in all this time
    dsp.feed(block(ignore))
    assert dsp.dropped == 0
    now[0] += 0.02
    dsp.feed(block(ignore))
    assert dsp._work.qsize() == dsp_thread.BOUND
    assert (dsp.dropped, len(told)) == (dsp_thread.BURST + 1 - dsp_thread.BOUND, before + 2)  # and one for the pause
    held.set()
    until(dsp._work.empty)
    now[0] += 0.01
    held = hold(dsp)
    lost = dsp.dropped
    for _ in range(dsp_thread.BURST):
        dsp.feed(block(ignore))
    held.set()
    assert dsp.dropped == lost, "it had caught up, so the next burst may be as long"


def test_what_is_not_sound_is_never_dropped(dsp: DspThread) -> None:
    dsp.prepare(16000, 16000)
    until(lambda: dsp._front is not None)
    held = hold(dsp)
    ran: list[bool] = []
    dsp._work.put(lambda: ran.append(True))
    for _ in range(dsp_thread.BURST + 10):
        dsp.feed(block(ignore))
    held.set()
    until(lambda: bool(ran))
    assert dsp.dropped == 11


def test_before_there_is_a_thread_the_oldest_goes_and_is_counted(dsp: DspThread, listener: Listener) -> None:
    for _ in range(dsp_thread.BURST + 10):
        dsp.feed(block(listener))
    assert dsp.dropped == 10
    assert not dsp.alive
    dsp.prepare(16000, 16000)
    until(lambda: bool(listener))
    assert dsp.alive


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_noticed_and_replaced_with_the_next_card(dsp: DspThread, listener: Listener) -> None:
    dsp.prepare(16000, 16000)
    dsp.feed(Block(MONO, b"\0\0", 16000, bytes(320), ignore))  # half a block of one sample: a bug somewhere
    until(lambda: not dsp.alive)
    dsp.prepare(16000, 16000)
    for _ in range(2):
        dsp.feed(block(listener))
    until(lambda: bool(listener))
