"""What a device looks like: the words and figures that pass between a device and the agent."""

from __future__ import annotations

import pytest

from hardware.ports import (
    CHUNK_BYTES,
    CHUNK_S,
    MICROPHONE_FORMAT,
    DeviceError,
    MicChunk,
    Trust,
    reason,
    without_library,
)


def test_a_chunk_is_20_ms_of_whole_samples() -> None:
    assert CHUNK_BYTES == 640
    assert MICROPHONE_FORMAT.seconds_in(CHUNK_BYTES) == CHUNK_S
    assert MICROPHONE_FORMAT.bytes_in(0.00003) == 0


@pytest.mark.parametrize("trust", Trust)
def test_a_voice_is_believed_where_no_echo_is_left(trust: Trust) -> None:
    assert MicChunk(b"", b"", trust).trusted is (trust in {Trust.ECHO_FREE, Trust.TRUSTED})


def test_a_chunk_that_no_canceller_saw_is_the_same_for_both_listeners() -> None:
    chunk = MicChunk.plain(b"pcm!", trusted=True)
    assert (chunk.for_model, chunk.for_endpointer, chunk.trusted) == (b"pcm!", b"pcm!", True)
    assert MicChunk.plain(b"", trusted=False).trust is Trust.ABSENT


def test_a_fault_names_device_problem_and_fix_and_keeps_them_under_another_name() -> None:
    fault = DeviceError("card 1", "is busy", "end what has it", fatal=True)
    assert str(fault) == "card 1: is busy (end what has it)"
    renamed = fault.of("speaker")
    assert (renamed.device, renamed.problem, renamed.fix, renamed.fatal) == ("speaker", "is busy", fault.fix, True)


def test_a_reason_is_never_empty() -> None:
    assert reason(FileNotFoundError(2, "No such file")) == "No such file"
    assert reason(ValueError("odd")) == "odd"
    assert reason(ValueError()) == "ValueError"


def test_only_a_library_that_sound_cards_need_is_missing_from_an_installation() -> None:
    assert "numpy is not installed" in str(without_library(ImportError("no", name="numpy")))
    with pytest.raises(ImportError, match="ours"):
        without_library(ImportError("ours", name="agent.nothing"))
