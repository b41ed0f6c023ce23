"""``field-agent log``: lists, shows, plays, exports and deletes conversations. All but deleting reads only."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from array import array
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent import config
from agent.config import DEFAULT_PATH
from agent.errors import ConfigError
from agent.record import files, text
from agent.record.record import NotKeptError, Record, load, open_journal
from agent.service.process import to_the_end
from agent.store import erasing
from agent.store.errors import StorageError
from agent.store.folder import folder_of
from agent.store.layout import Layout
from agent.terminal import own_path, positive, shortened
from hardware.ports import BYTES_PER_SAMPLE, SPEAKER_FORMAT
from hardware.settings import SoundKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.config import Settings
    from agent.store.erasing import Extent
    from agent.store.journal import Journal
    from agent.store.rows import TurnRow
    from hardware.ports import DeviceError, Speaker

    Actions = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no other name

DIGITS = 18
"""A number with more may not fit the 64 bits that SQLite counts with."""
SHOWN = 20
FORMATS = ("json", "html", "zip")
AHEAD_S = 4.0
"""How far ahead the speaker is fed: the longest recordings are longer than its buffer."""
TAIL_S = 0.3
"""How long the sound card still plays after the last sample was handed over."""


def options(sub: argparse.ArgumentParser) -> None:
    """Add this command's options and actions."""
    _where(sub)
    sub.add_argument("-n", type=number, default=SHOWN, metavar="N", help=f"list the newest N (default: {SHOWN})")
    sub.add_argument("--all", action="store_true", help="list all, even those in which nothing happened")
    sub.set_defaults(action=show_list)
    actions = sub.add_subparsers(metavar="show|play|export|delete", title="other actions")
    show = _action(actions, "show", show_one, "print a conversation: questions, answers, function calls and figures")
    show.add_argument("number", type=number, metavar="N", help="number of the conversation")
    play = _action(actions, "play", play_one, "play the recording of a turn on the configured speaker")
    play.add_argument("number", type=number, metavar="N", help="number of the turn, as show prints it")
    play.add_argument("--answer", action="store_true", help="play the answer, which is kept for notes only")
    play.add_argument("--out", type=Path, metavar="FILE", help="write a WAV instead; - for standard output")
    export = _action(actions, "export", export_one, "write a conversation as a job record")
    export.add_argument("number", type=number, metavar="N", help="number of the conversation")
    export.add_argument("--format", choices=FORMATS, help="default: the ending of FILE, else html")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: job-N.FORMAT here; - for standard output")
    export.add_argument("--audio", action="store_true", help="put the recordings into the page (a zip always has them)")
    delete = _action(actions, "delete", delete_some, "delete for good what was said; the agent must not run")
    delete.add_argument("numbers", type=number, nargs="*", metavar="N", help="numbers of conversations")
    delete.add_argument("--turn", type=number, metavar="N", help="only one turn, by its number, as show prints it")
    delete.add_argument("--day", type=day, metavar="YYYY-MM-DD", help="what was said on this day")
    delete.add_argument("--all", action="store_true", dest="everything", help="everything, damaged journals included")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for each in (play, export):
        each.add_argument("--force", action="store_true", help="replace FILE if it exists")


def _where(sub: argparse.ArgumentParser, default: object = None) -> None:
    config_help = f"configuration (TOML; default: {DEFAULT_PATH} if it exists)"
    sub.add_argument("--config", type=Path, metavar="FILE", default=default, help=config_help)
    state_help = "the agent's state folder (default: the configured one)"
    sub.add_argument("--state", type=own_path, metavar="FOLDER", default=default, help=state_help)


def _action(actions: Actions, name: str, act: Callable[..., None], help_text: str) -> argparse.ArgumentParser:
    sub = actions.add_parser(name, help=help_text, description=help_text)
    _where(sub, argparse.SUPPRESS)  # else it would undo the options given before the action's name
    sub.set_defaults(action=act)
    return sub


