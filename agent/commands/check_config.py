"""``field-agent check-config``: is the configuration right, and what is in effect?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent import config, secrets
from agent.cli import config_option
from agent.config import DEFAULT_PATH
from agent.errors import ConfigError

if TYPE_CHECKING:
    import argparse


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    config_option(sub)


def run(arguments: argparse.Namespace) -> int:
    """Print the effective configuration with the key masked. Raises ConfigError."""
    path = arguments.config or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    settings = config.load(path)
    try:
        key = secrets.origin(settings)
    except ConfigError as error:
        key = f"missing: {error}"
    sys.stdout.write(f"# from {path or 'built-in defaults'}\n# API key: {key}\n\n{config.describe(settings)}")
    return 0
