"""One connection's conversation: what may be sent when, and what it means (PROTOCOL 2, 4, 6).

No socket, no clock: messages and times come in, effects come out, and what the service refuses is raised.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from agent.simulator import rules, sound
from agent.simulator.effects import Ask, CallAnswered, Discarded, Effect, Frame, Interrupt, Opened, Refused, Warn
from agent.simulator.memory import Entry, FunctionCall, Session, Utterance
from agent.simulator.rules import VIOLATION
from agent.simulator.wire import INVALID_ARGUMENT, ClientMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FRAME_GAP_S: Final = 0.95  # one frame a second, with room for a jittering clock (PROTOCOL 4.6)
_CANCEL_GRACE_S: Final = 1.0  # a response may have crossed the cancellation on the wire
_AUDIO_TYPE: Final = re.compile(r"audio/pcm(?:;rate=(\d+))?")
_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_RATES: Final = range(8000, 48001)
_DEFAULT_RATE: Final = 16000
_SILENCE_MS: Final = 500  # automatic detection: silence that ends a turn unless the setup says otherwise
_PADDING_MS: Final = 200


class Conversation:
    """Reads client messages after the setup, in the light of it."""

    def __init__(
        self,
        setup: Mapping[str, Any],
        session: Session,
        heard: list[Utterance],
        *,
        threshold_dbfs: float = -45.0,
        close_during_call: bool = False,
    ) -> None:
        """Begin with an accepted setup, on the session's present connection; utterances are appended to `heard`."""
        realtime = setup.get("realtimeInputConfig", {})
        detection = realtime.get("automaticActivityDetection", {})
        self.session = session
        self.manual: bool = detection.get("disabled", False)
        self.interrupts = realtime.get("activityHandling") != "NO_INTERRUPTION"
        self.resumable = "sessionResumption" in setup
        self.transcribes_input = "inputAudioTranscription" in setup
        self.model = rules.MODELS[setup["model"]]
        self.window: Utterance | None = None
        self._blocking = rules.blocking_calls(setup)
        self._seeding: bool = setup.get("historyConfig", {}).get("initialHistoryInClientContent", False)
        self._connection = session.connection
        self._heard = heard
        self._close_during_call = close_during_call
        self._vad = sound.EnergyVad(detection.get("silenceDurationMs", _SILENCE_MS) / 1000, threshold_dbfs)
        self._padding_s = detection.get("prefixPaddingMs", _PADDING_MS) / 1000
        self._before: deque[bytes] = deque()
        self._last_frame_at: float | None = None

    def receive(self, message: ClientMessage, now: float) -> list[Effect]:
        """Handle one message. Raises Refused."""
        match message.kind:
            case "realtimeInput":
                return self._realtime(message.body, now)
            case "clientContent":
                return self._content(message.body)
            case "toolResponse":
                return [self._response(response, now) for response in self._responses(message.body)]
            case "contextUpdate":
                return []
            case _:
                raise Refused("setup must be the first message and must be sent once.")

    def is_blocking(self, name: str) -> bool:
        """Return whether a call of this function blocks the model, by its declaration."""
        return self._blocking.get(name, self.model.blocking)

    def end(self) -> None:
        """Note that the connection is gone: a window still open stays unanswered."""
        if self.window is not None:
            self.window.outcome = "cut"
            self._find_repeat(self.window)
            self.window = None

    # realtimeInput

    def _realtime(self, body: Mapping[str, Any], now: float) -> list[Effect]:
        if len(body) != 1:
            raise Refused(INVALID_ARGUMENT)
        if self._close_during_call and any(call.blocking for call in self.session.open_calls()):
            raise Refused(rules.NOT_IMPLEMENTED, VIOLATION)
        ((kind, value),) = body.items()
        match kind:
            case "audio":
                return self._audio(value, now)
            case "video":
                return self._video(value, now)
            case "text":
                return self._text(value)
            case "activityStart" | "activityEnd":
                return self._activity(kind, now)
            case "audioStreamEnd":
                return self._stream_end(now)
            case _:
                raise Refused("media_chunks is deprecated. Use audio, video, or text instead.")

    def _activity(self, kind: str, now: float) -> list[Effect]:
        if not self.manual:
            raise Refused(rules.EXPLICIT_ACTIVITY)
        if (kind == "activityStart") == (self.window is not None):
            state = "has already started" if self.window else "has not started"
            raise Refused(f"{INVALID_ARGUMENT} {kind}: an activity {state}.")
        return self._open(now) if kind == "activityStart" else self._close(now)

    def _audio(self, blob: Mapping[str, Any], now: float) -> list[Effect]:
        rate = audio_rate(blob)
        pcm = blob.get("data", b"")
        if not self.manual:
            return self._listen(pcm, rate, now)
        if self.window is None:
            return [Discarded(sound.seconds(pcm, rate))]
        self.window.add(pcm, rate, now)
        return []

    def _listen(self, pcm: bytes, rate: int, now: float) -> list[Effect]:
        """Automatic detection: find the edges of speech in the audio itself."""
        effects: list[Effect] = []
        self._before.append(pcm)
        for edge in self._vad.feed(pcm, rate):
            if edge == "start" and self.window is None:
                effects += self._open(now)
                assert self.window is not None
                self.window.add(b"".join(self._before), rate, now)
                self._before.clear()
            elif edge == "end" and self.window is not None:
                effects += self._close(now)
        if self.window is not None and self._before:
            self.window.add(self._before.pop(), rate, now)
        while sum(map(len, self._before)) > self._padding_s * rate * sound.SAMPLE_BYTES + len(pcm):
            self._before.popleft()
        return effects

    def _stream_end(self, now: float) -> list[Effect]:
        if self.manual:
            raise Refused(rules.STREAM_END)
        self._vad.reset()
        self._before.clear()
        return self._close(now) if self.window else []

    def _video(self, blob: Mapping[str, Any], now: float) -> list[Effect]:
        kind, data = blob.get("mimeType", ""), blob.get("data", b"")
        if kind not in _IMAGE_TYPES or not data:
            raise Refused(f"Unsupported MIME type for video: '{kind}'.")
        effects: list[Effect] = [Frame(len(data), in_window=self.window is not None)]
        if kind == "image/jpeg" and not (data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")):
            effects.append(Warn("broken_jpeg", f"a JPEG of {len(data)} bytes does not start or end as one"))
        gap = None if self._last_frame_at is None else now - self._last_frame_at
        if gap is not None and gap < FRAME_GAP_S:
            effects.append(Warn("frame_rate", f"a frame {gap:.2f} s after the last one"))
        self._last_frame_at = now
        if self.window is not None:
            self.window.frames += 1
        return effects

    def _text(self, text: str) -> list[Effect]:
        if self.manual and self.window is not None:
            self.window.texts.append(text)
            return []
        return self._ask(text)

    # windows and turns

    def _open(self, now: float) -> list[Effect]:
        number = len(self._heard) + 1
        self.window = Utterance(number, self._connection, self.session.number, self.session.turn, now)
        self._heard.append(self.window)
        self._seeding = False
        opened = Opened(self.window)
        return [opened, Interrupt()] if self.interrupts else [opened]

    def _close(self, now: float) -> list[Effect]:
        assert self.window is not None
        utterance, self.window = self.window, None
        utterance.closed_at, utterance.outcome = now, "asked"
        self._find_repeat(utterance)
        entry = Entry("user", " ".join(utterance.texts), utterance.seconds)
        if utterance.pcm or utterance.texts:
            self.session.history.append(entry)
        return [Ask(utterance.turn, entry, entry.text, utterance)]

    def _find_repeat(self, utterance: Utterance) -> None:
        """Recognise an utterance delivered again; from another connection it keeps its first turn number."""
        earlier = [other for other in self._heard if other.number < utterance.number and utterance.repeats(other)]
        if earlier:
            utterance.repeat_of = earlier[0].number
            if earlier[-1].connection != utterance.connection:
                utterance.turn = earlier[0].turn

    def _ask(self, text: str) -> list[Effect]:
        entry = Entry("user", text)
        ask = Ask(self.session.turn, entry, text)
        self.session.history.append(entry)
        self._seeding = False
        return [Interrupt(), ask]

    # clientContent

    def _content(self, body: Mapping[str, Any]) -> list[Effect]:
        before = self.session.turn
        entries = [_entry(turn) for turn in body.get("turns", [])]
        effects: list[Effect] = [
            Warn("media_in_history", "audio or pictures in clientContent")
            for turn in body.get("turns", [])
            if any("inlineData" in part for part in turn.get("parts", []))
        ]
        self.session.history += entries
        complete = body.get("turnComplete", False)
        if self._seeding:
            self._seeding = not complete
            return effects
        effects.append(Interrupt())
        if complete:
            last = next((entry for entry in reversed(entries) if entry.role == "user"), Entry("user"))
            effects.append(Ask(max(before, self.session.turn - 1), last, last.text))
        return effects

    # toolResponse

    def _responses(self, body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        responses: Sequence[Mapping[str, Any]] = body.get("functionResponses", [])
        if not responses:
            raise Refused(INVALID_ARGUMENT)
        return responses

    def _response(self, response: Mapping[str, Any], now: float) -> Effect:
        call = self.session.calls.get(response.get("id", ""))
        if call is None:
            raise Refused(f"{INVALID_ARGUMENT} No function call has the id '{response.get('id', '')}'.")
        if call.state == "cancelled" and now - call.cancelled_at < _CANCEL_GRACE_S:
            return Warn("cancelled_call", f"the response to {call.id} crossed its cancellation")
        if call.state != "open":
            raise Refused(f"{INVALID_ARGUMENT} The function call '{call.id}' is already {call.state}.")
        _check_response(response, call, self.model)
        call.responses.append(response)
        if response.get("willContinue", False):
            return CallAnswered(call, "SILENT")
        call.state = "answered"
        return CallAnswered(call, response.get("scheduling", "WHEN_IDLE"))


def _check_response(response: Mapping[str, Any], call: FunctionCall, model: rules.Model) -> None:
    if "response" not in response or response.get("name", call.name) != call.name:
        raise Refused(f"{INVALID_ARGUMENT} The response to '{call.id}' lacks its content or names another function.")
    if "scheduling" in response and (call.blocking or not model.scheduling):
        raise Refused(rules.NO_SCHEDULING)
    if response.get("willContinue", False) and call.blocking:
        raise Refused(f"{INVALID_ARGUMENT} will_continue needs a NON_BLOCKING function.")


def audio_rate(blob: Mapping[str, Any]) -> int:
    """Read the sample rate; what is not whole s16le samples of a usual rate is refused."""
    match = _AUDIO_TYPE.fullmatch(blob.get("mimeType", "").replace(" ", ""))
    rate = int(match[1] or _DEFAULT_RATE) if match else 0
    if rate not in _RATES:
        raise Refused(f"Unsupported MIME type for audio: '{blob.get('mimeType', '')}'.")
    data = blob.get("data", b"")
    if not data or len(data) % sound.SAMPLE_BYTES:
        raise Refused(f"{INVALID_ARGUMENT} audio: {len(data)} bytes are not 16-bit samples.")
    return rate


def _entry(turn: Mapping[str, Any]) -> Entry:
    role, parts = turn.get("role", ""), turn.get("parts", [])
    if role not in {"user", "model"}:
        raise Refused("Please use a valid role: user, model.")
    if not parts or any(name in part for part in parts for name in ("functionCall", "functionResponse")):
        raise Refused(f"{INVALID_ARGUMENT} clientContent takes text; function calls cannot be part of it.")
    return Entry(role, "".join(part.get("text", "") for part in parts))
