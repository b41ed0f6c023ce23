"""What the command and the first boot share of tuning: the opener, what is kept of it, and the verdict in words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agent import config
from agent.store import tunings
from agent.tuning import keep, on_cards, verdict
from hardware.simulated.clock import run_virtual
from hardware.tuning import rig
from hardware.tuning.findings import Figures, Finding
from hardware.tuning.session import TuningResult

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from agent.config import Settings


def settings(**sections: Any) -> Settings:
    return config.override(config.Settings(), sections, where="test")


def finding(number: int, *, usable: bool = True) -> Finding:
    return Finding("quiet", "bad", f"problem {number}", f"change {number}", (), usable=usable)


def outcome(*findings: Finding, **figures: Any) -> TuningResult:
    return TuningResult("cards", "default", Figures(**figures), findings, {}, 1.0)


def test_a_rig_is_opened_with_the_microphone_that_is_asked_for_and_all_else_as_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Any] = []

    def card_rig(loop: Any, audio: Any, *, speaks: bool) -> str:
        opened.append((loop, audio.microphone, audio.speaker, speaks))
        return "a rig"

    monkeypatch.setattr(rig, "CardRig", card_rig)
    chosen = settings(audio={"microphone": "Pocket", "speaker": "Horn"})

    async def scene() -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        opener = on_cards(chosen, loop)
        assert opened == []  # opening takes a second, and is done in a thread
        assert opener("Collar", speaks=True) == "a rig"
        opener("Pocket", speaks=False)
        return loop

    loop = run_virtual(scene())
    assert opened == [(loop, "Collar", "Horn", True), (loop, "Pocket", "Horn", False)]


def test_what_was_found_is_kept_for_its_devices_with_the_levels_it_was_found_at(tmp_path: Path) -> None:
    chosen = settings(paths={"state": str(tmp_path)}, audio={"volume_db": -6.0})
    keep(chosen, outcome(finding(1), noise_dbfs=-58.04))
    stored = tunings.load(tmp_path, "cards")
    assert stored is not None
    assert (stored.result, stored.figures["noise_dbfs"]) == ("limits", -58.0)
    assert stored.levels == tunings.audio_levels(chosen.audio)
    assert stored.levels["volume_db"] == -6.0


def test_a_good_box_is_told_in_one_line() -> None:
    assert verdict(outcome()) == ["good: nothing to change"]


def test_what_is_wrong_is_listed_most_important_first_under_what_it_means_for_the_box() -> None:
    assert verdict(outcome(finding(1), finding(2))) == [
        "usable, with limits",
        "  1. problem 1: change 1",
        "  2. problem 2: change 2",
    ]
    assert verdict(outcome(finding(1, usable=False)))[0] == "not usable like this"


def test_a_verdict_has_five_lines_at_most_and_says_how_many_points_there_are() -> None:
    four, five = ([finding(number) for number in range(1, count + 1)] for count in (4, 5))
    assert verdict(outcome(*four))[0] == "usable, with limits"
    told = verdict(outcome(*five))
    assert told[0] == "usable, with limits (the first 4 of 5 points)"
    assert told[1:] == [f"  {number}. problem {number}: change {number}" for number in (1, 2, 3, 4)]
