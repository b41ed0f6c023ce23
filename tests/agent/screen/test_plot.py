"""The picture of an uplink."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from agent.screen.plot import Look, draw, save

if TYPE_CHECKING:
    from pathlib import Path

LOOKS = [Look(at / 10, 0.05 + at / 1000, at // 10, at // 50, 60_000.0, 62_500.0) for at in range(300)]


def test_it_is_one_picture_with_three_panels_and_five_curves(tmp_path: Path) -> None:
    save(LOOKS, tmp_path / "uplink.svg")
    picture = ET.parse(tmp_path / "uplink.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{space}polyline")) == 5
    titles = [text.text or "" for text in picture.findall(f"{space}text")]
    assert sum(title.startswith(("speech", "frames", "line")) for title in titles) == 3


def test_every_point_lies_inside_the_picture() -> None:
    picture = ET.fromstring(draw(LOOKS))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for curve in picture.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in curve.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_a_single_moment_is_drawn_too() -> None:
    ET.fromstring(draw(LOOKS[:1]))
