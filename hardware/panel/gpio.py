"""The button and the light on the header pins, through gpiozero on lgpio.

lgpio is chosen explicitly: gpiozero's own search falls back to pin libraries that no longer work on current kernels.
"""

from __future__ import annotations

import math
import os
import tempfile
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from hardware.bridge import Inlet
from hardware.panel.rhythm import brightness, lasts
from hardware.ports import DeviceError, DeviceHealth, Rhythm, reason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

POLL_S = 0.1
"""How often the level is also polled: on some kernels edges are never reported, while reading the pin works."""
INLET_EDGES = 64
"""More edges than a thumb makes during the longest stall of the loop."""
PWM_HZ = 200
"""Software PWM: fast enough not to flicker when the box is moved, slow enough to cost little."""
INSTALL = "apt install python3-lgpio, pip install '.[pi]', and a venv with --system-site-packages"
"""What a box with pins needs besides the project itself."""


@lru_cache(maxsize=1)
def lgpio_factory() -> Any:  # noqa: ANN401 - gpiozero has no types
    """Open the GPIO chip and return its pin factory. Raises DeviceError."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", tempfile.gettempdir()).split(":")[0]
    os.environ.setdefault("LG_WD", runtime)  # else lgpio makes a pipe in the current folder, which may be read-only
    try:
        from gpiozero.pins import lgpio as pins  # noqa: PLC0415 - only a box with pins has it
    except (ImportError, AttributeError) as error:  # AttributeError: PyPI's lgpio for Python 3.13 is an empty package
        raise DeviceError("gpio", f"its library is missing: {error}", INSTALL) from error
    try:
        return pins.LGPIOFactory()
    except (pins.lgpio.error, OSError) as error:
        raise DeviceError(
            "gpio", f"cannot be opened: {reason(error)}", "join the group gpio; see field-agent devices"
        ) from error


def _on_pin(name: str, pin: int, make: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - gpiozero has no types
    """Return the device that ``make(gpiozero)`` creates. Raises DeviceError."""
    try:
        import gpiozero  # noqa: PLC0415 - only a box with pins has it
    except ImportError as error:
        raise DeviceError(name, f"its library is missing: {error}", INSTALL) from error
    try:
        return make(gpiozero)
    except (gpiozero.GPIOZeroError, OSError) as error:
        raise DeviceError(name, f"GPIO{pin} cannot be used: {reason(error)}", "choose a free pin in [gpio]") from error


class GpioButton:
    """A push button between a pin and ground."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pin: int, debounce_s: float, factory: Any = None) -> None:  # noqa: ANN401 - gpiozero has no types
        """Claim BCM ``pin``; ``factory`` is a gpiozero pin factory other than lgpio. Raises DeviceError."""
        self._loop = loop
        self._on_edge: Callable[[bool], None] | None = None
        self._down = False
        self._doubt = False
        self._timer: asyncio.TimerHandle | None = None
        self._edges: Inlet[bool] = Inlet(loop, self._move, INLET_EDGES)
        self._missed = 0
        # not gpiozero.Button, whose extra thread measures holds
        self._device = _on_pin(
            "button",
            pin,
            lambda gpiozero: gpiozero.DigitalInputDevice(
                pin, pull_up=True, bounce_time=debounce_s or None, pin_factory=factory or lgpio_factory()
            ),
        )

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report edges from now on. Never faults: a pin cannot be unplugged."""
        del on_fault
        self._on_edge = on_edge
        self._device.when_activated = partial(self._edges.post, True)  # noqa: FBT003 - an edge is a bool
        self._device.when_deactivated = partial(self._edges.post, False)  # noqa: FBT003 - as above
        self._timer = self._loop.call_later(POLL_S, self._poll)

    def health(self) -> DeviceHealth:
        """Return the number of edges that the loop was too late for, and of those that only polling found."""
        return DeviceHealth(dropped=self._edges.dropped, missed_edges=self._missed)

    async def aclose(self) -> None:
        """Release the pin."""
        self._edges.close()
        if self._timer is not None:
            self._timer.cancel()
        self._device.close()

    def _move(self, down: bool) -> None:  # noqa: FBT001 - an Inlet's sink takes the item alone
        if down != self._down:
            self._down = down
            assert self._on_edge is not None
            self._on_edge(down)

    def _poll(self) -> None:
        """Trust the level if two readings in a row contradict the edges: one may fall into the debounce time."""
        self._timer = self._loop.call_later(POLL_S, self._poll)
        level = bool(self._device.is_active)
        if level == self._down:
            self._doubt = False
        elif not self._doubt:
            self._doubt = True
        else:
            self._doubt = False
            self._missed += 1
            self._move(level)


class GpioLight:
    """An LED on a pin, stepped by timers of the event loop: if the loop hangs, so does the light."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pin: int, factory: Any = None) -> None:  # noqa: ANN401 - gpiozero has no types
        """Claim BCM ``pin``; ``factory`` is a gpiozero pin factory other than lgpio. Raises DeviceError."""
        self._loop = loop
        self._rhythm: Rhythm | None = None
        self._level = 1.0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._led = _on_pin(
            "light",
            pin,
            lambda gpiozero: gpiozero.PWMLED(pin, frequency=PWM_HZ, pin_factory=factory or lgpio_factory()),
        )

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Show ``rhythm`` from its beginning; repeating it does not restart it."""
        if rhythm is not self._rhythm:
            self._rhythm = rhythm
            self._since = self._loop.time()
        elif level == self._level:
            return
        self._level = level
        self._step()

    async def aclose(self) -> None:
        """Switch off and release the pin."""
        if self._timer is not None:
            self._timer.cancel()
        self._led.close()

    def _step(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        assert self._rhythm is not None
        t = self._loop.time() - self._since
        self._led.value = brightness(self._rhythm, t, self._level)
        pause = lasts(self._rhythm, t)
        if pause < math.inf:
            self._timer = self._loop.call_later(max(pause, 0.001), self._step)
