"""The record of a run: what arrived, what was answered, how connections began and ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from agent.simulator import sound

if TYPE_CHECKING:
    from agent.simulator.memory import Utterance

Observer = Callable[[str, dict[str, Any]], None]

_USUAL_CHUNK_S: Final = (0.02, 0.1)  # PROTOCOL 4.7
_SLACK_S: Final = 0.001


@dataclass(slots=True)
class Chunks:
    """Statistics of the audio chunks that arrived, in seconds of audio."""

    count: int = 0
    total_s: float = 0.0
    shortest_s: float = 0.0
    longest_s: float = 0.0
    unusual: int = 0
    discarded: int = 0
    discarded_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one chunk."""
        low, high = _USUAL_CHUNK_S
        self.shortest_s = min(self.shortest_s, seconds) if self.count else seconds
        self.longest_s = max(self.longest_s, seconds)
        self.count += 1
        self.total_s += seconds
        self.unusual += not low - _SLACK_S <= seconds <= high + _SLACK_S

    def plain(self) -> dict[str, Any]:
        """Return the statistics for the report."""
        values = {name: getattr(self, name) for name in self.__slots__}
        mean = {"mean_s": self.total_s / self.count if self.count else 0.0}
        return {name: round(value, 4) for name, value in (values | mean).items()}


@dataclass(slots=True)
class Recorder:
    """Collects the record. Times are seconds since the simulator started."""

    observer: Observer | None = None
    utterances: list[Utterance] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    received: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    chunks: Chunks = field(default_factory=Chunks)
    frames: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    resumptions: list[dict[str, Any]] = field(default_factory=list)
    tool_responses: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    audio_rate: int = 16000

    def note(self, kind: str, **data: object) -> None:
        """File an event under its kind and show it to the observer."""
        shelves = {
            "frame": self.frames,
            "warning": self.warnings,
            "turn_complete": self.answers,
            "resumption": self.resumptions,
            "tool_response": self.tool_responses,
            "fault": self.faults,
        }
        if kind in shelves:
            shelves[kind].append(data)
        if self.observer is not None:
            self.observer(kind, data)

    def hear(self, pcm: bytes, rate: int) -> None:
        """Keep audio, wanted or not, in the order of arrival."""
        self.audio_rate = rate
        self.audio += pcm
        self.chunks.add(sound.seconds(pcm, rate))

    def save_audio(self, file: BinaryIO) -> None:
        """Write all audio that arrived as one WAV."""
        sound.write_wav(file, bytes(self.audio), self.audio_rate)

    def report(self) -> dict[str, Any]:
        """Return the record as plain data, ready for JSON."""
        return {
            "connections": self.connections,
            "utterances": [_utterance(utterance) for utterance in self.utterances],
            "answers": self.answers,
            "frames": _frames(self.frames),
            "audio": self.chunks.plain(),
            "messages": {"received": dict(self.received), "sent": dict(self.sent)},
            "warnings": {
                "count": dict(Counter(str(warning["warning"]) for warning in self.warnings)),
                "list": self.warnings,
            },
            "resumptions": self.resumptions,
            "tool_responses": self.tool_responses,
            "faults": self.faults,
        }


def _utterance(utterance: Utterance) -> dict[str, Any]:
    skipped = {"pcm"}
    values = {name: getattr(utterance, name) for name in utterance.__slots__ if name not in skipped}
    level = round(sound.level(bytes(utterance.pcm)), 1)
    return values | {"seconds": round(utterance.seconds, 4), "level_dbfs": level}


def _frames(frames: list[dict[str, Any]]) -> Mapping[str, Any]:
    sizes = [frame["size"] for frame in frames]
    return {
        "count": len(frames),
        "in_window": sum(frame["in_window"] for frame in frames),
        "bytes": sum(sizes),
        "first_size": sizes[0] if sizes else None,
        "last_size": sizes[-1] if sizes else None,
        "arrivals": [frame["at_s"] for frame in frames],
    }
