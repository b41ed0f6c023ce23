"""Makes up mistakes: for each seed one command line, with the files that it names. The same seed, the same mistake.

``PYTHONPATH=. python tests/support/mistakes.py SEED`` shows one and what comes of it.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tests.support.forks import Ended, Forks, Run, forks
from tests.support.traps import lay

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

SHORT = "0.05"
"""Seconds that a run which waits for something may take."""
CODES = {0, 1, 2, 66, 69, 74, 75, 77, 78, 130, 141}
"""The documented ones but for 70, a bug."""

NAMES = ["", ".", "..", "/", "/dev/null", "/dev/zero", "/dev/full", "/proc/nope", "/proc/self/mem", "~", "~nosuchuser"]
NAMES += ["~nosuchuser/a.wav", "./~a", "-", "--", "-1", "a" * 300, "a/" * 3000, "missing/a", "link.txt", "soft.wav"]
NAMES += ["mine.txt", "binary", "fifo", "fifo.wav", "fifo.jpg", "sub", "state", "good.toml", "good.wav", "hard.wav"]
NAMES += [
    "list1.wav",
    "made.toml",
    "made.wav",
    "made.txt",
    "new",
    "new.wav",
    "new.html",
    "\udcff.wav",
    "ü\u202e\x1b[2J",
    "*",
]
NUMBERS = [
    "0",
    "1",
    "2",
    "-1",
    "0.05",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "9" * 19,
    "9" * 5000,
    "0x10",
    "٣",
    "",
    " ",
    "1_0",
]
WORDS = ["", "silence", "none", "default", "no-such-card", "all", "Kore", "models/", "\x00", "\n", "\udc80", "a" * 9999]
URLS = [
    "ws://127.0.0.1:1",
    "ws://[::1",
    "ws://",
    "http://h",
    "wss://:0",
    "ws://a..b",
    "ws://127.0.0.1:99999",
    "ws://\udcff",
]
URLS += [
    "ws://127.0.0.1:1/" + "a" * 5000,
    "ws://" + "a" * 300,
    "ws://xn--",
    "ws://127.0.0.1:1/?key=a",
    "//",
    "ws://ü:1",
]
SCALARS = ["0", "1", "-1", "2.5", "true", "nan", "inf", "-inf", "1e400", "9" * 25, "9" * 5000, "0x" + "f" * 5000]
SCALARS += [
    '""',
    '"a"',
    '"/dev/zero"',
    '"~nosuchuser"',
    '"\\u0000"',
    '"\\u001b[2J"',
    "[]",
    "[[1]]",
    "{}",
    "{a = 1}",
    "1979-05-27",
]
SCALARS += [
    "'''\n'''",
    "[" * 3000,
    '"good.wav"',
    '"hard.wav"',
    '"fifo"',
    '"none"',
    '"silence"',
    '"gpio"',
    '"missing/a.wav"',
]
SECTIONS = [
    "service",
    "session",
    "turn",
    "endpointer",
    "notes",
    "voice",
    "video",
    "link",
    "audio",
    "camera",
    "gpio",
    "log",
    "paths",
]
KEYS = [
    "url",
    "key_file",
    "model",
    "voice",
    "system_instruction_file",
    "initial_message",
    "temperature",
    "mode",
    "idle_s",
]
KEYS += [
    "microphone",
    "speaker",
    "source",
    "recordings",
    "language",
    "state",
    "limit_mb",
    "keep_days",
    "fps",
    "button_pin",
]
KEYS += [
    "light_pin",
    "prebuffer_ms",
    "max_prebuffer_ms",
    "start_voiced_ms",
    "level",
    "button",
    "light",
    "width",
    "nonsense",
]
FAULT_KEYS = [
    "at_s",
    "turn",
    "when",
    "after_s",
    "connection",
    "times",
    "code",
    "status",
    "bytes",
    "text",
    "count",
    "number",
]
FAULT_KEYS += ["delay_s", "bytes_per_s", "think_s", "pace", "piece_ms", "name", "args", "reason"]
FAULTS = ["go_away", "close", "reset", "hang", "slow_read", "late_pong", "handshake", "no_setup_complete", "send", "?"]
STDIN = ["/dev/null", "binary", "mine.txt", "good.wav"]


class Mistake:
    """One mistake, made from its seed."""

    def __init__(self, seed: int) -> None:
        """Make it up."""
        self._dice = random.Random(seed)
        commands = [self._check, self._run, self._talk, self._demo, self._simulate, self._tune, self._log, self._noise]
        self.arguments = self._pick(commands)()
        self.stdin = self._pick(STDIN)
        self.files = {"made.toml": self._toml(), "made.wav": self._wav(), "made.txt": self._trace()}

    # command lines

    def _check(self) -> list[str]:
        return ["check-config", *self._maybe("--config", self._config()), *self._maybe("--defaults")]

    def _run(self) -> list[str]:
        return ["run", "--config", self._pick(["made.toml", *NAMES])]

    def _talk(self) -> list[str]:
        given = ["talk", "--for", self._pick([SHORT] * 40 + NUMBERS)]
        given += ["--url", self._pick([URLS[0]] * 30 + URLS)]
        given += ["--mic", self._pick(["silence", "made.wav"] * 20 + WORDS + NAMES)]
        given += ["--speaker", self._pick(["none", "new.wav"] * 20 + WORDS + NAMES)]
        given += self._maybe("--camera", self._pick(NAMES)) + self._maybe("--fps", self._pick(NUMBERS))
        given += self._maybe("--config", self._config()) + self._maybe("--text") + self._maybe("--listen")
        given += self._maybe("--events", self._pick(NAMES)) + self._maybe("--initial-message", self._pick(WORDS))
        given += self._maybe("--model", self._pick(WORDS)) + self._maybe("--voice", self._pick(WORDS))
        return given + self._maybe("--system-instruction", self._pick(WORDS))

    def _demo(self) -> list[str]:
        given = ["demo", *(["--fast"] * self._dice.randrange(1, 3))]
        # One of them is a mistake at any rate: whole demos are played elsewhere.
        given += self._pick(
            [
                ["--out", self._pick(["fifo", "mine.txt", "/dev/full", "/proc/nope", "link.txt", "a" * 300])],
                ["--scenario", self._pick(["binary", "made.toml", "fifo", "sub", "\x00", "", "a" * 5000, "/dev/zero"])],
                ["--uplink-trace", self._pick(["binary", "fifo", "sub", "/dev/zero", "missing/a", "good.toml"])],
                [
                    "--uplink",
                    self._pick([each for each in NUMBERS if each not in ("1", "2", "0.05", "1e308", "1_0", "٣")]),
                ],
                ["--mic", self._pick(WORDS[1:])],
            ]
        )
        return given

    def _simulate(self) -> list[str]:
        given = ["simulate", "--for", SHORT, "--port", self._pick(["0"] * 30 + NUMBERS)]
        given += self._maybe("--host", self._pick(["127.0.0.1", "", "\x00", "999.1.1.1", "a" * 300, "ü", "a..b"]))
        given += ["--scenario", self._pick(["made.toml"] * 40 + NAMES)] if self._dice.random() < 0.6 else []
        given += self._maybe("--report", self._pick(NAMES)) + self._maybe("--audio", self._pick(NAMES))
        given += self._maybe("--tls-cert", self._pick(NAMES)) + self._maybe("--tls-key", self._pick(NAMES))
        return given + self._maybe("--api-key", self._pick(WORDS))

    def _tune(self) -> list[str]:
        wrong = ["", "=", "seed", "seed=x", "seed=nan", "nonsense=1", "\x00=1", "a" * 999]
        given = ["tune", "--config", self._pick(["made.toml", *NAMES])]
        given += self._maybe("--microphones", self._pick(WORDS)) + self._maybe("--json")
        return given + (["--simulated", self._pick(wrong[1:])] if self._dice.random() < 0.5 else [])

    def _log(self) -> list[str]:
        given = ["log", "--state", self._pick(["state"] * 8 + NAMES)]
        given += self._maybe("--config", self._config())
        number = self._pick(["1", "2", "3", *NUMBERS])
        forced = self._maybe("--force") + self._maybe("--out", self._pick(NAMES))
        formats = self._maybe("--format", self._pick(["json", "html", "zip", "pdf", ""]))
        return given + self._pick(
            [
                ["-n", number, *self._maybe("--all")],
                ["show", number],
                ["play", number, *self._maybe("--answer"), "--out", self._pick(NAMES), *self._maybe("--force")],
                ["export", number, *forced, *formats, *self._maybe("--audio")],
            ]
        )

    def _noise(self) -> list[str]:
        known = ["run", "talk", "demo", "log", "--fast", "--config", "--for", "--version", "--help", "-h", "devices"]
        words = [*known[2:], *NAMES, *NUMBERS, *WORDS]
        # Nothing here may begin to run for good: the first word is wrong, or the run fails at its configuration.
        return self._pick([[self._pick(words[1:]), *self._several(words)], ["run", "--config", *self._several(NAMES)]])

    # files

    def _config(self) -> str:
        return self._pick(["made.toml", "made.toml", "good.toml", *NAMES])

    def _toml(self) -> bytes:
        kinds = [self._settings, self._scenario, self._broken]
        return self._pick(kinds)().encode(errors="surrogateescape")

    def _settings(self) -> str:
        text = '[service]\nurl = "ws://127.0.0.1:1"\n' if self._dice.random() < 0.5 else ""
        for section in self._dice.sample(SECTIONS, self._dice.randrange(1, 4)):
            if f"[{section}]" not in text:
                text += f"[{section}]\n"
                text += "".join(f"{key} = {self._pick(SCALARS)}\n" for key in self._dice.sample(KEYS, 2))
        return text

    def _scenario(self) -> str:
        text = ""
        for table in ("fault", "turn", "call", "answer"):
            if self._dice.random() < 0.4:
                text += f"[{table}]\n" if table == "answer" else f"[[{table}]]\n"
                text += f'kind = "{self._pick(FAULTS)}"\n' if table == "fault" else ""
                text += "".join(f"{key} = {self._pick(SCALARS)}\n" for key in self._dice.sample(FAULT_KEYS, 2))
        return text

    def _broken(self) -> str:
        pieces = [
            "[",
            "]",
            "{",
            "}",
            "=",
            '"',
            "'",
            "\n",
            "\\",
            "a",
            "1",
            "\x00",
            "\udcff",
            "#",
            ".",
            "e",
            "-",
            "[[",
            "\r",
        ]
        return "".join(self._dice.choices(pieces, k=self._dice.randrange(0, 60)))

    def _wav(self) -> bytes:
        rate, channels, bits, form = (
            self._pick([16_000, 16_000, 0, 1, 44_100, 0xFFFFFFFF]),
            self._pick([1, 1, 0, 2, 0xFFFF]),
            self._pick([16, 16, 0, 7, 8, 24, 0xFFFF]),
            self._pick([1, 1, 1, 0, 3, 0xFFFE]),
        )
        width = max(1, bits // 8)
        fmt = struct.pack("<HHIIHH", form, channels, rate, rate & 0xFFFF, (channels * width) & 0xFFFF, bits)
        pcm = self._dice.randbytes(self._pick([0, 1, 2, 639, 640, 3200]))
        chunks = [(b"fmt ", fmt), (b"data", pcm), (b"LIST", self._dice.randbytes(self._dice.randrange(0, 9)))]
        self._dice.shuffle(chunks)
        body = b"".join(name + struct.pack("<I", self._length(content)) + content for name, content in chunks)
        whole = b"RIFF" + struct.pack("<I", self._length(b"WAVE" + body)) + b"WAVE" + body
        return whole[: self._dice.randrange(0, len(whole))] if self._dice.random() < 0.3 else whole

    def _length(self, content: bytes) -> int:
        """Return a chunk's length, seldom the true one."""
        if self._dice.random() < 0.6:
            return len(content)
        return self._pick([0, 1, len(content) + 1, max(0, len(content) - 3), 0x7FFFFFFF, 0xFFFFFFFF])

    def _trace(self) -> bytes:
        return "\n".join(f"{self._pick(NUMBERS)} {self._pick(NUMBERS)}" for _ in range(3)).encode()

    # dice

    def _pick(self, things: Sequence[T]) -> T:
        return self._dice.choice(things)

    def _maybe(self, *words: str) -> list[str]:
        return list(words) if self._dice.random() < 0.15 else []

    def _several(self, words: list[str]) -> list[str]:
        return self._dice.choices(words, k=self._dice.randrange(0, 4))


