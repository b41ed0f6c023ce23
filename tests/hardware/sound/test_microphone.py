"""The microphone on a card as the agent sees it, and whether it is one: zeros, a gate that closes, a level that clips.

The streams behind it are faked here; tests/hardware/sound/test_sound_server.py has real ones.
"""

from __future__ import annotations

import asyncio
import functools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hardware.ports import CHUNK_S, DeviceError, DeviceHealth, MicChunk, Trust
from hardware.sound.microphone import CLIPPED_S, INLET_CHUNKS, PATIENCE_S, REOPEN_S, CardMicrophone, SignalWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest


def heard(*, dead: bool = False, level_dbfs: float = -60.0, clipping: float = 0.0) -> MicChunk:
    return MicChunk(b"", b"", Trust.ABSENT, dead=dead, level_dbfs=-101.0 if dead else level_dbfs, clipping=clipping)


def chunks(seconds: float) -> range:
    return range(round(seconds / CHUNK_S))


def test_one_that_never_gave_sound_is_dead_at_once_and_tried_again() -> None:
    watch = SignalWatch()
    watch.feed(heard(level_dbfs=-101.0))
    assert not watch.dead
    watch.feed(heard(dead=True))
    assert watch.dead
    assert watch.news
    reopened = 0
    for _ in chunks(2 * REOPEN_S + 1):
        watch.feed(heard(dead=True))
        assert not watch.news, "it is said once"
        reopened += watch.reopen
    assert reopened == 2
    watch.feed(heard())
    assert not watch.dead
    assert not watch.reopen


def test_one_with_a_gate_may_be_silent_for_a_while() -> None:
    watch = SignalWatch()
    watch.feed(heard())
    for _ in chunks(PATIENCE_S - 0.1):
        watch.feed(heard(dead=True))
        assert not watch.dead
    for _ in chunks(0.3):
        watch.feed(heard(dead=True))
    assert watch.dead


def test_one_that_clips_all_the_time_is_named_once_and_a_shout_is_not() -> None:
    watch = SignalWatch()
    said = [watch.feed(heard(clipping=0.3)) for _ in chunks(CLIPPED_S - 0.5)]
    said += [watch.feed(heard())]
    assert not any(said)
    said = [watch.feed(heard(clipping=0.3)) for _ in chunks(3 * CLIPPED_S)]
    assert [words for words in said if words] == [
        "is too loud and clips (lower audio.capture_percent, or use alsamixer, F4)"
    ]


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Card:
    """A CardSound and a DspThread that do nothing, and the microphone on them."""

    def __init__(self) -> None:
        self.microphone = SimpleNamespace(name="microphone 'fake'", fault=None)
        self.deliver: Callable[[MicChunk], None] | None = None
        self.asked: list[object] = []
        self.dsp = SimpleNamespace(
            dropped=0,
            speech=lambda *, on, over_answer: self.asked.append(("speech", on, over_answer)),
            false_alarm=lambda: self.asked.append("false alarm"),
            overheard=lambda: self.asked.append("overheard"),
            close=lambda: self.asked.append("dsp closed"),
        )
        self.part = CardMicrophone(asyncio.get_running_loop(), self, self.dsp)  # type: ignore[arg-type] # by shape
        self.chunks: list[MicChunk] = []
        self.faults: list[str] = []

    def start(self) -> None:
        self.part.start(self.chunks.append, lambda error: self.faults.append(error.problem))

    def listen(self, deliver: Callable[[MicChunk], None] | None) -> None:
        self.deliver = deliver

    def glitches(self, stream: object) -> int:
        assert stream is self.microphone
        return 5

    def reopen_microphone(self) -> None:
        self.asked.append("reopen")

    def close(self, stream: object) -> None:
        self.asked.append(("closed", stream is self.microphone))


@on_a_loop
async def test_chunks_go_to_the_start_that_they_were_captured_for() -> None:
    card = Card()
    card.start()
    assert card.deliver is not None
    earlier = card.deliver
    earlier(heard())
    await asyncio.sleep(0)
    assert len(card.chunks) == 1
    earlier(heard())
    card.part.stop()
    assert card.deliver is None
    card.start()
    earlier(heard())
    await asyncio.sleep(0)
    assert len(card.chunks) == 1, "closed is closed"
    card.deliver(heard())
    await asyncio.sleep(0)
    assert len(card.chunks) == 2


@on_a_loop
async def test_what_comes_in_a_burst_after_a_hiccup_of_two_seconds_is_all_heard() -> None:
    card = Card()
    card.start()
    assert card.deliver is not None
    for _ in range(round(2.0 / CHUNK_S)):  # faster than the loop takes them
        card.deliver(heard())
    await asyncio.sleep(0)
    assert len(card.chunks) == round(2.0 / CHUNK_S)
    assert card.part.health().dropped == 0


@on_a_loop
async def test_what_was_dropped_is_counted_over_all_starts() -> None:
    card = Card()
    for _ in range(2):
        card.start()
        assert card.deliver is not None
        for _ in range(INLET_CHUNKS + 3):
            card.deliver(heard())
    card.dsp.dropped = 4
    assert card.part.health() == DeviceHealth(dropped=3 + 3 + 2, glitches=5, working=True)
    card.part.stop()
    assert card.part.health().dropped == 8
    card.dsp.dropped = 5
    assert card.part.health().dropped == 9, "one block lost is shown, too"


@on_a_loop
async def test_an_outage_is_told_to_whoever_started_even_later() -> None:
    card = Card()
    card.part.failed(DeviceError("microphone", "too early", "start it"))
    await asyncio.sleep(0)
    card.microphone.fault = DeviceError("microphone", "not found", "plug it in")
    card.start()
    card.part.failed(DeviceError("microphone", "is busy", "wait"))
    await asyncio.sleep(0)
    assert card.faults == ["not found", "is busy"]
    assert card.part.fault is card.microphone.fault


@on_a_loop
async def test_a_dead_microphone_is_a_fault_and_reopened_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    card = Card()
    card.start()
    assert card.deliver is not None
    for _ in chunks(REOPEN_S + 1):
        card.deliver(heard(dead=True))
        await asyncio.sleep(0)
    assert card.faults == ["delivers nothing but zeros"]
    assert card.asked == ["reopen"]
    assert not card.chunks, "zeros are no sign of life"
    for _ in chunks(CLIPPED_S + 1):
        card.deliver(heard(clipping=0.3))
        await asyncio.sleep(0)
    assert "too loud and clips" in caplog.text


@on_a_loop
async def test_what_the_ear_knows_is_passed_on_and_all_is_released() -> None:
    card = Card()
    card.part.speech(on=True, over_answer=True)
    card.part.speech(on=False)
    card.part.false_alarm()
    card.part.overheard()
    await card.part.aclose()
    speech = [("speech", True, True), ("speech", False, False)]
    assert card.asked == [*speech, "false alarm", "overheard", ("closed", True), "dsp closed"]
