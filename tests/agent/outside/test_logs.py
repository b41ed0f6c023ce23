"""Whatever a library logs, through whatever handler, and whatever crashes: no key is in it, and no line is forged."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from agent.outside.logs import INDENT, guard, traceback_text
from agent.outside.redactor import MARK
from agent.outside.text import learn

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "AIzaSyD-ExampleOfAKey_0123456789abcdefg"
EVIL = f"bad \x1b[2J{KEY}\nERROR forged\u202e line"
TOLD = f"bad [2J{MARK} ERROR forged line"


@pytest.fixture(autouse=True)
def _guarded() -> None:
    learn(KEY)
    guard()


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What a third party's own logger, handler and formatter print."""
    out, handler, log = io.StringIO(), logging.StreamHandler(), logging.getLogger("third.party")
    handler.setStream(out)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield out
    log.removeHandler(handler)


def raised() -> ValueError:
    def library() -> None:
        raise ValueError(EVIL)

    try:
        library()
    except ValueError as error:
        return error
    raise AssertionError


def test_the_message_of_a_third_party_is_one_line_without_the_key(printed: io.StringIO) -> None:
    logging.getLogger("third.party").debug("> %s: %s", "x-goog-api-key", EVIL)
    assert printed.getvalue() == f"DEBUG > x-goog-api-key: {MARK} [2J{MARK} ERROR forged line\n"


def test_a_record_holds_nothing_else_for_those_who_look_into_it() -> None:
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    log = logging.getLogger("third.party")
    log.addHandler(handler := Keeper())
    try:
        log.error("it %s", EVIL, exc_info=raised())
    finally:
        log.removeHandler(handler)
    (record,) = records
    assert record.getMessage() == f"it {TOLD}"
    assert KEY not in repr(vars(record))


def test_a_traceback_in_the_log_is_indented_and_without_the_key(printed: io.StringIO) -> None:
    logging.getLogger("third.party").error("failed", exc_info=raised(), stack_info=True)
    first, *rest = printed.getvalue().splitlines()
    assert first == "ERROR failed"
    assert all(line.startswith(INDENT) for line in rest)
    assert f"{INDENT * 2}ValueError: bad [2J{MARK}" in rest
    assert KEY not in printed.getvalue()
    assert any("stack_info=True" in line for line in rest)


def test_an_exception_that_there_is_none_of_is_no_traceback(printed: io.StringIO) -> None:
    logging.getLogger("third.party").error("nothing", exc_info=(None, None, None))
    assert printed.getvalue().startswith("ERROR nothing\n")


def test_arguments_that_do_not_fit_are_not_printed(printed: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("third.party").error(f"%d {EVIL}", "a word")  # noqa: G004 - as a library may
    assert printed.getvalue() == f"ERROR %d {TOLD} (not formatted: TypeError)\n"
    assert capsys.readouterr().err == ""


def test_a_crash_shows_where_without_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    error = raised()
    sys.excepthook(type(error), error, error.__traceback__)
    told = capsys.readouterr().err
    assert "in raised" in told
    assert f"\n{INDENT}ValueError: bad [2J{MARK}\n{INDENT}ERROR forged line\n" in told
    assert KEY not in told


def test_a_crash_of_a_thread_too(capsys: pytest.CaptureFixture[str]) -> None:
    def crash() -> None:
        raise ValueError(EVIL)

    def leave() -> None:
        sys.exit(KEY)

    for target in (crash, leave):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    told = capsys.readouterr().err
    assert "in crash" in told
    assert "in leave" not in told
    assert KEY not in told


def test_what_nobody_can_catch_too(capsys: pytest.CaptureFixture[str]) -> None:
    class Fails:
        def __del__(self) -> None:
            raise ValueError(EVIL)

    Fails()
    told = capsys.readouterr().err
    assert "in __del__" in told
    assert KEY not in told


def test_what_a_task_leaves_behind_too(printed: io.StringIO) -> None:
    loop = asyncio.new_event_loop()
    logging.getLogger("asyncio").addHandler(handler := logging.StreamHandler(printed))
    try:
        loop.call_exception_handler({"message": EVIL, "exception": raised()})
    finally:
        logging.getLogger("asyncio").removeHandler(handler)
        loop.close()
    assert "ValueError: bad" in printed.getvalue()
    assert KEY not in printed.getvalue()
    assert "\nERROR" not in printed.getvalue()


def test_a_closed_stderr_hides_no_other_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    error = raised()
    sys.excepthook(type(error), error, error.__traceback__)


def test_an_error_without_a_traceback_is_one_line() -> None:
    assert traceback_text(ValueError, ValueError(KEY), None) == f"ValueError: {MARK}"
