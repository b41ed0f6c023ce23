"""The shell around the pure parts: devices on one side, the conversation on the other, ``dispatch`` in the middle.

``dispatch(event)`` asks the turn machine and performs its effects with no await in between, so that order and atomicity
come for free; what must wait is a task that comes back as an event. Microphone audio does not pass through it: the
machine only opens and shuts the gate (:mod:`agent.mic_path`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, assert_never

from agent import notices, status
from agent.control import Control
from agent.conversation.conversation import Conversation
from agent.device_watch import DeviceWatch
from agent.metrics import Counters
from agent.mic_path import MicPath
from agent.noticing import of_move
from agent.store.folder import folder_of
from agent.store.store import Store
from agent.turn import effects, events
from agent.turn.machine import Turn
from agent.uplink.utterance import Kind
from agent.vision.pictures import Pictures
from agent.voice.announcer import Announcer
from agent.voice.earcons import Earcon, pcm
from agent.voice.phrase import Phrase, about_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.errors import LinkError
    from agent.metrics import TurnRecord
    from agent.status import Snapshot
    from hardware.ports import Devices, MicChunk

log = logging.getLogger(__name__)


class Agent:
    """One box, from :meth:`run` to its end. Implements :class:`agent.conversation.exchange.Host`."""

    def __init__(
        self,
        settings: Settings,
        devices: Devices,
        key: Callable[[], str],
        observer: notices.Observer = lambda _: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Build the parts; nothing starts before :meth:`run`. Needs a running loop. Raises ConfigError.

        ``observer`` is told of everything that happens, for displays, event files and tests.
        """
        self._devices = devices
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._announcer = Announcer(settings.voice, devices.speaker)
        self._control = Control(self._handle, self._show, self._deadlines, self._on_time)
        self.counters = Counters()
        self.turn = Turn(settings.turn, answers_at_once=settings.notes.answers == "at-once")
        self.store = Store(
            folder_of(settings),
            limit_mb=settings.notes.limit_mb,
            wall=wall,
            on_problem=self._on_storage,
        )
        self.device_watch = watch = DeviceWatch(self.store, self.turn.condition, self.dispatch, devices.health)
        self.conversation = Conversation(
            settings, key, self, speaker=devices.speaker, counters=self.counters, store=self.store, wall=wall
        )
        self.mic = MicPath(settings, devices, self.turn, self.conversation, self.dispatch)
        self.pictures = Pictures(
            settings,
            devices.camera,
            self.counters,
            frame_budget=self.conversation.frame_budget,
            deliver=self._picture,
            keep=self._keep_still,
            on_fault=watch.fault,
        )

    async def run(self, *, keep_trying: bool, listen: bool = False, greet: bool = False) -> None:
        """Serve until cancelled.

        ``keep_trying``: a daemon, which goes on whatever happens; otherwise a first connection that fails raises
        Refused or Unreachable, and a device that never worked DeviceError. Either way a device that only a new process
        can use again raises its DeviceError, with ``fatal``. ``listen``: begin awake, as if tapped.
        ``greet``: say that the box is ready.
        """
        self.device_watch.keep_trying = keep_trying
        tasks: list[asyncio.Future[None]] = []
        try:
            self._start(listen=listen)
            if greet:
                self._announcer.say((Phrase.READY,))
            tasks.append(self._loop.create_task(self.conversation.link.run(), name="link"))
            tasks.append(self._loop.create_task(self.pictures.run(), name="pictures"))
            done, _ = await asyncio.wait([*tasks, self.device_watch.failed], return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
        finally:
            await self._stop(tasks)

    def ask(self, text: str) -> None:
        """Ask a typed question."""
        self.dispatch(events.Typed(text))

    def snapshot(self) -> Snapshot:
        """Return how things stand: the only thing that displays and reports may read."""
        return status.snapshot(self.turn, self.mic, self.conversation, self.counters, self._devices)

    def _start(self, *, listen: bool) -> None:
        self._devices.speaker.start(self._on_drained, self.device_watch.fault)
        self._devices.button.start(self._on_button, self.device_watch.fault)
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
        self._control.stop()
        self.device_watch.close()
        self.conversation.end()
        await self.store.aclose()
        log.info("in all: %s", status.tally(self.snapshot()))

    # events in, effects out

    def dispatch(self, event: events.Event) -> None:
        """Handle one event completely; one that an effect causes waits for its turn."""
        self._control.dispatch(event)

    def _handle(self, event: events.Event) -> None:
        before = self.turn.phase
        self._tell_of(event)
        for effect in self.turn.handle(event, self._loop.time()):
            self._tell_of(effect)
            self._perform(effect)
        if self.turn.phase is not before:
            self.tell(notices.PhaseChanged(self.turn.phase))

    def _deadlines(self) -> tuple[float | None, ...]:
        return self.turn.deadline, self.conversation.change_over_at

    def _on_time(self) -> None:
        self.conversation.exchange.change_over_if_due()

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
            case effects.TakeStill():
                self.pictures.take_still()
            case effects.Play() | effects.SpeakStatus():
                self._perform_words(effect)
            case effects.PauseAnswer() | effects.ResumeAnswer() | effects.FinishAnswer():
                self._perform_on_speaker(effect)
            case _:
                self._perform_on_conversation(effect)

    def _perform_words(self, effect: effects.Play | effects.SpeakStatus) -> None:
        if isinstance(effect, effects.Play):
            self._announcer.play(effect.earcon, effect.words)
        else:
            self._speak_status()

    def _perform_on_speaker(self, effect: effects.PauseAnswer | effects.ResumeAnswer | effects.FinishAnswer) -> None:
        speaker = self._devices.speaker
        match effect:
            case effects.PauseAnswer():
                speaker.pause()
                self._announcer.hush()
            case effects.ResumeAnswer():
                speaker.resume()
            case effects.FinishAnswer():
                speaker.finish()
            case _:
                assert_never(effect)

    def _perform_on_conversation(self, effect: effects.ConversationEffect) -> None:
        conversation = self.conversation
        match effect:
            case effects.OpenUtterance():
                self._announcer.hush()
                conversation.open_utterance(self.mic.ear.pre_roll(effect.pre_roll_s))
                self.pictures.stream_frames(on=True)
            case effects.EndUtterance():
                self.pictures.stream_frames(on=False)
                self.mic.end_utterance()
            case effects.SendText():
                conversation.ask(effect.text, looking=self.pictures.glance(conversation.seen))
            case effects.CutAnswer():
                conversation.cut()
            case effects.SaveNote():
                conversation.save()
            case effects.CancelCatchUp():
                conversation.cancel_catch_up()
            case effects.PlayAnswers():
                conversation.delivery.answers.play()
            case _:
                assert_never(effect)

    # what is told (agent.conversation.exchange.Host)

    def tell(self, notice: notices.Notice) -> None:
        """Give a notice to the observer."""
        self._observer(notice)

    def service_alive(self) -> None:
        """Push back the deadline of whoever waits for the service; a timer that fires too early looks again."""
        self.turn.progress(self._loop.time())

    def question_heard(self, text: str) -> None:
        """Handle the next words of the technician that the service understood."""
        self.tell(notices.QuestionHeard(text))

    def turn_over(self, record: TurnRecord) -> None:
        """Handle a turn to which nothing will be added."""
        self.mic.acoustics.came_of(record, self._loop.time())
        log.info("%s", record.line())
        self.tell(notices.TurnEnded(record.summary()))

    def introduce(self, age_s: float, then: Callable[[], None]) -> None:
        """Say how long ago the question was asked to which the answer follows."""
        self._announcer.say(about_note(age_s), then=then)

    def connection_failed(self, error: LinkError) -> None:
        """Handle an attempt to connect that failed before there was any connection."""
        self.device_watch.fail(error)

    def _tell_of(self, move: events.Event | effects.Effect) -> None:
        notice = of_move(move)
        if notice is not None:
            self.tell(notice)

    # the light, and the sensors that are never open without it

    def _show(self) -> None:
        self._devices.indicator.show(self.turn.rhythm, self.mic.ear.level)

    def _sense(self, *, on: bool) -> None:
        if on:
            self._show()  # lit before anything is open; the phase has changed already
            self.mic.open(self._on_mic, self.device_watch.fault)
            self.pictures.open()
            self.conversation.wake()
        else:
            self.mic.close()
            self.pictures.close()
            self.conversation.sleep()

    # what devices report

    def _on_mic(self, heard: MicChunk) -> None:
        self.device_watch.works("microphone")
        self.mic.chunk(heard)
        behind = self.conversation.lag_s > status.FAR_BEHIND_S
        if behind is not self.turn.condition.behind:
            self.dispatch(events.LagChanged(behind))
        elif self.turn.phase.recording:
            self._show()  # the level has changed

    def _on_button(self, down: bool) -> None:  # noqa: FBT001 - the shape of hardware.ports.Button
        self.tell(notices.ButtonMoved(down))
        self._control.button(down=down)

    def _on_drained(self) -> None:
        self.device_watch.works("speaker")
        self.conversation.drained()

    def _on_storage(self, problem: str) -> None:
        self.device_watch.storage(problem)

    def _picture(self, jpeg: bytes) -> None:
        self.device_watch.works("camera")
        self.conversation.show(jpeg)

    def _keep_still(self, name: str, jpeg: bytes) -> None:
        recording = self.conversation.recording
        # Where the service detects speech, the journal has no turn yet.
        turn = recording.number if recording is not None and recording.kind is Kind.LIVE else None
        self.store.still(turn, name, jpeg, lambda: self.dispatch(events.StillKept()))

    def _speak_status(self) -> None:
        now = self.snapshot()
        self._announcer.say(status.words(now))
        log.info("status: %s", status.line(now))
        log.info("so far: %s", status.tally(now))
