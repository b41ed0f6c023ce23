"""Lists what is plugged in: plain records, and a note if the library that could tell is missing."""

from __future__ import annotations

import fcntl
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from hardware.ports import DeviceError, reason
from hardware.sound.alsa import alsa_cards, usb_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hardware.sound.cards import Card, Direction

T = TypeVar("T")

RATES = (16_000, 24_000, 32_000, 44_100, 48_000)
"""The rates to probe: ours, and those that cards commonly have."""
GPIO_GET_CHIPINFO = 0x8044B401
"""ioctl of linux/gpio.h: name[32], label[32], lines (u32)."""
CHIPINFO = struct.Struct("32s32sI")
DEV = Path("/dev")
VIDEO = Path("/sys/class/video4linux")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found, and a note on what kept us from finding more (empty if nothing did)."""

    items: tuple[T, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class SoundCard:
    """A sound device. ``setting`` names it in the configuration.

    ``port`` may be written there instead, and means whatever is plugged in at that port; empty without USB.
    """

    name: str
    setting: str
    port: str
    inputs: int
    outputs: int
    default_rate: int
    input_rates: tuple[int, ...]
    output_rates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CameraModule:
    """A camera: a model that picamera2 knows, or a V4L2 node."""

    name: str
    where: str


@dataclass(frozen=True, slots=True)
class GpioChip:
    """A GPIO chip; the label of the chip behind a Pi's header begins with ``pinctrl``."""

    path: str
    label: str
    lines: int


def sound_cards() -> Found[SoundCard]:
    """Return the sound devices and the rates that they accept; opens each device briefly."""
    from hardware.sound import cards  # noqa: PLC0415 - imported only when asked for

    try:
        inputs = {card.name: card for card in cards.cards("input")}
        outputs = {card.name: card for card in cards.cards("output")}
    except DeviceError as error:
        return Found((), str(error))
    names = dict.fromkeys([*inputs, *outputs])
    found = tuple(_sound_card(name, inputs.get(name), outputs.get(name)) for name in names)
    return Found(found, "" if found else "no sound card; is it plugged in, and are you in the group audio?")


def _sound_card(name: str, into: Card | None, out: Card | None) -> SoundCard:
    some = into or out
    assert some is not None
    ids = {number: card_id for card_id, number in alsa_cards().items()}
    return SoundCard(
        name,
        name if some.number is None else ids.get(some.number, name),
        "" if some.number is None else usb_port(some.number),
        into.channels if into else 0,
        out.channels if out else 0,
        some.default_rate,
        tuple(_rates(into, "input")),
        tuple(_rates(out, "output")),
    )


def _rates(card: Card | None, direction: Direction) -> Iterator[int]:
    from hardware.sound import cards  # noqa: PLC0415 - imported only when asked for

    if card is not None:
        yield from (rate for rate in RATES if cards.accepts(card, direction, rate))


def cameras() -> Found[CameraModule]:
    """Return the cameras that picamera2 sees; without picamera2, the V4L2 nodes."""
    try:
        from picamera2 import Picamera2  # noqa: PLC0415 - only a Pi has it
    except ImportError:
        note = "picamera2 is not installed: apt install --no-install-recommends python3-picamera2"
        return Found(tuple(_video_nodes()), note)
    found = tuple(CameraModule(info["Model"], info["Id"]) for info in Picamera2.global_camera_info())
    return Found(found, "" if found else "no camera; check its ribbon cable, and that you are in the group video")


def _video_nodes() -> Iterator[CameraModule]:
    for node in sorted(VIDEO.glob("video*")):
        yield CameraModule((node / "name").read_text().strip(), f"/dev/{node.name}")


def gpio_chips() -> Found[GpioChip]:
    """Return the GPIO chips with their labels."""
    found: list[GpioChip] = []
    note = ""
    for path in sorted(DEV.glob("gpiochip*")):
        try:
            with path.open("rb") as device:
                info = fcntl.ioctl(device, GPIO_GET_CHIPINFO, bytes(CHIPINFO.size))
        except OSError as error:
            note = f"{path} cannot be opened: {reason(error)}; join the group gpio"
            continue
        _, label, lines = CHIPINFO.unpack(info)
        found.append(GpioChip(str(path), label.rstrip(b"\0").decode(errors="replace"), lines))
    return Found(tuple(found), note or ("" if found else "no GPIO chip: this is not a Pi, or /dev is hidden"))
