import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import VideoSettings
from agent.uplink.bandwidth import AUDIO_HOLD_S, FRAME_GATE_S, START_RATE, Pipe, Uplink
from agent.uplink.ledger import Ledger
from agent.uplink.outbox import BEHIND_S, Outbox, Outgoing
from agent.wire import protocol

CHUNK = bytes(640)


def outbox(*, local_detection: bool = True) -> tuple[Outbox, Ledger]:
    ledger = Ledger(local_detection=local_detection)
    return Outbox(ledger, VideoSettings()), ledger


def queue(seconds: float) -> Uplink:
    """An uplink with a queue of this length."""
    uplink = Uplink()
    uplink.written(round(seconds * START_RATE))
    return uplink


def drain(box: Outbox, queue_s: float = 0.0) -> list[Outgoing]:
    uplink = queue(queue_s)
    return list(iter(lambda: box.next(uplink, 0.0), None))


def kinds(sent: list[Outgoing]) -> list[str]:
    def kind(message: Any) -> str:
        (member, value), *rest = message.items()
        assert not rest
        return kind(value) if member == "realtimeInput" else member

    return [kind(json.loads(outgoing.message)) for outgoing in sent]


def test_control_goes_before_audio_and_audio_before_a_frame() -> None:
    box, ledger = outbox()
    box.frame(b"jpeg")
    ledger.open(CHUNK)
    ledger.end(0.0)
    box.control(protocol.tool_response([]))
    box.control(protocol.text("second"))
    assert kinds(drain(box)) == ["toolResponse", "text", "activityStart", "audio", "activityEnd", "video"]
    assert box.empty


def test_only_control_goes_while_the_pipe_is_full() -> None:
    box, ledger = outbox()
    box.frame(b"jpeg")
    ledger.open(CHUNK)
    box.control(protocol.text("now"))
    assert kinds(drain(box, AUDIO_HOLD_S + 0.01)) == ["text"]
    assert not box.empty
    assert kinds(drain(box, AUDIO_HOLD_S)) == ["activityStart", "audio"]


def test_a_frame_waits_until_the_pipe_is_shallow() -> None:
    box, _ = outbox()
    box.frame(b"jpeg")
    assert drain(box, FRAME_GATE_S + 0.01) == []
    assert not box.empty
    assert drain(box, FRAME_GATE_S) == [Outgoing(protocol.video(b"jpeg"), is_frame=True)]
    assert box.empty


def test_audio_goes_however_deep_the_pipe_is_for_a_frame() -> None:
    box, ledger = outbox()
    ledger.open(CHUNK)
    box.frame(b"jpeg")
    assert kinds(drain(box, FRAME_GATE_S + 0.01)) == ["activityStart", "audio"]


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    box, _ = outbox()
    for jpeg in (b"1", b"2", b"3"):
        box.frame(jpeg)
    assert [outgoing.message for outgoing in drain(box)] == [protocol.video(b"3")]
    assert (box.frames_replaced, box.frames_lost) == (2, 0)


def test_only_the_last_message_of_an_utterance_completes_it() -> None:
    box, ledger = outbox()
    number = ledger.open(CHUNK)
    ledger.end(0.0)
    sent = drain(box)
    assert [outgoing.completes is not None for outgoing in sent] == [False, False, True]
    assert sent[-1].completes is not None
    assert sent[-1].completes.number == number


def test_a_typed_line_is_completed_whoever_detects_speech() -> None:
    for local_detection in (True, False):
        box, ledger = outbox(local_detection=local_detection)
        number = ledger.add_text("hello", 0.0)
        sent = drain(box)
        assert [outgoing.completes and outgoing.completes.number for outgoing in sent][-1] == number
        assert sum(outgoing.completes is not None for outgoing in sent) == 1


