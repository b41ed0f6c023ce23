"""PURE: what must not be shown, found in a text and replaced.

Known secrets are found in plain, percent-encoded, backslash-escaped and base64 form, also with whitespace or escaped
control characters between their characters. What looks like a secret is found by its form: Google's keys and tokens,
authorisation headers, ``key=`` parameters, user names and passwords in addresses. The work grows with the text.
"""

from __future__ import annotations

import binascii
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "[redacted]"
SHORTEST = 8
"""A shorter secret is hidden only where its form gives it away: it would be found in words that everybody uses."""

_VALUE = r"""(?:\[redacted\]|[^\s&"'<>()\[\]{},;]+)"""
_CREDENTIALS = r"""(://)(?:[^\s/?#"'<>@]{1,512}|[^\s:/?#"'<>@]{0,512}:[^\s"'<>]{0,512})@"""
"""``user:password@`` in an address; the password may hold what should have been percent-encoded."""
_BARE_CREDENTIALS = r"(?<![\w@:/.%+-])[\w.%+-]{1,128}:[^\s@/:]{1,256}@(?=[\w\[])"
_BETWEEN = r"""(["']\s{0,8},\s{0,8}b?["']|["']?\s{0,8}[:=]\s{0,8}(?:b?["'])?)"""
"""What stands between a header and its value: in HTTP, in a dictionary, in a pair."""
_HEADER = (
    rf"(?i)\b((?:proxy-)?authorization|x-(?:goog-)?api-key){_BETWEEN}"
    rf"(?:(?:bearer|basic|digest|token)\s{{1,8}})?{_VALUE}"
)
_SCHEME = r"\b((?i:bearer|basic))\s{1,8}(?=[\w.~+/-]{0,512}(?:[0-9=]|[a-z][A-Z]))[\w.~+/-]{8,4096}={0,2}"
"""The look ahead tells a token from a word: "Basic maintenance"."""
_PARAMETER = (
    r"(?i)(?:\b|(?<=%3f)|(?<=%26))((?:(?:api|access|auth|id|refresh)[_-]?)?(?:key|token)|password|passwd|secret"
    rf"|client[_-]secret)(=|%3d){_VALUE}"
)
_MEMBER = (
    r"""(?i)(["'](?:api_?key|(?:access|auth|refresh)_?token|password|client_?secret)["']\s{0,8}:\s{0,8}["'])"""
    r"""[^"']{1,4096}"""
)
_GOOGLES = (
    r"AIza[\w-]{20,}"  # an API key, whatever stands before it
    r"|(?<![\w.-])(?:AQ\.[\w-]{20,}|ya29\.[\w.-]{10,}|auth_tokens/[\w-]+|eyJ[\w-]{10,4096}\.[\w.-]+)"
)
"""Google's API keys, OAuth and ephemeral tokens; JSON web tokens."""


_GAP = r"(?:\s|\\{1,4}(?:[nrtvf]|x(?![2-7])[0-9a-fA-F]{2}|u(?!00[2-7])[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*"
"""What may stand between two characters of a secret: whitespace, and an invisible character that a library escaped."""


class _Form(NamedTuple):
    """What a secret looks like, and what to put in its place."""

    pattern: re.Pattern[str]
    replacement: str
    signs: tuple[str, ...]
    """A text without any of them holds none: searching for a word takes a hundredth of the time."""


@cache
def _by_form() -> tuple[_Form, ...]:
    """Return the forms; compiled when they are needed, not at start-up."""
    rows = (
        (_CREDENTIALS, rf"\1{MARK}@", ("@",)),
        (_BARE_CREDENTIALS, f"{MARK}@", ("@",)),
        (_HEADER, rf"\1\2{MARK}", (":", "=", ",")),
        (_SCHEME, rf"\1 {MARK}", (" ", "\t", "\n")),
        (_PARAMETER, rf"\1\2{MARK}", ("=", "%3")),
        (_MEMBER, rf"\1{MARK}", ("'", '"')),
        (_GOOGLES, MARK, ("AIza", "AQ.", "ya29.", "auth_tokens/", "eyJ")),
    )
    return tuple(_Form(re.compile(pattern, re.ASCII), replacement, signs) for pattern, replacement, signs in rows)


class Redactor:
    """Hides the ``secrets`` it was made with, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Compile the patterns, the longest secret first: one may be a part of another."""
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(form for secret in known for form in _forms(secret))) if known else None

    def hide(self, text: str) -> str:
        """Return ``text`` with ``MARK`` in place of each secret."""
        if self._known is not None:
            text = self._known.sub(MARK, text)
        for form in _by_form():
            if any(sign in text for sign in form.signs):
                text = form.pattern.sub(form.replacement, text)
        return text


def _forms(secret: str) -> Iterator[str]:
    """Yield patterns for ``secret``, plain and escaped character by character, and in base64."""
    yield _GAP.join(map(_character, secret))
    raw = secret.encode()
    for offset in range(3):  # base64 depends on what stands before
        coded = binascii.b2a_base64(bytes(offset) + raw, newline=False).decode().rstrip("=")
        end = len(coded) - ((offset + len(raw)) % 3 > 0)  # the last character then depends on what follows
        core = coded[(0, 2, 3)[offset] : end]  # of SHORTEST characters, ten are left: enough not to be found by chance
        yield r"\s*".join({"+": "[+-]", "/": "[/_]"}.get(char, char) for char in core)


def _character(char: str) -> str:
    codes = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{ord(char):02x}")
    escaped = re.escape(char) if char.isalnum() else rf"\\{{0,4}}{re.escape(char)}"
    return rf"(?:{escaped}|%(?:25){{0,3}}{codes}|\\{{1,4}}(?:u00|x){codes})"
