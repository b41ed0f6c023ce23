"""The error raised if the disk fails; tested by tests/house/test_errors.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import AgentError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


class StorageError(AgentError):
    """The journal, a recording or another file of the state folder cannot be read or written."""

    exit_code = ExitCode.UNUSABLE

    def __init__(self, path: Path, problem: str, fix: str) -> None:
        """Make a message of the file, the problem and what to do about it."""
        super().__init__(f"{path}: {problem} ({fix})")
        self.path, self.problem, self.fix = path, problem, fix
