"""Tuning at start-up: a warning if the devices were never tuned; tuning itself if the button is held on first boot."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from agent import config
from agent.errors import AgentError
from agent.store import tunings
from agent.store.folder import folder_of
from agent.tuning import keep, on_cards, verdict
from agent.voice.recordings import configured
from hardware import open_devices
from hardware.ports import DeviceError, Rhythm
from hardware.settings import SoundKind

if TYPE_CHECKING:
    from agent.config import Settings
    from hardware.ports import Button, Indicator
    from hardware.tuning.session import Opener, Rig, TuningResult

LOOK_S = 0.5
"""How long to wait for the button to report a press: a held pin is found by reading it twice, 0.1 s apart."""
HOLD_S = 2.0
"""Longer than a press of somebody who only wants to talk."""
LIMIT_S = 60.0
"""Twice what tuning takes; after that the box starts, tuned or not."""
BUTTON_ONLY = {"audio": {"microphone": "silence", "speaker": "none"}, "camera": {"source": "none"}}

log = logging.getLogger(__name__)


class LogScreen:
    """Writes the steps of a tuning to the log, one line each."""

    def __init__(self) -> None:
        """Begin with no step under way."""
        self._begun = ""

    def begin(self, text: str) -> None:
        """Remember the step that begins; :meth:`end` logs it together with its outcome."""
        self._begun = text

    def end(self, text: str) -> None:
        """Log the step and its outcome ``text``."""
        self.line(f"{self._begun} {text}")

    def line(self, text: str) -> None:
        """Log a line of its own."""
        log.info("tune: %s", text)


class Rigs:
    """Opens rigs and closes every one, even those a thread opens after its tuning was given up."""

    def __init__(self, opener: Opener, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with no rig open."""
        self._opener = opener
        self._loop = loop
        self._lock = threading.Lock()
        self._over = False
        self._rigs: list[Rig] = []
        self._closing: set[asyncio.Task[None]] = set()

    def opened(self, microphone: str, *, speaks: bool) -> Rig:
        """Open a rig; called in a thread. Raises DeviceError."""
        rig = self._opener(microphone, speaks=speaks)
        with self._lock:
            self._rigs.append(rig)
            late = self._over
        if late:
            with suppress(RuntimeError):  # the loop is closed, and the process ends
                self._loop.call_soon_threadsafe(self._close, rig)
        return rig

    async def aclose(self) -> None:
        """Close every open rig, and from now on every rig that is still opened."""
        with self._lock:
            self._over = True
            rigs = list(self._rigs)
        for rig in rigs:
            await rig.aclose()

    def _close(self, rig: Rig) -> None:
        task = self._loop.create_task(rig.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def prepare(settings: Settings) -> None:
    """Tune if this is the first boot and the button is held; then log a warning if tuning is advised.

    Opens and closes devices of its own. Nothing but a fatal DeviceError, which it raises, stops the start.
    """
    if {settings.audio.microphone_kind, settings.audio.speaker_kind} != {SoundKind.CARD}:
        return  # nothing else can be tuned
    try:
        from hardware.tuning.rig import device_soon  # noqa: PLC0415 - numpy, which a box without cards may lack

        cards = await asyncio.to_thread(device_soon, settings.audio)
    except (ImportError, DeviceError) as error:
        if isinstance(error, DeviceError) and error.fatal:
            raise
        return  # the start fails for the same reason next, or the device is reported when it is used
    folder = folder_of(settings)
    if settings.gpio.button != "none" and tunings.first_boot(folder, cards):
        await _try_to_tune(settings)
    if told := tunings.warning(folder, cards, tunings.audio_levels(settings.audio)):
        log.warning("tune: %s", told)


async def _try_to_tune(settings: Settings) -> None:
    """Tune if the button is held; log what prevents it. Raises DeviceError only if that is fatal."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await _tune_if_held(settings)
    except TimeoutError:
        log.warning("tune: given up after %.0f s", LIMIT_S)
    except (AgentError, DeviceError) as error:
        if isinstance(error, DeviceError) and error.fatal:
            raise
        log.warning("tune: %s", error)


async def _tune_if_held(settings: Settings) -> None:
    """Tune if the button is held, and store the result. Raises AgentError, DeviceError."""
    only = config.override(settings, BUTTON_ONLY, where="first boot")
    devices = open_devices(only.devices, asyncio.get_running_loop())
    try:
        if await held(devices.button):
            outcome = await _tune(settings, devices.indicator)
            keep(settings, outcome)
            for line in verdict(outcome):
                log.info("tune: %s", line)
    finally:
        await devices.aclose()


async def _tune(settings: Settings, light: Indicator) -> TuningResult:
    from hardware.tuning.session import TuningSession  # noqa: PLC0415 - numpy, as above

    light.show(Rhythm.LISTENING)  # no microphone is open without the light
    loop = asyncio.get_running_loop()
    rigs = Rigs(on_cards(settings, loop), loop)
    microphones = [settings.audio.microphone]
    try:
        return await TuningSession(
            rigs.opened, configured(settings.voice).say, LogScreen(), microphones, spoken=True
        ).run()
    finally:
        await rigs.aclose()


async def held(button: Button) -> bool:
    """Return whether ``button`` is down from the beginning and stays down for ``HOLD_S``."""
    pressed, released = asyncio.Event(), asyncio.Event()

    def moved(down: bool) -> None:  # noqa: FBT001 - the shape of hardware.ports.Button
        (pressed if down else released).set()

    button.start(moved, lambda _: released.set())
    return await _within(pressed, LOOK_S) and not await _within(released, HOLD_S)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
