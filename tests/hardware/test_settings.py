"""What a name in the configuration means. Documentation, units and limits are checked in tests/agent/test_config.py."""

from __future__ import annotations

import pytest

from hardware.settings import AudioSettings, SoundKind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("default", SoundKind.CARD),
        ("Device", SoundKind.CARD),
        ("usb-1-1.3", SoundKind.CARD),
        ("speech.wav", SoundKind.FILE),
        ("SPEECH.WAV", SoundKind.FILE),
        ("~/speech", SoundKind.FILE),
    ],
)
def test_a_name_is_a_card_unless_it_is_a_path(name: str, kind: SoundKind) -> None:
    audio = AudioSettings(microphone=name, speaker=name)
    assert (audio.microphone_kind, audio.speaker_kind) == (kind, kind)


def test_each_side_has_its_own_word_for_nothing() -> None:
    audio = AudioSettings(microphone="silence", speaker="none")
    assert (audio.microphone_kind, audio.speaker_kind) == (SoundKind.NONE, SoundKind.NONE)
    audio = AudioSettings(microphone="none", speaker="silence")  # cards of these names, which nobody has
    assert (audio.microphone_kind, audio.speaker_kind) == (SoundKind.CARD, SoundKind.CARD)
