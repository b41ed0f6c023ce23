"""The box's own voice: earcons, mixed over whatever plays, and words, which wait until nobody else speaks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.voice.earcons import pcm
from agent.voice.recordings import configured

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._decoding: set[asyncio.Future[bytes]] = set()

    def play(self, earcon: Earcon, words: Words = ()) -> None:
        """Sound ``earcon``, and say ``words`` when it is over."""
        sound = pcm(earcon)
        self._speaker.chime(sound)
        self.say(words, after=len(sound))

    def say(self, words: Words, *, after: int = 0, then: Callable[[], None] = lambda: None) -> None:
        """Say ``words``, ``after`` so many bytes of silence.

        ``then`` is called when the words were handed to the speaker or will not be, so that a sound may follow them.
        """
        if self._phrases is None or not words:
            then()
            return

        def spoken(done: asyncio.Future[bytes]) -> None:
            self._decoding.discard(done)
            if not done.cancelled():
                self._speaker.say(bytes(after) + done.result())
            then()

        # Decoding takes a slow Pi tens of milliseconds, which the loop has not.
        decoding = self._loop.run_in_executor(None, self._phrases.say, *words)
        self._decoding.add(decoding)
        decoding.add_done_callback(spoken)

    def hush(self) -> None:
        """Say nothing more of what was to be said: the technician goes first."""
        for decoding in self._decoding:
            decoding.cancel()
        self._speaker.hush()