def tried(server: Forks, seed: int, folder: Path) -> tuple[Mistake, Ended]:
    """Make the mistake of ``seed`` in a fresh ``folder`` of traps."""
    mistake = Mistake(seed)
    lay(folder)
    for name, content in mistake.files.items():
        (folder / name).write_bytes(content)
    more = {"HOME": str(folder / "sub"), "XDG_STATE_HOME": str(folder / "states")}
    stdin = mistake.stdin if mistake.stdin.startswith("/") else str(folder / mistake.stdin)
    return mistake, server.run(Run(mistake.arguments, str(folder), stdin, more))


def complaint(ended: Ended) -> str:
    """Return what is wrong with an end, else ''."""
    if ended.code is None:
        return "it hangs"
    if ended.code not in CODES:
        return f"exit code {ended.code}"
    text = ended.out + ended.err
    return next(
        (f"it says {each!r}" for each in ("Traceback", "this is a bug", "Exception ignored") if each in text), ""
    )


def main() -> None:
    """Show the mistakes of the seeds that are given."""
    with forks() as server:
        for seed in map(int, sys.argv[1:]):
            with tempfile.TemporaryDirectory() as folder:
                mistake, ended = tried(server, seed, Path(folder))
                sys.stdout.write(f"{seed}: {mistake.arguments}\n{ended}\n{complaint(ended) or 'good'}\n")


if __name__ == "__main__":
    main()
