"""Every scenario of the simulator at every phase of a turn: what is done to the box, and what must have come of it.

``python -m tests.support.matrix`` runs all of it and prints the table of ``docs/reliability.md``; with ``--write`` it
is put there. ``tests/whole/test_fault_matrix.py`` runs each cell and holds it against the page.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import notices
from agent.link.state import LinkState
from agent.simulator import Call, Fault, Scenario, names, shipped
from agent.simulator.scenario import AT_OPENING
from agent.simulator.voice import ASSETS, read_answer, read_script
from agent.store.journal import Journal
from agent.turn.phase import Phase
from tests.support.moody_disk import Mood, moody
from tests.support.stage import play, question, stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from agent.simulator.memory import Utterance
    from agent.store.rows import TurnRow
    from tests.support.moody_disk import MoodyDisk
    from tests.support.stage import Stage

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
QUESTIONS = ("gauge", "valve", "interjection")
"""In the order of the script, so that a line too thin to know them by their samples answers them alike."""
RECALL = "What have we talked about?"
STRUCK = 2
"""The turn around which things go wrong."""
FASTER: dict[str, Any] = {"turn": {"follow_up_s": 2.0}, "video": {"fps": 0.0}}
RESET = Fault("reset", at_s=0.0)
GO_AWAY = Fault("go_away", at_s=0.0, options={"time_left_s": 10.0, "abort": True})
SETTLE_S = 1800.0
MOOD_S = 6.0
"""How long the disk has its mood: longer than any single write waits."""
MEMORY = Path("/dev/shm")
"""A disk that need not be waited for, where there is one."""

SIGNS = {
    "-": "nothing to repair",
    "r": "resumed",
    "t": "told anew",
    "S": "sent again",
    "R": "rest asked for",
    "N": "note",
}

NEED_AN_ANSWER = ("first audio", "mid-answer", "tool pending")
"""Phases that a turn which is answered with nothing does not have: there the empty turn is the one before."""
MISSED = ("empty_turn", "near_silent")
"""Scenarios with a turn answered with nothing that can be heard: asked, asked again, and once more as a note."""
THIN = {"slow_read"}
"""A line too narrow for speech: what arrives is thinner than what was said, and is not compared sample by sample."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario, or mood of the disk, striking at one phase."""

    scenario: str
    phase: str

    def __str__(self) -> str:
        return f"{self.scenario}-{self.phase}".replace(" ", "_")


@dataclass(slots=True)
class Run:
    """What was left behind by one cell."""

    cell: Cell
    stage: Stage
    rows: list[TurnRow]
    unsent: list[str]  # recordings still owed

    def missed(self, name: str) -> bool:
        """Whether the scenario answers this question with nothing that can be heard."""
        return self.cell.scenario in MISSED and QUESTIONS.index(name) == missed_turn(self.cell) - 1

    def empty(self, name: str) -> bool:
        """Whether the scenario answers this question with nothing at all."""
        return self.missed(name) and self.cell.scenario == "empty_turn"

    @property
    def heard(self) -> list[Utterance]:
        return self.stage.simulator.utterances

    def deliveries(self, name: str) -> list[Utterance]:
        """The windows with the whole of a question in them."""
        return [u for u in self.heard if question(name) in bytes(u.pcm)]


# what goes wrong


def upset(disk: MoodyDisk, mood: Mood) -> None:
    """Put the disk into a mood for a while."""
    disk.mood = mood
    asyncio.get_running_loop().call_later(MOOD_S, setattr, disk, "mood", Mood.FINE)


def faults_of(name: str) -> list[Fault]:
    """The faults of a scenario, without their triggers; a style has none, and the line breaks instead."""
    return [
        replace(fault, turn=None, when=None, at_s=0.0, after_s=0.0, connections=frozenset())
        for fault in shipped(name).faults
    ] or [RESET]


def run_of(cell: Cell) -> Scenario:
    """The scenario without its faults, and with what it does to a turn done to the struck one."""
    whole = Scenario() if cell.scenario in MOODS else shipped(cell.scenario)
    struck = STRUCK + (STRUCK - missed_turn(cell))  # a question that is asked again counts as a turn
    calls = tuple(replace(call, turn=struck) for call in whole.calls)
    if cell.phase == "tool pending" and not calls:
        calls = (Call(struck, "take_still", blocking=True),)
    turns = {missed_turn(cell): style for style in whole.turns.values()}
    return replace(whole, faults=(), calls=calls, turns=turns)


