"""A box at work on its journal and spool, as a list of operations, and a process that is killed while it does them.

``python -m tests.support.crash_workload`` forks a child for every request on its standard input, so that no kill costs
the start of an interpreter. The child says what it has done on standard output, and its parent that it is gone.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.store.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_BYTES = 100_000_000
SHORT_OF = ("open", "write", "fsync", "fdatasync", "ftruncate", "replace", "rename", "unlink", "mkdir")
"""The calls of the operating system, before each of which a child may be killed."""
write = os.write  # as it is before a test replaces it


class Operation(NamedTuple):
    """One call of the journal or the spool."""

    target: str
    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def on(self, journal: Journal, spool: Spool) -> None:
        getattr(journal if self.target == "journal" else spool, self.method)(*self.arguments, **self.options)


class Script:
    """What a box does; the times and texts are made up, and always the same."""

    def __init__(self, rounds: int) -> None:
        self.operations: list[Operation] = []
        self.at = 1_000_000.0
        for each in range(rounds):
            self.round(first=each * 5 + 1, conversation=each * 2 + 1)

    def journal(self, method: str, *arguments: Any, **options: Any) -> None:
        self.at += 1.5
        self.operations.append(Operation("journal", method, arguments, options))

    def spool(self, method: str, *arguments: Any) -> None:
        self.operations.append(Operation("spool", method, arguments, {}))

    def round(self, first: int, conversation: int) -> None:
        """Two conversations, whose numbers the journal gives, of five turns."""
        call = (conversation + 1) // 2
        self.journal("begin_conversation", "a-model", self.at)
        self.journal("add_event", self.at, "power", "switched on", conversation)
        self.journal("greeted", conversation)
        self.journal("keep_handle", conversation, "handle-" * 20, self.at)
        self.record(first, conversation)
        self.journal("add_still", conversation, first, self.at, f"{first:06}.jpg", 40_000)
        self.ask(first)
        self.journal("begin_call", conversation, first, f"id-{first}", "torch", {"on": True, "level": 3}, self.at)
        self.journal("end_call", call, {"ok": True, "note": "ü" * 40}, self.at)
        self.answer(first)
        self.journal("begin_turn", first + 1, conversation, "typed", self.at, text="What is this? " * 5)
        self.ask(first + 1)
        self.journal("update_turn", first + 1, state="unanswered", reason="the line went away")
        self.given_up(first + 2, conversation)
        self.journal("keep_handle", conversation, "", self.at)
        self.journal("begin_conversation", "a-model", self.at)
        self.note(first + 3, first + 4, conversation + 1)
        self.journal("touch", conversation + 1, self.at)
        self.journal("erase", [conversation], [], [], (0.0, self.at - 30.0))
        for number in range(first, first + 3):
            self.spool("forget", number)

    def record(self, number: int, conversation: int, chunks: int = 4) -> None:
        self.journal("begin_turn", number, conversation, "spoken", self.at, audio=f"{number:06}.wav")
        self.spool("open", number)
        for chunk in range(chunks):
            self.spool("append", number, speech(number, chunk))
            if chunk % 2:
                self.spool("sync", number)
        self.spool("append", number, speech(number, chunks)[:101])  # and half a sample
        self.spool("close", number)
        self.journal("update_turn", number, state="waiting", ended_at=self.at, audio_s=chunks * 0.02)

    def ask(self, number: int) -> None:
        self.journal("update_turn", number, state="asked", attempts=1, delivered_at=self.at, frames=3)

    def answer(self, number: int) -> None:
        """The journal first: a cut in between leaves a recording that is owed to nobody, and start-up moves it."""
        words = "The pressure is four bar. " * 8
        texts = {"question": words, "answer": words}
        self.journal("update_turn", number, state="answered", answered_at=self.at, tokens=120, **texts)
        self.spool("sent", number)

    def given_up(self, number: int, conversation: int) -> None:
        self.journal("begin_turn", number, conversation, "spoken", self.at, audio=f"{number:06}.wav")
        self.spool("open", number)
        self.spool("append", number, speech(number, 0))
        self.spool("sync", number)
        self.journal("update_turn", number, state="cut", reason="nobody wants it any more")
        self.spool("sent", number)

    def note(self, number: int, beside: int, conversation: int) -> None:
        """A note that is answered later, while the next utterance is recorded."""
        self.record(number, conversation)
        self.journal("update_turn", number, saved_at=self.at)
        self.journal("add_event", self.at, "network", "the network is away", conversation)
        self.record(beside, conversation)
        self.ask(number)
        self.spool("write_answer", number, speech(number, 7) * 2)
        self.journal("update_turn", number, answer_audio=f"{number:06}-answer.wav", answer_s=0.2)
        self.answer(number)
        self.journal("update_turn", number, played_at=self.at, played="The pressure", interrupted=True)


def speech(number: int, chunk: int) -> bytes:
    """20 ms that differ from any other."""
    return b"".join(((number * 7919 + chunk * 640 + sample) % 65536).to_bytes(2, "little") for sample in range(320))


def opened(folder: Path) -> tuple[Journal, Spool]:
    return Journal(folder / "state" / "journal.db"), Spool(Layout(folder), LIMIT_BYTES)


def die_before_call(last: int, *, torn: bool) -> None:
    """Kill this process at the ``last``-th of the calls; ``torn``: after half of what it writes, if it writes."""
    calls = 0

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == last:
                if torn and name == "write":
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call

    for name in SHORT_OF:
        setattr(os, name, watched(name, getattr(os, name)))


def die_at_size(size: int) -> None:
    """Make the kernel kill this process in the middle of the write that makes any file longer than ``size``."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def work(request: dict[str, Any]) -> None:
    """Do it all, saying so step by step, and wait to be killed."""
    write(1, b"pid %d\n" % os.getpid())
    script = Script(request["rounds"])
    if "call" in request:
        die_before_call(request["call"], torn=request["torn"])
    if "size" in request:
        die_at_size(request["size"])
    journal, spool = opened(Path(request["folder"]))
    write(1, b"ready\n")
    for number, operation in enumerate(script.operations):
        operation.on(journal, spool)
        write(1, b"ack %s %d\n" % (operation.method.encode(), number))
    write(1, b"done\n")
    signal.pause()


def serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                work(json.loads(line))
            except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a second parent
                traceback.print_exc()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        write(1, b"gone %d\n" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    serve()
