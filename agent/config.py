"""The configuration: frozen dataclasses, loaded from TOML, checked before anything starts.

Every error names file, section and key. Unknown keys are errors: a misspelt setting that is ignored costs a day.
``docs/configuration.md`` is printed from this file; keys to the service are kept elsewhere (:mod:`agent.auth.api_key`).
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from agent.errors import ConfigError
from agent.models import refusal
from hardware.settings import AudioSettings, CameraSettings, DeviceSettings, GpioSettings, setting

DEFAULT_PATH = Path("/etc/field-agent/config.toml")
"""Where ``field-agent run`` looks when it is not told."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Where the service is and how to get in."""

    url: str = setting(
        "wss://generativelanguage.googleapis.com",
        "Address of the service; any path is kept, else the Live API's own is added. `ws://` is for simulators.",
    )
    api_version: str = setting("v1beta", "API version in the path.", choices=("v1beta", "v1alpha", "v1"))
    key_file: str = setting(
        "",
        "File with the API key, readable by nobody else (mode 0600). Environment and systemd credentials come first.",
    )


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The model and how it speaks."""

    model: str = setting("gemini-3.8-live", "Model id, with or without `models/`.")
    voice: str = setting("", "Prebuilt voice, e.g. `Kore`; empty for the model's default. Case matters.")
    system_instruction: str = setting(
        "You are a field technician's assistant in a handheld box. You hear the technician and see what the camera "
        "sees. Answer in one to three short spoken sentences. Say so when the picture does not show what is asked.",
        "The prompt.",
    )
    system_instruction_file: str = setting(
        "", "File that holds the prompt instead; relative to the configuration file."
    )
    initial_message: str = setting("", "Sent as typed text as soon as the first connection is up.")
    temperature: float = setting(-1.0, "Sampling temperature; -1 for the model's default.", low=-1, high=2)
    thinking_level: str = setting(
        "", "Only for models that take one.", choices=("", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
    )
    media_resolution: str = setting("low", "Tokens spent on a picture.", choices=("low", "medium", "high"))
    turn_coverage: str = setting(
        "TURN_INCLUDES_ALL_INPUT",
        "Which input counts as part of a turn.",
        choices=(
            "TURN_INCLUDES_ALL_INPUT",
            "TURN_INCLUDES_ONLY_ACTIVITY",
            "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
        ),
    )
    search: bool = setting(default=False, doc="Let the model search the web.")
    repeat: bool = setting(
        default=True, doc='Let the model have the box play its last answer again ("repeat that"), word for word.'
    )


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Who speaks when."""

    mode: str = setting(
        "hands-free",
        "`push-to-talk` for loud sites: only holding the button records.",
        choices=("hands-free", "push-to-talk"),
    )
    detection: str = setting(
        "local", "`server`: the service's own speech detection instead of the box's.", choices=("local", "server")
    )
    always_listening: bool = setting(
        default=False, doc="Awake from the start, and never asleep by itself. A box without a button always is."
    )
    barge_in: str = setting(
        "auto",
        "`voice`: speaking over an answer stops it. `button`: only the button does. `auto`: voice while the "
        "speaker's echo is cancelled well enough (docs/audio.md).",
        choices=("auto", "voice", "button"),
    )
    follow_up_s: float = setting(8.0, "Listening on after an answer.", unit="s", low=0, high=600)
    idle_s: float = setting(20.0, "Awake without speech before falling asleep.", unit="s", low=1, high=3600)
    response_timeout_s: float = setting(
        10.0, "Silence of the service after an utterance before it is asked again.", unit="s", low=1, high=120
    )
    send_timeout_s: float = setting(
        30.0, "Time for an utterance to get out before the box says that it could not.", unit="s", low=1, high=600
    )
    max_utterance_s: float = setting(120.0, "Longer utterances are ended.", unit="s", low=1, high=120)
    max_answer_s: float = setting(120.0, "Longer answers are cut.", unit="s", low=1, high=600)
    linger_s: float = setting(
        120.0,
        "Keeping the connection after falling asleep, so that waking again is instant.",
        unit="s",
        low=0,
        high=540,
    )
    silence_ms: int = setting(
        800, 'With `detection = "server"`: silence that ends an utterance.', unit="ms", low=100, high=5000
    )

    @property
    def local_detection(self) -> bool:
        """Whether the box finds start and end of speech itself; else the service does."""
        return self.detection == "local"


