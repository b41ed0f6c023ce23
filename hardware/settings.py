"""The device part of the configuration, as frozen dataclasses; ``agent.config`` loads and checks them.

A field made with :func:`setting` has its documentation, unit and limits with it: the loader checks the limits, and
``docs/configuration.md`` is printed from all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


def setting(  # noqa: PLR0913 - one keyword per property of a setting, all optional
    default: Any,  # noqa: ANN401 - a field may be of any TOML type
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    path: bool = False,
    lines: bool = False,
) -> Any:  # noqa: ANN401 - like dataclasses.field, typed by the annotation it stands behind
    """Return a dataclass field with a default and with the metadata that the loader and the docs use.

    ``path``: a text that may be the path of a file or folder; ``lines``: a text that may have several lines.
    """
    limits = {"low": low, "high": high, "choices": choices, "path": path, "lines": lines}
    return field(default=default, metadata={"doc": doc, "unit": unit, **limits})


class SoundKind(Enum):
    """What a microphone or a speaker is, by its name in the configuration."""

    CARD = "card"
    FILE = "file"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """Microphone and speaker."""

    microphone: str = setting(
        "default",
        "`default`, an ALSA card id (`Device`), a USB port (`usb-1-1.3`) or a part of a device name, as "
        "`field-agent devices` prints them; `silence`; or the path of a 16 kHz mono s16le WAV that is played in real "
        "time in place of a microphone.",
        path=True,
    )
    speaker: str = setting(
        "default",
        "The same for the loudspeaker; `none`; or the path of a WAV that is written instead. If both are on one card, "
        "one stream serves both, and the echo is found soonest.",
        path=True,
    )
    microphone_channel: int = setting(1, "The card's channel that the microphone is on.", low=1, high=32)
    speaker_channel: int = setting(0, "The card's channel to play on; 0 for all.", low=0, high=32)
    capture_percent: int = setting(
        -1,
        "Level of the card's microphone, set and unmuted with `amixer` whenever the card is opened; -1: not changed.",
        unit="%",
        low=-1,
        high=100,
    )
    playback_percent: int = setting(-1, "The same for the level of the loudspeaker.", unit="%", low=-1, high=100)
    volume_db: float = setting(
        0.0, "Gain on everything that is played; above 0, loud passages are clipped.", unit="dB", low=-60, high=20
    )
    keep_alive_s: float = setting(
        0.0,
        "For loudspeakers that swallow first syllables: how long to keep the loudspeaker awake after a sound, with "
        "noise too quiet to hear; 86400: always, 0: never. A card that also has the microphone captures meanwhile; "
        "that audio is discarded.",
        unit="s",
        low=0,
        high=86_400,
    )
    prebuffer_ms: int = setting(100, "Answer audio collected before playback starts.", unit="ms", low=0, high=2000)
    max_prebuffer_ms: int = setting(
        400,
        "Upper bound of the prebuffer, which doubles when playback runs dry and shrinks again after clean answers.",
        unit="ms",
        low=0,
        high=5000,
    )

    @property
    def microphone_kind(self) -> SoundKind:
        """Whether the microphone is a card, a WAV, or silence."""
        return SoundKind.NONE if self.microphone == "silence" else _card_or_file(self.microphone)

    @property
    def speaker_kind(self) -> SoundKind:
        """Whether the speaker is a card, a WAV, or none."""
        return SoundKind.NONE if self.speaker == "none" else _card_or_file(self.speaker)


def _card_or_file(name: str) -> SoundKind:
    return SoundKind.FILE if "/" in name or name.lower().endswith(".wav") else SoundKind.CARD


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Where pictures come from, and how large they are."""

    source: str = setting(
        "picamera2", "`picamera2`; `none`; or the path of a JPEG, or of a folder of JPEGs shown in turn.", path=True
    )
    width: int = setting(768, "Width of a frame in the stream.", unit="px", low=160, high=1920)
    height: int = setting(576, "Height of a frame in the stream.", unit="px", low=120, high=1080)
    quality: int = setting(75, "JPEG quality of a frame.", low=20, high=95)
    still_width: int = setting(1640, "Width of a still.", unit="px", low=320, high=9152)
    still_height: int = setting(1232, "Height of a still.", unit="px", low=240, high=6944)
    folder_fps: float = setting(1.0, "JPEGs of a folder shown per second.", unit="1/s", low=0.01, high=30)


@dataclass(frozen=True, slots=True)
class GpioSettings:
    """Pins of the button and the light (BCM numbers)."""

    button: str = setting("gpio", "`gpio`, or `none` for a box without a button.", choices=("gpio", "none"))
    light: str = setting("gpio", "`gpio`; `log`: write rhythms to the log; or `none`.", choices=("gpio", "log", "none"))
    button_pin: int = setting(17, "Pin of the button, which connects it to ground.", low=0, high=27)
    light_pin: int = setting(27, "Pin of the LED, active high.", low=0, high=27)
    debounce_ms: int = setting(20, "Edges closer than this are one edge.", unit="ms", low=0, high=200)


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """All settings that ``open_devices`` needs."""

    audio: AudioSettings = AudioSettings()
    camera: CameraSettings = CameraSettings()
    gpio: GpioSettings = GpioSettings()
