"""The API key: from a systemd credential, the environment or a 0600 file; never from the configuration or a URL.

Every key that is read, usable or not, is hidden in all texts from then on (:mod:`agent.outside.text`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from agent.auth.environment import VARIABLES, variable
from agent.auth.flaws import flaw_of
from agent.config import UNNEEDED
from agent.errors import ConfigError
from agent.outside.text import learn

if TYPE_CHECKING:
    from agent.config import Settings

CREDENTIAL = "gemini_api_key"
"""The credential's name in systemd's LoadCredential=."""
LONGEST = 4096
"""Bytes of a file with a key; a key has 39 characters."""


def api_key(settings: Settings) -> str:
    """Return the key; over ws:// always ``UNNEEDED``, since nobody may read a real one on the way.

    Raises ConfigError, which says where a key may be put or what is wrong with it, and does not quote it.
    """
    if not settings.service.encrypted:
        return UNNEEDED
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory and (credential := Path(directory) / CREDENTIAL).exists():
        return _read(credential, f"the credential {CREDENTIAL}")
    for name in VARIABLES:
        if key := variable(name):
            return _checked(key, f"${name}")
    if settings.service.key_file:
        return _read_private(Path(settings.service.key_file))
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
    return _read(path, str(path))


def _read(path: Path, where: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{where}: cannot read the API key: not a regular file")
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{where}: cannot read the API key: {error.strerror}") from None
    if len(content) > LONGEST:
        raise ConfigError(f"{where}: holds no API key (one line of about 40 characters, nothing else)")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # its text quotes the content
        raise ConfigError(f"{where}: cannot read the API key: not UTF-8 text (save it as plain text)") from None
    return _checked(text.strip(), where)


def _checked(key: str, where: str) -> str:
    if not key:
        raise ConfigError(f"{where}: holds no API key (one line, no spaces)")
    learn(key)
    if flaw := flaw_of(key):
        raise ConfigError(f"{where}: holds no usable API key: {flaw}")
    return key
