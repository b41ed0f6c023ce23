"""The configuration: frozen dataclasses, loaded from TOML and checked before anything starts.

Every error names file, section and key. Unknown keys are errors: a misspelt setting that is ignored costs a day.
``docs/configuration.md`` is printed from this file. API keys are kept elsewhere (:mod:`agent.auth.api_key`).
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from agent.errors import ConfigError
from agent.models import refusal
from hardware.settings import AudioSettings, CameraSettings, DeviceSettings, GpioSettings, setting

UNNEEDED = "none"
"""What is sent in place of an API key over ws://, which only simulators speak."""
DEFAULT_PATH = Path("/etc/field-agent/config.toml")
"""The file that ``field-agent run`` reads without ``--config``."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Address of the service, and the API key."""

    url: str = setting(
        "wss://generativelanguage.googleapis.com",
        "Address of the service. The Live API's path is added unless the address has one. `ws://` is for simulators on "
        "this machine: the API key is never sent over it.",
    )
    allow_unencrypted: bool = setting(
        default=False,
        doc="Allow `ws://` to another machine. Everybody on the way can hear, see and change what is said and shown.",
    )
    api_version: str = setting("v1beta", "API version in the path.", choices=("v1beta", "v1alpha", "v1"))
    key_file: str = setting(
        "",
        "File with the API key (mode 0600: no access for others). A systemd credential or the environment comes first.",
    )

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted, and the service shows a certificate: only then is the key sent."""
        return self.url.startswith("wss://")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The model and how it speaks."""

    model: str = setting("gemini-3.8-live", "Model id, with or without `models/`.")
    voice: str = setting("", "Prebuilt voice, e.g. `Kore`; empty for the model's default. Case matters.")
    system_instruction: str = setting(
        "You are a field technician's assistant in a handheld box. You hear the technician and see what the camera "
        "sees. Answer in one to three short spoken sentences. Say so when the picture does not show what is asked.",
        "The system prompt.",
    )
    system_instruction_file: str = setting(
        "", "File to read the system prompt from instead; relative to the configuration file."
    )
    initial_message: str = setting(
        "", "Text sent as a typed question as soon as a new conversation is connected; empty for none."
    )
    temperature: float = setting(-1.0, "Sampling temperature; -1 for the model's default.", low=-1, high=2)
    thinking_level: str = setting(
        "",
        "Thinking level, for models that support one; empty for none.",
        choices=("", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
    )
    media_resolution: str = setting(
        "low",
        "Resolution at which the model sees pictures; a higher one costs more tokens.",
        choices=("low", "medium", "high"),
    )
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
        default=True, doc='Let the model make the box play the last answer again, word for word ("repeat that").'
    )


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Who speaks when."""

    mode: str = setting(
        "hands-free",
        "`push-to-talk`, for loud sites: the box records only while the button is held.",
        choices=("hands-free", "push-to-talk"),
    )
    detection: str = setting(
        "local",
        "What detects speech: `local`: the box; `server`: the service.",
        choices=("local", "server"),
    )
    always_listening: bool = setting(
        default=False,
        doc="Start awake, and never fall asleep without being told to. Always on in a box without a button.",
    )
    barge_in: str = setting(
        "auto",
        "What stops an answer besides the button: `voice`: speaking over it; `button`: nothing; `auto`: voice, while "
        "the speaker's echo is cancelled well enough (docs/audio.md).",
        choices=("auto", "voice", "button"),
    )
    follow_up_s: float = setting(8.0, "How long the box goes on listening after an answer.", unit="s", low=0, high=600)
    idle_s: float = setting(
        20.0, "How long the box stays awake without speech before it falls asleep.", unit="s", low=1, high=3600
    )
    response_timeout_s: float = setting(
        10.0, "How long the service may stay silent before the question is sent again.", unit="s", low=1, high=120
    )
    send_timeout_s: float = setting(
        30.0,
        "How long sending a question may take before the connection is renewed, or the question saved as a note.",
        unit="s",
        low=1,
        high=600,
    )
    max_utterance_s: float = setting(120.0, "The longest utterance; a longer one is ended.", unit="s", low=1, high=120)
    max_answer_s: float = setting(120.0, "The longest answer; a longer one is cut.", unit="s", low=1, high=600)
    linger_s: float = setting(
        120.0,
        "How long the connection is kept after the box fell asleep, so that it wakes up at once.",
        unit="s",
        low=0,
        high=540,
    )
    silence_ms: int = setting(
        800, 'With `detection = "server"`: the silence that ends an utterance.', unit="ms", low=100, high=5000
    )

    @property
    def local_detection(self) -> bool:
        """Whether the box detects speech itself; else the service does."""
        return self.detection == "local"


@dataclass(frozen=True, slots=True)
class EndpointerSettings:
    """How the box finds the start and the end of speech. Times are rounded to multiples of 20 ms."""

    aggressiveness: int = setting(3, "Mode of webrtcvad, 0 (lenient) to 3 (strict).", low=0, high=3)
    start_voiced_ms: int = setting(
        120, "How much of the start window must be voice for speech to start.", unit="ms", low=20, high=1000
    )
    start_window_ms: int = setting(200, "Length of the start window.", unit="ms", low=20, high=2000)
    end_silence_ms: int = setting(800, "Length of the end window.", unit="ms", low=100, high=5000)
    end_voiced_percent: int = setting(
        10, "How much of the end window may be voice for speech to end.", unit="%", low=0, high=50
    )
    minimum_ms: int = setting(200, "The shortest utterance.", unit="ms", low=20, high=5000)
    pre_roll_ms: int = setting(
        400, "Audio from before the detected start that is sent as well.", unit="ms", low=0, high=900
    )
    silero: bool = setting(
        default=False,
        doc="Confirm speech with a second, better detector, which a drill does not fool. Needs the extra `silero`, and "
        "30 times the CPU while something is heard.",
    )
    barge_in_pre_roll_ms: int = setting(
        600, "The same as `pre_roll_ms`, for speech over an answer.", unit="ms", low=0, high=900
    )


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """When a conversation goes on, and what a new session is told of it."""

    resume_within_s: float = setting(
        1800.0,
        "After this long without a word, a new conversation begins; before that, the last one goes on, even after a "
        "restart.",
        unit="s",
        low=0,
        high=86_400,
    )
    replay_tokens: int = setting(
        4000,
        "How much of the conversation a fresh session is told if the old session cannot be resumed.",
        unit="tokens",
        low=0,
        high=50_000,
    )


@dataclass(frozen=True, slots=True)
class NoteSettings:
    """Notes: questions that could not be sent, or were not answered, and are kept."""

    answers: str = setting(
        "on-press",
        "When answers to notes are played while the box is asleep: `on-press`: with the next press of the button; "
        "`at-once`: as they come. While the box is awake they are always played as they come.",
        choices=("on-press", "at-once"),
    )
    limit_mb: int = setting(
        500,
        "Disk space for recordings (32 kB per second). When it is full, the oldest recordings that are no longer "
        "needed are deleted; notes and answers that were not played yet never are.",
        unit="MB",
        low=10,
        high=100_000,
    )
    keep_days: int = setting(90, "How long conversations are kept; 0: for ever.", unit="days", low=0, high=3650)


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """The box's own voice, without the service."""

    language: str = setting("en", "Language of the box's own phrases.", choices=("en", "de", "es", "fr"))
    recordings: str = setting(
        "",
        "Folder of recordings to use in place of the built-in ones: mono 16-bit WAVs, named as in docs/phrases.md; "
        "empty for none.",
    )
    words: bool = setting(default=True, doc="Say in words what happened; false: earcons only.")


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Camera frames that are streamed."""

    fps: float = setting(
        1.0, "Frames per second while an utterance is open; the service uses one per second.", low=0, high=10
    )
    max_frame_kb: int = setting(40, "Size that a frame should not exceed.", unit="kB", low=4, high=500)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The WebSocket connection."""

    open_timeout_s: float = setting(
        10.0, "Time limit for the TCP, TLS and WebSocket handshakes.", unit="s", low=1, high=60
    )
    setup_timeout_s: float = setting(
        10.0, "Time limit for the service's answer to the setup message.", unit="s", low=1, high=60
    )
    pong_timeout_s: float = setting(
        40.0,
        "After this long without a message or pong, the connection counts as dead. Healthy services answer pings up to "
        "30 s late; a service that has once answered within 2 s is given at most 8 s.",
        unit="s",
        low=5,
        high=300,
    )
    narrowband: bool = setting(
        default=True, doc="Send audio at 8 kHz while the line is too narrow for 16 kHz, instead of falling behind."
    )
    kernel: bool = setting(
        default=True,
        doc="Ask the kernel (Linux) what it has not delivered yet; false: measure by pings alone.",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The log. Speech, prompts and keys are never logged."""

    level: str = setting("INFO", "The lowest level that is logged.", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


@dataclass(frozen=True, slots=True)
class PathSettings:
    """Where data are kept."""

    state: str = setting(
        "",
        "Directory of the shadow log, the notes and the stills; empty: `$STATE_DIRECTORY` from systemd, else "
        "`~/.local/state/field-agent`.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration; a default instance works, given an API key."""

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
        """The part that ``hardware.open_devices`` takes."""
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
    """Return ``settings`` overridden by ``{section: {key: value}}``; ``where`` names the source in errors.

    Raises ConfigError.
    """
    changed = {}
    sections = {part.name: part for part in fields(Settings)}
    for name, table in raw.items():
        if name not in sections:
            raise ConfigError(f"{where}: [{name}]: no such section (known: {', '.join(sections)})")
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: {name}: must be a section, [{name}]")
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
    """Check settings that depend on each other, and the address. Raises ConfigError."""
    refused = refusal(settings.session.model, settings.session.thinking_level)
    if refused is not None:
        key, fix = refused
        raise ConfigError(f"{where}: [session] {key}: {fix}")
    _check_address(settings.service, f"{where}: [service] url:")
    if settings.endpointer.start_voiced_ms > settings.endpointer.start_window_ms:
        raise ConfigError(f"{where}: [endpointer] start_voiced_ms: cannot exceed start_window_ms")


def _check_address(service: ServiceSettings, where: str) -> None:
    """Check the address of the service; one with a secret in it is not quoted. Raises ConfigError."""
    url = service.url
    secret = (
        "a key" if "key=" in url.lower() or "token=" in url.lower() else "a user name or password" if "@" in url else ""
    )
    if secret:
        raise ConfigError(f"{where} {secret} in the address ends up in logs (use GEMINI_API_KEY)")
    if url.partition("://")[0] not in ("ws", "wss"):
        raise ConfigError(f"{where} {url!r} does not start with wss:// or ws://")
    if not _is_address(url):
        raise ConfigError(f"{where} {url!r} has no valid host and port")
    if not (service.encrypted or service.allow_unencrypted or is_loopback(url)):
        raise ConfigError(
            f"{where} {url!r} sends what is said and shown unencrypted to another machine (use wss://, or set "
            "allow_unencrypted = true if everybody on the way may hear and see it)"
        )


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine by its name or number; no name server is asked."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
    """Return the effective configuration as TOML; it contains no secrets."""
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