def missed_turn(cell: Cell) -> int:
    """The turn that a scenario of one turn is about."""
    return STRUCK - (cell.scenario in MISSED and cell.phase in NEED_AN_ANSWER)


def strike(s: Stage, cell: Cell) -> None:
    """Trigger the fault now. A fault of opening a connection needs the present connection to break."""
    if cell.scenario in MOODS:
        assert s.disk is not None
        upset(s.disk, MOODS[cell.scenario])
        return
    faults = faults_of(cell.scenario)
    if all(fault.kind in AT_OPENING for fault in faults):
        faults.append(RESET)
    for fault in sorted(faults, key=lambda fault: fault.kind not in AT_OPENING):
        s.simulator.strike(fault)


@contextmanager
def struck_at(s: Stage, cell: Cell, moment: str) -> Iterator[None]:
    """Strike when the simulator puts ``moment`` on record, once."""
    armed = True

    def look(kind: str, _: dict[str, Any]) -> None:
        nonlocal armed
        if armed and kind == moment:
            armed = False
            strike(s, cell)

    s.simulator._recorder.observer = look
    try:
        yield
    finally:
        s.simulator._recorder.observer = None
        assert not armed, f"{moment} never came"


# the phases


async def asleep(s: Stage, cell: Cell) -> None:
    await s.until(Phase.ASLEEP)
    strike(s, cell)
    await asyncio.sleep(0.5)
    await ask(s, QUESTIONS[1])


async def connecting(s: Stage, cell: Cell) -> None:
    with struck_at(s, cell, "open"):
        s.simulator.strike(RESET)
        await ask(s, QUESTIONS[1])


async def listening(s: Stage, cell: Cell) -> None:
    await awake(s)
    strike(s, cell)
    await asyncio.sleep(0.2)
    await ask(s, QUESTIONS[1])


async def mid_utterance(s: Stage, cell: Cell) -> None:
    await awake(s)
    asyncio.get_running_loop().call_later(1.5, strike, s, cell)
    await ask(s, QUESTIONS[1])


async def at_go_away(s: Stage, cell: Cell) -> None:
    await awake(s)
    s.simulator.strike(GO_AWAY)
    await asyncio.sleep(0.02)
    strike(s, cell)
    await ask(s, QUESTIONS[1])


async def mid_answer(s: Stage, cell: Cell) -> None:
    await ask(s, QUESTIONS[1], rest=False)
    await s.box.room.hears_answer(2.5)
    strike(s, cell)
    await answered(s)


def at_moment(moment: str) -> Callable[[Stage, Cell], Awaitable[None]]:
    async def scene(s: Stage, cell: Cell) -> None:
        with struck_at(s, cell, moment):
            await ask(s, QUESTIONS[1])

    return scene


PHASES = {
    "asleep": asleep,
    "connecting": connecting,
    "listening": listening,
    "mid-utterance": mid_utterance,
    "after activityEnd": at_moment("asked"),
    "first audio": at_moment("first_audio"),
    "mid-answer": mid_answer,
    "tool pending": at_moment("tool_call"),
    "at goAway": at_go_away,
}
MOODS = {mood.value: mood for mood in Mood if mood is not Mood.FINE}
ROWS = [*names(), *MOODS]
CELLS = [Cell(row, phase) for row in ROWS for phase in PHASES]


async def awake(s: Stage) -> None:
    if s.agent.turn.phase is Phase.ASLEEP:
        await s.wake()


async def ask(s: Stage, name: str, *, rest: bool = True) -> None:
    """Ask as soon as nobody else speaks; ``rest``: and wait until the box listens or sleeps again."""
    await awake(s)
    await s.say(name)
    await asyncio.sleep(1.0)  # the endpointer's silence
    if rest:
        await answered(s)


