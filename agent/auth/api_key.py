"""The API key: from a systemd credential, the environment or a 0600 file; never from the configuration or a URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.config import Settings

CREDENTIAL = "gemini_api_key"
"""The credential's name in systemd's LoadCredential=."""
UNNEEDED = "none"
"""The key sent over plain ws://, which only simulators speak."""
VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")


def api_key(settings: Settings) -> str:
    """Return the key. Raises ConfigError, which says where a key may be put or what is wrong with its file."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (credential := Path(directory) / CREDENTIAL).exists():
        return _read(credential)
    for name in VARIABLES:
        if key := os.environ.get(name, "").strip():
            return _checked(key, f"${name}")
    if settings.service.key_file:
        return _read_private(Path(settings.service.key_file))
    if settings.service.url.startswith("ws://"):
        return UNNEEDED
    raise ConfigError(
        f"no API key (set {VARIABLES[0]}, or name a 0600 file in [service] key_file, or load the systemd credential "
        f"{CREDENTIAL})"
    )


def origin(settings: Settings) -> str:
    """Return a description of the key that does not reveal it. Raises ConfigError like :func:`api_key`."""
    key = api_key(settings)
    if key is UNNEEDED:
        return "not needed (ws://)"
    return f"{len(key)} characters, ending in …{key[-2:]}" if len(key) > 8 else "set"  # noqa: PLR2004 - too short to hint


def _read_private(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"[service] key_file: {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"[service] key_file: {error}") from None
    if mode & 0o077:
        raise ConfigError(f"[service] key_file: {path} can be read by others (run: chmod 600 {path})")
    return _read(path)


def _read(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot read the API key: {error}") from None
    return _checked(key, str(path))


def _checked(key: str, where: str) -> str:
    if not key or not key.isprintable() or " " in key:
        raise ConfigError(f"{where}: holds no API key (one line, no spaces)")
    return key
