"""A thread that waits for each block, one that does not, and one that has much to catch up with."""

from __future__ import annotations

import resource
import threading
import time
from types import SimpleNamespace

import pytest

from hardware.sound.spin import SPIN_BLOCKS, SpinWatch


@pytest.mark.parametrize(
    ("waits", "seconds", "spins"),
    [(100, 1.0, False), (60, 1.0, False), (59, 1.0, True), (0, 4.0, True), (0, 0.02, False)],
    ids=["healthy", "just healthy", "spinning", "spinning under load", "catching up"],
)
def test_a_thread_spins_if_it_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch, waits: int, seconds: float, *, spins: bool
) -> None:
    now = SimpleNamespace(switches=12_345, at=50.0)
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_nvcsw=now.switches))
    monkeypatch.setattr(time, "monotonic", lambda: now.at)
    watch = SpinWatch()
    verdicts = []
    for count in (100, waits, 100):
        for _ in range(SPIN_BLOCKS):
            watch.block()
        verdicts.append(watch.spinning)
        now.switches, now.at = now.switches + count, now.at + seconds
    watch.block()
    assert [*verdicts[1:], watch.spinning] == [False, spins, False]


def test_the_count_is_that_of_the_calling_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.sound.spin.REAL_TIME_S", 0.0)
    found = []

    def thread(seconds: float) -> None:
        watch = SpinWatch()
        for _ in range(SPIN_BLOCKS + 1):
            watch.block()
            if seconds:
                time.sleep(seconds)
        found.append(watch.spinning)

    for seconds in (0.0001, 0.0):
        worker = threading.Thread(target=thread, args=(seconds,))
        worker.start()
        worker.join()
    assert found == [False, True]