@dataclass(frozen=True, slots=True)
class EndpointerSettings:
    """Finding start and end of speech (multiples of 20 ms)."""

    aggressiveness: int = setting(3, "webrtcvad's mode, 0 lenient to 3 strict.", low=0, high=3)
    start_voiced_ms: int = setting(120, "Voice needed within the start window.", unit="ms", low=20, high=1000)
    start_window_ms: int = setting(200, "The start window.", unit="ms", low=20, high=2000)
    end_silence_ms: int = setting(800, "The end window.", unit="ms", low=100, high=5000)
    end_voiced_percent: int = setting(10, "Voice still allowed in the end window.", unit="%", low=0, high=50)
    minimum_ms: int = setting(200, "Shortest utterance.", unit="ms", low=20, high=5000)
    pre_roll_ms: int = setting(400, "Audio sent from before the start was found.", unit="ms", low=0, high=900)
    silero: bool = setting(
        default=False,
        doc="Ask a second, better detector before listening to a drill. Needs the extra `silero`, and 30 times the CPU "
        "while something is heard.",
    )
    barge_in_pre_roll_ms: int = setting(600, "The same while an answer plays.", unit="ms", low=0, high=900)


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """What belongs together, and how it is taken up again."""

    resume_within_s: float = setting(
        1800.0,
        "A conversation younger than this goes on after a restart or a long rest; after that a new one begins.",
        unit="s",
        low=0,
        high=86_400,
    )
    replay_tokens: int = setting(
        4000,
        "What a fresh session is told of the conversation, where the old one cannot be resumed.",
        unit="tokens",
        low=0,
        high=50_000,
    )


