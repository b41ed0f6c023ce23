"""A folder full of things that a person may name by mistake, and whether a program left them as they were."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import wave
from functools import cache
from pathlib import Path

from tests.support.log_folder import closed

HERE = "[service]\nurl = 'ws://127.0.0.1:1'\n"
"""Nobody listens there."""
DIGITS = "9" * 5000
DEEP = "[" * 5000
TEXTS = {
    "good.toml": HERE,
    "digits.toml": f"{HERE}[turn]\nidle_s = {DIGITS}\n",
    "hex.toml": f"{HERE}[turn]\nidle_s = 0x{'f' * 5000}\n",
    "deep.toml": f"a = {DEEP}",
    "nul.toml": HERE + '[paths]\nstate = "a\\u0000b"\n',
    "nobody.toml": HERE + '[paths]\nstate = "~nosuchuser/a"\n',
    "proc.toml": HERE + '[paths]\nstate = "/proc/nope"\n',
    "zero.toml": HERE + '[session]\nsystem_instruction_file = "/dev/zero"\n',
    "fifo.toml": HERE + '[session]\nsystem_instruction_file = "fifo"\n',
    "same.toml": HERE + '[audio]\nmicrophone = "good.wav"\nspeaker = "hard.wav"\n[camera]\nsource = "none"\n'
    '[gpio]\nbutton = "none"\nlight = "none"\n',
    "inf.toml": "[[fault]]\nkind = 'reset'\nat_s = inf\n",
    "long.toml": f"[[fault]]\nkind = 'reset'\nat_s = {'9' * 400}\n",
}


_made = tempfile.TemporaryDirectory()


def lay(folder: Path) -> None:
    """Fill ``folder``."""
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "binary").write_bytes(bytes(range(256)) * 20)
    for name in ("fifo", "fifo.wav", "fifo.jpg"):
        os.mkfifo(folder / name)
    with wave.open(str(folder / "good.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(6400))
    good = (folder / "good.wav").read_bytes()
    for number, claimed in enumerate((0x7FFF_FFFF, 100_000, 2), 1):
        lie = b"LIST" + struct.pack("<I", claimed) + b"INFO"
        (folder / f"list{number}.wav").write_bytes(good[:12] + lie + good[12:])
    (folder / "hard.wav").hardlink_to(folder / "good.wav")
    (folder / "soft.wav").symlink_to("good.wav")
    (folder / "mine.txt").write_text("mine\n")
    (folder / "link.txt").symlink_to("mine.txt")
    (folder / "sub").mkdir()
    shutil.copytree(log(), folder / "state")
    for name in ("journal.db", "lock", "devices.json"):
        odd = folder / f"odd {name}"
        odd.mkdir()
        os.mkfifo(odd / name)
    shutil.copytree(log(), folder / "odd recordings")
    for path in (folder / "odd recordings" / "spool").rglob("*.wav"):
        path.unlink()
        os.mkfifo(path)


@cache
def log() -> Path:
    """Return a log to copy: to make one takes many times as long, as it is synced to the disk step by step."""
    return closed(Path(_made.name) / "state")


def seen(folder: Path) -> dict[str, object]:
    """Return what is in ``folder`` by name: kind and content, links not followed."""
    found: dict[str, object] = {}
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else path.readlink() if stat.S_ISLNK(mode) else None
        found[path.name] = (stat.S_IFMT(mode), content)
    return found
