"""Sound cards through PortAudio: which there are, which one is meant, and streams on them.

The only module that imports sounddevice, and it does so when the first card is asked for. All functions may block and
belong into the thread of :mod:`hardware.lines`; what is heard and played meets the agent in :mod:`hardware.microphone`
and :mod:`hardware.speaker`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hardware.lines import LineKeeper
from hardware.ports import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

Direction = Literal["input", "output"]

LATENCY_S = 0.02
"""Asked of the driver: two 10 ms blocks. Less runs dry on a loaded Pi, more is heard as delay after a flush."""
COMMON_RATES = (48_000, 44_100, 32_000)
"""What cards can do that cannot do the wanted rate, most frequent first."""
ALSA_CARDS = Path("/proc/asound/cards")
"""The kernel's own list, which knows of a plug before PortAudio does."""


_known: dict[str, int] = {}  # the ALSA cards when PortAudio last looked


@dataclass(frozen=True, slots=True)
class Card:
    """One PortAudio device in one direction."""

    index: int
    name: str
    channels: int
    default_rate: int

    @property
    def bare(self) -> bool:
        """Whether nothing stands between us and the hardware that would convert rates behind our back."""
        return "(hw:" in self.name


@lru_cache(maxsize=1)
def driver() -> Any:  # noqa: ANN401 - sounddevice has no types
    """Import sounddevice. Raises DeviceError if it or PortAudio is missing."""
    try:
        import sounddevice  # noqa: PLC0415 - 26 MB that a simulated box does not need
    except ImportError as error:
        fix = "scripts/setup demo,audio, or pip install '.[audio]'"
        raise DeviceError("sound", "sounddevice is not installed", fix) from error
    except OSError as error:
        raise DeviceError("sound", f"PortAudio is missing: {error}", "apt install libportaudio2") from error
    _known.update(alsa_cards())
    return sounddevice


@lru_cache(maxsize=1)
def keeper() -> LineKeeper:
    """Return the process's one keeper: PortAudio's list of cards is global, and so is renewing it."""
    return LineKeeper(rescan, stale)


def rescan() -> None:
    """Make PortAudio list the cards anew. Kills every stream of the process."""
    sounddevice = driver()
    try:
        sounddevice._terminate()  # noqa: SLF001 - the list is frozen at start, and nothing public renews it
        sounddevice._initialize()  # noqa: SLF001 - as above
    except sounddevice.PortAudioError as error:
        raise DeviceError("sound driver", str(error), "restart the service") from error
    _known.clear()
    _known.update(alsa_cards())


def stale() -> bool:
    """Whether cards came or went since PortAudio made its list."""
    return _known != alsa_cards()


def alsa_cards() -> dict[str, int]:
    """ALSA card ids and their numbers, e.g. ``{"Device": 1}``; empty where there is no ALSA."""
    try:
        lines = ALSA_CARDS.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    # Each card has two lines; the first begins " 1 [Device         ]: USB-Audio - ..."
    heads = (line.split("[", 1) for line in lines if "]:" in line)
    return {rest.split("]", 1)[0].strip(): int(number) for number, rest in heads}


def cards(direction: Direction) -> list[Card]:
    """All devices that can do ``direction``. Raises DeviceError without PortAudio."""
    return [
        Card(info["index"], info["name"], info[f"max_{direction}_channels"], round(info["default_samplerate"]))
        for info in driver().query_devices()
        if info[f"max_{direction}_channels"]
    ]


