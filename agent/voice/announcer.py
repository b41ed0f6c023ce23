"""The box's own voice: earcons, and words after them, mixed over whatever plays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.voice.earcons import pcm
from agent.voice.recordings import configured

if TYPE_CHECKING:
    from agent.config import VoiceSettings
    from agent.voice.earcons import Earcon
    from agent.voice.phrase import Words
    from hardware.ports import Speaker


class Announcer:
    """Speaks for the box."""

    def __init__(self, settings: VoiceSettings, speaker: Speaker) -> None:
        """Find the recordings. Raises ConfigError."""
        self._speaker = speaker
        self._loop = asyncio.get_running_loop()
        self._phrases = configured(settings) if settings.words else None

    def play(self, earcon: Earcon, words: Words = ()) -> None:
        """Sound ``earcon``, and say ``words`` when it is over."""
        sound = pcm(earcon)
        self._speaker.chime(sound)
        self.say(words, after=len(sound))

    def say(self, words: Words, *, after: int = 0) -> None:
        """Say ``words``, ``after`` so many bytes of silence."""
        if self._phrases is None or not words:
            return

        def spoken(done: asyncio.Future[bytes]) -> None:
            if not done.cancelled():
                self._speaker.chime(bytes(after) + done.result())

        # Decoding takes a slow Pi tens of milliseconds, which the loop has not.
        self._loop.run_in_executor(None, self._phrases.say, *words).add_done_callback(spoken)
