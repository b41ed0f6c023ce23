"""How things stand, as one frozen value, and that value in words for the technician and in lines for the integrator.

:class:`Snapshot` is the only thing that a screen, the service, metrics, a page or the doctor may read of a running
agent; :meth:`agent.app.Agent.snapshot` makes one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.link.state import LinkState
from agent.link.verdicts import Reach
from agent.voice.phrase import Phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.conversation.conversation import Conversation
    from agent.link.verdicts import Verdict
    from agent.metrics import Counters, TurnSummary
    from agent.mic_path import MicPath
    from agent.turn.machine import Turn
    from agent.turn.phase import Phase
    from agent.voice.phrase import Words
    from hardware.ports import DeviceHealth, Devices, Rhythm

FAR_BEHIND_S = 2.0
"""Speech later than this is as good as kept for later, and the box says so."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The connection and its uplink."""

    state: LinkState
    connections: int  # that became ready, since the start
    bytes_sent: int
    rate: float  # bytes/s that the line is taken to carry
    buffered_ms: float  # how long a byte written now would wait
    lag_s: float  # how late what is said now reaches the service
    audio_rate: int  # Hz, at which speech is sent at present
    failure: Verdict | None = None  # why the last connection or attempt failed; None if it did not


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted since the start."""

    turns: int
    stills: int
    tool_calls: int
    notes_saved: int
    unanswered: int  # utterances that the service would not answer, kept as notes
    unreadable: int  # messages of the service
    missed: int  # answers of which nothing could be heard
    unplayable: int  # pieces of sound that no speaker of ours can play
    refused_s: float  # answer audio that came after its answer was cut
    trimmed_s: float  # pauses left out of live streams
    skipped_s: float  # speech left out of live streams
    frames_sent: int
    frame_bytes: int
    frames_dropped: Mapping[str, int]  # by reason


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the agent."""

    phase: Phase
    rhythm: Rhythm  # what the light shows
    level: float  # about the peak of the microphone's last chunk, 0 to 1
    link: LinkStatus
    notes_waiting: int
    answers_unplayed: int
    faults: frozenset[str]  # parts that need a person
    fault_words: Words
    echo: str  # how far the echo canceller is trusted, in words
    noisy: bool  # too loud to listen hands-free
    turn: TurnSummary | None  # the turn that is being answered, or was last
    answer_owed: bool  # a wanted answer has not come to its end
    totals: Totals
    devices: Mapping[str, DeviceHealth]  # by part


def snapshot(turn: Turn, mic: MicPath, conversation: Conversation, counters: Counters, devices: Devices) -> Snapshot:
    """Look at the parts of a running agent."""
    condition, delivery, latest = turn.condition, conversation.delivery, conversation.dialogue.latest
    return Snapshot(
        phase=turn.phase,
        rhythm=turn.rhythm,
        level=mic.ear.level,
        link=_link(conversation),
        notes_waiting=len(delivery.notes),
        answers_unplayed=delivery.answers.unplayed,
        faults=frozenset(condition.faults),
        fault_words=condition.fault_words,
        echo=mic.acoustics.echo,
        noisy=condition.noisy,
        turn=None if latest is None else latest.summary(),
        answer_owed=conversation.dialogue.pending,
        totals=_totals(conversation, counters),
        devices=MappingProxyType(devices.health()),
    )


def _link(conversation: Conversation) -> LinkStatus:
    link = conversation.link
    return LinkStatus(
        state=link.state,
        connections=link.connections,
        bytes_sent=link.bytes_sent,
        rate=link.uplink.rate,
        buffered_ms=link.buffered_ms,
        lag_s=conversation.lag_s,
        audio_rate=conversation.outbox.degradation.rate,
        failure=link.failure,
    )