@dataclass(frozen=True, slots=True)
class NoteSettings:
    """What is recorded while it cannot be sent."""

    answers: str = setting(
        "on-press",
        "When answers to notes are spoken: `on-press` with the next press of the button, `at-once` as they come. While "
        "the box is awake they are spoken at once.",
        choices=("on-press", "at-once"),
    )
    limit_mb: int = setting(
        500,
        "Recordings kept on disk (32 kB a second). What has been sent makes room first; notes never do.",
        unit="MB",
        low=10,
        high=100_000,
    )
    keep_days: int = setting(90, "How long the shadow log goes back; 0 for ever.", unit="days", low=0, high=3650)


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """What the box says by itself, without the service."""

    language: str = setting("en", "Language of its words.", choices=("en", "de", "es", "fr"))
    recordings: str = setting(
        "", "Folder of better recordings: mono 16-bit WAVs named like those in docs/phrases.md; empty: none."
    )
    words: bool = setting(default=True, doc="Say in words what happened; false: earcons alone.")


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Camera frames in the stream."""

    fps: float = setting(1.0, "Frames per second while an utterance is open; the service takes one.", low=0, high=10)
    max_frame_kb: int = setting(40, "Size a frame should not exceed.", unit="kB", low=4, high=500)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The WebSocket."""

    open_timeout_s: float = setting(10.0, "TCP, TLS and WebSocket handshake.", unit="s", low=1, high=60)
    setup_timeout_s: float = setting(10.0, "From our setup message to the service's answer.", unit="s", low=1, high=60)
    pong_timeout_s: float = setting(
        40.0,
        "No message and no pong for this long: the line is dead. Healthy services answer pings up to 30 s late; one "
        "that has answered promptly is given 10 s.",
        unit="s",
        low=5,
        high=300,
    )
    narrowband: bool = setting(
        default=True, doc="Send 8 kHz audio while the line is too narrow for 16 kHz, instead of falling behind."
    )
    kernel: bool = setting(
        default=True, doc="Ask the kernel (Linux) what it has not delivered; without, receipts by ping tell alone."
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged. Speech, prompts and keys never are."""

    level: str = setting("INFO", "Least level.", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


@dataclass(frozen=True, slots=True)
class PathSettings:
    """Where things are kept."""

    state: str = setting(
        "",
        "Directory of the shadow log, the notes and the stills; empty: `$STATE_DIRECTORY` from systemd, else "
        "`~/.local/state/field-agent`.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it; a default instance is a working configuration but for the key."""

    service: ServiceSettings = field(default_factory=ServiceSettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    turn: TurnSettings = field(default_factory=TurnSettings)
    endpointer: EndpointerSettings = field(default_factory=EndpointerSettings)
    conversation: ConversationSettings = field(default_factory=ConversationSettings)
    notes: NoteSettings = field(default_factory=NoteSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    video: VideoSettings = field(default_factory=VideoSettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    audio: AudioSettings = field(default_factory=AudioSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    gpio: GpioSettings = field(default_factory=GpioSettings)
    log: LogSettings = field(default_factory=LogSettings)
    paths: PathSettings = field(default_factory=PathSettings)

    @property
    def devices(self) -> DeviceSettings:
        """The part that ``hardware.open_devices`` needs."""
        return DeviceSettings(self.audio, self.camera, self.gpio)


def load(path: Path | None) -> Settings:
    """Return the settings in ``path``, or the defaults for None. Raises ConfigError."""
    if path is None:
        return Settings()
    try:
        with path.open("rb") as file:
            raw = tomllib.load(file)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file (copy config/field-agent.toml there, or name another with --config)"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    settings = override(Settings(), raw, where=str(path))
    return _with_instruction_file(settings, path)


def override(settings: Settings, raw: dict[str, Any], *, where: str) -> Settings:
    """Return ``settings`` with ``{section: {key: value}}`` put over it; ``where`` names the source in errors."""
    changed = {}
    sections = {part.name: part for part in fields(Settings)}
    for name, table in raw.items():
        if name not in sections:
            raise ConfigError(f"{where}: [{name}]: no such section (known: {', '.join(sections)})")
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: {name}: a section is wanted, [{name}]")
        changed[name] = _override_section(getattr(settings, name), table, f"{where}: [{name}]")
    result = replace(settings, **changed)
    _check_together(result, where)
    return result


def _override_section(section: Any, table: dict[str, Any], where: str) -> Any:  # noqa: ANN401 - any section's class
    known = {part.name: part for part in fields(section)}
    hints = get_type_hints(type(section))
    for key, value in table.items():
        if key in ("api_key", "key"):
            raise ConfigError(
                f"{where} {key}: keys do not belong in this file (use GEMINI_API_KEY or service.key_file)"
            )
        if key not in known:
            raise ConfigError(f"{where} {key}: no such key (known: {', '.join(known)})")
        _check_value(value, hints[key], dict(known[key].metadata), f"{where} {key}")
    converted = {key: hints[key](value) for key, value in table.items()}
    return replace(section, **converted)


def _check_value(value: Any, kind: type, limits: dict[str, Any], where: str) -> None:  # noqa: ANN401 - from TOML
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number if kind is float else isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        wanted = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}[kind]
        raise ConfigError(f"{where}: {value!r} is not {wanted}")
    if limits["choices"] and value not in limits["choices"]:
        raise ConfigError(f"{where}: {value!r} is not one of {', '.join(map(repr, limits['choices']))}")
    low, high = limits["low"], limits["high"]
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise ConfigError(f"{where}: {value} is not within {low} to {high} {limits['unit']}".rstrip())


def _check_together(settings: Settings, where: str) -> None:
    """Check what depends on two settings. Raises ConfigError."""
    refused = refusal(settings.session.model, settings.session.thinking_level)
    if refused is not None:
        key, fix = refused
        raise ConfigError(f"{where}: [session] {key}: {fix}")
    if "key=" in settings.service.url:
        raise ConfigError(f"{where}: [service] url: a key in the address ends up in logs (use GEMINI_API_KEY)")
    scheme = settings.service.url.partition("://")[0]
    if scheme not in ("ws", "wss"):
        raise ConfigError(f"{where}: [service] url: {settings.service.url!r} does not start with wss:// or ws://")
    if not _is_address(settings.service.url):
        raise ConfigError(f"{where}: [service] url: {settings.service.url!r} has no valid host and port")
    if settings.endpointer.start_voiced_ms > settings.endpointer.start_window_ms:
        raise ConfigError(f"{where}: [endpointer] start_voiced_ms: cannot exceed start_window_ms")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and ".." not in parts.netloc and parts.port != 0
    except ValueError:  # a port out of range, brackets that do not match
        return False


def _with_instruction_file(settings: Settings, path: Path) -> Settings:
    name = settings.session.system_instruction_file
    if not name:
        return settings
    file = path.parent / name
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the name
        raise ConfigError(f"{path}: [session] system_instruction_file: {file}: {error}") from None
    return replace(settings, session=replace(settings.session, system_instruction=text))


def describe(settings: Settings) -> str:
    """Return the effective configuration as TOML; it holds no secrets."""
    lines = []
    for section in fields(settings):
        values = getattr(settings, section.name)
        assert is_dataclass(values)
        lines.append(f"[{section.name}]")
        lines += [f"{part.name} = {toml(getattr(values, part.name))}" for part in fields(values)]
        lines.append("")
    return "\n".join(lines)


def toml(value: Any) -> str:  # noqa: ANN401 - any TOML scalar
    """Return a scalar as TOML text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # the escapes are the same but for DEL
    return str(value)
