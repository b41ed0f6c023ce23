"""A folder of JPEGs as a camera: shown in turn, checked before, smaller versions on demand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hardware.ports import DeviceError
from hardware.simulated.camera import FolderCamera
from hardware.simulated.clock import run_virtual
from tests.support.simulated_box import no_fault

if TYPE_CHECKING:
    from pathlib import Path


def jpeg(name: str) -> bytes:
    """What passes for a picture: its first and last bytes are those of one."""
    return b"\xff\xd8\xff" + name.encode() + b"\xff\xd9"


def test_a_folder_of_pictures_is_shown_in_turn(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.jpg", "notes.txt", "c.jpeg"):
        (tmp_path / name).write_bytes(jpeg(name))

    async def run() -> None:
        camera = FolderCamera(asyncio.get_running_loop(), tmp_path, fps=0.5)
        with pytest.raises(DeviceError, match="switched off"):
            await camera.frame(1)
        seen = []
        camera.start(no_fault)
        for _ in range(4):
            seen.append(await camera.frame(1))
            await asyncio.sleep(2)
        assert seen == [jpeg("a.jpg"), jpeg("b.JPG"), jpeg("c.jpeg"), jpeg("a.jpg")]
        assert await camera.still() == jpeg("b.JPG")
        assert (camera.frames, camera.stills) == (5, 1)
        (tmp_path / "c.jpeg").unlink()
        await asyncio.sleep(2)
        with pytest.raises(DeviceError, match=r"cannot read c\.jpeg: No such file or directory"):
            await camera.still()
        await camera.aclose()
        assert not camera.open

    run_virtual(run())


FLAWED = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "is not a JPEG"),
    "cut": (b"\xff\xd8\xff\xe0 half of it", "is cut short"),
    "padded": (b"\xff\xd8\xff\xd9" + bytes(17), "is cut short"),
    "huge": (b"\xff\xd8\xff" + bytes(5_000_000) + b"\xff\xd9", "is larger than 5 MB"),
}


@pytest.mark.parametrize(("content", "says"), FLAWED.values(), ids=FLAWED)
def test_a_file_that_is_no_whole_jpeg_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "bad.jpg").write_bytes(content)

    async def run() -> None:
        for path in (tmp_path, tmp_path / "bad.jpg"):
            with pytest.raises(DeviceError, match=f"no usable JPEG: bad.jpg {says}"):
                FolderCamera(asyncio.get_running_loop(), path)

    run_virtual(run())


def test_flawed_pictures_of_a_folder_are_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = jpeg("good") + b"\0" * 14 + b"\r\n"
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "d.jpg").write_bytes(b"smaller, but no picture")
    (tmp_path / "c.jpg").mkdir()
    for name, content in (("a.jpg", b""), ("b.jpg", b"text"), ("d.jpg", good)):
        (tmp_path / name).write_bytes(content)

    async def run() -> None:
        camera = FolderCamera(asyncio.get_running_loop(), tmp_path)
        camera.start(no_fault)
        for _ in range(3):
            assert await camera.frame(1) == good
            await asyncio.sleep(1)

    run_virtual(run())
    said = ["a.jpg is empty and is skipped", "b.jpg is not a JPEG and is skipped", "c.jpg is not a file and is skipped"]
    assert caplog.messages == [f"camera {tmp_path}: {line}" for line in said]


def test_a_camera_without_pictures_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        for path in (tmp_path, tmp_path / "missing.jpg"):
            with pytest.raises(DeviceError, match="no JPEG"):
                FolderCamera(asyncio.get_running_loop(), path)

    run_virtual(run())
