"""Every error this program raises on purpose, by who must act; tested in tests/house/test_errors.py.

::

    Exception
    ├── AgentError
    │   ├── ConfigError     the integrator: a setting, a file or a key is wrong              exit 78
    │   ├── StorageError    the disk: the journal or a recording cannot be read or written   exit 74
    │   ├── NotKeptError    the user: the log has no such conversation or recording          exit 66
    │   └── LinkError       the connection to the service
    │       ├── Unreachable nobody: the network or the service is away, try again            exit 69
    │       └── Refused     the integrator: the service refuses our key, model or region     exit 77
    └── DeviceError         a device is away or unusable; retried by the daemon              exit 74
                            ``fatal``: its driver hangs, only a new process can use it       exit 75

StorageError is in :mod:`agent.store.errors`, NotKeptError in :mod:`agent.record.record`, DeviceError in
:mod:`hardware.ports`: each beside what raises it.

Messages are one line and say what, where and what to do. What a peer sends and we cannot read is not an exception: the
codec reports it as an event (:class:`agent.wire.protocol.Unreadable`), because the conversation goes on.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Every exit code of ``field-agent``, with its ``meaning``; from 64 to 78 they are those of sysexits.h."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make a member of a number and its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    DONE = 0, "done, also when Ctrl-C, SIGTERM or SIGHUP ends run, talk or simulate"
    LIMITS = 1, "tune: usable, with limits"
    USAGE = 2, "wrong usage"
    NOT_KEPT = 66, "the log has no such conversation or recording"
    UNREACHABLE = 69, "the service cannot be reached or gave no answer"
    BUG = 70, "a bug"
    UNUSABLE = 74, "a device or a file cannot be used"
    STUCK = 75, "a device's driver hangs, start again"
    REFUSED = 77, "the service refused key or model"
    MISCONFIGURED = 78, "the configuration is wrong"
    INTERRUPTED = 130, "Ctrl-C, SIGTERM or SIGHUP before the end"
    CLOSED_PIPE = 141, "the reader of the output has gone"


class AgentError(Exception):
    """Base of all errors above."""

    exit_code = ExitCode.BUG


class ConfigError(AgentError):
    """The configuration cannot be used; systemd must not restart us for it. Made of its problems, one line each."""

    exit_code = ExitCode.MISCONFIGURED

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong, one line each."""
        return self.args

    def __str__(self) -> str:
        """Return the problems, one in a line."""
        return "\n".join(self.problems)


class LinkError(AgentError):
    """There is no connection to the service."""

    exit_code = ExitCode.UNREACHABLE


class Unreachable(LinkError):
    """The service cannot be reached now."""


class Refused(LinkError):
    """The service answered and refused: key, model or region. A quota that is used up passes: Unreachable."""

    exit_code = ExitCode.REFUSED
