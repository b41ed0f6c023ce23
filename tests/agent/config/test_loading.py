import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.config import SessionSettings, Settings
from agent.errors import ConfigError
from hardware.settings import AudioSettings, CameraSettings, GpioSettings

Write = Callable[..., Path]
TOGETHER = {
    "start_window_ms": "start_voiced_ms = 20\n",
    "prebuffer_ms": "max_prebuffer_ms = 5000\n",
    "max_prebuffer_ms": "prebuffer_ms = 0\n",
    "button_pin": "light_pin = 5\n",
    "light_pin": "button_pin = 5\n",
}
"""What must be set beside a setting so that its whole range is free."""
PATHS = [
    ("service", "key_file"),
    ("session", "system_instruction_file"),
    ("voice", "recordings"),
    ("audio", "microphone"),
    ("audio", "speaker"),
    ("camera", "source"),
    ("paths", "state"),
]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str | bytes, name: str = "field-agent.toml") -> Path:
        file = tmp_path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    return written


def refused(path: Path) -> str:
    """Return what is said about a bad file, without the file's name, which must stand first."""
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def every_setting() -> list[tuple[str, str, type, dict[str, Any]]]:
    found = []
    for section in fields(Settings):
        values = getattr(Settings(), section.name)
        hints = get_type_hints(type(values))
        found += [(section.name, part.name, hints[part.name], dict(part.metadata)) for part in fields(values)]
    return found


# what is good


def test_without_a_file_the_defaults_hold() -> None:
    assert config.load(None) == Settings()


def test_a_file_changes_what_it_names_and_nothing_else(write: Write) -> None:
    path = write('[turn]\nmode = "push-to-talk"\nfollow_up_s = 3\n\n[gpio]\nbutton_pin = 5\n')
    expected = Settings(
        turn=replace(Settings().turn, mode="push-to-talk", follow_up_s=3.0), gpio=GpioSettings(button_pin=5)
    )
    assert config.load(path) == expected


def test_an_empty_file_and_an_empty_section_change_nothing(write: Write) -> None:
    assert config.load(write("")) == Settings()
    assert config.load(write("[turn]\n")) == Settings()


def test_a_whole_number_is_good_where_a_number_is_wanted_and_becomes_one(write: Write) -> None:
    value = config.load(write("[turn]\nidle_s = 30\n")).turn.idle_s
    assert (value, type(value)) == (30.0, float)


def test_both_ends_of_a_range_are_within_it(write: Write) -> None:
    for section, key, kind, limits in every_setting():
        for end in ("low", "high"):
            if limits[end] is None or key == "start_voiced_ms":  # that one is also bound by the start window
                continue
            value = kind(limits[end])
            together = TOGETHER.get(key, "")
            loaded = config.load(write(f"[{section}]\n{together}{key} = {value}\n"))
            assert getattr(getattr(loaded, section), key) == value


def test_the_prompt_may_stand_in_a_file_beside_the_configuration(write: Write) -> None:
    write("  Be brief.\nBe kind.\n\n", "prompt.txt")
    loaded = config.load(write('[session]\nsystem_instruction_file = "prompt.txt"\n'))
    assert loaded.session.system_instruction == "Be brief.\nBe kind."


def test_a_model_that_takes_a_thinking_level_gets_it(write: Write) -> None:
    path = write('[session]\nmodel = "gemini-3.8-live-extended-thinking"\nthinking_level = "LOW"\n')
    assert config.load(path).session.thinking_level == "LOW"


def test_an_override_goes_over_what_is_there_already() -> None:
    settings = Settings(session=SessionSettings(voice="Kore"))
    changed = config.override(settings, {"session": {"temperature": 1}}, where="--set")
    assert (changed.session.voice, changed.session.temperature) == ("Kore", 1.0)
    with pytest.raises(ConfigError, match=r"^--set: \[session\] temperature: 3 is not within -1 to 2$"):
        config.override(settings, {"session": {"temperature": 3}}, where="--set")


def test_the_devices_part_is_what_open_devices_needs() -> None:
    settings = Settings(
        audio=AudioSettings(microphone="mic"), camera=CameraSettings(width=640), gpio=GpioSettings(light="none")
    )
    devices = settings.devices
    assert (devices.audio, devices.camera, devices.gpio) == (settings.audio, settings.camera, settings.gpio)


def test_every_setting_has_a_documentation_and_a_default_within_its_own_limits() -> None:
    for section, key, kind, limits in every_setting():
        default = getattr(getattr(Settings(), section), key)
        assert limits["doc"].endswith("."), (section, key)
        assert type(default) is kind, (section, key)
        assert not limits["choices"] or default in limits["choices"], (section, key)
        assert limits["low"] is None or limits["low"] <= default <= limits["high"], (section, key)


