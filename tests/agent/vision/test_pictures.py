"""Frames and stills, with a camera that takes its time."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.metrics import Counters
from agent.uplink.bandwidth import LEAST_FRAME
from agent.vision import pictures
from agent.vision.pictures import GLANCE_S, Lens, Pictures
from hardware.ports import DeviceError
from tests.support.stage import play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@dataclass
class SlowCamera:
    """Each picture takes ``shutter_s`` and is named after its number."""

    shutter_s: float = 0.0
    broken: bool = False
    open: bool = False
    limits: list[int] = field(default_factory=list)
    stills: int = 0

    def start(self, on_fault: Callable[[DeviceError], None]) -> None:
        del on_fault
        self.open = True

    def stop(self) -> None:
        self.open = False

    async def frame(self, max_bytes: int) -> bytes:
        self.limits.append(max_bytes)
        return await self._picture(f"frame {len(self.limits)}")

    async def still(self) -> bytes:
        self.stills += 1
        return await self._picture(f"still {self.stills}")

    async def aclose(self) -> None:
        self.stop()

    async def _picture(self, name: str) -> bytes:
        await asyncio.sleep(self.shutter_s)
        if self.broken or not self.open:
            raise DeviceError("camera", "gone", "check its cable")
        return name.encode()


@dataclass
class Rig:
    pictures: Pictures
    camera: SlowCamera
    counters: Counters
    task: asyncio.Task[None]
    delivered: list[tuple[float, bytes]]
    kept: dict[str, bytes]
    faults: list[DeviceError]

    @property
    def names(self) -> list[str]:
        return [jpeg.decode() for _, jpeg in self.delivered]


@asynccontextmanager
async def rigged(*, shutter_s: float = 0.0, camera: bool = True, **video: Any) -> AsyncIterator[Rig]:
    loop = asyncio.get_running_loop()
    settings = config.override(config.Settings(), {"video": video}, where="test")
    slow, counters = SlowCamera(shutter_s), Counters()
    delivered: list[tuple[float, bytes]] = []
    kept: dict[str, bytes] = {}
    faults: list[DeviceError] = []

    def keep(name: str, jpeg: bytes) -> None:
        assert name not in kept
        kept[name] = jpeg

    taking = Pictures(
        settings,
        slow if camera else None,
        counters,
        frame_budget=lambda: (1_000_000, ""),
        deliver=lambda jpeg: delivered.append((loop.time(), jpeg)),
        keep=keep,
        on_fault=faults.append,
    )
    task = asyncio.create_task(taking.run())
    try:
        yield Rig(taking, slow, counters, task, delivered, kept, faults)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def the_wall_clock_follows_virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    virtual = SimpleNamespace(
        time=lambda: asyncio.get_running_loop().time(), strftime=time.strftime, localtime=time.localtime
    )
    monkeypatch.setattr(pictures, "time", virtual)


def test_the_first_frame_is_taken_at_once_and_the_others_at_the_asked_rate() -> None:
    async def scene() -> None:
        async with rigged(fps=2.0, max_frame_kb=30) as rig:
            start = asyncio.get_running_loop().time()
            rig.pictures.open()
            rig.pictures.stream_frames(on=True)
            await asyncio.sleep(1.7)
            rig.pictures.stream_frames(on=False)
            await asyncio.sleep(5)
            assert [at - start for at, _ in rig.delivered] == pytest.approx([0.0, 0.5, 1.0, 1.5])
            assert set(rig.camera.limits) == {30_000}

    play(scene())


def test_nothing_is_filmed_where_no_frames_are_wanted() -> None:
    async def scene() -> None:
        async with rigged(fps=0) as rig:
            rig.pictures.open()
            rig.pictures.stream_frames(on=True)
            await asyncio.sleep(5)
            assert rig.delivered == []

    play(scene())


def test_a_box_without_a_camera_takes_no_pictures() -> None:
    async def scene() -> None:
        async with rigged(camera=False) as rig:
            rig.pictures.open()
            rig.pictures.stream_frames(on=True)
            rig.pictures.take_still()
            await asyncio.sleep(5)
            rig.pictures.close()
            assert (rig.delivered, rig.faults) == ([], [])

    play(scene())


def test_the_camera_is_on_from_open_to_close() -> None:
    async def scene() -> None:
        async with rigged() as rig:
            rig.pictures.open()
            assert rig.camera.open
            rig.pictures.stream_frames(on=True)
            rig.pictures.close()
            assert not rig.camera.open
            await asyncio.sleep(5)
            assert rig.delivered == []

    play(scene())


def test_a_still_is_kept_in_full_and_shown_small() -> None:
    async def scene() -> None:
        async with rigged() as rig:
            rig.pictures.open()
            rig.pictures.take_still()
            await asyncio.sleep(0.1)
            ((name, jpeg),) = rig.kept.items()
            assert jpeg == b"still 1"
            assert name.endswith(".jpg")
            assert rig.names == ["frame 1"]
            assert rig.counters.stills == 1
            rig.pictures.take_still()
            await asyncio.sleep(0.1)
            assert [*rig.kept.values()] == [b"still 1", b"still 2"]
            assert rig.counters.stills == 2

    play(scene())


def test_a_frame_that_is_asked_for_is_taken_at_once_though_nobody_speaks() -> None:
    async def scene() -> None:
        async with rigged(max_frame_kb=30) as rig:
            seen: list[bytes] = []
            rig.pictures._frame_budget = lambda: (0, "full")
            rig.pictures.open()
            for number in (1, 2):
                assert rig.pictures.glance(seen.append)
                await asyncio.sleep(0.1)
                assert len(seen) == number
            assert seen == [b"frame 1", b"frame 2"]
            assert set(rig.camera.limits) == {LEAST_FRAME}
            assert rig.delivered == []

    play(scene())


@pytest.mark.parametrize("closes", [False, True])
def test_who_waits_for_a_frame_that_does_not_come_is_told_in_time(*, closes: bool) -> None:
    async def scene() -> None:
        async with rigged(shutter_s=60.0) as rig:
            seen: list[tuple[float, bytes]] = []
            loop = asyncio.get_running_loop()
            start = loop.time()
            rig.pictures.open()
            assert rig.pictures.glance(lambda jpeg: seen.append((loop.time() - start, jpeg)))
            if closes:
                rig.pictures.close()
            await asyncio.sleep(10)
            assert seen == [(0.0 if closes else GLANCE_S, b"")]
            assert rig.counters.frames_dropped == ({} if closes else {"late": 1})

    play(scene())


def test_a_camera_that_fails_keeps_nobody_waiting() -> None:
    async def scene() -> None:
        async with rigged() as rig:
            seen: list[bytes] = []
            rig.camera.broken = True
            rig.pictures.open()
            assert rig.pictures.glance(seen.append)
            await asyncio.sleep(0.1)
            assert seen == [b""]
            assert [error.problem for error in rig.faults] == ["gone"]

    play(scene())


@pytest.mark.parametrize(("opened", "fps"), [(False, 1.0), (True, 0.0)])
def test_nobody_waits_for_a_frame_where_none_will_be_taken(*, opened: bool, fps: float) -> None:
    async def scene() -> None:
        async with rigged(fps=fps) as rig:
            if opened:
                rig.pictures.open()
            assert not rig.pictures.glance(lambda _: pytest.fail("nobody waits"))
            await asyncio.sleep(5)
            assert rig.camera.limits == []

    play(scene())


def test_a_camera_that_fails_is_reported_and_tried_again_with_the_next_utterance() -> None:
    async def scene() -> None:
        async with rigged() as rig:
            rig.camera.broken = True
            rig.pictures.open()
            rig.pictures.stream_frames(on=True)
            await asyncio.sleep(5)
            assert [error.problem for error in rig.faults] == ["gone"]
            rig.camera.broken = False
            rig.pictures.stream_frames(on=True)
            await asyncio.sleep(0.1)
            assert rig.names == ["frame 2"]

    play(scene())


def test_hanging_up_while_a_picture_is_taken_is_no_fault() -> None:
    async def scene() -> None:
        async with rigged(shutter_s=1.0) as rig:
            for begin in (rig.pictures.take_still, lambda: rig.pictures.stream_frames(on=True)):
                rig.pictures.open()
                begin()
                await asyncio.sleep(0.5)
                rig.pictures.close()
                await asyncio.sleep(5)
            assert (rig.faults, rig.delivered, rig.kept) == ([], [], {})

    play(scene())


def test_a_still_that_takes_longer_than_a_frame_has_costs_that_frame_and_nothing_else() -> None:
    async def scene() -> None:
        async with rigged(shutter_s=0.8, fps=1.0) as rig:
            rig.pictures.open()
            rig.pictures.take_still()
            rig.pictures.stream_frames(on=True)
            await asyncio.sleep(6)
            rig.pictures.stream_frames(on=False)
            assert rig.counters.frames_dropped == {"late": 1}
            assert rig.counters.stills == 1
            assert len(rig.delivered) >= 4

    play(scene())


def test_a_still_does_not_wait_for_room_for_a_frame() -> None:
    async def scene() -> None:
        async with rigged(fps=0.1) as rig:
            rig.pictures._frame_budget = lambda: (0, "full")
            rig.pictures.open()
            rig.pictures.stream_frames(on=True)
            await asyncio.sleep(1)
            rig.pictures.take_still()
            await asyncio.sleep(0.1)
            assert [*rig.kept.values()] == [b"still 1"]
            assert rig.counters.frames_dropped == {"full": 1}

    play(scene())


@pytest.mark.parametrize("act", [lambda box: box.take_still(), lambda box: box.stream_frames(on=True)])
def test_a_closed_camera_is_asked_for_nothing(act: Callable[[Pictures], None]) -> None:
    async def scene() -> None:
        async with rigged() as rig:
            act(rig.pictures)
            await asyncio.sleep(5)
            assert (rig.camera.stills, rig.camera.limits, rig.faults) == (0, [], [])

    play(scene())


@pytest.mark.parametrize("on", [False, True])
def test_the_camera_films_only_while_it_is_open(*, on: bool) -> None:
    async def scene() -> None:
        async with rigged() as rig:
            lens = [rig.pictures._lens]
            rig.pictures.stream_frames(on=on)
            lens.append(rig.pictures._lens)
            rig.pictures.open()
            rig.pictures.stream_frames(on=on)
            lens.append(rig.pictures._lens)
            rig.pictures.close()
            assert [*lens, rig.pictures._lens] == [
                Lens.CLOSED,
                Lens.CLOSED,
                Lens.FILMING if on else Lens.OPEN,
                Lens.CLOSED,
            ]

    play(scene())


class Album:
    """What the model knows of the stills: told of every request, and of every still that is begun or done."""

    def __init__(self) -> None:
        self.open = self.filming = self.asked = False
        self.taking: str | None = None
        self.kept: list[str] = []

    def act(self, step: str) -> None:
        match step:
            case "open":
                self.open = True
            case "close":
                self.open = self.filming = self.asked = False
            case "film" | "rest":
                self.filming = self.open and step == "film"
            case "take" if self.open:
                self.asked = True

    def begun(self, name: str) -> None:
        assert self.asked
        assert self.taking is None
        self.asked, self.taking = False, name

    def done(self, *, well: bool) -> None:
        name, self.taking = self.taking, None
        if well and name is not None:
            self.kept.append(name)


class WatchedCamera(SlowCamera):
    """Tells an album what it is asked for."""

    album: Album

    async def frame(self, max_bytes: int) -> bytes:
        assert self.album.filming or self.stills, "a frame is taken while filming, or beside a still"
        return await super().frame(max_bytes)

    async def still(self) -> bytes:
        self.album.begun(f"still {self.stills + 1}")
        try:
            jpeg = await super().still()
        except DeviceError:
            self.album.done(well=False)
            raise
        self.album.done(well=True)
        return jpeg


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "close", "film", "rest", "take", "break", "fix"]),
            st.sampled_from([0.0, 0.3, 2.7]),
        ),
        max_size=25,
    )
)
def test_whatever_is_asked_the_album_holds_what_was_taken(steps: list[tuple[str, float]]) -> None:
    async def scene() -> None:
        async with rigged(shutter_s=1.1, fps=0.9) as rig:
            rig.camera.__class__, album = WatchedCamera, Album()
            rig.camera.album = album  # type: ignore[attr-defined] # it has become one that is watched
            for step, seconds in [("open", 0.0), *steps]:
                match step:
                    case "open":
                        rig.pictures.open()
                    case "close":
                        rig.pictures.close()
                    case "film" | "rest":
                        rig.pictures.stream_frames(on=step == "film")
                    case "take":
                        rig.pictures.take_still()
                    case _:
                        rig.camera.broken = step == "break"
                album.act(step)
                if seconds:
                    await asyncio.sleep(seconds)
                lens = rig.pictures._lens
                assert (lens is not Lens.CLOSED) == album.open == rig.camera.open
                assert album.filming or lens is not Lens.FILMING
            await asyncio.sleep(10)
            assert [jpeg.decode() for jpeg in rig.kept.values()] == album.kept

    play(scene())
