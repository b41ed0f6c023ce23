"""What the command ``tune`` and the first boot share: opening the cards, storing the result, printing the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.store import tunings
from agent.store.folder import folder_of

if TYPE_CHECKING:
    import asyncio

    from agent.config import Settings
    from hardware.tuning.rig import CardRig
    from hardware.tuning.session import Opener, TuningResult

HEADLINES = {"good": "good: nothing to change", "limits": "usable, with limits", "unusable": "not usable like this"}
LISTED = 4
"""Lines under the headline: five lines in all are as much as one reads on top of a ladder."""


def on_cards(settings: Settings, loop: asyncio.AbstractEventLoop) -> Opener:
    """Return a function that opens the cards of this box for tuning."""
    from hardware.tuning.rig import CardRig  # noqa: PLC0415 - numpy, which a box without cards may lack

    def opened(microphone: str, *, speaks: bool) -> CardRig:
        return CardRig(loop, replace(settings.audio, microphone=microphone), speaks=speaks)

    return opened


def keep(settings: Settings, result: TuningResult) -> None:
    """Store the result of tuning these devices. Raises ConfigError, StorageError."""
    levels = tunings.audio_levels(settings.audio)
    tunings.save(folder_of(settings), tunings.Tuning(result.device, result.result, result.figures.rounded, levels))


def verdict(outcome: TuningResult) -> list[str]:
    """Return the verdict as at most five lines: the headline, then the most important findings first."""
    count = len(outcome.findings)
    rest = f" (the first {LISTED} of {count} points)" if count > LISTED else ""
    listed = [f"  {number}. {each.line}" for number, each in enumerate(outcome.findings[:LISTED], 1)]
    return [f"{HEADLINES[outcome.result]}{rest}", *listed]
