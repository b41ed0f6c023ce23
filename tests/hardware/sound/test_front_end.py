"""From card blocks to chunks: sizes, alignment, both listeners, what is told about them."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.ports import CHUNK_BYTES, CHUNK_S, Echo, MicChunk, Trust
from hardware.sound.echo import BLOCK, RECOVER_S, PassThrough
from hardware.sound.front_end import DEAD_S, FrontEnd, ModelPath, decibels, peak

RATES = [48000, 44100, 32000, 16000, 96000]


def nothing(*, hush: bool) -> PassThrough:
    del hush
    return PassThrough()


def run(end: FrontEnd, captured: np.ndarray, played: np.ndarray) -> list[MicChunk]:
    heard = [end.process(*blocks) for blocks in zip(captured, played, strict=True)]
    assert [each is None for each in heard] == [True, False] * (len(heard) // 2)
    return [each for each in heard if each is not None]


def sound(heard: list[MicChunk], which: str) -> np.ndarray:
    return np.frombuffer(b"".join(getattr(each, which) for each in heard), dtype=np.int16).astype(float)


def syllables(seconds: float, rate: int, seed: int, rms: float) -> np.ndarray:
    size = round(seconds * 100)
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 1, size // 10 + 1) ** 2, 10)[:size, None]
    smooth = rng.normal(0, rms, (size, rate // 100)).reshape(-1)
    smooth = np.convolve(smooth, np.ones(rate // 8000) / (rate // 8000) ** 0.5, "same")  # below 4 kHz, like speech
    return (smooth.reshape(size, -1) * loudness).astype(np.int16)


def silence(seconds: float, rate: int) -> np.ndarray:
    return np.zeros((round(seconds * 100), rate // 100), dtype=np.int16)


def echo_of(played: np.ndarray, rate: int, delay_s: float = 0.05) -> np.ndarray:
    flat, delay = played.reshape(-1), round(rate * delay_s)
    noise = np.random.default_rng(9).normal(0, 10, flat.shape)
    return (0.3 * np.concatenate((np.zeros(delay), flat[:-delay])) + noise).astype(np.int16).reshape(played.shape)


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("rate_out", [48000, 44100])
def test_every_second_block_brings_a_chunk_of_20_ms_at_any_rates(rate_in: int, rate_out: int) -> None:
    heard = run(FrontEnd(rate_in, rate_out), silence(0.2, rate_in), silence(0.2, rate_out))
    assert len(heard) == 10
    assert {len(each.for_model) for each in heard} == {len(each.for_endpointer) for each in heard} == {CHUNK_BYTES}


@pytest.mark.parametrize("sizes", [(480, 441), (441, 480), (960, 960)])
def test_a_block_of_another_size_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="480"):
        FrontEnd(48000, 48000).process(*(np.zeros(size, dtype=np.int16) for size in sizes))


def test_an_echo_reaches_neither_listener_and_is_soon_trusted_to_be_gone() -> None:
    played = syllables(10, 48000, 1, 6000)
    captured = echo_of(played, 48000)
    heard = run(FrontEnd(48000, 48000), captured, played)
    raw = decibels(captured[500:].reshape(-1))
    assert raw - decibels(sound(heard, "for_endpointer")[80000:]) > 25
    assert raw - decibels(sound(heard, "for_model")[80000:]) > 20
    assert heard[0].trust is Trust.LEARNING
    assert heard[-1].trusted
    assert heard[-1].erle_db > 20


def test_an_echo_that_is_out_of_reach_is_not_trusted() -> None:
    played = syllables(12, 16000, 1, 6000)
    heard = run(FrontEnd(16000, 16000), echo_of(played, 16000, delay_s=1.0), np.roll(played, 300, axis=0))
    assert not heard[-1].trusted
    assert heard[-1].erle_db < 12


def test_without_the_library_the_sound_passes_and_nothing_is_trusted() -> None:
    captured, played = syllables(5, 16000, 2, 3000), syllables(5, 16000, 3, 3000)
    heard = run(FrontEnd(16000, 16000, make=nothing), captured, played)
    assert (sound(heard, "for_model") == captured.reshape(-1)).all()
    assert (sound(heard, "for_endpointer") == captured.reshape(-1)).all()
    assert {each.trust for each in heard} == {Trust.ABSENT}


def test_the_model_hears_the_noise_and_the_endpointer_does_not() -> None:
    captured = np.random.default_rng(4).normal(0, 300, (800, 160)).astype(np.int16)
    heard = run(FrontEnd(16000, 16000), captured, silence(8, 16000))
    model, endpointer = (decibels(sound(heard, which)[64000:]) for which in ("for_model", "for_endpointer"))
    assert model == pytest.approx(decibels(captured.reshape(-1)), abs=0.5)
    assert endpointer < model - 12


def test_while_nothing_plays_the_model_hears_every_sample_as_it_was_captured() -> None:
    captured = syllables(1, 16000, 5, 3000)
    heard = sound(run(FrontEnd(16000, 16000), captured, silence(1, 16000)), "for_model")
    assert (heard[127:] == captured.reshape(-1)[:-127]).all()


@pytest.mark.parametrize("last", [160, 250])
def test_both_ways_past_the_canceller_take_equally_long(last: int) -> None:
    # A tone of 1 kHz all the time, something far away played in the middle: no step in the tone's phase, no click.
    t = np.arange(4 * 16000) / 16000
    captured = (6000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16).reshape(-1, 160)
    played = silence(4, 16000)
    played[150:last] = 40  # just audible
    heard = sound(run(FrontEnd(16000, 16000), captured, played), "for_model")[8000:]
    steepest = 6000 * 2 * np.pi / 16
    assert np.abs(np.diff(heard)).max() < 1.1 * steepest
    phase = np.angle(np.convolve(heard, np.exp(-2j * np.pi * np.arange(16) / 16)[::-1], "valid")[::16])
    turned = np.abs(np.angle(np.exp(1j * np.diff(phase))))
    assert turned.max() < 0.3, "one sample is 0.39"


def test_what_a_block_is_worth_is_told() -> None:
    end = FrontEnd(16000, 16000)
    square = np.where(np.arange(160) % 16 < 8, 32767, -32768).astype(np.int16)
    half = square // 2
    [loud] = run(end, np.array([square, half]), silence(0.02, 16000))
    assert loud.clipping == 0.5
    assert loud.level_dbfs == pytest.approx(0, abs=0.01)
    [soft] = run(end, np.array([half // 1000] * 2), silence(0.02, 16000))
    assert soft.clipping == 0
    assert soft.level_dbfs == pytest.approx(-66, abs=1)
    assert not soft.dead


def test_exact_zeros_for_two_seconds_are_no_microphone() -> None:
    end = FrontEnd(48000, 48000)
    heard = run(end, silence(DEAD_S + 0.1, 48000), syllables(DEAD_S + 0.1, 48000, 1, 3000))
    assert [each.dead for each in heard].index(True) == round(DEAD_S / 0.02) - 1
    assert heard[-1].level_dbfs < -95
    assert not run(end, silence(0.02, 48000) + np.int16(1), silence(0.02, 48000))[0].dead


def test_a_false_alarm_withdraws_the_trust_with_the_next_block() -> None:
    end = FrontEnd(16000, 16000)
    played = syllables(8, 16000, 1, 6000)
    captured = echo_of(played, 16000)
    assert run(end, captured[:600], played[:600])[-1].trusted
    end.false_alarm()
    assert run(end, captured[600:602], played[600:602])[0].trust is Trust.WITHDRAWN


def test_the_technician_is_not_measured_as_echo() -> None:
    played = syllables(14, 16000, 1, 6000)
    captured = echo_of(played, 16000)
    captured[700:1000] += syllables(3, 16000, 7, 6000)
    figures = []
    for told in (False, True):
        end = FrontEnd(16000, 16000)
        run(end, captured[:700], played[:700])
        end.technician_speaks = told
        figures.append(run(end, captured[700:1000], played[700:1000])[-1].erle_db)
    assert figures[0] < figures[1] - 8


def test_after_a_gap_trust_waits_for_a_second_of_echo_that_is_gone() -> None:
    end = FrontEnd(16000, 16000)
    played = syllables(9, 16000, 1, 6000)
    captured = echo_of(played, 16000)
    assert run(end, captured[:600], played[:600])[-1].trusted
    end.doubt()
    heard = run(end, captured[600:], played[600:])
    trusted = [each.trusted for each in heard]
    assert heard[0].trust is Trust.SHAKEN
    assert not any(trusted[: round(RECOVER_S / CHUNK_S)])
    assert all(trusted[round(2 * RECOVER_S / CHUNK_S) :])


def test_an_echo_that_a_gap_moved_out_of_reach_is_seen_through_at_last() -> None:
    end = FrontEnd(16000, 16000)
    played = syllables(18, 16000, 1, 6000)
    captured = np.concatenate((echo_of(played, 16000)[:600], echo_of(played, 16000, delay_s=1.0)[600:]))
    assert run(end, captured[:600], played[:600])[-1].trusted
    end.doubt()
    assert not run(end, captured[600:], played[600:])[-1].trusted


def test_what_is_far_below_the_microphone_is_what_is_left_of_an_echo() -> None:
    end = FrontEnd(16000, 16000)
    played = syllables(8, 16000, 1, 6000)
    captured = echo_of(played, 16000)
    run(end, captured[:600], played[:600])
    loud = [each for each in run(end, captured[600:], played[600:]) if each.level_dbfs > -45]
    assert all(each.echo is Echo.RESIDUE for each in loud)
    words = syllables(8, 16000, 7, 3000)
    heard = run(end, captured + words, played)
    spoken, echo = ([decibels(pair) for pair in each.reshape(len(heard), -1)] for each in (words, captured))
    over = [loud > soft for loud, soft in zip(spoken, echo, strict=True)]
    assert sum(over) > 100
    assert sum(each.echo is not Echo.RESIDUE for each, loud in zip(heard, over, strict=True) if loud) > 0.5 * sum(over)


def test_without_an_echo_nothing_is_left_of_one() -> None:
    noise = np.random.default_rng(4).normal(0, 300, (800, 160)).astype(np.int16)
    heard = run(FrontEnd(16000, 16000), noise, silence(8, 16000))
    assert heard[-1].level_dbfs - decibels(np.frombuffer(heard[-1].for_endpointer, np.int16)) > 12
    assert all(each.echo is Echo.NONE for each in heard)


def test_a_voice_in_a_pause_of_the_answer_is_clear_of_echo() -> None:
    end = FrontEnd(16000, 16000)
    played = syllables(9, 16000, 1, 6000)
    played[800:] = 0
    captured = echo_of(played, 16000)
    captured[812:840] += syllables(1, 16000, 7, 3000)[:28]
    heard = run(end, captured, played)[406:420]
    assert sum(each.echo is Echo.CLEAR for each in heard) > 5
    for each in heard:
        halves = np.frombuffer(each.for_endpointer, np.int16).reshape(2, -1)
        assert each.cleaned_dbfs == max(map(decibels, halves))


def test_a_voice_that_nobody_may_heed_delays_the_trust() -> None:
    played = syllables(9, 16000, 1, 6000)
    captured = echo_of(played, 16000)
    trusted_s = []
    for overheard in (False, True):
        end = FrontEnd(16000, 16000)
        heard = run(end, captured[:250], played[:250])
        if overheard:
            end.overheard()
        heard += run(end, captured[250:], played[250:])
        trusted_s.append(CHUNK_S * sum(not each.trusted for each in heard))
    assert trusted_s[0] + 0.5 < trusted_s[1] <= 2.5 + RECOVER_S + 0.5


def test_the_canceller_of_the_model_rests_while_nothing_plays() -> None:
    class Counter(PassThrough):
        present = True
        calls = 0

        def process(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
            self.calls += 1
            return super().process(near, far)

    counter = Counter()
    path = ModelPath(counter)
    block = np.ones(BLOCK, dtype=np.int16)
    for echo in (False, False, True, True, True, False, False):
        path.process(block, block, echo=echo)
    assert counter.calls == 4  # the first to get going, the last to fade out


def test_loudness() -> None:
    assert peak(np.array([-32768, 5], dtype=np.int16)) == 32768
    assert peak(np.array([-3, 5], dtype=np.int16)) == 5
    assert decibels(np.zeros(160, dtype=np.int16)) == pytest.approx(-101.1, abs=0.1)
