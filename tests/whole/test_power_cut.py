"""The whole program, killed in mid-sentence without a network: when it is back, the question is asked, and answered."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from agent.simulator import Simulator
from agent.simulator.voice import ASSETS
from agent.store.journal import Journal
from tests.support.command import started
from tests.support.stage import question

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real_time

SPEAKS_S = 3.0
BEHIND_S = 1.0
"""What a power cut may cost."""
PATIENCE_S = 20.0


@pytest.mark.parametrize("connected", [True, False])
def test_a_battery_pulled_in_mid_sentence_costs_at_most_the_last_second(tmp_path: Path, *, connected: bool) -> None:
    async def scene() -> None:
        async with Simulator() as service:
            await asyncio.to_thread(speak_and_pull_the_plug, service.url if connected else "ws://127.0.0.1:9", tmp_path)
            async with Simulator() as other:
                await asyncio.to_thread(switch_on_again, other, tmp_path)
                (asked,) = [each for each in other.utterances if each.outcome == "complete"]
        whole, kept = question("gauge"), bytes(asked.pcm)
        begin = kept.find(whole[:6400])  # the pre-roll comes first
        assert begin >= 0
        spoken = kept[begin:]
        assert whole.startswith(spoken)
        assert len(spoken) / 32_000 >= SPEAKS_S - BEHIND_S - 1.0  # the microphone took up to a second to begin
        assert "a moment ago" in asked.texts[0]

    asyncio.run(scene())
    journal = Journal(tmp_path / "kept" / "journal.db", read_only=True)
    rows = [row for each in journal.conversations() for row in journal.turns(each.number)]
    journal.close()
    assert [row.state for row in rows] == ["answered"]


def box(state: Path, url: str, microphone: str) -> list[str]:
    """Write a configuration for a box without a button, and return the command that runs it."""
    config = state / "config.toml"
    config.write_text(
        f'[service]\nurl = "{url}"\n[paths]\nstate = "{state}/kept"\n'
        f'[audio]\nmicrophone = "{microphone}"\nspeaker = "none"\n'
        '[camera]\nsource = "none"\n[gpio]\nbutton = "none"\nlight = "none"\n'
    )
    return ["run", "--config", str(config)]


def speak_and_pull_the_plug(url: str, state: Path) -> None:
    """Play a question to the box, and kill it before the end."""
    with started(*box(state, url, str(ASSETS / "questions" / "gauge.wav")), GEMINI_API_KEY="key") as process:
        wait_until(lambda: any((state / "kept" / "spool" / "unsent").glob("*.wav")))
        time.sleep(SPEAKS_S - 0.5)
        process.kill()
        process.wait()


def switch_on_again(service: Simulator, state: Path) -> None:
    """Start it where there is a network, and wait for the answer."""
    with started(*box(state, service.url, "silence"), GEMINI_API_KEY="key"):
        wait_until(lambda: any(each.outcome == "complete" for each in service.utterances))
        time.sleep(1.0)


def wait_until(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < limit, "nothing came"
        time.sleep(0.05)
