"""A child is told where programs and sound servers are, and no secret."""

import pytest

from hardware.children import environment


def test_a_child_gets_what_it_needs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"PATH": "/bin", "XDG_RUNTIME_DIR": "/run/user/1", "PULSE_SERVER": "unix:/p", "LC_ALL": "C"}
    withheld = {"GEMINI_API_KEY": "x", "https_proxy": "http://u:p@h", "CREDENTIALS_DIRECTORY": "/c"}
    for name, value in (given | withheld).items():
        monkeypatch.setenv(name, value)
    passed = environment()
    assert given.items() <= passed.items()
    assert not withheld.keys() & passed.keys()
