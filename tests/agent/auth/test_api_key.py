import os
from contextlib import suppress
from pathlib import Path

import pytest

from agent.auth import api_key
from agent.auth.environment import VARIABLES
from agent.config import UNNEEDED, ServiceSettings, Settings
from agent.errors import ConfigError
from agent.outside.text import one_line

KEY = "AIzaSyExampleOfAKey42"


@pytest.fixture(autouse=True)
def no_key_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    return file


def naming(file: Path | str, url: str = "wss://example.com") -> Settings:
    return Settings(service=ServiceSettings(url=url, key_file=str(file)))


def credential(directory: Path, text: str = "from-systemd\n") -> None:
    directory.mkdir(exist_ok=True)
    (directory / api_key.CREDENTIAL).write_text(text)


def refused(settings: Settings) -> str:
    with pytest.raises(ConfigError) as caught:
        api_key.api_key(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_systemd_credential_comes_first(tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credential(tmp_path / "credentials")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    monkeypatch.setenv("GEMINI_API_KEY", "from-environment")
    assert api_key.api_key(naming(key_file)) == "from-systemd"


def test_a_credential_directory_may_be_for_other_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("GEMINI_API_KEY", "from-environment")
    assert api_key.api_key(Settings()) == "from-environment"


def test_an_empty_credential_is_an_error_and_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credential(tmp_path / "credentials", "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    monkeypatch.setenv("GEMINI_API_KEY", "from-environment")
    assert refused(Settings()).endswith("holds no API key (one line, no spaces)")


def test_the_environment_comes_before_the_file(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "google")
    assert api_key.api_key(naming(key_file)) == "google"
    monkeypatch.setenv("GEMINI_API_KEY", " gemini\n")
    assert api_key.api_key(naming(key_file)) == "gemini"


def test_an_empty_variable_is_none(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", " ")
    assert api_key.api_key(naming(key_file)) == KEY


def test_a_private_file_is_read_without_its_newline(key_file: Path) -> None:
    assert api_key.api_key(naming(key_file)) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_can_reach_is_refused_with_the_command_that_mends_it(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    message = refused(naming(key_file))
    assert message == f"[service] key_file: {key_file} can be read by others (run: chmod 600 {key_file})"
    assert KEY not in message


def test_a_name_that_no_file_can_have_is_refused() -> None:
    assert refused(naming("a\0b")) == "[service] key_file: embedded null byte"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert refused(naming(missing)) == f"[service] key_file: {missing}: No such file or directory"


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_a_file_that_holds_nothing_is_refused(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    assert refused(naming(key_file)) == f"{key_file}: holds no API key (one line, no spaces)"


@pytest.mark.parametrize(
    ("key", "flaw"),
    [
        ("two words", "a space as character 4 of 9"),
        ("two\nlines", "a line break as character 4 of 9"),
        (f"\u201c{KEY}\u201d", "a curly quote at the beginning: paste it again without the quotes"),
    ],
)
def test_a_key_that_cannot_be_sent_is_refused_with_its_source_and_flaw_and_not_quoted(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, flaw: str
) -> None:
    key_file.write_text(f"{key}\n")
    assert refused(naming(key_file)).startswith(f"{key_file}: holds no usable API key: {flaw}")
    monkeypatch.setenv("GEMINI_API_KEY", key)
    assert refused(Settings()).startswith(f"$GEMINI_API_KEY: holds no usable API key: {flaw}")
    credential(tmp_path / "credentials", key)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    message = refused(Settings())
    assert message.startswith(f"the credential gemini_api_key: holds no usable API key: {flaw}")
    assert key not in message
    assert KEY not in message


def test_a_file_that_is_not_text_or_no_file_at_all_is_refused(key_file: Path, tmp_path: Path) -> None:
    key_file.write_bytes(KEY.encode("utf-16"))
    assert refused(naming(key_file)) == f"{key_file}: cannot read the API key: not UTF-8 text (save it as plain text)"
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    assert refused(naming(folder)).startswith(f"{folder}: cannot read the API key: not a regular file")


def test_a_device_or_a_long_file_does_not_hang_it(key_file: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert refused(naming(pipe)).startswith(f"{pipe}: cannot read the API key: not a regular file")
    key_file.write_bytes(b"x" * (api_key.LONGEST + 1))
    assert refused(naming(key_file)).startswith(f"{key_file}: holds no API key")


def test_a_file_that_this_user_may_not_read_is_named(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(key_file))

    monkeypatch.setattr(Path, "open", forbidden)
    assert refused(naming(key_file)) == f"{key_file}: cannot read the API key: Permission denied"


@pytest.mark.parametrize("key", [KEY, f"\u201c{KEY}\u201d"])
def test_every_key_that_was_read_is_hidden_from_then_on(key_file: Path, key: str) -> None:
    key_file.write_text(key)
    with suppress(ConfigError):
        api_key.api_key(naming(key_file))
    assert one_line(f"invalid header: {key}").startswith("invalid header: [redacted]")


def test_without_a_key_all_three_places_for_one_are_named() -> None:
    message = refused(Settings())
    assert all(place in message for place in ("GEMINI_API_KEY", "key_file", api_key.CREDENTIAL))


def test_over_an_unencrypted_connection_no_key_is_read(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "gemini")
    assert api_key.api_key(naming("", "ws://localhost:8080")) == UNNEEDED
    assert api_key.api_key(naming(key_file, "ws://192.0.2.1")) == UNNEEDED


def test_the_origin_shows_no_more_than_the_end_of_a_long_key(key_file: Path) -> None:
    assert api_key.origin(naming(key_file)) == "21 characters, ending in …42"
    key_file.write_text("12345678")
    assert api_key.origin(naming(key_file)) == "set"


def test_the_origin_of_no_key_is_the_same_error() -> None:
    with pytest.raises(ConfigError, match="no API key"):
        api_key.origin(Settings())


def test_reading_a_key_leaves_it_out_of_the_environment(key_file: Path) -> None:
    api_key.api_key(naming(key_file))
    assert KEY not in os.environ.values()


def test_where_no_key_is_needed_that_is_its_origin() -> None:
    assert api_key.origin(naming("", "ws://localhost:8080")) == "not needed (ws://)"
