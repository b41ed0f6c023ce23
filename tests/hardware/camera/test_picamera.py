"""The Pi's camera on a simulated picamera2 that has the parts of its interface that are used."""

from __future__ import annotations

import asyncio
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hardware.camera.picamera import LEAST_QUALITY, PiCamera
from hardware.ports import DeviceError
from hardware.settings import CameraSettings

if TYPE_CHECKING:
    import io

STRIDE = 832  # rows are padded, as on the real one


class FakeRequest:
    def __init__(self, camera: FakeCamera) -> None:
        self.camera = camera

    def make_array(self, name: str) -> np.ndarray:
        assert name == "lores"
        width, height = self.camera.config["lores"]["size"]
        flat = np.full((height * 3 // 2, STRIDE), 255, dtype=np.uint8)
        flat[:height, :width] = 1
        colour = flat[height:].reshape(height, STRIDE // 2)
        colour[: height // 2, : width // 2] = 2
        colour[height // 2 :, : width // 2] = 3
        return flat

    def save(self, name: str, file: io.BytesIO, format: str) -> None:  # noqa: A002 - the library's name
        assert (name, format) == ("main", "jpeg")
        file.write(b"full picture")

    def release(self) -> None:
        self.camera.released += 1


class FakeCamera:
    made: list[FakeCamera] = []  # noqa: RUF012 - shared on purpose
    broken: Exception | None = None
    slow_s = 0.0

    def __init__(self) -> None:
        if FakeCamera.broken:
            raise FakeCamera.broken
        self.options: dict[str, int] = {}
        self.calls: list[str] = []
        self.captured = self.released = 0
        FakeCamera.made.append(self)

    def create_video_configuration(self, **config: Any) -> dict[str, Any]:
        return config

    def configure(self, config: dict[str, Any]) -> None:
        self.config = config

    def camera_configuration(self) -> dict[str, Any]:
        return self.config

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")

    def capture_request(self, wait: float, flush: bool = False) -> FakeRequest:  # noqa: FBT001, FBT002 - the library's
        assert wait > 0
        time.sleep(FakeCamera.slow_s)
        self.captured += 1
        self.calls.append("still" if flush else "frame")
        return FakeRequest(self)


def encode(y: np.ndarray, u: np.ndarray, v: np.ndarray, quality: int) -> bytes:
    """1000 bytes per unit of quality, of planes that must be clean and in one piece."""
    assert y.shape == (576, 768)
    assert u.shape == v.shape == (288, 384)
    assert [set(np.unique(plane)) for plane in (y, u, v)] == [{1}, {2}, {3}]
    assert all(plane.flags.c_contiguous for plane in (y, u, v))
    return bytes([quality]) * (quality * 1000)


@pytest.fixture(autouse=True)
def picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, dict[str, Any]] = {
        "picamera2": {"Picamera2": FakeCamera},
        "simplejpeg": {"encode_jpeg_yuv_planes": encode},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    FakeCamera.made.clear()
    monkeypatch.setattr(FakeCamera, "broken", None)
    monkeypatch.setattr(FakeCamera, "slow_s", 0.0)


def no_fault(error: DeviceError) -> None:
    raise error


def test_frames_fit_their_budget_and_recover_their_quality() -> None:
    async def run() -> None:
        camera = PiCamera(asyncio.get_running_loop(), CameraSettings(quality=80))
        camera.start(no_fault)
        qualities = [(await camera.frame(budget))[0] for budget in (100_000, 30_000, 30_000, 1_000)]
        assert qualities == [80, 24, 24, LEAST_QUALITY]
        risen = [(await camera.frame(100_000))[0] for _ in range(17)]
        assert risen[:3] == [20, 24, 28]
        assert risen[-1] >= 70
        (fake,) = FakeCamera.made
        assert fake.captured == fake.released
        assert fake.config["lores"] == {"size": (768, 576), "format": "YUV420"}
        await camera.aclose()

    asyncio.run(run())


def test_it_is_switched_on_and_off_many_times_and_opened_once() -> None:
    async def run() -> None:
        camera = PiCamera(asyncio.get_running_loop(), CameraSettings())
        for _ in range(3):
            camera.start(no_fault)
            assert await camera.still() == b"full picture"
            camera.stop()
            camera.stop()
            with pytest.raises(DeviceError, match="switched off"):
                await camera.frame(1)
        await camera.aclose()
        (fake,) = FakeCamera.made
        assert fake.calls == ["start", "still", "stop"] * 3 + ["close"]

    asyncio.run(run())


@pytest.mark.parametrize("error", [IndexError("list index out of range"), RuntimeError("busy")], ids=["none", "busy"])
def test_a_camera_that_cannot_be_opened_is_a_fault(error: Exception) -> None:
    FakeCamera.broken = error

    async def run() -> None:
        faults: list[DeviceError] = []
        camera = PiCamera(asyncio.get_running_loop(), CameraSettings())
        camera.start(faults.append)
        with pytest.raises(DeviceError, match="failed"):
            await camera.frame(1)
        assert len(faults) == 1
        assert "ribbon cable" in faults[0].fix
        FakeCamera.broken = None
        camera.start(faults.append)
        assert await camera.still()
        await camera.aclose()

    asyncio.run(run())


def test_a_camera_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardware.camera.picamera.CAPTURE_LIMIT_S", 0.02)
    FakeCamera.slow_s = 0.2

    async def run() -> None:
        camera = PiCamera(asyncio.get_running_loop(), CameraSettings())
        camera.start(no_fault)
        with pytest.raises(DeviceError, match="does not answer"):
            await camera.still()
        await camera.aclose()

    asyncio.run(run())


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)

    async def run() -> None:
        with pytest.raises(DeviceError, match="apt install --no-install-recommends python3-picamera2"):
            PiCamera(asyncio.get_running_loop(), CameraSettings())

    asyncio.run(run())
