"""Sound cards through PortAudio: lists them, and finds the card that the configuration names.

The only module that imports sounddevice, when the first card is asked for. Every function may block and belongs in the
threads of :mod:`hardware.sound.supervisor`; streams on cards are opened by :mod:`hardware.sound.streams`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from hardware.ports import DeviceError, without_library
from hardware.sound.alsa import alsa_cards, card_number, number_in
from hardware.sound.supervisor import StreamSupervisor

if TYPE_CHECKING:
    from collections.abc import Callable

Direction = Literal["input", "output"]
INPUT: Direction = "input"
OUTPUT: Direction = "output"

BUSY = -9985
"""paDeviceUnavailable: ALSA says EBUSY, or that the card is gone."""
UNSUPPORTED = (-9998, -9997, -9994)
"""paInvalidChannelCount, paInvalidSampleRate, paSampleFormatNotSupported: ask for something else."""

_known: dict[str, int] = {}  # the ALSA cards when PortAudio last looked


class Unsupported(DeviceError):
    """The card is present and free, but does not support this rate, format or number of channels."""


@dataclass(frozen=True, slots=True)
class Card:
    """A PortAudio device in one direction."""

    index: int
    name: str
    channels: int
    default_rate: int

    @property
    def number(self) -> int | None:
        """The number of the ALSA card if it is used directly, None if something stands in between."""
        return number_in(self.name)

    def shares(self, other: Card) -> bool:
        """Return whether one duplex stream can serve both: the same hardware, used directly.

        Behind anything else clocks may differ, and a duplex stream may spin (docs/portaudio-spin.md).
        """
        return self.number is not None and self.number == other.number


@lru_cache(maxsize=1)
def driver() -> Any:  # noqa: ANN401 - sounddevice has no types
    """Import and return sounddevice. Raises DeviceError if it or PortAudio is missing."""
    try:
        import sounddevice  # noqa: PLC0415 - 26 MB that a simulated box does not need
    except ImportError as error:
        raise without_library(error) from error
    except OSError as error:
        raise DeviceError("sound", f"PortAudio is missing: {error}", "apt install libportaudio2") from error
    _known.update(alsa_cards())
    return sounddevice


@lru_cache(maxsize=1)
def supervisor() -> StreamSupervisor:
    """Return the process's only supervisor: PortAudio's list of cards is global, and so is renewing it."""
    return StreamSupervisor(rescan, stale)


def rescan() -> None:
    """Renew PortAudio's list of cards, which kills every stream of the process. Raises DeviceError."""
    sounddevice = driver()
    with suppress(sounddevice.PortAudioError):  # it is not initialized if the last rescan failed halfway
        sounddevice._terminate()  # noqa: SLF001 - the list is frozen at start, and nothing public renews it
    try:
        sounddevice._initialize()  # noqa: SLF001 - as above
    except sounddevice.PortAudioError as error:
        raise DeviceError("sound driver", str(error), "restart the service") from error
    _known.clear()
    _known.update(alsa_cards())


def stale() -> bool:
    """Return whether cards came or went since PortAudio made its list."""
    return _known != alsa_cards()


def cards(direction: Direction) -> list[Card]:
    """Return all devices that can do ``direction``. Raises DeviceError if PortAudio is missing or fails."""
    return [
        Card(info["index"], info["name"], info[f"max_{direction}_channels"], round(info["default_samplerate"]))
        for info in translated("sound driver", lambda: driver().query_devices())
        if info[f"max_{direction}_channels"]
    ]


def find(wanted: str, direction: Direction) -> Card:
    """Return the card that ``wanted`` names: ``default``, an ALSA id, a USB port, a device's name or a part of it.

    Never by number, because numbers change with the order of plugging. Raises DeviceError, which lists the cards.
    """
    present = cards(direction)
    matching = _default(present, direction) if wanted == "default" else _named(present, wanted)
    if matching:
        return matching[0]
    names = ", ".join(f"'{card.name}'" for card in present)
    kind, other = ("microphone", OUTPUT) if direction == "input" else ("speaker", INPUT)
    one_way = wanted != "default" and _named(cards(other), wanted)
    problem = f"is present, but has no {kind}" if one_way else "not found"
    fix = f"plug it in, or choose one of: {names}" if names else f"plug it in: there is no {kind} here at all"
    raise DeviceError(f"{kind} '{wanted}'", problem, fix)


def _default(present: list[Card], direction: Direction) -> list[Card]:
    chosen = translated("sound driver", lambda: driver().default.device)[direction == "output"]
    return [card for card in present if card.index == chosen] or present


def _named(present: list[Card], wanted: str) -> list[Card]:
    number = card_number(wanted)
    low = wanted.lower()
    return (
        [card for card in present if card.number is not None and card.number == number]
        or [card for card in present if card.name.lower() == low]
        or [card for card in present if low in card.name.lower()]
    )


def accepts(card: Card, direction: Direction, rate: int) -> bool:
    """Return whether ``card`` accepts ``rate`` now; a card in use accepts none."""
    sounddevice = driver()
    check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
    try:
        check(device=card.index, channels=min(2, card.channels), dtype="int16", samplerate=rate)
    except sounddevice.PortAudioError:
        return False
    return True


def translated(name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - untyped library
    """Return ``call()``. Raises DeviceError in place of PortAudio's error, Unsupported if other parameters may work."""
    try:
        return call()
    except driver().PortAudioError as error:
        code = error.args[1] if len(error.args) > 1 else 0
        if code in UNSUPPORTED:
            raise Unsupported(name, str(error), "choose another card, or another of its channels") from error
        if code == BUSY:
            fix = "end the program that has it: fuser -v /dev/snd/*"
            raise DeviceError(name, "is busy, or was just unplugged", fix) from error
        raise DeviceError(name, str(error), "check that it is plugged in and that nothing else uses it") from error
