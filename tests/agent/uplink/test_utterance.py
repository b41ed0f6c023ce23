"""The stages of an utterance: every move that the table lists, and no other."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agent.uplink.utterance import Kind, Stage, Utterance, Wants

MOVES: dict[str, Callable[[Utterance], None]] = {
    "begin": Utterance.begin,
    "finish": Utterance.finish,
    "withdraw": Utterance.withdraw,
    "rewind": Utterance.rewind,
}
LEGAL = {
    (Stage.WAITING, "begin"): Stage.SENDING,
    (Stage.WAITING, "rewind"): Stage.WAITING,
    (Stage.SENDING, "finish"): Stage.SENT,
    (Stage.SENDING, "withdraw"): Stage.ENDING,
    (Stage.SENDING, "rewind"): Stage.WAITING,
    (Stage.SENT, "rewind"): Stage.WAITING,
    (Stage.ENDING, "finish"): Stage.ENDED,
}


def spoken(stage: Stage = Stage.WAITING, **given: Any) -> Utterance:
    return Utterance(1, Kind.LIVE, bytearray(1280), bytearray(2), stage=stage, **given)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("stage", Stage)
def test_a_move_leads_where_the_table_says_or_is_refused(stage: Stage, move: str) -> None:
    utterance = spoken(stage)
    if (stage, move) in LEGAL:
        MOVES[move](utterance)
        assert utterance.stage is LEGAL[stage, move]
    else:
        with pytest.raises(AssertionError):
            MOVES[move](utterance)
        assert utterance.stage is stage


@pytest.mark.parametrize(
    ("stage", "complete", "withdrawn"),
    [
        (Stage.WAITING, False, False),
        (Stage.SENDING, False, False),
        (Stage.SENT, True, False),
        (Stage.ENDING, False, True),
        (Stage.ENDED, True, True),
    ],
)
def test_what_a_stage_means(stage: Stage, *, complete: bool, withdrawn: bool) -> None:
    assert (spoken(stage).complete, spoken(stage).withdrawn) == (complete, withdrawn)


def test_a_beginning_counts_as_an_attempt_and_a_new_connection_has_nothing_of_it() -> None:
    utterance = spoken(sent=0)
    utterance.begin()
    utterance.sent, utterance.led, utterance.pause, utterance.preface = 640, 1, 3, "missed"
    assert utterance.unsent_bytes == 640
    utterance.rewind()
    assert (utterance.unsent_bytes, utterance.led, utterance.pause, utterance.preface) == (1280, 0, 0, "")
    assert utterance.attempts == 1


def test_what_is_withdrawn_holds_no_sound_and_waits_for_no_answer() -> None:
    utterance = spoken(Stage.SENDING, sent=640)
    utterance.withdraw()
    assert (utterance.unsent_bytes, len(utterance.pcm), utterance.wants) == (0, 0, Wants.NOTHING)


def test_the_lead_is_the_picture_then_what_was_missed_the_remark_and_the_text() -> None:
    utterance = Utterance(1, Kind.NOTE, text="text", preface="preface", remark="remark", picture=b"jpeg")
    sent = [json.loads(utterance.next_of_lead())["realtimeInput"] for _ in range(utterance.lead_size)]
    assert [next(iter(each)) for each in sent] == ["video", "text", "text", "text"]
    assert [each["text"] for each in sent[1:]] == ["preface", "remark", "text"]
    assert utterance.led == utterance.lead_size == 4
