"""Text from outside before anybody sees it: invisible characters left out, secrets hidden, length bounded.

In this order: a secret must be found also if something invisible stands in it, and a cut must not leave half of one.
What this process knows of its secrets is kept here, in memory alone.
"""

from __future__ import annotations

from typing import Any

from agent.outside.characters import in_lines, in_one_line
from agent.outside.redactor import Redactor

LINE = 1000
"""Characters of one line: a close reason has 123 bytes, an error that a library raises a few hundred."""
WORDS = 100_000
"""Characters of a longer text. An answer of two minutes has about 2000."""
MARGIN = 2000
"""Characters beyond the limit in which a secret is still found; longer than any secret."""
DEPTH = 32
"""How deep a value is followed; no function needs arguments as deep."""

_secrets: set[str] = set()
_redactor = Redactor()


def learn(*secrets: str) -> None:
    """Hide ``secrets`` in every text from now on."""
    global _redactor  # noqa: PLW0603 - one process has one set of secrets, and logging is process-wide, too
    fresh = {in_one_line(secret) for secret in secrets} - _secrets
    if fresh:
        _secrets.update(fresh)
        _redactor = Redactor(_secrets)


def learn_address(address: str) -> None:
    """Hide the password in ``address`` (``scheme://user:password@host``), if it has one, as written and decoded."""
    from urllib.parse import unquote  # noqa: PLC0415 - most boxes have no proxy

    credentials = address.partition("://")[2] or address
    before, at, _ = credentials.rpartition("@")
    password = before.partition(":")[2]
    if at and password:
        learn(password, unquote(password))


def forget_all() -> None:
    """Know no secret any more; for tests, which share a process."""
    global _redactor  # noqa: PLW0603 - as above
    _secrets.clear()
    _redactor = Redactor()


def one_line(text: object, limit: int = LINE) -> str:
    """Return ``str(text)`` in one line of at most ``limit`` characters."""
    return _bounded(in_one_line(str(text)), limit)


def words(text: object, limit: int = WORDS) -> str:
    """Return ``str(text)`` with its line breaks, tabs and spaces, in at most ``limit`` characters."""
    return _bounded(in_lines(str(text)), limit)


def cleaned(value: Any, depth: int = DEPTH) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a JSON value with every text in it, names of members included, as :func:`words`; None below ``depth``."""
    if isinstance(value, str):
        return words(value)
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {words(str(name)): cleaned(member, depth - 1) for name, member in value.items()}
    return [cleaned(member, depth - 1) for member in value]


def _bounded(text: str, limit: int) -> str:
    whole = len(text) <= limit + MARGIN
    hidden = _redactor.hide(text if whole else text[: limit + MARGIN])
    if whole and len(hidden) <= limit:
        return hidden
    ends = limit - 1 if whole else min(limit - 1, len(hidden) - MARGIN)  # the end may be half a secret
    return f"{hidden[: max(ends, 0)]}…"
