"""Ring 2: a technician's day, drawn by hypothesis: every word is answered or waits, and nothing said is untrue."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import notices
from agent.simulator import Fault
from agent.store.journal import Journal
from agent.store.layout import Layout
from agent.turn.phase import Phase
from agent.voice.phrase import Phrase
from hardware.ports import DeviceError
from tests.support.stage import play, question, stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.status import Snapshot
    from tests.support.stage import Stage

AWAY = Fault("handshake", at_s=0.0, times=0, options={"status": 503})
RESET = Fault("reset", at_s=0.0)
NAMES = ("gauge", "valve", "report", "interjection")
TURNS = 40
"""Of one example; ten examples make two hundred questions and more."""
PATIENCE_S = 7200.0

TRUE_ONLY_IF: dict[Phrase, Callable[[Snapshot], bool]] = {
    Phrase.SAVED_NOT_SENT: lambda now: now.notes_waiting > 0,
    Phrase.CONNECTED_AGAIN: lambda now: not now.link.state.away,
    Phrase.NETWORK_GOOD: lambda now: not now.link.state.away,
    Phrase.NO_NETWORK: lambda now: now.link.state.away,
    Phrase.TOO_LOUD_HOLD_BUTTON: lambda now: now.noisy,
    Phrase.CAMERA_FAULT: lambda now: "camera" in now.faults,
    Phrase.FAULT_CODE: lambda now: bool(now.faults),
}
QUIET = (Phase.ASLEEP, Phase.LISTENING)


class Day:
    """What the technician does, and what of it must be found again."""

    def __init__(self, s: Stage) -> None:
        self.s = s
        self.asked: list[str] = []
        s.agent._observer = self._listen(s.agent._observer)

    def _listen(self, observer: notices.Observer) -> notices.Observer:
        def heard(notice: notices.Notice) -> None:
            if isinstance(notice, notices.EarconPlayed):
                self._check(notice.words)
            observer(notice)

        return heard

    def _check(self, words: tuple[Phrase | int, ...]) -> None:
        now = self.s.agent.snapshot()
        for word in words:
            true = TRUE_ONLY_IF.get(word) if isinstance(word, Phrase) else None
            assert true is None or true(now), (word, now)
        assert not words or now.phase in QUIET, (words, now.phase)

    async def ask(self, name: str) -> None:
        """Ask by voice; wake the box if it sleeps."""
        if self.s.agent.turn.phase is Phase.ASLEEP:
            await self.s.wake()
        await self._say(name)

    async def hold(self, name: str) -> None:
        """Ask with the button held."""
        self.s.box.button.press()
        await self._say(name)
        self.s.box.button.release()

    async def _say(self, name: str) -> None:
        self.asked.append(name)
        await self.s.say(name)
        await asyncio.sleep(1.2)  # the end of speech is found

    async def wait(self, name: str) -> None:
        await asyncio.sleep(3.0 + NAMES.index(name))

    async def rest(self, _: str) -> None:
        await self.s.rest()

    async def leave(self, _: str) -> None:
        await asyncio.sleep(40)

    async def tap(self, _: str) -> None:
        await self.s.box.button.tap()
        await asyncio.sleep(0.5)

    async def photo(self, _: str) -> None:
        await self.s.box.button.double_tap()
        await asyncio.sleep(0.5)

    async def status(self, _: str) -> None:
        await self.s.box.button.triple_tap()
        await asyncio.sleep(5)

    async def offline(self, _: str) -> None:
        self.s.simulator.strike(AWAY)
        self.s.simulator.strike(RESET)
        await asyncio.sleep(2)

    async def reset(self, _: str) -> None:
        if self.s.agent.conversation.link.ready:
            self.s.simulator.strike(RESET)

    async def online(self, _: str) -> None:
        self.s.simulator.relent()

    async def hiccup(self, _: str) -> None:
        self.s.agent.device_watch.fault(DeviceError("microphone", "stopped delivering", "check the plug"))

    async def camera(self, _: str) -> None:
        self.s.agent.device_watch.fault(DeviceError("camera", "gone", "check the cable"))


ACTIONS: list[Callable[[Day, str], Awaitable[None]]] = [
    *(Day.ask, Day.ask, Day.ask, Day.hold, Day.wait, Day.wait, Day.rest, Day.leave, Day.tap, Day.photo),
    *(Day.status, Day.offline, Day.online, Day.reset, Day.hiccup, Day.camera),
]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(NAMES)), min_size=TURNS, max_size=TURNS))
def test_whatever_a_day_brings_every_question_is_answered_or_waits_and_nothing_said_is_untrue(
    story: list[tuple[Callable[[Day, str], Awaitable[None]], str]],
) -> None:
    async def scene() -> list[str]:
        async with stage(paths={"state": state}) as s:
            day = Day(s)
            await asyncio.sleep(1)
            for act, name in story:
                await act(day, name)
            s.simulator.relent()
            async with asyncio.timeout(PATIENCE_S):
                while s.agent.conversation.delivery.notes or not s.agent.conversation.delivery.ledger.idle:
                    await asyncio.sleep(5)
                await s.rest()
            return day.asked

    with tempfile.TemporaryDirectory() as state:
        asked = play(scene())
        check(Path(state), asked)


def check(state: Path, asked: list[str]) -> None:
    """Each question is in the log, whole, and came to an end."""
    journal = Journal(Layout(state).journal, read_only=True)
    rows = [row for each in reversed(journal.conversations()) for row in journal.turns(each.number)]
    journal.close()
    spoken = [row for row in rows if row.kind == "spoken"]
    assert {row.state for row in spoken} <= {"answered", "cut"}, [(row.number, row.state) for row in spoken]
    # Two questions in one breath may be one utterance; no second of either may be missing.
    least = sum(len(question(name)) for name in asked) / 32_000
    assert sum(row.audio_s for row in spoken) >= least, (len(asked), len(spoken))
