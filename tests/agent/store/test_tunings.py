"""What tuning found is kept for each pair of devices, whole or not at all, and tells when it no longer holds."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from agent.errors import ConfigError
from agent.store import tunings
from agent.store.layout import Layout
from agent.store.tunings import Tuning, audio_levels, first_boot, load, save, warning
from hardware.settings import AudioSettings

if TYPE_CHECKING:
    from pathlib import Path

HEADSET = Tuning(
    "Headset at usb-1-1.3 > Headset at usb-1-1.3", "good", {"delay_ms": 61.2, "dead": False}, {"volume_db": 0.0}
)


def test_the_newest_of_each_pair_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "field-agent"
    other = Tuning("built in", "limits", {}, {}, at=5)
    newer = Tuning(HEADSET.device, "limits", {"delay_ms": None}, {}, at=9)
    for each in (HEADSET, other, newer):
        save(folder, each)
    assert load(folder, HEADSET.device) == newer
    assert load(folder, "built in") == other
    assert load(folder, "a third") is None


def test_the_file_is_for_this_user_alone_and_says_its_version(tmp_path: Path) -> None:
    (tmp_path / "devices.json.part").write_text("left by a power cut")
    save(tmp_path, HEADSET)
    assert [each.name for each in tmp_path.iterdir()] == ["devices.json"]
    assert Layout(tmp_path).devices.stat().st_mode & 0o777 == 0o600
    assert json.loads(Layout(tmp_path).devices.read_text())["schema"] == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": 2, "devices": {}}', '{"schema": 1, "devices": []}', "\xff"]
)
def test_a_file_that_cannot_be_read_is_logged_and_then_replaced(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Layout(tmp_path).devices.write_bytes(content.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path, HEADSET.device) is None
    assert "devices.json" in caplog.text
    save(tmp_path, HEADSET)
    assert load(tmp_path, HEADSET.device) == HEADSET


def test_an_entry_of_another_shape_is_none(tmp_path: Path) -> None:
    Layout(tmp_path).devices.write_text('{"schema": 1, "devices": {"a": {"x": 1}, "b": 3}}')
    assert load(tmp_path, "a") is None
    assert load(tmp_path, "b") is None


def test_where_nothing_can_be_written_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="paths"):
        save(tmp_path / "file", HEADSET)


def test_only_a_box_that_was_never_tuned_with_these_devices_is_at_its_first_boot(tmp_path: Path) -> None:
    assert first_boot(tmp_path, HEADSET.device)
    save(tmp_path, HEADSET)
    assert not first_boot(tmp_path, HEADSET.device)
    assert first_boot(tmp_path, "another headset")


def test_the_warning_says_what_no_longer_holds(tmp_path: Path) -> None:
    assert warning(tmp_path, HEADSET.device, {"volume_db": 0.0}).startswith("not tuned")
    save(tmp_path, HEADSET)
    assert warning(tmp_path, HEADSET.device, {"volume_db": 0.0, "new_in_this_version": 1}) == ""
    assert "other levels (audio.volume_db)" in warning(tmp_path, HEADSET.device, {"volume_db": -6.0})
    save(tmp_path, Tuning(HEADSET.device, "unusable", {}, {}))
    assert "could not be used" in warning(tmp_path, HEADSET.device, {})


def test_levels_are_numbers_of_settings_that_exist() -> None:
    levels = audio_levels(AudioSettings())
    assert set(levels) <= set(tunings.LEVELS)
    assert all(isinstance(each, int | float) for each in levels.values())