async def answered(s: Stage) -> None:
    """Wait until nothing is asked any more, and nothing answered."""
    async with asyncio.timeout(SETTLE_S):
        while not at_rest(s):
            await asyncio.sleep(0.05)


# one cell


def run(cell: Cell) -> Run:
    """Play one cell in virtual time."""
    random.seed(1)  # the jitter of the back-off
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as state:
        return play(scene(cell, Path(state)))


async def three_questions(s: Stage, cell: Cell) -> None:
    """Ask three questions, and something goes wrong at the second."""
    await s.until_link(LinkState.UP)
    await ask(s, QUESTIONS[0])
    await PHASES[cell.phase](s, cell)
    await ask(s, QUESTIONS[2])
    await settle(s)
    await recall(s)


async def scene(cell: Cell, state: Path) -> Run:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    troubles: list[dict[str, Any]] = []
    with moody(state) as disk:
        async with stage(run_of(cell), paths={"state": str(state)}, **FASTER) as s:
            s.disk = disk
            await three_questions(s, cell)
    assert not troubles, troubles
    journal = Journal(state / "journal.db", read_only=True)
    rows = [row for each in reversed(journal.conversations()) for row in journal.turns(each.number)]
    journal.close()
    return Run(cell, s, rows, sorted(file.name for file in (state / "spool" / "unsent").glob("*.wav")))


async def settle(s: Stage) -> None:
    """Bring the network back if it is away, and tap until nothing waits."""
    s.simulator.relent()
    delivery = s.agent.conversation.delivery
    async with asyncio.timeout(SETTLE_S):
        while delivery.notes or not at_rest(s):
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)
        while delivery.answers.unplayed:
            await awake(s)
            await asyncio.sleep(0.5)
        await answered(s)


async def recall(s: Stage) -> None:
    """Ask once more, in writing: what the session knows by then is what it was not made to forget."""
    s.agent.ask(RECALL)
    await asyncio.sleep(1.0)
    await answered(s)


def at_rest(s: Stage) -> bool:
    resting = s.agent.turn.phase in (Phase.LISTENING, Phase.ASLEEP)
    return resting and s.agent.conversation.delivery.ledger.idle and not s.box.speaker.buffered_s


# what must have come of it


def check(outcome: Run) -> None:
    """Hold it against the promise, from both sides."""
    check_deliveries(outcome)
    check_log(outcome)
    check_speaker(outcome)
    check_memory(outcome)
    began = [each.part for each in outcome.stage.all(notices.FaultBegan)]
    ended = [each.part for each in outcome.stage.all(notices.FaultEnded)]
    assert began == ended
    assert set(began) <= ({"storage", "storage full"} if outcome.cell.scenario in MOODS else set())


def check_deliveries(outcome: Run) -> None:
    """(a) The service heard each question whole, and answered it once, in the order in which they were said."""
    if outcome.cell.scenario in THIN:
        served = [u for u in outcome.heard if serves(u) and RECALL not in u.texts]
        assert len(served) == len(QUESTIONS), told(outcome)
        return
    answered = []
    for name in QUESTIONS:
        whole = outcome.deliveries(name)
        assert whole, f"{name} never arrived whole: {told(outcome)}"
        served = [u for u in whole if serves(u)]
        times = 3 if outcome.missed(name) else 1
        assert len(served) == times, f"{name} was answered {len(served)} times: {told(outcome)}"
        answered.append(served[0].number)
        assert all(u.outcome in ("cut", "lost", "interrupted") for u in whole if u not in served), told(outcome)
    noted = [row.number for row in outcome.rows if row.saved_at is not None]
    assert noted or answered == sorted(answered), f"out of order: {told(outcome)}"


def serves(utterance: Utterance) -> bool:
    """Whether this delivery led to the answer."""
    return utterance.generated or utterance.outcome == "empty"


def check_log(outcome: Run) -> None:
    """(b) The shadow log has each question once, in order, with one whole answer, and nothing is owed."""
    spoken = [row for row in outcome.rows if row.kind == "spoken"]
    assert [row.state for row in spoken] == ["answered"] * len(QUESTIONS), [(r.number, r.state) for r in outcome.rows]
    for row, name in zip(spoken, QUESTIONS, strict=True):
        wanted = "" if outcome.empty(name) else answer_of(name)
        assert " ".join(row.answer.split()) == wanted, f"{name}: {row.answer!r}"
        assert question_of(name) == row.question or not wanted, f"{name}: {row.question!r}"
        assert not row.interrupted, f"{name} was interrupted"
    assert outcome.unsent == []