def find(wanted: str, direction: Direction) -> Card:
    """Return the card that ``wanted`` names: ``default``, an ALSA card id, a device's name or a part of it.

    Never by number, because numbers change with the order of plugging. Raises DeviceError that lists what there is.
    """
    present = cards(direction)
    if wanted == "default":
        chosen = driver().default.device[direction == "output"]
        matching = [card for card in present if card.index == chosen] or present
    else:
        hardware = f"(hw:{alsa_cards().get(wanted, 'none')},"
        low = wanted.lower()
        matching = (
            [card for card in present if hardware in card.name]
            or [card for card in present if card.name.lower() == low]
            or [card for card in present if low in card.name.lower()]
        )
    if matching:
        return matching[0]
    names = ", ".join(f"'{card.name}'" for card in present) or "none"
    kind = "microphone" if direction == "input" else "speaker"
    raise DeviceError(f"{kind} '{wanted}'", "not found", f"plug it in, or choose one of: {names}")


def accepts(card: Card, direction: Direction, rate: int) -> bool:
    """Whether ``card`` takes ``rate`` now; a card in use takes none."""
    sounddevice = driver()
    check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
    try:
        check(device=card.index, channels=min(2, card.channels), dtype="int16", samplerate=rate)
    except sounddevice.PortAudioError:
        return False
    return True


class CardStream:
    """A mono stream on a card, whatever the card's own channels are; satisfies :class:`hardware.lines.Stream`.

    ``block`` is called in PortAudio's thread: for input with the bytes heard, for output with the number of bytes due.
    """

    def __init__(self, direction: Direction, card: Card, rate: int, channels: int, block_s: float) -> None:
        """Open ``card``. Raises DeviceError if it refuses ``rate`` or ``channels``."""
        self.rate = rate
        self.card = card
        self.block: Callable[[Any], bytes | None] = lambda _: None
        self.glitches = 0
        """Over- and underruns that the driver reported."""
        self._channels = channels
        self._sounddevice = driver()
        kind = self._sounddevice.RawInputStream if direction == "input" else self._sounddevice.RawOutputStream
        self._stream = self._translated(
            lambda: kind(
                samplerate=rate,
                blocksize=round(rate * block_s),
                device=card.index,
                channels=channels,
                dtype="int16",
                latency=LATENCY_S,
                callback=self._heard if direction == "input" else self._play,
            )
        )

    def start(self) -> None:
        """Begin to call ``block``."""
        self._translated(self._stream.start)

    def abort(self) -> None:
        """Stop at once and drop what is pending."""
        self._translated(self._stream.abort)

    def close(self) -> None:
        """Release the card."""
        self._translated(self._stream.close)

    def _heard(self, data: Any, frames: int, when: Any, status: Any) -> None:  # noqa: ANN401 - untyped library
        del frames, when
        self.glitches += bool(status)
        self.block(bytes(data) if self._channels == 1 else array("h", bytes(data))[:: self._channels].tobytes())

    def _play(self, data: Any, frames: int, when: Any, status: Any) -> None:  # noqa: ANN401 - untyped library
        del when
        self.glitches += bool(status)
        pcm = self.block(2 * frames) or bytes(2 * frames)
        if self._channels > 1:
            mono, spread = array("h", pcm), array("h", bytes(len(pcm) * self._channels))
            for channel in range(self._channels):
                spread[channel :: self._channels] = mono
            pcm = spread.tobytes()
        data[:] = pcm

    def _translated(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - untyped library
        try:
            return call()
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(
                f"sound card '{self.card.name}'", str(error), "check that nothing else uses it"
            ) from error


def open_stream(direction: Direction, wanted: str, rate: int, block_s: float) -> CardStream:
    """Open the card that ``wanted`` names at ``rate``, or at the rate it can do nearest to that; look at ``.rate``.

    Raises DeviceError.
    """
    card = find(wanted, direction)
    # A bare card takes only its own rates. Anything else converts, and plain ALSA converts without filtering: so there
    # the common rates come first, which the card behind it most likely has.
    rates = (rate, *COMMON_RATES) if card.bare else (*COMMON_RATES, rate)
    refusal: DeviceError | None = None
    for attempt in rates:
        for channels in {1, min(2, card.channels)}:
            try:
                return CardStream(direction, card, attempt, channels, block_s)
            except DeviceError as error:
                refusal = refusal or error
    assert refusal is not None
    raise refusal
