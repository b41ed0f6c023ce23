from pathlib import Path

import pytest

from agent.errors import AgentError, ConfigError, ExitCode, LinkError, Refused, Unreachable
from agent.store.errors import StorageError
from hardware.ports import DeviceError


@pytest.mark.parametrize(
    ("kind", "parent", "code"),
    [
        (AgentError, Exception, 70),
        (ConfigError, AgentError, 78),
        (LinkError, AgentError, 69),
        (Unreachable, LinkError, 69),
        (Refused, LinkError, 77),
    ],
)
def test_an_error_says_who_must_act_by_its_class_and_its_exit_code(
    kind: type[AgentError], parent: type[Exception], code: int
) -> None:
    assert kind.__base__ is parent
    assert kind.exit_code == code
    assert str(kind("what, where, what to do")) == "what, where, what to do"


def test_a_device_error_is_none_of_ours_and_has_an_exit_code_all_the_same() -> None:
    assert not issubclass(DeviceError, AgentError)
    assert ExitCode.UNUSABLE == 74
    assert ExitCode.STUCK == 75


def test_a_storage_error_says_which_file_what_is_wrong_and_what_to_do() -> None:
    error = StorageError(Path("/state/journal.db"), "disk I/O error", "see dmesg")
    assert str(error) == "/state/journal.db: disk I/O error (see dmesg)"
    assert (error.path, error.problem, error.fix) == (Path("/state/journal.db"), "disk I/O error", "see dmesg")
    assert isinstance(error, AgentError)
    assert error.exit_code == 74
