"""What ``run`` does about tuning before it serves: a word in the log, and a tuning where the button is held."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from gpiozero.pins.mock import MockFactory

from agent import config
from agent.commands import tune
from agent.service import first_boot
from agent.service.first_boot import HOLD_S, LOOK_S, held, prepare
from agent.store import tunings
from agent.voice.recordings import configured
from hardware.panel.gpio import GpioButton
from hardware.ports import DeviceError, Devices, Rhythm
from hardware.simulated.clock import run_virtual
from hardware.simulated.microphones import SilentMicrophone
from hardware.simulated.panel import RecordingLight, ScriptedButton
from hardware.simulated.speakers import SilentSpeaker
from hardware.tuning import rig

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Settings
    from hardware.settings import DeviceSettings
    from hardware.tuning.session import Opener

CARDS = "default (simulated)"
ROOM: dict[str, float] = {"rate": 16_000, "noise_dbfs": -58}


class Box:
    """Cards in a simulated room, a button that is down from the beginning, and a light."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.down_s: float | None = None
        self.fault: DeviceError | None = None
        self.opened: list[DeviceSettings] = []
        self.tuned = 0
        self.lit: Rhythm | None = None
        monkeypatch.setattr(rig, "device", lambda _: CARDS)
        monkeypatch.setattr(first_boot, "open_devices", self.open)
        monkeypatch.setattr(first_boot, "on_cards", self.cards)
        monkeypatch.setattr("hardware.tuning.measure.PASSES", 3)

    def open(self, settings: DeviceSettings, loop: asyncio.AbstractEventLoop) -> Devices:
        self.opened.append(settings)
        button, self.light = ScriptedButton(), RecordingLight(loop)
        if self.down_s is not None:
            loop.call_later(0.2, button.press)  # as hardware.panel.gpio finds it
            loop.call_later(self.down_s, button.release)
        return Devices(SilentMicrophone(loop), SilentSpeaker(loop), None, button, self.light)

    def cards(self, settings: Settings, _: asyncio.AbstractEventLoop) -> Opener:
        self.tuned += 1
        self.lit = self.light.rhythm
        opened = tune.simulated(ROOM, configured(settings.voice))

        def rig(microphone: str, *, speaks: bool) -> Any:
            if self.fault is not None:
                raise self.fault
            return opened(microphone, speaks=speaks)

        return rig


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(monkeypatch)


def settings(folder: Path, **audio: Any) -> Settings:
    chosen = {"paths": {"state": str(folder)}, "audio": audio}
    return config.override(config.Settings(), chosen, where="test")


