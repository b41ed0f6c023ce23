"""Every error this program raises on purpose, by who must act; tested in tests/house/test_errors.py.

::

    Exception
    ├── AgentError
    │   ├── ConfigError     the integrator: a setting, a file or a key is wrong              exit 78
    │   ├── StorageError    the disk: the journal or a recording cannot be read or written   exit 74
    │   ├── NotKeptError    the user: the log has no such conversation or recording          exit 66
    │   └── LinkError       the connection to the service
    │       ├── Unreachable nobody: the network or the service is away, try again            exit 69
    │       └── Refused     the integrator: the service refuses our key, model or quota      exit 77
    └── DeviceError         a device is away or unusable; retried by the daemon              exit 74
                            ``fatal``: its driver hangs, only a new process can use it       exit 75

StorageError is in :mod:`agent.store.errors`, NotKeptError in :mod:`agent.record.record`, DeviceError in
:mod:`hardware.ports`: each beside what raises it.

Messages are one line and say what, where and what to do. What a peer sends and we cannot read is not an exception: the
codec reports it as an event (:class:`agent.wire.protocol.Unreadable`), because the conversation goes on.
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of all errors above; ``exit_code`` follows sysexits.h."""

    exit_code = 70


class ConfigError(AgentError):
    """The configuration cannot be used; systemd must not restart us for it."""

    exit_code = 78


class LinkError(AgentError):
    """There is no connection to the service."""

    exit_code = 69


class Unreachable(LinkError):
    """The service cannot be reached now."""


class Refused(LinkError):
    """The service answered and refused: key, model, quota or region."""

    exit_code = 77


DEVICE_EXIT_CODE = 74
"""For DeviceError, which lives below this package and knows nothing of exit codes (EX_IOERR)."""
STUCK_EXIT_CODE = 75
"""For a fatal DeviceError (EX_TEMPFAIL): systemd starts us again, in a process where the driver does not hang yet."""