def number(text: str) -> int:
    """Return ``text`` as a whole number above 0; an option's type. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    if len(text) > DIGITS:
        raise argparse.ArgumentTypeError(f"{shortened(text, 2 * DIGITS)} is larger than any number in a log")
    return int(positive(text))


def day(text: str) -> tuple[float, float]:
    """Return when a day begins and ends here (Unix); an option's type. Raises ArgumentTypeError."""
    try:
        begin = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - in this machine's time zone
        return begin.timestamp(), (begin + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-05-12") from None


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen action on the journal. Raises ConfigError, StorageError, NotKeptError, DeviceError."""
    path = arguments.config or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    settings = config.load(path)
    folder = arguments.state or folder_of(settings)
    if arguments.action is delete_some:
        delete_some(arguments, folder)
        return 0
    with closing(open_journal(folder)) as journal:
        arguments.action(arguments, settings, folder, journal)
    return 0


# list and show


def show_list(arguments: argparse.Namespace, _: Settings, __: Path, journal: Journal) -> None:
    """Print the newest conversations and the notes."""
    _print(text.listing(journal, None if arguments.all else arguments.n, _width()))


def show_one(arguments: argparse.Namespace, _: Settings, folder: Path, journal: Journal) -> None:
    """Print one conversation. Raises NotKeptError, StorageError."""
    record = load(folder, journal, arguments.number)
    _print(text.story(record, record.files(), _width()))


def _width() -> int:
    return shutil.get_terminal_size().columns  # 80 into a pipe


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


# export


def export_one(arguments: argparse.Namespace, _: Settings, folder: Path, journal: Journal) -> None:
    """Write one conversation as a job record. Raises ConfigError, NotKeptError."""
    record = load(folder, journal, arguments.number)
    kind = _format(arguments)
    target = arguments.out or Path(f"job-{arguments.number}.{kind}")
    to_stdout = target == files.STDOUT
    if to_stdout and kind == "zip":
        raise ConfigError("--out -: a zip is not written to standard output (name a file)")
    with files.written(target, force=arguments.force) as out:
        if kind == "json":
            files.write_json(record, out, time.time())
        elif kind == "html":
            files.write_html(record, out, time.time(), audio=arguments.audio)
        else:
            files.write_zip(record, out, time.time())
    if not to_stdout:
        _print([f"{target}: {target.stat().st_size / 1000:.0f} kB", *_missing(record)])


def _format(arguments: argparse.Namespace) -> str:
    """Return the format to write. Raises ConfigError if the ending of the file's name says another."""
    chosen: str | None = arguments.format
    ending = arguments.out.suffix.lower().lstrip(".") if arguments.out is not None else ""
    if ending in FORMATS and chosen not in (None, ending):
        raise ConfigError(f"--out {arguments.out}: the ending is not that of --format {chosen} (leave out one of them)")
    if ending and ending not in FORMATS and chosen is None:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise ConfigError(
            f"--out {arguments.out}: no format has this ending (use {known}, or choose one with --format)"
        )
    return chosen or ending or "html"


def _missing(record: Record) -> list[str]:
    gone = len(record.named()) - len(record.files())
    return [f"left out because no longer kept: {text.count(gone, 'file')}"] if gone else []


# delete


def delete_some(arguments: argparse.Namespace, folder: Path) -> None:
    """Delete what was chosen, after asking. Raises ConfigError, NotKeptError, StorageError."""
    chosen = [bool(arguments.numbers), arguments.turn is not None, arguments.day is not None, arguments.everything]
    if sum(chosen) != 1:
        raise ConfigError("log delete: name conversations, or one of --turn, --day and --all")
    try:
        open_journal(folder).close()  # here it is said if this is no state folder; nothing is made there
    except StorageError:
        if not arguments.everything:  # which deletes a damaged journal, too
            raise
    gone = erasing.erase_in(
        Layout(folder), partial(_extent, arguments), partial(_agreed, yes=arguments.yes), time.time()
    )
    _print([f"deleted: {text.extent(gone)}" if gone else "nothing was deleted"])


def _extent(arguments: argparse.Namespace, journal: Journal) -> Extent:
    """Return what was chosen. Raises NotKeptError if it is not there."""
    if arguments.everything:
        return erasing.of_all(journal)
    if arguments.day is not None:
        extent = erasing.of_time(journal, *arguments.day)
        if not extent:
            raise NotKeptError("nothing was said on this day (list what there is: field-agent log --all)")
        return extent
    if arguments.turn is not None:
        turn = journal.turn(arguments.turn)
        if turn is None:
            raise NotKeptError(f"turn {arguments.turn}: not in the log (turns are numbered by: field-agent log show N)")
        return erasing.of_turn(journal, turn)
    missing = [str(each) for each in arguments.numbers if journal.conversation(each) is None]
    if missing:
        raise NotKeptError(f"conversation {', '.join(missing)}: not in the log (list them: field-agent log --all)")
    return erasing.of_conversations(journal, sorted(set(arguments.numbers)))


def _agreed(extent: Extent, *, yes: bool) -> bool:
    if yes:
        return True
    sys.stdout.write(f"This deletes {text.extent(extent)}, with recordings and pictures. It cannot be undone.\n")
    sys.stdout.write("Type yes to delete it: ")
    sys.stdout.flush()
    return sys.stdin is not None and sys.stdin.readline().strip().lower() == "yes"


# play


def play_one(arguments: argparse.Namespace, settings: Settings, folder: Path, journal: Journal) -> None:
    """Play the recording of one turn, or write it to a file. Raises ConfigError, NotKeptError, DeviceError."""
    turn = journal.turn(arguments.number)
    pcm, rate = _sound(turn, arguments, folder)
    if arguments.out:
        with files.written(arguments.out, force=arguments.force) as out:
            out.write(files.whole_wav(pcm, rate))
        return
    if settings.audio.speaker_kind is SoundKind.NONE:
        raise ConfigError("[audio] speaker is none, so nothing would be heard (write a file with --out FILE.wav)")
    to_the_end(_play(settings, pcm, rate))


def _sound(turn: TurnRow | None, arguments: argparse.Namespace, folder: Path) -> tuple[bytes, int]:
    """Return the samples to play and their rate. Raises NotKeptError, which says why there are none."""
    name = f"turn {arguments.number}"
    if turn is None:
        raise NotKeptError(f"{name}: not in the log (turns are numbered by: field-agent log show N)")
    layout = Layout(folder)
    path = layout.recording(turn.number)
    if arguments.answer:
        if not turn.answer_audio:
            raise NotKeptError(f"{name}: no recording of its answer (kept for notes only; its text: log show)")
        path = layout.answer(turn.number)
    elif not turn.audio:
        raise NotKeptError(f"{name}: was {turn.kind}, so there is no recording (its text: field-agent log show N)")
    if not path.exists():
        raise NotKeptError(f"{name}: its recording was deleted to make room (for more room: [notes] limit_mb)")
    return files.sound(path)


async def _play(settings: Settings, pcm: bytes, rate: int) -> None:
    """Play ``pcm`` (16-bit mono) to its end on the configured speaker. Raises DeviceError."""
    from hardware import open_devices  # noqa: PLC0415 - no other action needs a device

    chosen = {"audio": {"microphone": "silence"}, "camera": {"source": "none"}}
    chosen |= {"gpio": {"button": "none", "light": "none"}}
    settings = config.override(settings, chosen, where="log play")
    devices = open_devices(settings.devices, asyncio.get_running_loop())
    try:
        await _through(devices.speaker, pcm, rate)
    finally:
        await devices.aclose()


async def _through(speaker: Speaker, pcm: bytes, rate: int) -> None:
    end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def over(fault: DeviceError | None = None) -> None:
        if not end.done() and fault is None:
            end.set_result(None)
        elif not end.done() and fault is not None:
            end.set_exception(fault)

    speaker.start(over, over)
    second = rate * BYTES_PER_SAMPLE
    for start in range(0, len(pcm), second):
        speaker.write(at_speaker_rate(pcm[start : start + second], rate))
        await asyncio.wait([end], timeout=max(0.0, speaker.buffered_s - AHEAD_S))
        if end.done():  # the speaker failed
            break
    speaker.finish()
    await end
    await asyncio.sleep(TAIL_S)


def at_speaker_rate(pcm: bytes, rate: int) -> bytes:
    """Return 16-bit mono audio at the speaker's rate, interpolated linearly: good enough to listen to."""
    if rate == SPEAKER_FORMAT.rate:
        return pcm
    samples = array("h", pcm)
    last = len(samples) - 1
    drawn = array("h")
    for index in range(len(samples) * SPEAKER_FORMAT.rate // rate):
        left, part = divmod(index * rate, SPEAKER_FORMAT.rate)
        before, after = samples[left], samples[min(left + 1, last)]
        drawn.append(before + (after - before) * part // SPEAKER_FORMAT.rate)
    return drawn.tobytes()