def lasted(work: Any) -> float:
    """Seconds that ``work`` takes of the box's time."""

    async def timed() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await work
        return loop.time() - began

    return run_virtual(timed())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_box_whose_button_is_held_at_its_first_boot_tunes_itself_and_never_again(
    tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    box.down_s = 60.0
    lasted(prepare(settings(tmp_path)))
    stored = tunings.load(tmp_path, CARDS)
    assert stored is not None
    assert (stored.result, stored.figures["delay_ms"]) == ("good", 60.0)
    assert box.lit is Rhythm.LISTENING  # no microphone is open without the light
    assert warnings(caplog) == []
    assert "tune: 1/5 quiet, please ... noise floor -58 dBFS, good" in caplog.text
    assert "tune: good: nothing to change" in caplog.text
    (only,) = box.opened
    assert (only.audio.microphone, only.audio.speaker, only.camera.source) == ("silence", "none", "none")
    assert lasted(prepare(settings(tmp_path))) == 0
    assert (box.tuned, len(box.opened)) == (1, 1)


@pytest.mark.parametrize(("down_s", "takes_s"), [(None, LOOK_S), (1.0, 1.0), (2.0, 2.0)])
def test_no_press_and_a_short_one_only_cost_a_moment_and_a_word(
    tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture, down_s: float | None, takes_s: float
) -> None:
    box.down_s = down_s
    assert lasted(prepare(settings(tmp_path))) == pytest.approx(takes_s)
    assert takes_s < LOOK_S + HOLD_S
    assert box.tuned == 0
    assert warnings(caplog) == ["tune: not tuned: field-agent tune"]


def test_a_pin_that_is_down_from_the_beginning_is_held_and_can_be_claimed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(first_boot, "HOLD_S", 0.1)
    factory = MockFactory()

    async def pressed(*, down: bool) -> bool:
        button = GpioButton(asyncio.get_running_loop(), 17, 0.02, factory)
        if down:  # before anybody listens; the mock goes up when it is claimed
            factory.pin(17).drive_low()
        try:
            return await held(button)
        finally:
            await button.aclose()

    assert asyncio.run(pressed(down=True))
    assert not asyncio.run(pressed(down=False))
    factory.reset()


def test_a_tuning_that_fails_stops_no_start(tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.down_s, box.fault = 60.0, DeviceError("Clip", "is busy", "end it")
    lasted(prepare(settings(tmp_path)))
    assert warnings(caplog) == [f"tune: {box.fault}", "tune: not tuned: field-agent tune"]


def test_nor_does_one_that_never_ends(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box.down_s = 600.0
    monkeypatch.setattr(first_boot, "_tune", lambda *_: asyncio.sleep(3600))
    assert lasted(prepare(settings(tmp_path))) == pytest.approx(first_boot.LIMIT_S)
    assert warnings(caplog) == ["tune: given up after 60 s", "tune: not tuned: field-agent tune"]


def test_a_driver_that_hangs_is_for_a_new_process(tmp_path: Path, box: Box) -> None:
    box.down_s, box.fault = 60.0, DeviceError("Clip", "hangs", "restart", fatal=True)
    with pytest.raises(DeviceError, match="hangs"):
        lasted(prepare(settings(tmp_path)))


def test_other_levels_than_when_it_was_tuned_are_told(
    tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    tunings.save(tmp_path, tunings.Tuning(CARDS, "good", {}, {"volume_db": 0.0}))
    lasted(prepare(settings(tmp_path)))
    assert warnings(caplog) == []
    lasted(prepare(settings(tmp_path, volume_db=-6.0)))
    assert warnings(caplog) == ["tune: tuned with other levels (audio.volume_db): field-agent tune"]
    assert box.opened == []


@pytest.mark.parametrize("audio", [{"microphone": "silence"}, {"speaker": "none"}, {"microphone": "./a"}])
def test_what_is_no_card_is_not_asked_about(
    tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture, audio: dict[str, str]
) -> None:
    assert lasted(prepare(settings(tmp_path, **audio))) == 0
    assert (warnings(caplog), box.opened) == ([], [])


def test_cards_that_are_away_are_told_by_those_who_open_them(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: object) -> str:
        raise DeviceError("microphone", "not found", "plug it in")

    monkeypatch.setattr(rig, "device", away)
    assert lasted(prepare(settings(tmp_path))) == 0
    assert (warnings(caplog), box.opened) == ([], [])


def test_a_box_without_a_button_starts_at_once(tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture) -> None:
    bare = config.override(settings(tmp_path), {"gpio": {"button": "none"}}, where="test")
    assert lasted(prepare(bare)) == 0
    assert box.opened == []
    assert warnings(caplog) == ["tune: not tuned: field-agent tune"]


def test_a_driver_that_hangs_while_it_is_asked_for_the_cards_is_given_up(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hanging(_: object) -> str:
        release.wait(2)
        return CARDS

    monkeypatch.setattr(rig, "device", hanging)
    monkeypatch.setattr("hardware.sound.supervisor.CALL_LIMIT_S", 0.05)
    try:
        with pytest.raises(DeviceError, match="hangs") as caught:
            lasted(prepare(settings(tmp_path)))
    finally:
        release.set()
    assert caught.value.fatal
    assert box.opened == []


def test_a_rig_that_opens_after_the_tuning_was_given_up_is_closed(
    tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIMIT_S", "HOLD_S"):
        monkeypatch.setattr(first_boot, name, {"LIMIT_S": 0.6, "HOLD_S": 0.1}[name])
    box.down_s = 60.0
    release = threading.Event()

    async def scene() -> None:
        closed = asyncio.Event()

        class Late:
            device = CARDS

            async def aclose(self) -> None:
                closed.set()

        def opened(microphone: str, *, speaks: bool) -> Any:
            del microphone, speaks
            release.wait(5)
            return Late()

        monkeypatch.setattr(first_boot, "on_cards", lambda *_: opened)
        await prepare(settings(tmp_path))
        assert not closed.is_set()
        release.set()
        await asyncio.wait_for(closed.wait(), 2)

    try:
        asyncio.run(scene())
    finally:
        release.set()
