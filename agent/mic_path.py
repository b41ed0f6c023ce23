"""The path of a microphone chunk on the loop: endpointer, echo gate, ledger, socket, before the next chunk comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.hearing.acoustics import Acoustics
from agent.hearing.deafness import Deafness
from agent.hearing.ear import Ear
from agent.hearing.endpointer import Edge
from agent.turn import events
from agent.turn.phase import Phase
from hardware.ports import MICROPHONE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.config import Settings
    from agent.conversation.conversation import Conversation
    from agent.turn.machine import Turn
    from hardware.ports import DeviceError, Devices, MicChunk

ECHO_S = 0.3
"""How long the echo of the last sample still comes: out of the driver, through the room and in again. Not more, so
that the pre-roll reaches back to a word that followed a press of the button at once."""


class MicPath:
    """Handles the chunks while the microphone is open; tells the turn machine and the conversation."""

    def __init__(
        self,
        settings: Settings,
        devices: Devices,
        turn: Turn,
        conversation: Conversation,
        dispatch: Callable[[events.Event], None],
    ) -> None:
        """Load the voice detector. Raises ConfigError."""
        self._settings = settings
        self._microphone = devices.microphone
        self._speaker = devices.speaker
        self._turn = turn
        self._conversation = conversation
        self._dispatch = dispatch
        self._loop = asyncio.get_running_loop()
        self._echo_until = 0.0
        self._speech_ended_at = 0.0  # set while the endpointer's END is being handled
        self._deafness = Deafness()
        self.ear = Ear(settings)
        self.acoustics = Acoustics(settings.turn, dispatch, devices.microphone.false_alarm)

    def open(self, on_chunk: Callable[[MicChunk], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Open the microphone; ``on_chunk`` must pass each chunk to :meth:`chunk`."""
        self.ear.forget()
        self._deafness.forget()
        self._microphone.start(on_chunk, on_fault)

    def close(self) -> None:
        """Close the microphone."""
        self._microphone.stop()

    def chunk(self, heard: MicChunk) -> None:
        """Handle one chunk of 20 ms.

        The chunk is added to an open utterance before its edge is acted on: an utterance that the edge opens begins
        with its pre-roll, which ends with this very chunk.
        """
        now = self._loop.time()
        sounding = self._sounding(now)
        deaf = sounding and self._deaf(heard)
        edge = self.ear.feed(heard, deaf=deaf, sounding=sounding)
        if self.ear.overheard:
            self._microphone.overheard()
        learn = not sounding and self._turn.phase is not Phase.TALKING
        self.acoustics.chunk(heard, now, voiced=self.ear.voiced, learn=learn)
        if learn and self._turn.offering and self.ear.voiced:
            self._turn.voiced(now)
        if edge is not None:
            self._microphone.speech(on=edge is Edge.START, over_answer=self._turn.phase is Phase.ANSWERING)
        if self._conversation.recording is not None:
            self._conversation.hear(heard.for_model, quiet=self.ear.quiet)
        if edge is Edge.START:
            self._speech_started()
        elif edge is Edge.END:
            self._speech_ended(now)
        self._watch_deafness(heard, deaf=deaf, sounding=sounding)
        self._conversation.dialogue.watch_playback(now)

    def end_utterance(self) -> None:
        """End the utterance at its last word: before the endpointer's silence, or now if the button ended it."""
        self._microphone.speech(on=False)
        self.ear.restart()
        ended_at = self._speech_ended_at or self._loop.time()
        self._conversation.end_utterance(ended_at, listening=self._turn.phase.listening)

    def _speech_started(self) -> None:
        over_answer = self._turn.phase is Phase.ANSWERING
        was_open = self._conversation.recording is not None
        self._dispatch(events.SpeechStarted(self._pre_roll_s(over_answer=over_answer)))
        opened = None if was_open else self._conversation.recording
        if opened is not None:
            self.acoustics.begun(opened.number, self._loop.time(), over_answer=over_answer)

    def _pre_roll_s(self, *, over_answer: bool) -> float:
        """How far back an utterance begins: a little before its voice, or where that began while the box was deaf."""
        chosen = self._settings.endpointer
        usual_s = (chosen.barge_in_pre_roll_ms if over_answer else chosen.pre_roll_ms) / 1000
        return max(usual_s, self.ear.reach_s)

    def _speech_ended(self, now: float) -> None:
        self._speech_ended_at = now - self._settings.endpointer.end_silence_ms / 1000
        recording = self._conversation.recording
        if recording is not None:
            self.acoustics.ended(recording.number, MICROPHONE_FORMAT.seconds_in(len(recording.pcm)))
        self._dispatch(events.SpeechEnded())
        self._speech_ended_at = 0.0

    def _watch_deafness(self, heard: MicChunk, *, deaf: bool, sounding: bool) -> None:
        if self._conversation.recording is not None:
            self._deafness.forget()
            return
        voice = self.ear.overheard if deaf else self.ear.voiced
        missed = self._deafness.over(heard, deaf=deaf, sounding=sounding, voice=voice)
        if missed is not None:
            self._dispatch(events.HearsAgain(missed))

    def _sounding(self, now: float) -> bool:
        """Whether the microphone may hear the box's own sound."""
        if self._speaker.audible:
            self._echo_until = now + ECHO_S
        return now < self._echo_until

    def _deaf(self, heard: MicChunk) -> bool:
        """Whether no speech may start in this chunk, since it may be the box's own voice."""
        chosen = self._settings.turn.barge_in
        if chosen == "voice":
            return False
        return not heard.trusted or (chosen == "button" and self._speaker.audible)
