"""Notices as values, as JSON, and as the page that documents them."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from agent import notices
from agent.link.state import LinkState
from agent.metrics import TurnRecord
from agent.notices import Notice, as_json
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from agent.voice.phrase import Phrase


def test_an_enum_is_written_by_its_value_if_that_is_a_word_and_else_by_its_name() -> None:
    assert as_json(notices.PhaseChanged(Phase.LISTENING)) == {"event": "phase_changed", "phase": "listening"}
    assert as_json(notices.LinkStateChanged(LinkState.UP, "")) == {
        "event": "link_state_changed",
        "state": "up",
        "problem": "",
    }


def test_words_are_names_of_phrases_and_numbers() -> None:
    written = as_json(notices.EarconPlayed(Earcon.SAVED, (Phrase.SAVED_NOT_SENT, 3)))
    assert written == {"event": "earcon_played", "earcon": "saved", "words": ["saved_not_sent", 3]}


def test_a_turn_is_written_with_all_its_figures() -> None:
    turn = TurnRecord(3, tokens=7)
    turn.answer.add_text("Four bar.")
    written = as_json(notices.TurnEnded(turn.summary()))["turn"]
    assert (written["utterance"], written["tokens"], written["answer_text"], written["ttfab_s"]) == (
        3,
        7,
        "Four bar.",
        None,
    )
    assert json.loads(json.dumps(written)) == written


def test_a_notice_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        notices.ButtonMoved(down=True).down = False  # type: ignore[misc] # that is the point


def test_the_union_holds_every_notice_there_is() -> None:
    made_here = {
        kind
        for kind in vars(notices).values()
        if isinstance(kind, type) and kind.__module__ == notices.__name__ and hasattr(kind, "__slots__")
    }
    assert set(get_args(Notice)) == made_here
    assert all(kind.__doc__ and not kind.__doc__.startswith(kind.__name__) for kind in made_here)
    assert all(len(fields(kind)) <= 2 for kind in made_here), "small: what belongs together is a value of its own"


def test_a_file_begins_with_its_format_and_version() -> None:
    assert notices.header() == {"event": "file_began", "format": notices.FORMAT, "version": notices.VERSION}
