"""Secrets and sentences to plant wherever text comes from, and the search for them in every byte that was written.

To plant another one, add it to ``SECRETS`` or ``SENTENCES``: tests/whole/test_planted_secrets.py plants it, and each of
its scenes searches for all of them.
"""

from __future__ import annotations

import base64
import re
import zipfile
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "AIzaSyPlanted-Key_that_nobody_may_see_0"
ODD_KEY = "planted.by/hand+that-has-no-known~form=7"
"""A key whose form gives nothing away: it is hidden only because the process knows it."""
PASSWORD = "planted#pass/word"
TOKEN = "planted0Token9of8somebody7else"
SECRETS = {"key": KEY, "odd key": ODD_KEY, "password": PASSWORD, "token": TOKEN}

FORGED = "ERROR link: planted sentence"
SENTENCES = {
    "terminal title": f"\x1b]0;planted\x07{FORGED}",
    "C1 control": f"\x9b2J{FORGED}",
    "forged line": f"planted\n{FORGED}",
    "forged line, other line breaks": f"planted\r{FORGED}\u2028{FORGED}\x85{FORGED}",
    "right to left": f"\u202e\u2066{FORGED}",
    "no width": f"plan\u200b\u2060ted\ufeff {FORGED}",
    "half a pair": f"planted \ud800 {FORGED}",
}
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Found(NamedTuple):
    """Something that was found where it does not belong."""

    what: str
    form: str
    where: str


def quoted(secret: str) -> str:
    """Return what a service, a library or a proxy may make of a secret when it quotes it."""
    return (
        f"<{secret}> {secret!r} {quote(secret, safe='')} {split(secret)} {base64.b64encode(secret.encode()).decode()}"
    )


def split(secret: str) -> str:
    """Return a secret that looks like itself on a screen."""
    return f"{secret[:7]}\u200b{secret[7:15]}\n{secret[15:]}"


def forms(secret: str) -> dict[str, bytes]:
    """Return what to search for, by name."""
    raw = secret.encode()
    return {
        "plain": raw,
        "percent": quote(secret, safe="").encode(),
        "base64": base64.b64encode(raw).rstrip(b"=")[:-1],
        "base64 behind user:": base64.b64encode(b"user:" + raw)[8:-4],
        "UTF-16": secret.encode("utf-16-le"),
    }


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below ``folder``, and what archives hold, by name."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield str(path), path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{path}:{name}", archive.read(name)) for name in archive.namelist())


def search(folder: Path) -> list[Found]:
    """Return every planted secret in ``folder``, also where whitespace or something invisible splits it."""
    found = []
    for where, content in written(folder):
        close = COMMANDS.sub("", content.decode("utf-8", "replace")).encode("utf-8", "replace")
        solid = b"".join(close.split())
        for what, secret in SECRETS.items():
            hits = (name for name, form in forms(secret).items() if form in content or form in solid)
            found += [Found(what, name, where) for name in hits]
    return found


def search_text(folder: Path) -> list[Found]:
    """Return what commands a terminal or forges a line, in every text in ``folder``."""
    found = []
    for where, content in written(folder):
        if not where.endswith((".log", ".txt", ".json", ".jsonl", ".html")):
            continue
        text = content.decode("utf-8")
        found += [Found("command", repr(command), where) for command in COMMANDS.findall(text)]
        if not where.endswith(".html"):  # there a line break is a space
            found += [Found("forged line", line, where) for line in text.splitlines() if line.startswith(FORGED)]
    return found