# what is bad: one line that names file, section and key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trun]\nmode = 1\n", r"\[trun\]: no such section \(known: service, session, turn, .*paths\)"),
        ("turn = 3\n", r"turn: must be a section, \[turn\]"),
        ("[[turn]]\nmode = 1\n", r"turn: must be a section, \[turn\]"),
        ("[turn]\nmood = 1\n", r"\[turn\] mood: no such key \(known: mode, detection, .*silence_ms\)"),
        ("[turn]\nmode = 1\n", r"\[turn\] mode: 1 is not a text"),
        ("[turn.mode]\nx = 1\n", r"\[turn\] mode: {'x': 1} is not a text"),
        ('[turn]\nidle_s = "20"\n', r"\[turn\] idle_s: '20' is not a number"),
        ("[turn]\nidle_s = true\n", r"\[turn\] idle_s: True is not a number"),
        ("[turn]\nsilence_ms = 800.0\n", r"\[turn\] silence_ms: 800.0 is not a whole number"),
        ("[turn]\nsilence_ms = true\n", r"\[turn\] silence_ms: True is not a whole number"),
        ("[session]\nsearch = 1\n", r"\[session\] search: 1 is not true or false"),
        ("[turn]\nidle_s = 0.5\n", r"\[turn\] idle_s: 0.5 is not within 1 to 3600 s"),
        ("[turn]\nidle_s = 3601\n", r"\[turn\] idle_s: 3601 is not within 1 to 3600 s"),
        ("[turn]\nidle_s = nan\n", r"\[turn\] idle_s: nan is not within 1 to 3600 s"),
        ("[turn]\nidle_s = inf\n", r"\[turn\] idle_s: inf is not within 1 to 3600 s"),
        ("[gpio]\nbutton_pin = 28\n", r"\[gpio\] button_pin: 28 is not within 0 to 27"),
        ('[turn]\nmode = "loud"\n', r"\[turn\] mode: 'loud' is not one of 'hands-free', 'push-to-talk'"),
        ('[service]\napi_key = "SECRET"\n', r"\[service\] api_key: keys do not belong in this file \(use .*\)"),
        ('[session]\nkey = "SECRET"\n', r"\[session\] key: keys do not belong in this file \(use .*\)"),
        ("[turn\n", r"not TOML: .*line 1.*"),
        ("[turn]\nidle_s = 1\nidle_s = 2\n", r"not TOML: .*line 3.*"),
        (b"\xff\xfe[turn]\n", r"not UTF-8 text"),
        ('[session]\nthinking_level = "LOW"\n', r"\[session\] thinking_level: gemini-3.8-live takes none; remove it"),
        (
            '[session]\nmodel = "gemini-3.8-live-extended-thinking"\n',
            r"\[session\] thinking_level: gemini-3.8-live-extended-thinking needs one of LOW, MEDIUM, HIGH",
        ),
        ('[service]\nurl = "https://h"\n', r"\[service\] url: 'https://h' does not start with wss:// or ws://"),
        ('[service]\nurl = "host"\n', r"\[service\] url: 'host' does not start with wss:// or ws://"),
        ('[service]\nurl = "wss://h/?key=SECRET"\n', r"\[service\] url: a key in the address ends up in logs .*"),
        ('[service]\nurl = "https://h/?key=SECRET"\n', r"\[service\] url: a key in the address ends up in logs .*"),
        (
            "[endpointer]\nstart_voiced_ms = 220\n",
            r"\[endpointer\] start_voiced_ms: cannot exceed start_window_ms",
        ),
        (
            '[session]\nsystem_instruction_file = "missing.txt"\n',
            r"\[session\] system_instruction_file: .*missing.txt: .*No such file.*",
        ),
        (
            '[session]\nsystem_instruction_file = "a\\u0000b"\n',
            r"\[session\] system_instruction_file: 'a\\x00b' has a control character in it",
        ),
        ('[session]\nsystem_instruction_file = "."\n', r"\[session\] system_instruction_file: .*: is a folder"),
        ('[session]\nsystem_instruction_file = "/dev/zero"\n', r"\[session\] .*: /dev/zero: is not a regular file"),
        ('[session]\nmodel = ""\n', r"\[session\] model: '' names no model \(gemini-3.8-live, for instance\)"),
        ('[session]\nmodel = "models/"\n', r"\[session\] model: 'models/' names no model .*"),
        ('[session]\nvoice = "Ko\\u001bre"\n', r"\[session\] voice: 'Ko\\x1bre' has a control character in it"),
        ('[session]\nvoice = "Ko\\nre"\n', r"\[session\] voice: 'Ko\\nre' has a control character in it"),
        ('[session]\nsystem_instruction = "a\\u0000"\n', r"\[session\] system_instruction: .* control character in it"),
        ('[audio]\nmicrophone = "/\\u0000"\n', r"\[audio\] microphone: '/\\x00' has a control character in it"),
        *(
            (
                f'[{section}]\n{key} = "~nosuchuser/a"\n',
                rf"\[{section}\] {key}: '~nosuchuser/a': nobody of this name .*",
            )
            for section, key in PATHS
        ),
        ("[audio]\nprebuffer_ms = 401\n", r"\[audio\] prebuffer_ms: cannot exceed max_prebuffer_ms, 400 ms"),
        ("[gpio]\nlight_pin = 17\n", r"\[gpio\] light_pin: button and light are both on pin 17"),
        (f"[turn]\nidle_s = {'9' * 5000}\n", r"not TOML: a number with thousands of digits"),
        (
            f"[turn]\nidle_s = 0x{'f' * 5000}\n",
            r"\[turn\] idle_s: a number with thousands of digits is not within .* s",
        ),
        (f"[turn]\nidle_s = {'9' * 400}\n", r"\[turn\] idle_s: 9{59}… is not within .* s"),
        (f"[turn]\nmode = {'[' * 5000}\n", r"not TOML: nested too deep"),
        (f"[{'x' * 5000}]\n", r"\['x{58}…\]: no such section \(.*"),
        (f"[turn]\n{'x' * 5000} = 1\n", r"\[turn\] 'x{58}…: no such key \(.*"),
        ('["\\u001b"]\n', r"\['\\x1b'\]: no such section \(.*"),
        ("#" * 1_000_001, r"is larger than 1 MB"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_says_where(write: Write, text: str | bytes, message: str) -> None:
    said = refused(write(text))
    assert re.fullmatch(message, said)
    assert "SECRET" not in said


def test_a_prompt_that_is_not_text_is_refused(write: Write) -> None:
    prompt = write(b"\xff", "prompt.txt")
    said = refused(write('[session]\nsystem_instruction_file = "prompt.txt"\n'))
    assert said == f"[session] system_instruction_file: {prompt}: not UTF-8 text"
    prompt.write_bytes(b"a\0b")
    said = refused(write('[session]\nsystem_instruction_file = "prompt.txt"\n'))
    assert said == f"[session] system_instruction_file: {prompt}: has control characters in it"


def test_what_is_read_must_be_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (str(tmp_path / "fifo"), "/dev/zero", "/dev/full"):
        assert refused(Path(name)) == "is not a regular file"


def test_a_file_with_line_ends_of_windows_is_good(write: Write) -> None:
    write("one\r\ntwo\r\n", "prompt.txt")
    loaded = config.load(write('[session]\r\nsystem_instruction_file = "prompt.txt"\r\n'))
    assert loaded.session.system_instruction == "one\ntwo"


def test_a_missing_file_comes_with_what_to_do(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.toml") == (
        "no such file (copy config/field-agent.toml there, or name another with --config)"
    )


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    assert refused(tmp_path) == "is a folder"


def test_all_that_is_wrong_is_told(write: Write) -> None:
    path = write(
        "[turn]\nidle_s = 0\nlinger_s = -1\n[nonsense]\n[service]\nurl = 'http://h'\n"
        "[session]\nsystem_instruction_file = 'missing'\n"
    )
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert [each.removeprefix(f"{path}: ").partition(": ")[0] for each in caught.value.problems] == [
        "[turn] idle_s",
        "[turn] linger_s",
        "[nonsense]",
        "[service] url",
        "[session] system_instruction_file",
    ]


def test_a_setting_that_is_wrong_is_not_blamed_for_another(write: Write) -> None:
    assert refused(write("[gpio]\nbutton_pin = 99\nlight_pin = 17\n")) == "[gpio] button_pin: 99 is not within 0 to 27"


scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.just([])
)
tables = st.dictionaries(
    st.sampled_from([section.name for section in fields(Settings)]),
    st.dictionaries(st.sampled_from([key for _, key, _, _ in every_setting()]), scalars, max_size=2) | scalars,
    max_size=3,
)