def check_speaker(outcome: Run) -> None:
    """(c) Each answer sounded once."""
    played = outcome.stage.box.speaker.pcm
    for name in QUESTIONS:
        if outcome.missed(name):
            continue
        counts = [played.count(piece) for piece in samples(name)]
        allowed = 0.15 if "R" in repaired(outcome) else 0.05
        wrong = sum(count != 1 for count in counts)
        assert wrong <= allowed * len(counts), f"{name}: {counts}"


def check_memory(outcome: Run) -> None:
    """(d) The session in which a last question was answered knows the earlier turns, or was told of them."""
    last = next(u for u in reversed(outcome.heard) if RECALL in u.texts and serves(u))
    entries = [entry.text for entry in outcome.stage.simulator.sessions[last.session - 1].history]
    remarks = [text for u in outcome.heard if u.session == last.session for text in u.texts]
    known = " ".join(" ".join([*entries, *remarks]).split())
    for name in QUESTIONS:
        assert outcome.empty(name) or answer_of(name)[-20:] in known, f"{name} is not in {known!r}"
        assert question_of(name) in known or outcome.empty(name), f"{name} is not in {known!r}"


def repaired(outcome: Run) -> str:
    """How the cell was repaired, in the letters of ``SIGNS``."""
    replayed = outcome.stage.all(notices.ConversationReplayed)
    report = outcome.stage.simulator.report()
    session = "t" if replayed else "r" if any(each["accepted"] for each in report["resumptions"]) else ""
    again = any(u.repeat_of for u in outcome.heard)
    rest = any("Go on exactly" in text for u in outcome.heard for text in u.texts)
    note = any(row.saved_at is not None for row in outcome.rows)
    question_ = "N" * note + "R" * rest + "S" * (again and not rest and not note)
    return session + question_ or "-"


def told(outcome: Run) -> list[tuple[Any, ...]]:
    """The deliveries in short, for the message of a failure."""
    return [
        (u.number, u.connection, u.session, u.turn, in_it(u), round(u.seconds, 1), u.outcome) for u in outcome.heard
    ]


def in_it(utterance: Utterance) -> str:
    return "+".join(name for name in QUESTIONS if question(name) in bytes(utterance.pcm))


def question_of(name: str) -> str:
    return next(asked for line, asked, _ in read_script(ASSETS).lines if line == name)


def answer_of(name: str) -> str:
    return next(answer for line, _, answer in read_script(ASSETS).lines if line == name)


@cache
def samples(name: str) -> list[bytes]:
    """Pieces of 20 ms of an answer, four a second, that occur in no other place."""
    answers = [read_answer(ASSETS, each) for each in QUESTIONS]
    pcm = answers[QUESTIONS.index(name)]
    pieces = [pcm[at : at + 960] for at in range(0, len(pcm) - 960, 12_000)]
    return [piece for piece in pieces if sum(each.count(piece) for each in answers) == 1]


# the page


def table(signs: dict[Cell, str]) -> str:
    head = ["scenario", *PHASES]
    lines = [head, ["---"] * len(head)]
    lines += [[f"`{name}`", *(signs[Cell(name, phase)] for phase in PHASES)] for name in ROWS]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def on_page() -> dict[Cell, str]:
    """What the page says of each cell."""
    text = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [re.split(r"\s*\|\s*", line.strip("| \n")) for line in text.splitlines()[2:]]
    return {Cell(row[0].strip("`"), phase): sign for row in rows for phase, sign in zip(PHASES, row[1:], strict=True)}


def main() -> None:
    signs = {}
    for cell in CELLS:
        outcome = run(cell)
        try:
            check(outcome)
            signs[cell] = repaired(outcome)
        except AssertionError as error:
            signs[cell] = "?"
            sys.stderr.write(f"{cell}: {error}\n")
    text = table(signs)
    if sys.argv[1:] == ["--write"]:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(before + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
