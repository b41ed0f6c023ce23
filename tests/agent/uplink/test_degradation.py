"""How speech is thinned on a narrow line."""

from __future__ import annotations

import json
import math
from array import array
from base64 import b64decode

import pytest

from agent.uplink.degradation import FULL_RATE, HALF_RATE, PAUSE_S, SKIP_AT_S, Degradation, Degrader, halve
from agent.uplink.ledger import Ledger
from hardware.ports import CHUNK_BYTES


def tone(hertz: float, seconds: float = 1.0) -> bytes:
    count = round(16_000 * seconds)
    return array("h", (int(10_000 * math.sin(2 * math.pi * hertz * i / 16_000)) for i in range(count))).tobytes()


def gain_db(hertz: float) -> float:
    out = array("h", halve(tone(hertz), 0, 32_000))[50:-50]
    power = sum(value * value for value in out) / len(out)
    return 10 * math.log10(max(power, 1e-9) / (10_000**2 / 2))


@pytest.mark.parametrize(
    ("hertz", "low", "high"), [(300, -0.2, 0.2), (2000, -0.5, 0.2), (5000, -99, -14), (6500, -99, -40)]
)
def test_halving_keeps_speech_and_little_of_what_would_fold_back(hertz: float, low: float, high: float) -> None:
    assert low <= gain_db(hertz) <= high


def test_pieces_join_without_a_seam() -> None:
    pcm = tone(700)
    pieces = [halve(pcm, start, start + 640) for start in range(0, len(pcm), 640)]
    assert b"".join(pieces) == halve(pcm, 0, len(pcm))


def test_full_scale_does_not_wrap_around() -> None:
    square = array("h", [32767, 32767, -32768, -32768] * 400).tobytes()
    assert max(array("h", halve(square, 0, len(square)))) <= 32767


def test_a_wide_line_catches_up_with_every_sample() -> None:
    squeeze = Degrader(narrowband=True)
    assert squeeze.choose(0.0, 100.0, narrow=False, fits=True) == Degradation()


def test_the_narrower_the_later_the_thinner() -> None:
    squeeze = Degrader(narrowband=True)
    assert squeeze.choose(0.0, 0.4, narrow=True, fits=True) == Degradation()
    assert squeeze.choose(0.0, 0.55, narrow=True, fits=True) == Degradation(HALF_RATE)
    assert squeeze.choose(0.0, 0.7, narrow=True, fits=True) == Degradation(HALF_RATE, trim=True)
    assert squeeze.choose(0.0, 9.0, narrow=True, fits=True) == Degradation(HALF_RATE, trim=True, skip_s=5.0)


def test_it_goes_back_to_full_rate_after_a_while_and_more_slowly_each_time() -> None:
    squeeze, now = Degrader(narrowband=True), 0.0
    for patience_s in (4, 8, 16, 32, 60, 60):
        assert squeeze.choose(now, 1.0, narrow=True, fits=True).rate == HALF_RATE
        squeeze.choose(now, 0.1, narrow=True, fits=True)
        assert squeeze.choose(now + patience_s - 0.1, 0.1, narrow=True, fits=True).rate == HALF_RATE
        assert squeeze.choose(now + patience_s, 0.1, narrow=True, fits=True).rate == FULL_RATE
        now += 100


def test_a_relapse_starts_the_patience_anew() -> None:
    squeeze = Degrader(narrowband=True)
    squeeze.choose(0.0, 1.0, narrow=True, fits=True)
    squeeze.choose(1.0, 0.1, narrow=True, fits=True)
    squeeze.choose(3.0, 0.3, narrow=True, fits=True)
    squeeze.choose(4.0, 0.1, narrow=True, fits=True)
    assert squeeze.choose(7.9, 0.1, narrow=True, fits=True).rate == HALF_RATE
    assert squeeze.choose(8.0, 0.1, narrow=True, fits=True).rate == FULL_RATE


def test_half_the_rate_can_be_forbidden() -> None:
    assert Degrader(narrowband=False).choose(0.0, 1.0, narrow=True, fits=True) == Degradation(trim=True)


# what the ledger makes of it


def sent(ledger: Ledger, degradation: Degradation) -> list[tuple[str, bytes]]:
    blobs = []
    while (step := ledger.next(0.02, degradation)) is not None:
        member = json.loads(step[0])["realtimeInput"]
        if "audio" in member:
            blobs.append((member["audio"]["mimeType"], b64decode(member["audio"]["data"])))
    return blobs


def speech(piece: int) -> bytes:
    return piece.to_bytes(2, "little") * (CHUNK_BYTES // 2)


def test_half_rate_audio_says_so_and_is_half_as_long() -> None:
    ledger = Ledger(local_detection=True)
    ledger.open(tone(500, 0.2))
    ((kind, pcm),) = sent(ledger, Degradation(HALF_RATE))
    assert kind == "audio/pcm;rate=8000"
    assert len(pcm) == 3200


def test_of_a_long_pause_the_beginning_is_kept_and_all_that_is_spoken() -> None:
    ledger = Ledger(local_detection=True)
    ledger.open(b"")
    said = [speech(piece) for piece in range(1, 101)]
    for piece, chunk in enumerate(said):
        ledger.append(chunk, quiet=20 <= piece < 70)
    pcm = b"".join(blob for _, blob in sent(ledger, Degradation(trim=True)))
    kept = [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES)]
    assert kept[:20] == said[:20]
    assert kept[-30:] == said[70:]
    assert PAUSE_S <= (len(kept) - 50) * 0.02 <= 2 * PAUSE_S
    assert ledger.trimmed_s == pytest.approx((100 - len(kept)) * 0.02)


def test_only_the_live_stream_is_skipped_and_nothing_leaves_the_ledger() -> None:
    ledger = Ledger(local_detection=True)
    ledger.open(b"")
    for piece in range(500):
        ledger.append(speech(piece))
    degradation = Degradation(skip_s=SKIP_AT_S)
    first = ledger.next(0.02, degradation)
    assert first is not None
    ledger.next(0.02, degradation)
    assert ledger.skipped_s >= SKIP_AT_S
    ledger.rewind()
    again = b"".join(blob for _, blob in sent(ledger, degradation))
    assert again == b"".join(speech(piece) for piece in range(500))


def test_being_a_little_late_for_long_is_late() -> None:
    squeeze = Degrader(narrowband=True)
    squeeze.choose(0.0, 0.1, narrow=True, fits=True)
    assert squeeze.choose(0.5, 0.3, narrow=True, fits=True).rate == FULL_RATE
    assert squeeze.choose(1.1, 0.3, narrow=True, fits=True).rate == HALF_RATE


def test_it_does_not_go_back_where_the_full_rate_does_not_fit() -> None:
    squeeze = Degrader(narrowband=True)
    squeeze.choose(0.0, 1.0, narrow=True, fits=False)
    for second in range(1, 100):
        assert squeeze.choose(float(second), 0.0, narrow=True, fits=False).rate == HALF_RATE
