"""What figures say is wrong, alone and together."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from agent.voice.phrase import Phrase
from hardware.tuning.findings import Figures, judged

GOOD = Figures(
    frozenset({"quiet", "speech", "chirp", "phrase"}), -58, -26, 0.0, -26, 60, -28, 0.0, 40, interruptible=True
)
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"dead": True}, "microphone_silent", "quiet"),
    ({"delay_ms": None, "chirp_dbfs": None, "echo_dbfs": None}, "tune_no_sound_heard", "chirp"),
    ({"speech_clipping": 0.002}, "tune_microphone_clipping", "speech"),
    ({"speech_dbfs": None}, "tune_microphone_too_quiet", "speech"),
    ({"speech_dbfs": -46.0, "noise_dbfs": -70.0, "echo_dbfs": -50.0}, "tune_microphone_too_quiet", "speech"),
    ({"delay_ms": 401.0}, "tune_delay", "chirp"),
    ({"delay_ms": 9.0}, "tune_echo_poor", "chirp"),
    ({"noise_dbfs": -40.0}, "tune_noisy_place", "speech"),
    ({"noise_dbfs": -39.0, "speech_dbfs": None}, "tune_noisy_place", "quiet"),
    ({"echo_clipping": 0.002}, "tune_speaker_too_loud", "phrase"),
    ({"echo_dbfs": -13.0}, "tune_speaker_too_loud", "phrase"),
    ({"echo_dbfs": -47.0}, "tune_speaker_too_quiet", "phrase"),
    ({"echo_dbfs": -49.0, "speech_dbfs": -30.0}, "tune_speaker_too_quiet", "phrase"),
    ({"erle_db": 10.0, "interruptible": False}, "tune_echo_poor", "phrase"),
    ({"erle_db": None, "interruptible": False}, "tune_echo_poor", "phrase"),
]


def test_a_good_box_has_nothing_wrong() -> None:
    assert judged(GOOD) == []


@pytest.mark.parametrize(("changes", "phrase", "step"), WRONG)
def test_each_fault_is_named_alone_on_one_line_and_can_be_said(changes: dict[str, Any], phrase: str, step: str) -> None:
    found = judged(replace(GOOD, **changes))
    assert [(each.phrases[0], each.about) for each in found] == [(phrase, step)]
    assert all(name in set(Phrase) for name in found[0].phrases)
    assert len(found[0].line) <= 75


def test_only_a_box_that_does_not_hear_is_unusable() -> None:
    silent = [phrase for changes, phrase, _ in WRONG if not judged(replace(GOOD, **changes))[0].usable]
    assert silent == ["microphone_silent", "tune_no_sound_heard"]


def test_causes_come_before_what_they_cause() -> None:
    all_wrong = replace(GOOD, speech_clipping=0.1, delay_ms=450, echo_dbfs=-13, erle_db=0, interruptible=False)
    spoken = [each.phrases[0] for each in judged(all_wrong)]
    assert spoken == ["tune_microphone_clipping", "tune_delay", "tune_speaker_too_loud", "tune_echo_poor"]


def test_a_quarter_of_what_is_stored_is_not_noise_of_the_arithmetic() -> None:
    figures = replace(GOOD, delay_ms=61.23456, speech_clipping=0.123456).rounded
    assert (figures["delay_ms"], figures["speech_clipping"]) == (61.2, 0.12346)
    assert set(figures) == {each.name for each in fields(Figures)} - {"measured"}