def _totals(conversation: Conversation, counters: Counters) -> Totals:
    outbox, ledger = conversation.outbox, conversation.delivery.ledger
    dropped = counters.frames_dropped + Counter(replaced=outbox.frames_replaced, lost=outbox.frames_lost)
    return Totals(
        turns=counters.turns,
        stills=counters.stills,
        tool_calls=counters.tool_calls,
        notes_saved=counters.notes,
        unanswered=counters.unanswered,
        unreadable=counters.unreadable,
        missed=counters.missed,
        unplayable=counters.unplayable,
        refused_s=counters.refused_s,
        trimmed_s=ledger.trimmed_s,
        skipped_s=ledger.skipped_s,
        frames_sent=counters.frames_sent,
        frame_bytes=counters.frame_bytes,
        frames_dropped=MappingProxyType(dict(dropped.most_common())),
    )


def words(now: Snapshot) -> Words:
    """Return what the box says of its status: what is wrong, whether the service can be reached, what waits."""
    return (*now.fault_words, *_network(now), *_count(now.notes_waiting))


def line(now: Snapshot) -> str:
    """Return link, line, notes and echo as one line for the log."""
    link = now.link
    why = f": {link.failure}" if link.failure is not None else ""
    return (
        f"link {link.state.value}{why}, {now.notes_waiting} notes waiting, {now.answers_unplayed} answers unplayed, "
        f"late by {1000 * link.lag_s:.0f} ms, line {link.rate / 125:.0f} kbit/s, "
        f"{link.buffered_ms:.0f} ms buffered, {now.echo}"
    )


def tally(now: Snapshot) -> str:
    """Return what was counted, as one line; what was lost or left out is shown, not only known."""
    totals = now.totals
    return (
        f"{totals.turns} turns, {now.link.connections} connections, {totals.frames_sent} frames sent, "
        f"{sum(totals.frames_dropped.values())} dropped, {totals.stills} stills, {totals.tool_calls} tool calls, "
        f"{totals.notes_saved} notes saved, {totals.unanswered} questions refused, "
        f"{totals.trimmed_s:.1f} s of pauses and {totals.skipped_s:.1f} s of speech left out, "
        f"{totals.refused_s:.1f} s of answers refused, {totals.unreadable} messages unreadable, "
        f"{totals.missed} answers without a sound, {totals.unplayable} pieces of sound unplayable; "
        f"{_losses(now.devices)}"
    )


LOSSES = {
    "dropped": "{} dropped",
    "glitches": "{} glitches",
    "underruns": "{} underruns",
    "dropped_s": "{:.1f} s dropped",
    "refused_s": "{:.1f} s refused",
    "missed_edges": "{} edges found late",
}
"""How each field of DeviceHealth is printed; one that is zero is not."""


def _losses(devices: Mapping[str, DeviceHealth]) -> str:
    found = [
        f"{part} {words.format(value)}"
        for part, health in devices.items()
        for field, words in LOSSES.items()
        if (value := getattr(health, field))
    ]
    return ", ".join(found) or "devices lost nothing"


REACHED = {
    Reach.NOWHERE: Phrase.NO_NETWORK,
    Reach.NETWORK: Phrase.NO_INTERNET,
    Reach.SERVICE: Phrase.NO_SERVICE,
}


def _network(now: Snapshot) -> Words:
    """Return what is known of the way to the service; nothing while the first attempt is made, or is made again."""
    failure = now.link.failure
    if failure is not None and failure.fault is not None:
        words = failure.fault.words
        return () if now.fault_words[-len(words) :] == words else words
    if failure is not None:
        return () if failure.reach is None else (REACHED[failure.reach],)
    if now.link.state is LinkState.CONNECTING:
        return ()
    return (Phrase.NETWORK_SLOW if now.link.lag_s > FAR_BEHIND_S else Phrase.NETWORK_GOOD,)


def _count(notes: int) -> Words:
    if notes == 1:
        return (Phrase.NOTE_WAITING,)
    return (notes, Phrase.NOTES_WAITING) if notes else (Phrase.NO_NOTES,)
