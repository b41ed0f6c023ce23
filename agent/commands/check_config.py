"""``field-agent check-config``: checks whether ``run`` would accept the configuration, and prints what is in effect."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING

from agent import config
from agent.auth import api_key
from agent.config import DEFAULT_PATH
from agent.errors import ConfigError
from agent.outside.text import words
from agent.store.folder import folder_of
from agent.terminal import config_option, fail
from agent.voice.recordings import configured
from hardware.files import check_replaceable, expanded, same
from hardware.ports import reason
from hardware.settings import SoundKind

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from agent.config import Settings
    from hardware.settings import AudioSettings


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub, DEFAULT_PATH)
    sub.add_argument("--defaults", action="store_true", help="print the built-in defaults, whatever is configured")


def run(arguments: argparse.Namespace) -> int:
    """Print the effective configuration, with the key masked, and what ``run`` would not accept. Raises ConfigError."""
    if arguments.defaults:
        sys.stdout.write(f"# built-in defaults\n\n{config.describe(config.Settings())}")
        return 0
    path = arguments.config or DEFAULT_PATH
    settings = config.load(path)
    problems = [*missing_files(settings), *unusable_voice(settings), *unusable_state(folder_of(settings))]
    try:
        key = api_key.origin(settings)
    except ConfigError as error:
        key = "missing"
        problems[:0] = error.problems
    sys.stdout.write(words(f"# from {path}\n# API key: {key}\n\n{config.describe(settings)}"))
    sys.stdout.flush()
    for problem in problems:
        fail(problem, ConfigError.exit_code)
    return ConfigError.exit_code if problems else 0


def missing_files(settings: Settings) -> list[str]:
    """Return one line for each device that is configured as a file or folder which does not exist."""
    audio, camera = settings.audio, settings.camera.source
    microphone = audio.microphone
    problems = []
    if audio.microphone_kind is SoundKind.FILE and not expanded(microphone).is_file():
        problems.append(f"[audio] microphone: {microphone}: no such file (name a WAV, or a card: field-agent devices)")
    if audio.speaker_kind is SoundKind.FILE:
        problems += unusable_speaker(audio)
    if camera not in ("picamera2", "none") and not expanded(camera).exists():
        problems.append(f"[camera] source: {camera}: no such file or folder (name one, or picamera2, or none)")
    return problems


def unusable_speaker(audio: AudioSettings) -> list[str]:
    """Return one line if the file to write instead of playing cannot be written, else nothing."""
    hears, speaks = (expanded(name) for name in (audio.microphone, audio.speaker))
    if not speaks.parent.is_dir():
        return [f"[audio] speaker: {audio.speaker}: no such folder (name a WAV in a folder that exists)"]
    if audio.microphone_kind is SoundKind.FILE and same(hears, speaks):
        return [f"[audio] speaker: {audio.speaker}: is the microphone's own file (name another)"]
    try:
        check_replaceable(speaks)
    except OSError as error:
        return [f"[audio] speaker: {audio.speaker}: {reason(error)} (name another file)"]
    return []


def unusable_voice(settings: Settings) -> list[str]:
    """Return one line if the recordings of the box's own phrases cannot be used, else nothing."""
    if not settings.voice.words:  # then they are not used
        return []
    try:
        configured(settings.voice)
    except ConfigError as error:
        return list(error.problems)
    return []


def unusable_state(folder: Path) -> list[str]:
    """Return one line if the state folder cannot be written or created, else nothing. Leaves nothing behind."""
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        why = f"{there} is not a folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        why = f"{there} cannot be written by this user"
    elif problem := _untouchable(there):
        why = f"{there} cannot be written: {problem}"
    else:
        return []
    return [f"[paths] state: {folder}: {why} (fix that, or name another folder)"]


def _untouchable(folder: Path) -> str:
    """Return why nothing can be made in ``folder``, else ''; root may write anywhere, but not everywhere: /proc."""
    try:
        with tempfile.TemporaryDirectory(prefix=".field-agent-", dir=folder):
            return ""
    except OSError as error:
        return reason(error)
