"""The error raised if the disk fails, and the kinds of trouble; also tested by tests/house/test_errors.py."""

from __future__ import annotations

import errno
import os
from enum import Enum
from typing import TYPE_CHECKING

from agent.errors import AgentError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


FULL, NEARLY_FULL = "the storage for notes is full", "the storage for notes is nearly full"
"""What is wrong when only the space for notes is at its end; the disk has its own words."""
FULL_DISK = ("is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


class Trouble(Enum):
    """A kind of trouble with the storage; its value is the part of the box that is at fault, empty if none is."""

    NONE = ""
    NEARLY_FULL = "storage nearly full"
    FULL = "storage full"
    FAILS = "storage"

    @classmethod
    def of(cls, problem: str) -> Trouble:
        """Return the kind of a ``problem`` that is told in words."""
        if not problem:
            return cls.NONE
        if NEARLY_FULL in problem:
            return cls.NEARLY_FULL
        return cls.FULL if any(words in problem for words in FULL_DISK) else cls.FAILS


class StorageError(AgentError):
    """The journal, a recording or another file of the state folder cannot be read or written."""

    exit_code = ExitCode.UNUSABLE

    def __init__(self, path: Path, problem: str, fix: str, *, passing: bool = False) -> None:
        """Make a message of the file, the problem and what to do about it; ``passing``: it may be over in a moment."""
        super().__init__(f"{path}: {problem} ({fix})")
        self.path, self.problem, self.fix, self.passing = path, problem, fix, passing
