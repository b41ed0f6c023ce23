"""``field-agent devices``: lists what is plugged in, and how to name it in the configuration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from agent.outside.text import one_line
from hardware import inventory

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from hardware.inventory import CameraModule, Found, GpioChip, SoundCard

T = TypeVar("T")


def options(sub: argparse.ArgumentParser) -> None:
    """Add no options: this command has none."""


def run(arguments: argparse.Namespace) -> int:
    """Print sound cards, cameras and GPIO chips; a missing library is a note, not an error."""
    del arguments
    _section("sound cards", inventory.sound_cards(), _card)
    _section("cameras", inventory.cameras(), _camera)
    _section("GPIO chips", inventory.gpio_chips(), _chip)
    return 0


def _section(title: str, found: Found[T], line: Callable[[T], str]) -> None:
    lines = [f"{title}:", *(f"  {one_line(line(item))}" for item in found.items)]
    if not found.items:
        lines.append("  none")
    if found.note:
        lines.append(f"  note: {one_line(found.note)}")
    sys.stdout.write("\n".join(lines) + "\n")


def _card(card: SoundCard) -> str:
    def rates(found: tuple[int, ...]) -> str:
        return "/".join(f"{rate / 1000:g}" for rate in found) + " kHz" if found else "busy"

    sides = []
    if card.inputs:
        sides.append(f"in {card.inputs} ch {rates(card.input_rates)}")
    if card.outputs:
        sides.append(f"out {card.outputs} ch {rates(card.output_rates)}")
    names = repr(card.setting) + (f" or {card.port!r} for whatever is plugged in there" if card.port else "")
    return f"{card.name} (setting: {names}; default {card.default_rate} Hz; {'; '.join(sides)})"


def _camera(camera: CameraModule) -> str:
    return f"{camera.name} at {camera.where}"


def _chip(chip: GpioChip) -> str:
    return str(chip)
