"""The sections of the configuration: frozen dataclasses whose fields carry their documentation, unit and limits.

``docs/configuration.md`` is printed from this file. API keys are kept elsewhere (:mod:`agent.auth.api_key`).
Tested with all settings at once: tests/agent/config/test_loading.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hardware.settings import AudioSettings, CameraSettings, DeviceSettings, GpioSettings, setting

UNNEEDED = "none"
"""What is sent in place of an API key over ws://, which only simulators speak."""


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
        path=True,
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
        lines=True,
    )
    system_instruction_file: str = setting(
        "", "File to read the system prompt from instead; relative to the configuration file.", path=True
    )
    initial_message: str = setting(
        "", "Text sent as a typed question as soon as a new conversation is connected; empty for none.", lines=True
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
    keep_recordings_days: int = setting(
        0,
        "How long recordings of questions and answers are kept; 0: as long as their conversation.",
        unit="days",
        low=0,
        high=3650,
    )
    keep_photos_days: int = setting(
        0, "How long photos and pictures are kept; 0: as long as their conversation.", unit="days", low=0, high=3650
    )


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """The box's own voice, without the service."""

    language: str = setting("en", "Language of the box's own phrases.", choices=("en", "de", "es", "fr"))
    recordings: str = setting(
        "",
        "Folder of recordings to use in place of the built-in ones: mono 16-bit WAVs, named as in docs/phrases.md; "
        "empty for none.",
        path=True,
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
        "`field-agent` in `$XDG_STATE_HOME`, else `~/.local/state/field-agent`.",
        path=True,
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
