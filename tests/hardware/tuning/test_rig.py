"""The box as a rig: blocks of both directions become one recording, and trouble is told, not waited for."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hardware.ports import DeviceError
from hardware.settings import AudioSettings
from hardware.sound.dsp_thread import Block, Capture
from hardware.tuning import rig
from hardware.tuning.rig import CardRig, Recorder, recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import MicChunk
    from hardware.sound.card_sound import SoundListener, SpeakerListener


def block(rate_in: int = 48_000, rate_out: int = 48_000, value: int = 1, played: bytes | None = None) -> Block:
    heard = np.full(rate_in // 100, value, dtype="<i2").tobytes()
    return Block(
        Capture(rate_in, 1, 1, wide=False), heard, rate_out, played or bytes(2 * rate_out // 100), lambda _: None
    )


class Sound:
    """What opens cards; a test feeds it."""

    opened: Sound

    def __init__(self, audio: AudioSettings, recorder: Recorder) -> None:
        Sound.opened = self
        self.audio, self.recorder = audio, recorder
        self.listening = self.speaks = False
        self.removed: list[str] = []
        self.buffer = SimpleNamespace(chime=self.play)
        self.microphone, self.speaker = "the microphone", "the speaker"
        self.played = b""

    def play(self, pcm: bytes) -> None:
        self.played += pcm
        for value in range(20):
            self.recorder.feed(block(value=value))

    def listen(self, deliver: Callable[[MicChunk], None] | None) -> None:
        self.listening = deliver is not None

    def close(self, side: str) -> None:
        self.removed.append(side)

    def open(self, microphone: SoundListener, speaker: SpeakerListener | None) -> None:
        assert self.listening
        assert self.recorder.alive
        self.failed, self.speaks = microphone.failed, speaker is not None
        self.recorder.prepare(48_000, 48_000)


def card(wanted: str, direction: str) -> Any:
    return SimpleNamespace(name=f"{wanted} {direction}: - (hw:1,0)", number=1)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins: dict[str, Any] = {
        "CardSound": Sound,
        "find": card,
        "usb_port": lambda number: f"usb-{number}-1",
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(rig, name, stand_in)


AUDIO = AudioSettings(microphone="Clip", speaker="Horn")


@pytest.mark.usefixtures("cards")
def test_a_recording_begins_with_what_is_played() -> None:
    async def tuned() -> None:
        rig = CardRig(asyncio.get_running_loop(), AUDIO, speaks=True)
        assert rig.device == "Clip input at usb-1-1 > Horn output at usb-1-1"
        Sound.opened.recorder.feed(block(value=99))  # before anybody wants it
        await rig.ready()
        near, far, rate = await rig.play_and_record(b"pcm!", 0.1)
        assert (Sound.opened.played, rate, len(near), len(far)) == (b"pcm!", 48_000, 4800, 4800)
        assert list(near[::480]) == list(range(10))
        await rig.aclose()

    asyncio.run(tuned())
    assert Sound.opened.removed == ["the microphone", "the speaker"]
    assert not Sound.opened.listening


@pytest.mark.usefixtures("cards")
def test_a_microphone_alone_plays_nothing() -> None:
    async def tuned() -> None:
        rig = CardRig(asyncio.get_running_loop(), AUDIO, speaks=False)
        assert rig.device == "Clip input at usb-1-1"
        assert not Sound.opened.speaks
        asyncio.get_running_loop().call_soon(Sound.opened.play, b"")
        await rig.play_and_record(b"pcm!", 0.1)
        assert Sound.opened.played == b""
        await rig.aclose()

    asyncio.run(tuned())
    assert Sound.opened.removed == ["the microphone"]


def test_cards_of_two_rates_become_one() -> None:
    played = np.full(240, 1000, dtype="<i2").tobytes()
    near, far, rate = recording([block(16_000, 24_000, 7, played)] * 20)
    assert (rate, len(near), len(far)) == (16_000, 3200, 3200)
    assert abs(int(far[1600]) - 1000) <= 1


def test_rates_that_change_meanwhile_keep_both_sides_aligned() -> None:
    early = [block(48_000, 48_000, 7, np.zeros(480, dtype="<i2").tobytes())] * 10  # the output has not opened yet
    late = [block(48_000, 16_000, 7, np.full(160, 1000, dtype="<i2").tobytes())] * 10
    back = [block(44_100, 16_000, 7, np.full(160, 1000, dtype="<i2").tobytes())] * 10
    near, far, rate = recording(early + late + back)
    assert (rate, len(near), len(far)) == (48_000, 14_400, 14_400)
    assert abs(int(near[12_000]) - 7) <= 1
    assert not far[:4800].any()
    assert abs(int(far[7200]) - 1000) <= 1
    assert abs(int(far[12_000]) - 1000) <= 1


@pytest.mark.usefixtures("cards")
def test_blocks_that_come_while_it_is_made_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager(Sound):
        def open(self, microphone: SoundListener, speaker: SpeakerListener | None) -> None:
            del microphone, speaker
            self.recorder.feed(block())
            time.sleep(0.1)  # the loop takes it meanwhile

    monkeypatch.setattr(rig, "CardSound", Eager)
    monkeypatch.setattr(rig, "PATIENCE_S", 0.05)

    async def tuned() -> None:
        loop = asyncio.get_running_loop()
        rig = await asyncio.to_thread(lambda: CardRig(loop, AUDIO, speaks=True))
        await rig.ready()

    asyncio.run(tuned())


@pytest.mark.usefixtures("cards")
def test_a_card_that_is_busy_says_so_at_once_and_one_that_gives_nothing_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "PATIENCE_S", 0.05)

    async def tuned() -> None:
        rig = CardRig(asyncio.get_running_loop(), AUDIO, speaks=True)
        with pytest.raises(DeviceError, match="delivers no sound"):
            await rig.ready()
        Sound.opened.failed(DeviceError("Clip", "is busy", "end it"))
        with pytest.raises(DeviceError, match="is busy"):
            await rig.ready()

    asyncio.run(tuned())


@pytest.mark.parametrize("names", [("silence", "Horn"), ("a/b", "Horn"), ("x.wav", "Horn"), ("Clip", "none")])
def test_what_is_no_card_is_refused(names: tuple[str, str]) -> None:
    async def tuned() -> None:
        audio = AudioSettings(*names)
        CardRig(asyncio.get_running_loop(), audio, speaks=audio.speaker == "none")

    with pytest.raises(DeviceError, match="not a sound card"):
        asyncio.run(tuned())