def test_it_is_empty_only_when_nothing_waits_in_any_lane() -> None:
    box, ledger = outbox()
    assert box.empty
    box.control(protocol.text("x"))
    assert not box.empty
    drain(box)
    box.frame(b"jpeg")
    assert not box.empty
    drain(box)
    ledger.open(CHUNK)
    assert not box.empty
    drain(box)
    assert box.empty


def test_a_lost_connection_takes_its_control_and_its_frame_with_it_but_no_audio() -> None:
    box, ledger = outbox()
    box.control(protocol.text("x"))
    box.frame(b"jpeg")
    ledger.open(CHUNK)
    box.connection_lost()
    assert box.frames_lost == 1
    assert box.frame_refusal(Uplink(), 0.0) != "waiting"
    assert kinds(drain(box)) == ["activityStart", "audio"]
    box.connection_lost()
    assert box.frames_lost == 1


def test_a_frame_is_refused_by_the_lane_that_is_in_its_way() -> None:
    box, ledger = outbox()
    uplink = queue(0.0)
    assert box.frame_refusal(uplink, 0.0) == ""
    assert box.frame_refusal(queue(1.0), 0.0) == "queue"
    ledger.open(CHUNK)
    assert box.frame_refusal(uplink, 0.0) == "audio"
    box.frame(b"jpeg")
    assert box.frame_refusal(uplink, 0.0) == "waiting"
    drain(box)
    uplink.frame_sent(0.0, 1000)
    assert box.frame_refusal(uplink, 0.0) == "receipt"


def test_a_frame_has_a_budget_or_a_reason_why_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    box, _ = outbox()
    size, refusal = box.frame_budget(queue(0.0), 0.0)
    assert (size > 0, refusal) == (True, "")
    assert box.frame_budget(queue(1.0), 0.0) == (0, "queue")
    narrow = queue(0.0)
    monkeypatch.setattr(narrow, "frame_budget", lambda *_: 0)  # as of a line that audio fills
    assert box.frame_budget(narrow, 0.0) == (0, "rate")


@given(st.lists(st.sampled_from(["speak", "frame", "end", "send", "fill", "drain"]), max_size=80))
def test_no_frame_starts_while_audio_waits_and_audio_keeps_its_order(steps: list[str]) -> None:
    box, ledger = outbox()
    uplink, spoken, heard, frames = Uplink(), b"", b"", 0
    ledger.open(b"")
    for number, step in enumerate(steps):
        if step == "speak" and ledger.recording is not None:
            chunk = number.to_bytes(2, "little") * 320
            spoken += chunk
            ledger.append(chunk)
        elif step == "frame":
            box.frame(b"jpeg")
        elif step == "end":
            ledger.end(0.0)
        elif step == "fill":
            uplink.written(50_000)
        elif step == "drain":
            uplink.observe(float(number), Pipe(0, 10**9 + number, 0.0), line_full=False)
        elif (outgoing := box.next(uplink, float(number))) is not None:
            member = json.loads(outgoing.message)["realtimeInput"]
            if "audio" in member:
                heard += b64decode(member["audio"]["data"])
            elif outgoing.is_frame:
                assert not ledger.unsent(uplink.chunk_s)
                assert uplink.queue_s <= FRAME_GATE_S
                uplink.frame_sent(float(number), 8)
                frames += 1
    assert spoken.startswith(heard)
    uplink.observe(1000.0, Pipe(0, 2 * 10**9, 0.0), line_full=False)
    ledger.end(0.0)
    rest = [json.loads(outgoing.message)["realtimeInput"] for outgoing in iter(lambda: box.next(uplink, 2000.0), None)]
    assert heard + b"".join(b64decode(each["audio"]["data"]) for each in rest if "audio" in each) == spoken


def test_it_is_behind_when_more_audio_waits_than_any_pause_of_a_healthy_line_leaves() -> None:
    box, ledger = outbox()
    ledger.open(CHUNK * round(BEHIND_S / 0.02))
    assert not box.behind
    ledger.append(CHUNK)
    assert box.behind
    drain(box)
    assert not box.behind
