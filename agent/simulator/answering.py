"""Answers as the service sends them: thinking, transcript, audio faster than real time, the end of the turn."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Final, Protocol

from agent.simulator import sound, wire
from agent.simulator.memory import Entry, FunctionCall
from agent.simulator.voice import RATE, Voice

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from agent.simulator.conversation import Conversation
    from agent.simulator.effects import Ask
    from agent.simulator.scenario import Scenario, Style

_TOKENS_PER_S: Final = 25  # of audio (PROTOCOL 4.7)
_TOKENS_PER_FRAME: Final = 258
_TOKENS_PER_WORD: Final = 1.3


class Host(Protocol):
    """What an answer needs of its connection."""

    conversation: Conversation
    scenario: Scenario
    voice: Voice
    base_style: Style

    def now(self) -> float:
        """Return the seconds since the simulator started."""

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one server message."""

    def fire(self, moment: str, turn: int) -> None:
        """Tell the scenario that a moment of a turn has come."""

    def new_handle(self) -> Mapping[str, Any] | None:
        """Return a sessionResumptionUpdate for the session as it is now, None if none was asked for."""

    def note(self, kind: str, **data: object) -> None:
        """Put an event on record."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something for as long as the connection lives."""


class Answer:
    """One turn of the model, from the question to turnComplete."""

    def __init__(self, host: Host, ask: Ask) -> None:
        """Prepare to answer."""
        self._host = host
        self._ask = ask
        self._style = host.scenario.style(ask.turn, host.base_style)
        self._entry = Entry("model")
        self._calls: list[FunctionCall] = []
        self._call_changed = asyncio.Event()
        self._unsent: list[bytes] = []
        self._play_out_at = 0.0
        self._generated = False
        self._over = False

    async def run(self) -> None:
        """Send the whole turn; cancelling it leaves the rest to `interrupted`."""
        if self._host.conversation.resumable:
            await self._host.send({"sessionResumptionUpdate": {"resumable": False}})
        await asyncio.sleep(self._style.think_s)
        if self._style.empty or self._nothing_was_said():
            await self._complete()
            return
        if not self._ask.result:
            await self._call_functions()
        await self._speak()
        await self._finish()

    def call_changed(self) -> None:
        """Look again: a function call was answered or cancelled."""
        self._call_changed.set()

    async def interrupted(self) -> None:
        """Say what the service says when speech cut the turn off (PROTOCOL 4.2)."""
        if self._over:
            return
        await self._cancel([call for call in self._calls if call.blocking or not self._generated])
        if self._unsent and self._style.late_audio:
            await self._send_piece(self._unsent.pop(0), "")
        await self._host.send({"serverContent": {"interrupted": True}})
        await self._complete(outcome="interrupted")

    def _nothing_was_said(self) -> bool:
        utterance = self._ask.utterance
        return utterance is not None and not utterance.pcm and not utterance.texts

    # function calls

    async def _call_functions(self) -> None:
        """Make the scenario's calls of this turn and wait for those that hold the model up."""
        conversation = self._host.conversation
        planned = [call for call in self._host.scenario.calls if call.turn == self._ask.turn]
        if not planned:
            return
        wire_calls = []
        for plan in planned:
            blocking = conversation.is_blocking(plan.name) if plan.blocking is None else plan.blocking
            call = conversation.session.call(plan.name, blocking=blocking)
            self._calls.append(call)
            wire_calls.append({"id": call.id, "name": call.name, "args": dict(plan.args)})
            if plan.cancel_after_s is not None:
                self._host.spawn(self._cancel_later(call, plan.cancel_after_s))
        await self._host.send({"toolCall": {"functionCalls": wire_calls}})
        self._host.note("tool_call", turn=self._ask.turn, names=[call.name for call in self._calls])
        while any(call.blocking and call.state == "open" for call in self._calls):
            self._call_changed.clear()
            await self._call_changed.wait()

    async def _cancel_later(self, call: FunctionCall, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self._cancel([call])
        self._call_changed.set()

    async def _cancel(self, calls: list[FunctionCall]) -> None:
        cancelled = [call for call in calls if call.state == "open"]
        for call in cancelled:
            call.state, call.cancelled_at = "cancelled", self._host.now()
        if cancelled:
            await self._host.send({"toolCallCancellation": {"ids": [call.id for call in cancelled]}})

    # speech

    async def _speak(self) -> None:
        """Send the answer in pieces, each when the pace allows it."""
        spoken = await self._host.voice.answer(self._ask)
        await self._tell_heard(spoken.heard)
        pcm = sound.quiet(spoken.pcm) if self._style.silent else spoken.pcm
        self._unsent = list(sound.pieces(pcm, RATE, self._style.piece_ms / 1000))
        texts = _spread(spoken.text, len(self._unsent))
        self._host.conversation.session.history.append(self._entry)
        loop = asyncio.get_running_loop()
        due, stalled = loop.time(), self._style.stall_s <= 0
        self._play_out_at = due + sound.seconds(pcm, RATE)
        for index, text in enumerate(texts):
            await asyncio.sleep(max(0.0, due - loop.time()))
            piece = self._unsent.pop(0)
            due += sound.seconds(piece, RATE) / self._style.pace
            await self._send_piece(piece, text)
            self._fire_at(index, len(texts))
            if not stalled and self._entry.seconds >= self._style.stall_after_s:
                due, stalled = due + self._style.stall_s, True

    def _fire_at(self, index: int, count: int) -> None:
        if index == 0:
            self._host.note("first_audio", turn=self._ask.turn)
            self._host.fire("first_audio", self._ask.turn)
        if index == count // 2:
            self._host.fire("mid_answer", self._ask.turn)

    async def _tell_heard(self, heard: str) -> None:
        """Send the input transcript: one final text, or word by word (PROTOCOL 4.3)."""
        if self._ask.utterance is None or not heard:
            return
        self._ask.entry.text = heard
        self._host.note("heard", turn=self._ask.turn, text=heard)
        if not self._host.conversation.transcribes_input:
            return
        deltas = _spread(heard, len(heard.split())) if self._style.heard_in_deltas else [heard]
        for delta in deltas:
            finished = {} if self._style.heard_in_deltas else {"finished": True}
            await self._host.send({"serverContent": {"inputTranscription": {"text": delta, **finished}}})

    async def _send_piece(self, pcm: bytes, text: str) -> None:
        content = wire.audio_part(pcm, RATE)
        transcript = {"outputTranscription": {"text": text}} if text else {}
        if self._style.bundled:
            content |= transcript
            transcript = {}
        await self._host.send({"serverContent": content})
        self._entry.seconds += sound.seconds(pcm, RATE)
        if transcript:
            await self._host.send({"serverContent": transcript})
        self._entry.text += text
        self._host.note("said", turn=self._ask.turn, seconds=sound.seconds(pcm, RATE), text=text)

    # the end of the turn

    async def _finish(self) -> None:
        """Complete the generation at once and the turn when its audio would have been played."""
        self._generated = True
        if self._ask.utterance is not None:
            self._ask.utterance.generated = True
        if not self._style.bundled:
            await self._host.send({"serverContent": {"generationComplete": True}})
        if self._style.playback:
            await asyncio.sleep(max(0.0, self._play_out_at - asyncio.get_running_loop().time()))
        if self._style.turn_complete:
            await self._complete()

    async def _complete(self, outcome: str = "complete") -> None:
        content: dict[str, Any] = {"turnComplete": True}
        if self._style.bundled and self._generated:
            content["generationComplete"] = True
        reason = self._style.reason or ("NEED_MORE_INPUT" if self._nothing_was_said() else "")
        if reason:
            content["turnCompleteReason"] = reason
        if reason == "NEED_MORE_INPUT":
            content["waitingForInput"] = True
        conversation = self._host.conversation
        if conversation.model.status:
            content["interactionStatus"] = "IN_PROGRESS" if conversation.session.open_calls() else "IDLE"
        await self._close_turn({"serverContent": content, "usageMetadata": self._usage()}, outcome)

    async def _close_turn(self, message: dict[str, Any], outcome: str) -> None:
        """Send the end of the turn; the handle comes after it, which clients miss who stop reading (PROTOCOL 7)."""
        update = self._host.new_handle()
        if update and self._style.bundled:
            message["sessionResumptionUpdate"] = update
        self._over = True
        await self._host.send(message)
        self._record(outcome if self._entry.seconds or outcome == "interrupted" else "empty")
        self._host.fire("turn_complete", self._ask.turn)
        if update and not self._style.bundled:
            await asyncio.sleep(0)  # lets a fault of this moment cut in before the handle
            await self._host.send({"sessionResumptionUpdate": update})

    def _record(self, outcome: str) -> None:
        utterance = self._ask.utterance
        if utterance is not None:
            utterance.outcome = outcome
        self._host.note(
            "turn_complete",
            turn=self._ask.turn,
            utterance=utterance.number if utterance else None,
            outcome=outcome,
            seconds=round(self._entry.seconds, 3),
            text=self._entry.text,
        )

    def _usage(self) -> dict[str, Any]:
        """Count tokens the way the service does: the whole context as prompt, each turn anew (PROTOCOL 3)."""
        history = self._host.conversation.session.history
        words = sum(len(entry.text.split()) for entry in history if not entry.seconds)
        audio = round(sum(entry.seconds for entry in history if entry is not self._entry) * _TOKENS_PER_S)
        utterance = self._ask.utterance
        images = _TOKENS_PER_FRAME * utterance.frames if utterance else 0
        prompt = {"TEXT": round(words * _TOKENS_PER_WORD), "AUDIO": audio, "IMAGE": images}
        response = round(self._entry.seconds * _TOKENS_PER_S)
        return {
            "promptTokenCount": sum(prompt.values()),
            "responseTokenCount": response,
            "totalTokenCount": sum(prompt.values()) + response,
            "promptTokensDetails": [{"modality": name, "tokenCount": count} for name, count in prompt.items() if count],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": response}],
        }


def _spread(text: str, count: int) -> list[str]:
    """Share the words of a transcript among the pieces of its audio, as deltas to be concatenated."""
    words = text.split(" ")
    words = [words[0], *(f" {word}" for word in words[1:])]
    edges = [round(i * len(words) / count) for i in range(count + 1)] if count else [0]
    return ["".join(words[start:end]) for start, end in itertools.pairwise(edges)]
