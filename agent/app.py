"""The shell around the pure parts: devices on one side, the conversation on the other, ``dispatch`` in the middle.

``dispatch(event)`` asks the turn machine and performs its effects with no await in between, so that order and atomicity
come for free; what must wait is a task that comes back as an event. Microphone audio does not pass through it: the
machine only opens and shuts the gate (:meth:`Agent._on_mic`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, assert_never

from agent import status
from agent.conversation.conversation import Conversation
from agent.hearing.acoustics import Acoustics
from agent.hearing.ear import Ear
from agent.hearing.endpointer import Edge
from agent.metrics import Counters, TurnRecord
from agent.store.folder import folder_of
from agent.store.store import Store
from agent.turn import effects, events
from agent.turn.gestures import Gestures
from agent.turn.machine import Turn
from agent.turn.phase import Phase
from agent.uplink.utterance import Kind
from agent.vision.pictures import Pictures
from agent.voice.announcer import Announcer
from agent.voice.earcons import Earcon, pcm
from hardware.ports import MICROPHONE_FORMAT, Rhythm

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from hardware.ports import DeviceError, Devices, MicChunk

log = logging.getLogger(__name__)

ECHO_S = 0.3
"""After the last sample was handed over its echo still comes: out of the driver, through the room and in again. Not
more, so that the pre-roll still reaches back to a word that followed a button at once."""


class Agent:
    """One box, from :meth:`run` to its end."""

    def __init__(
        self,
        settings: Settings,
        devices: Devices,
        key: Callable[[], str],
        observer: Callable[[str, dict[str, Any]], None] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Build the parts; nothing starts before :meth:`run`. Needs a running loop. Raises ConfigError.

        ``observer(name, fields)`` is told of every event, effect and mark; for displays, event files and tests.
        """
        self._settings = settings
        self._devices = devices
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._announcer = Announcer(settings.voice, devices.speaker)
        self._gestures = Gestures()
        self._events: deque[events.Event] = deque()
        self._dispatching = False
        self._timer: asyncio.TimerHandle | None = None
        self._keep_trying = True
        self._worked: set[str] = set()  # kinds of device that have given a sign of life
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._echo_until = 0.0
        self._speech_ended_at = 0.0  # set while the endpointer's END is being handled
        self.counters = Counters()
        self.turn = Turn(settings.turn, answers_at_once=settings.notes.answers == "at-once")
        self.store = Store(
            folder_of(settings), limit_mb=settings.notes.limit_mb, wall=wall, on_problem=self._on_storage
        )
        self.ear = Ear(settings)
        self.acoustics = Acoustics(settings.turn, self.dispatch, devices.microphone.false_alarm)
        self.conversation = Conversation(
            settings,
            key,
            devices.speaker,
            self.counters,
            self.store,
            emit=self.dispatch,
            mark=self._on_mark,
            on_record=self._record,
            on_failure=self._fail,
        )
        self.pictures = Pictures(
            settings,
            devices.camera,
            self.counters,
            frame_budget=self.conversation.frame_budget,
            deliver=self._picture,
            keep=self._keep_still,
            drop=self.store.drop_still,
            on_fault=self._device_fault,
        )

    async def run(self, *, keep_trying: bool, listen: bool = False) -> None:
        """Serve until cancelled.

        ``keep_trying``: a daemon, which goes on trying whatever happens; otherwise a first connection that fails raises
        Refused or Unreachable, and a device that never worked DeviceError. Either way a device that only a new process
        can use again raises its DeviceError, with ``fatal``. ``listen``: begin awake, as if tapped.
        """
        self._keep_trying = keep_trying
        tasks: list[asyncio.Future[None]] = []
        try:
            self._start(listen=listen)
            tasks.append(self._loop.create_task(self.conversation.link.run(), name="link"))
            tasks.append(self._loop.create_task(self.pictures.run(), name="pictures"))
            done, _ = await asyncio.wait([*tasks, self._failed], return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
        finally:
            await self._stop(tasks)

    def _start(self, *, listen: bool) -> None:
        self._devices.speaker.start(self._on_drained, self._device_fault)
        self._devices.button.start(self._on_button, self._device_fault)
        self.conversation.begin()
        self._show()
        self.conversation.link.want()  # a wrong key is found at start-up and not at the first question
        for place, earcon in enumerate(Earcon):  # made in quiet moments, not when they are to sound
            self._loop.call_later(1 + place / 10, pcm, earcon)
        if listen:
            self._on_button(True)  # noqa: FBT003 - the shape of hardware.ports.Button
            self._on_button(False)  # noqa: FBT003 - the same

    async def _stop(self, tasks: list[asyncio.Future[None]]) -> None:
        """Close the sensors first, then fall silent, then say good-bye."""
        self._sense(on=False)
        self._devices.speaker.flush()
        self.conversation.link.release()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        self.conversation.end()
        await self.store.aclose()
        log.info("in all: %s", status.tally(self.counters, self.conversation))

    def ask(self, text: str) -> None:
        """Say something by keyboard."""
        self.dispatch(events.Typed(text))

    # events in, effects out

    def dispatch(self, event: events.Event) -> None:
        """Handle one event completely; one that an effect causes waits for its turn."""
        self._events.append(event)
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._dispatching = False
        self._show()
        self._set_timer()

    def _handle(self, event: events.Event) -> None:
        before = self.turn.phase
        self._note(event)
        for effect in self.turn.handle(event, self._loop.time()):
            self._note(effect)
            self._perform(effect)
        if self.turn.phase is not before:
            self.mark("phase", phase=self.turn.phase.name)

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Sensors():
                self._sense(on=effect.on)
            case effects.Connect():
                self.conversation.link.want()
            case effects.Disconnect():
                self.conversation.disconnect_when_done()
            case effects.Reconnect():
                self.conversation.link.renew()
            case effects.Play():
                # Words over an answer would spoil both.
                self._announcer.play(effect.earcon, () if self.turn.phase.playing else effect.words)
            case effects.FinishAnswer():
                self._devices.speaker.finish()
            case effects.TakeStill():
                self.pictures.take_still()
            case effects.DiscardStill():
                self.pictures.discard_still()
            case effects.SpeakStatus():
                self._speak_status()
            case _:
                self._perform_speech(effect)

    def _perform_speech(self, effect: effects.ConversationEffect) -> None:
        """Perform what is about utterances and answers."""
        conversation = self.conversation
        match effect:
            case effects.OpenUtterance():
                conversation.open_utterance(self.ear.pre_roll(effect.pre_roll_s))
                self.pictures.stream_frames(on=True)
            case effects.EndUtterance():
                self._end_utterance()
            case effects.SendText():
                conversation.ask(effect.text)
            case effects.CutAnswer():
                conversation.cut()
            case effects.SaveNote():
                conversation.save()
            case effects.CancelCatchUp():
                conversation.cancel_catch_up()
            case effects.PlayAnswers():
                conversation.play_answers()
            case _:
                assert_never(effect)

    def mark(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - whatever belongs to the mark
        """Tell the observer of something that is neither event nor effect."""
        if self._observer is not None:
            self._observer(name, fields)

    def _on_mark(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - as above
        if name == "heard" and fields["text"].strip():
            self.acoustics.understood(self._loop.time())
        self.mark(name, **fields)

    def _note(self, move: events.Event | effects.Effect) -> None:
        if self._observer is not None and not isinstance(move, events.ServerHeard | events.Tick):
            self._observer(type(move).__name__, {name: getattr(move, name) for name in move.__slots__})

    # the light, and the sensors that are never open without it

    def _show(self) -> None:
        rhythm = self.turn.rhythm
        if rhythm in (Rhythm.HEARING, Rhythm.THINKING) and self.conversation.lag_s > status.FAR_BEHIND_S:
            rhythm = Rhythm.OFFLINE  # connected, but what is said now arrives much later
        self._devices.indicator.show(rhythm, self.ear.level)

    def _sense(self, *, on: bool) -> None:
        if on:
            self._show()  # lit before anything is open; the phase has changed already
            self.ear.forget()
            self._devices.microphone.start(self._on_mic, self._device_fault)
            self.pictures.open()
            self.conversation.wake()
        else:
            self._devices.microphone.stop()
            self.pictures.close()
            self.conversation.sleep()

    # the microphone

    def _on_mic(self, heard: MicChunk) -> None:
        """Take 20 ms: endpointer, gate, ledger, socket, all before the next one."""
        self._device_works("microphone")
        conversation = self.conversation
        edge = self.ear.feed(heard, deaf=self._deaf(heard))
        self.acoustics.chunk(heard, self._loop.time(), voiced=self.ear.voiced, held=self.turn.phase is Phase.TALKING)
        recording = conversation.ledger.recording
        if edge is not None:
            self._devices.microphone.speech(on=edge is Edge.START)
        if edge is Edge.START:
            self._speech_started()
        # An utterance that this edge opened began with its pre-roll, which ends with this very chunk.
        if recording is not None and recording is conversation.ledger.recording:
            conversation.hear(heard.for_model, quiet=self.ear.quiet)
        if edge is Edge.END:
            self._speech_ended()
        elif self.turn.phase.recording:
            self._show()
        conversation.dialogue.watch_playback(self._loop.time())

    def _speech_started(self) -> None:
        chosen = self._settings.endpointer
        over_answer = self.turn.phase is Phase.ANSWERING
        before = self.conversation.ledger.recording
        self.dispatch(events.SpeechStarted((chosen.barge_in_pre_roll_ms if over_answer else chosen.pre_roll_ms) / 1000))
        recording = self.conversation.ledger.recording
        if recording is not None and recording is not before:
            self.acoustics.begun(recording.number, over_answer=over_answer)

    def _speech_ended(self) -> None:
        self._speech_ended_at = self._loop.time() - self._settings.endpointer.end_silence_ms / 1000
        recording = self.conversation.ledger.recording
        if recording is not None:
            self.acoustics.ended(MICROPHONE_FORMAT.seconds_in(len(recording.pcm)), self._loop.time())
        self.dispatch(events.SpeechEnded())
        self._speech_ended_at = 0.0

    def _deaf(self, heard: MicChunk) -> bool:
        """Whether what the microphone hears may be the box's own voice."""
        now = self._loop.time()
        if self._devices.speaker.audible:
            self._echo_until = now + ECHO_S
        chosen = self._settings.turn.barge_in
        if chosen == "voice" or now >= self._echo_until:
            return False
        return not heard.trusted or (chosen == "button" and self._devices.speaker.audible)

    def _end_utterance(self) -> None:
        """End it where the last word was: before the endpointer's silence, or now if a finger ended it."""
        self.pictures.stream_frames(on=False)
        self._devices.microphone.speech(on=False)
        self.ear.restart()
        self.conversation.end_utterance(self._speech_ended_at or self._loop.time(), listening=self.turn.phase.listening)

    def _picture(self, jpeg: bytes) -> None:
        self._device_works("camera")
        self.conversation.show(jpeg)

    def _keep_still(self, name: str, jpeg: bytes) -> None:
        recording = self.conversation.ledger.recording
        # Where the service detects speech, the journal has no turn yet.
        turn = recording.number if recording is not None and recording.kind is Kind.LIVE else None
        self.store.still(turn, name, jpeg, lambda: self.dispatch(events.StillKept()))

    # the button, the speaker, the clock, the disk

    def _on_button(self, down: bool) -> None:  # noqa: FBT001 - the shape of hardware.ports.Button
        self.mark("button", down=down)
        for gesture in self._gestures.edge(down=down, now=self._loop.time()):
            self.dispatch(gesture)
        self._set_timer()

    def _on_drained(self) -> None:
        self._device_works("speaker")
        self.conversation.drained()

    def _device_fault(self, error: DeviceError) -> None:
        """Take a device's fault; its kind is the first word of its name."""
        kind = error.device.split()[0]
        log.warning("device: %s", error)
        self.store.event("device", str(error))
        self.dispatch(events.FaultRaised(kind))
        if error.fatal and not self._failed.done():
            self._failed.set_exception(error)
        elif kind not in self._worked:
            self._fail(error)

    def _on_storage(self, problem: str) -> None:
        """Take what is wrong with the disk; empty: nothing any more."""
        self.dispatch(events.FaultRaised("storage") if problem else events.FaultCleared("storage"))

    def _device_works(self, kind: str) -> None:
        """Take a sign of life from a kind of device."""
        self._worked.add(kind)
        if kind in self.turn.condition.faults:
            log.info("device: %s works again", kind)
            self.store.event("device", f"{kind} works again")
            self.dispatch(events.FaultCleared(kind))

    def _fail(self, error: Exception) -> None:
        """End :meth:`run`, unless it is to be patient."""
        if not self._keep_trying and not self._failed.done():
            self._failed.set_exception(error)

    def _set_timer(self) -> None:
        """Keep one timer for whatever is due next."""
        if self._timer is not None:
            self._timer.cancel()
        due = (self.turn.deadline, self._gestures.deadline, self.conversation.session.change_over_at)
        earliest = min((at for at in due if at is not None), default=None)
        self._timer = None if earliest is None else self._loop.call_at(earliest, self._on_time)

    def _on_time(self) -> None:
        for gesture in self._gestures.tick(self._loop.time()):
            self.dispatch(gesture)
        self.conversation.change_over_if_due()
        self.dispatch(events.Tick())

    # what comes out

    def _record(self, record: TurnRecord) -> None:
        self.acoustics.came_of(record, self._loop.time())
        log.info("%s", record.line())
        self.mark("turn", record=record)

    def _speak_status(self) -> None:
        self._announcer.say(status.words(self.turn.condition.fault_words, self.conversation))
        log.info("status: %s", status.line(self.conversation, self.acoustics.echo))
        log.info("so far: %s", status.tally(self.counters, self.conversation))
