"""Which faults of the scenario are due, and how each is done to a connection."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from agent.simulator import rules, wire
from agent.simulator.rules import Refusal
from agent.simulator.scenario import AT_OPENING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.simulator.scenario import Fault
    from agent.simulator.sockets import SimulatedSocket


class FaultBook:
    """Keeps count, over all connections of a run, of what has happened already."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Begin with the faults of a scenario."""
        self._faults = list(faults)
        self._happened: Counter[int] = Counter()

    def add(self, fault: Fault) -> None:
        """Add a fault from now on; if it happened before, it may happen as often again."""
        if fault in self._faults:
            self._happened[self._faults.index(fault)] = 0
        else:
            self._faults.append(fault)

    def clear(self) -> None:
        """Trigger no more faults; what was already done to a connection lasts as long as the connection."""
        self._faults.clear()
        self._happened.clear()

    def timed(self, connection: int) -> list[Fault]:
        """List the faults that a connection runs into by time; each must still be taken when it is due."""
        return [
            fault
            for fault in self._faults
            if fault.at_s is not None and fault.kind not in AT_OPENING
            if not fault.connections or connection in fault.connections
        ]

    def moment(self, when: str, turn: int, connection: int) -> list[Fault]:
        """Return the faults that are due at a moment of a turn, and count them as happened."""
        return [
            fault for fault in self._faults if (fault.when, fault.turn) == (when, turn) and self.take(fault, connection)
        ]

    def opening(self, kind: str, connection: int) -> Fault | None:
        """Return the fault of this kind that is due as a connection opens, and count it as happened."""
        return next((fault for fault in self._faults if fault.kind == kind and self.take(fault, connection)), None)

    def take(self, fault: Fault, connection: int) -> bool:
        """Claim one occurrence of a fault; False when it does not apply or has happened often enough."""
        if fault not in self._faults:  # cleared since it was listed
            return False
        key = self._faults.index(fault)
        if fault.connections and connection not in fault.connections:
            return False
        if fault.times and self._happened[key] >= fault.times:
            return False
        self._happened[key] += 1
        return True


class Victim(Protocol):
    """What a fault needs of a connection."""

    socket: SimulatedSocket

    async def send_raw(self, data: str | bytes) -> None:
        """Send a frame as it is."""

    async def close(self, refusal: Refusal) -> None:
        """Close with a code and a reason."""


async def commit(fault: Fault, victim: Victim) -> None:
    """Do a fault to a connection, after its delay."""
    if fault.after_s:  # without a delay it acts at once, before whatever the moment leads to
        await asyncio.sleep(fault.after_s)
    options = fault.options
    match fault.kind:
        case "go_away":
            await _go_away(victim, options["time_left_s"], abort=options["abort"])
        case "close":
            await victim.close(Refusal(options["code"], options["reason"]))
        case "send":
            for _ in range(options["count"]):
                await victim.send_raw(options["text"].encode())
        case "huge_frame":
            await victim.send_raw(wire.encode({"serverContent": {"padding": "x" * options["bytes"]}}))
        case _:
            _spoil(victim.socket, fault)


def _spoil(line: SimulatedSocket, fault: Fault) -> None:
    match fault.kind:
        case "reset":
            line.reset()
        case "hang":
            line.hang()
        case "slow_read":
            line.read_slowly(fault.options["bytes_per_s"])
        case "late_pong":
            line.delay_pongs(fault.options["delay_s"])


async def _go_away(victim: Victim, time_left_s: float, *, abort: bool) -> None:
    await victim.send_raw(wire.encode({"goAway": {"timeLeft": wire.duration(time_left_s)}}))
    if abort:
        await asyncio.sleep(time_left_s)
        await victim.close(Refusal(rules.VIOLATION, rules.ABORTED))