@given(tables)
def test_whatever_a_file_holds_it_is_settings_or_one_line(raw: dict[str, Any]) -> None:
    settings: Settings = Settings()
    problems: tuple[str, ...] = ("file: ",)
    try:
        settings = config.override(settings, raw, where="file")
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(each.startswith("file: ") and "\n" not in each for each in problems)
    assert all(type(getattr(getattr(settings, section), key)) is kind for section, key, kind, _ in every_setting())


# the effective configuration


def read_back(text: str) -> Settings:
    return config.override(Settings(), tomllib.loads(text), where="described")


def test_the_description_of_the_defaults_reads_back_as_the_defaults() -> None:
    assert read_back(config.describe(Settings())) == Settings()


def test_the_description_names_every_section_and_key() -> None:
    described = tomllib.loads(config.describe(Settings()))
    assert {(section, key) for section, table in described.items() for key in table} == {
        (section, key) for section, key, _, _ in every_setting()
    }


lines = st.text(st.characters(exclude_categories=["Cc", "Cs"])).filter(lambda text: not text.startswith("~"))
BOUND = ("url", "model", "thinking_level", "start_voiced_ms", "prebuffer_ms", "light_pin", "button_pin")
"""Bound by more than their own limits."""


def anything(kind: type, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    if limits["choices"]:
        return st.sampled_from(limits["choices"])
    if kind is bool:
        return st.booleans()
    if kind is str:
        return lines
    numbers = st.integers if kind is int else st.floats
    return numbers(limits["low"], limits["high"])


@given(st.data())
def test_the_description_of_any_settings_reads_back_as_the_same(data: st.DataObject) -> None:
    settings = Settings()
    for section, key, kind, limits in every_setting():
        if key in BOUND:
            continue
        if key in ("start_window_ms", "max_prebuffer_ms"):
            least = settings.endpointer.start_voiced_ms if key == "start_window_ms" else settings.audio.prebuffer_ms
            limits = {**limits, "low": least}  # noqa: PLW2901 - the same limits, tightened
        part = getattr(settings, section)
        settings = replace(settings, **{section: replace(part, **{key: data.draw(anything(kind, limits))})})
    described = config.describe(settings)
    assert read_back(described) == settings


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.5, "0.5"),
        ("plain", '"plain"'),
        ('a "quote" and a \\', '"a \\"quote\\" and a \\\\"'),
        ("two\nlines\r\x1b\x7f", '"two\\nlines\\r\\u001b\\u007f"'),
    ],
)
def test_a_scalar_becomes_toml(value: object, text: str) -> None:
    assert config.toml(value) == text
    assert tomllib.loads(f"x = {text}")["x"] == value


