"""The keyboard as a button, through a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from typing import TYPE_CHECKING, Any

from hardware.panel.keyboard import LONGEST, KeyboardButton
from hardware.panel.keys import ENTER_PROTOCOL, LEAVE_PROTOCOL, QUERY
from hardware.ports import DeviceHealth

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    import pytest

    from hardware.ports import DeviceError

DOWN, UP = True, False


def no_fault(error: DeviceError) -> None:
    raise error


class Terminal:
    """A person at a terminal: what they type, what they see, and what the button reports."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.happened: list[bool | str] = []
        self.screen = ""

    async def __aenter__(self) -> Self:
        self.before = termios.tcgetattr(self.slave)
        self.keyboard = KeyboardButton(
            asyncio.get_running_loop(),
            self.happened.append,
            lambda: self.happened.append("quit"),
            fd_in=self.slave,
            fd_out=self.slave,
        )
        self.keyboard.start(self.happened.append, no_fault)
        await self.sees(QUERY)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.keyboard.health() == DeviceHealth()
        await self.keyboard.aclose()
        await self.keyboard.aclose()
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is as it was"
        os.close(self.master)
        os.close(self.slave)

    async def types(self, keys: str, *expected: bool | str) -> None:
        self.happened.clear()
        os.write(self.master, keys.encode())
        async with asyncio.timeout(2):
            while len(self.happened) < len(expected):
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        assert self.happened == list(expected)

    async def sees(self, text: str) -> None:
        async with asyncio.timeout(2):
            while text not in self.screen:
                try:
                    self.screen += os.read(self.master, 4096).decode()
                except BlockingIOError:
                    await asyncio.sleep(0.005)


def test_an_ordinary_terminal() -> None:
    async def run() -> None:
        async with Terminal() as terminal:
            await terminal.types("\x1b[?62;c")  # device attributes only: no protocol
            assert not terminal.keyboard.holds
            await terminal.types("\r", DOWN, UP)
            await terminal.types("\t", DOWN)
            await terminal.types("\t", UP)
            await terminal.types("  what is thiz\x7fs? ä\r", "what is this? ä")
            await terminal.sees("what is thiz\b \bs? ä")
            await terminal.types("\x1b[A\x1bOP\x7f   ")
            await terminal.types("\r", DOWN, UP)
            await terminal.types("\x03", "quit")
            await terminal.types("\x04", "quit")

    asyncio.run(run())


def test_a_terminal_that_tells_when_a_key_goes_up() -> None:
    async def run() -> None:
        async with Terminal() as terminal:
            await terminal.types("\x1b[?0u\x1b[?62;c")
            await terminal.sees(ENTER_PROTOCOL)
            assert terminal.keyboard.holds
            await terminal.types("\x1b[32;1:1;32u", DOWN)
            await terminal.types("\x1b[32;1:2;32u\x1b[32;1:2;32u")
            await terminal.types("\x1b[32;1:3u", UP)
            await terminal.types("\x1b[104;1:1;104u\x1b[104;1:3u\x1b[105;2;73u\x1b[32;;32u\x1b[32;1:3u\x1b[13u", "hI")
            await terminal.types("\x1b[13;1:1u\x1b[13;1:3u", DOWN, UP)
            await terminal.types("\x1b[99;5u", "quit")
            await terminal.types("\x1b[57441;2u\x1b[1;1:1A\x1b[x;yu")

    asyncio.run(run())


def test_the_protocol_is_left_behind() -> None:
    async def run() -> None:
        terminal = Terminal()
        async with terminal:
            await terminal.types("\x1b[?0u")
            await terminal.sees(ENTER_PROTOCOL)
            await terminal.keyboard.aclose()
            await terminal.sees(LEAVE_PROTOCOL)

    asyncio.run(run())


def test_a_terminal_that_goes_away_quits() -> None:
    async def run() -> None:
        happened: list[Any] = []
        master, slave = pty.openpty()
        keyboard = KeyboardButton(
            asyncio.get_running_loop(), happened.append, lambda: happened.append("quit"), fd_in=slave, fd_out=slave
        )
        keyboard.start(happened.append, no_fault)
        os.close(master)
        async with asyncio.timeout(2):
            while not happened:
                await asyncio.sleep(0.01)
        assert happened[0] == "quit"
        keyboard._saved = None  # there is nothing left to restore
        await keyboard.aclose()
        os.close(slave)

    asyncio.run(run())


def test_lines_from_a_pipe_are_text_and_its_end_is_told() -> None:
    async def run() -> None:
        happened: list[Any] = []
        reader, writer = os.pipe()
        keyboard = KeyboardButton(
            asyncio.get_running_loop(),
            happened.append,
            lambda: happened.append("quit"),
            on_end=lambda: happened.append(None),
            fd_in=reader,
            fd_out=writer,
        )
        keyboard.start(happened.append, no_fault)
        os.write(writer, "wie groß\n\nsecond ".encode())
        await asyncio.sleep(0.02)
        os.write(writer, b"question\nlast")
        os.close(writer)
        await asyncio.sleep(0.05)
        assert happened == ["wie groß", "second question", "last", None]
        await keyboard.aclose()
        os.close(reader)

    asyncio.run(run())


def test_lines_from_a_file(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("one\ntwo")

    async def run() -> None:
        happened: list[str] = []
        with script.open("rb") as file:
            keyboard = KeyboardButton(
                asyncio.get_running_loop(), happened.append, lambda: None, fd_in=file.fileno(), fd_out=1
            )
            keyboard.start(lambda _: None, no_fault)
            await asyncio.sleep(0.01)
            await keyboard.aclose()
        assert happened == ["one", "two"]

    asyncio.run(run())


def typed_by(file: int) -> tuple[list[str], list[str]]:
    """Give what has happened at once, and all that happens up to the end."""

    async def run() -> tuple[list[str], list[str]]:
        happened: list[str] = []
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        keyboard = KeyboardButton(loop, happened.append, ignore, on_end=over.set, fd_in=file, fd_out=1)
        keyboard.start(ignore, no_fault)
        at_once = happened.copy()
        async with asyncio.timeout(10):
            await over.wait()
        await keyboard.aclose()
        return at_once, happened

    return asyncio.run(run())


def ignore(*_: object) -> None:
    """Whatever it is."""


def test_a_file_is_read_piece_by_piece_so_that_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("a question\n" * 10_000)
    with (tmp_path / "lines").open() as file:
        at_once, all_of_it = typed_by(file.fileno())
    assert at_once == []
    assert all_of_it == ["a question"] * 10_000


def test_a_line_without_an_end_is_the_end() -> None:
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123 - a device is no path
        assert typed_by(endless.fileno()) == ([], [])


def test_a_line_that_is_too_long_is_told_and_what_stood_before_it_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lines").write_text("first\n" + "x" * 2 * LONGEST + "\nthird\n")
    with (tmp_path / "lines").open() as file:
        assert typed_by(file.fileno()) == ([], ["first"])
    assert "a line of more than 100000 characters: it and what follows are not read" in caplog.text
