"""How things stand, in words for the technician's ear and in lines for the integrator's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.voice.phrase import Phrase

if TYPE_CHECKING:
    from agent.conversation.conversation import Conversation
    from agent.metrics import Counters
    from agent.voice.phrase import Words

FAR_BEHIND_S = 2.0
"""Speech later than this is as good as kept for later, and the box says so."""


def words(fault_words: Words, conversation: Conversation) -> Words:
    """Return what is said when somebody asks: what is wrong, whether the service can be reached, what waits."""
    return (*fault_words, _network(conversation), *_count(len(conversation.delivery.notes)))


def line(conversation: Conversation, echo: str) -> str:
    """Return the same and more as a line."""
    link, delivery = conversation.link, conversation.delivery
    return (
        f"link {link.state.value}, {len(delivery.notes)} notes waiting, {delivery.unplayed} answers unheard, "
        f"late by {1000 * conversation.lag_s:.0f} ms, line {link.uplink.rate / 125:.0f} kbit/s, "
        f"{link.buffered_ms:.0f} ms buffered, {echo}"
    )


def tally(counters: Counters, conversation: Conversation) -> str:
    """Return what was counted, as one line; what was lost or left out is shown, not only known."""
    outbox, ledger = conversation.outbox, conversation.ledger
    dropped = counters.frames_dropped.total() + outbox.frames_replaced + outbox.frames_lost
    return (
        f"{counters.turns} turns, {conversation.link.connections} connections, {counters.frames_sent} frames sent, "
        f"{dropped} dropped, {counters.stills} stills, {counters.tool_calls} tool calls, "
        f"{counters.notes} notes saved, {counters.unanswered} questions refused, "
        f"{ledger.trimmed_s:.1f} s of pauses and {ledger.skipped_s:.1f} s of speech left out, "
        f"{counters.refused_s:.1f} s of answers refused, {counters.unreadable} messages unreadable"
    )


def _network(conversation: Conversation) -> Phrase:
    if conversation.link.state.away:
        return Phrase.NO_NETWORK
    return Phrase.NETWORK_SLOW if conversation.lag_s > FAR_BEHIND_S else Phrase.NETWORK_GOOD


def _count(notes: int) -> Words:
    if notes == 1:
        return (Phrase.NOTE_WAITING,)
    return (notes, Phrase.NOTES_WAITING) if notes else (Phrase.NO_NOTES,)