def test_every_section_is_a_dataclass_of_scalars() -> None:
    assert all(is_dataclass(getattr(Settings(), section.name)) for section in fields(Settings))
    assert {kind for _, _, kind, _ in every_setting()} <= {str, int, float, bool}


@pytest.mark.parametrize(
    "url",
    [
        *(
            "wss://user:opensesame@host",
            "wss://opensesame@host",
            "https://user:opensesame@host",
            "wss://u:open@sesame@h",
        ),
        *(
            "wss://host/?key=opensesame",
            "wss://host/?access_token=opensesame",
            "wss://host/?Key=opensesame",
            "key=opensesame",
        ),
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\[service\] url: a .* in the address ends up in logs") as refused:
        config.override(Settings(), {"service": {"url": url}}, where="test")
    assert "sesame" not in str(refused.value)


LOOPBACK = [
    "ws://localhost",
    "ws://LOCALHOST:8765",
    "ws://a.localhost",
    "ws://127.0.0.1:1",
    "ws://127.9.9.9",
    "ws://[::1]:80",
]
ELSEWHERE = [
    *("ws://example.com", "ws://192.168.1.2:8765", "ws://localhost.example.com", "ws://0.0.0.0", "ws://[fe80::1]"),
    *("ws://127.0.0.1.example.com", "ws://2130706433", "ws://127.1", "ws://[::ffff:192.0.2.1]"),
]


@pytest.mark.parametrize("url", LOOPBACK)
def test_a_simulator_on_this_machine_needs_no_encryption(url: str) -> None:
    assert not config.override(Settings(), {"service": {"url": url}}, where="test").service.encrypted


@pytest.mark.parametrize("url", ELSEWHERE)
def test_an_unencrypted_address_elsewhere_must_be_allowed(url: str) -> None:
    with pytest.raises(
        ConfigError, match=r"unencrypted to another machine \(use wss://, or set allow_unencrypted = true"
    ):
        config.override(Settings(), {"service": {"url": url}}, where="test")
    allowed = config.override(Settings(), {"service": {"url": url, "allow_unencrypted": True}}, where="test")
    assert (allowed.service.url, allowed.service.encrypted) == (url, False)


@pytest.mark.parametrize("url", ["ws://a..b", "ws://[::1", "wss://127.0.0.1:99999", "wss://", "ws://host:0"])
def test_an_address_without_a_host_that_can_be_one_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\[service\] url: .* has no valid host and port"):
        config.override(Settings(), {"service": {"url": url}}, where="test")


def test_speech_is_detected_here_unless_the_service_is_to_do_it() -> None:
    assert config.TurnSettings().local_detection
    assert not config.TurnSettings(detection="server").local_detection
