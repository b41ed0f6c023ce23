"""Earcons at once, words after them and off the loop, and neither in the way of an answer."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent.config import VoiceSettings
from agent.errors import ConfigError
from agent.voice.announcer import Announcer
from agent.voice.earcons import Earcon, pcm
from agent.voice.phrase import Phrase
from agent.voice.recordings import Recordings
from hardware.simulated.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hardware.ports import Speaker

WORDS = (2, Phrase.NOTES_WAITING)


class Chimes:
    """A speaker, as far as the box's own voice uses it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.hushed = 0

    def chime(self, sound: bytes) -> None:
        self.heard.append(sound)

    def say(self, words: bytes) -> None:
        self.heard.append(words)

    def hush(self) -> None:
        self.hushed += 1


def announced(scene: Callable[[Announcer, Chimes], None], **voice: Any) -> list[bytes]:
    """What is heard of ``scene`` until all of its words were decoded."""

    async def played() -> list[bytes]:
        speaker = Chimes()
        scene(Announcer(VoiceSettings(**voice), cast("Speaker", speaker)), speaker)
        await asyncio.sleep(1)
        return speaker.heard

    return run_virtual(played())


def test_an_earcon_sounds_at_once_and_words_begin_when_it_is_over() -> None:
    def scene(announcer: Announcer, speaker: Chimes) -> None:
        announcer.play(Earcon.SAVED, WORDS)
        assert speaker.heard == [pcm(Earcon.SAVED)]

    earcon, words = announced(scene)
    assert words == bytes(len(earcon)) + Recordings("en").say(*WORDS)


def test_an_earcon_without_words_is_all_that_sounds() -> None:
    assert announced(lambda announcer, _: announcer.play(Earcon.STILL)) == [pcm(Earcon.STILL)]


def test_words_alone_are_said_at_once_in_the_configured_language() -> None:
    (words,) = announced(lambda announcer, _: announcer.say(WORDS), language="de")
    assert words == Recordings("de").say(*WORDS)


def test_words_may_be_switched_off_and_their_recordings_are_not_looked_for(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    with pytest.raises(ConfigError, match="no such folder"):
        announced(lambda *_: None, recordings=nowhere)
    heard = announced(lambda announcer, _: announcer.play(Earcon.FAULT, WORDS), recordings=nowhere, words=False)
    assert heard == [pcm(Earcon.FAULT)]


def test_words_are_decoded_in_a_thread_and_sound_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    sounded: list[int] = []

    def say(*_: Any) -> bytes:
        decoded.append(threading.get_ident())
        return b"\1\0"

    monkeypatch.setattr(Recordings, "say", say)
    monkeypatch.setattr(Chimes, "say", lambda *_: sounded.append(threading.get_ident()))
    announced(lambda announcer, _: announcer.say(WORDS))
    assert len(decoded) == 1
    assert decoded != [threading.get_ident()]
    assert sounded == [threading.get_ident()]


def test_words_that_are_still_being_decoded_are_not_said_after_a_hush() -> None:
    def scene(announcer: Announcer, speaker: Chimes) -> None:
        announcer.play(Earcon.SAVED, WORDS)
        announcer.hush()
        assert speaker.hushed == 1

    assert announced(scene) == [pcm(Earcon.SAVED)]


@pytest.mark.parametrize("words", [True, False])
def test_who_waits_for_the_words_goes_on_after_them_also_where_there_are_none(*, words: bool) -> None:
    def scene(announcer: Announcer, speaker: Chimes) -> None:
        announcer.say(WORDS, then=lambda: speaker.heard.append(b"the answer"))

    assert announced(scene, words=words)[-1] == b"the answer"


def test_who_waits_for_words_that_are_hushed_goes_on_all_the_same() -> None:
    def scene(announcer: Announcer, speaker: Chimes) -> None:
        announcer.say(WORDS, then=lambda: speaker.heard.append(b"the answer"))
        announcer.hush()

    assert announced(scene) == [b"the answer"]


def test_words_whose_decoding_was_cancelled_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[dict[str, Any]] = []

    def scene(announcer: Announcer, _: Chimes) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: broken.append(context))
        decoding: asyncio.Future[bytes] = loop.create_future()
        monkeypatch.setattr(loop, "run_in_executor", lambda *_: decoding)
        announcer.say(WORDS)
        monkeypatch.undo()
        decoding.cancel()

    assert announced(scene) == []
    assert broken == []
