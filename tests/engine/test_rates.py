"""How fast prompts are computed and states are loaded: what counts, and how much."""

import pytest

from engine.rates import PrefillSpeed, Speeds, Throughput
from storage.values import Rates


def test_nothing_is_said_before_enough_was_seen() -> None:
    speed = PrefillSpeed()
    speed.note(100, 1000)
    assert speed.tokens_per_s is None
    assert speed.ms_for(50) is None
    speed.note(100, 1000)
    assert speed.tokens_per_s == pytest.approx(100)
    assert speed.ms_for(50) == pytest.approx(500)


def test_small_batches_do_not_count() -> None:
    speed = PrefillSpeed()
    speed.note(512, 512)
    for _ in range(100):
        speed.note(31, 31_000)
    assert speed.tokens_per_s == pytest.approx(1000)


def test_a_full_batch_outweighs_many_small_ones_that_took_as_many_tokens() -> None:
    speed = PrefillSpeed()
    speed.note(512, 512)
    for _ in range(8):
        speed.note(64, 640)
    assert speed.tokens_per_s is not None
    assert speed.tokens_per_s > 450


def test_what_an_earlier_session_measured_gives_way_to_what_this_one_sees() -> None:
    speed = PrefillSpeed(Rates(20.0, 0.0, 1e9, 1e9))
    assert speed.tokens_per_s == pytest.approx(50)
    speed.note(512, 5.12)
    assert speed.tokens_per_s is not None
    assert speed.tokens_per_s > 500


def test_the_past_fades() -> None:
    speed = PrefillSpeed()
    for _ in range(200):
        speed.note(512, 512)
    for _ in range(50):
        speed.note(512, 5120)
    assert speed.tokens_per_s == pytest.approx(100, rel=0.5)


def test_what_a_cell_adds_is_seen_in_contexts_of_several_lengths() -> None:
    speed = PrefillSpeed()
    for first in range(0, 4096, 512):
        num_before = first + 256
        speed.note(512, 512 * (4.0 + 0.002 * num_before), num_before)
    assert speed.line == pytest.approx((4.0, 0.002))
    assert speed.ms_for(2000) == pytest.approx(2000 * (4.0 + 0.002 * 1000))


def test_contexts_of_one_length_do_not_tell_what_a_cell_adds() -> None:
    speed = PrefillSpeed()
    for _ in range(4):
        speed.note(512, 512 * 6, 256)
    assert speed.line == pytest.approx((6.0, 0.0))


def test_noise_never_makes_a_cell_or_a_token_faster_than_nothing() -> None:
    falling, rising = PrefillSpeed(), PrefillSpeed()
    for num_before in (0, 1000, 2000):
        falling.note(512, 512 * (9 - num_before / 500), num_before)
        rising.note(512, 512 * (0.001 + num_before / 100), num_before)
    for speed in (falling, rising):
        assert speed.line is not None
        assert min(speed.line) >= 0


def test_a_line_from_an_earlier_session_is_a_line_again() -> None:
    rates = Rates(4.0, 0.002, 2e9, 3e9)
    assert PrefillSpeed(rates).line == pytest.approx((4.0, 0.002))
    again = Speeds(rates).rates
    assert (again.read_bytes_per_s, again.merge_bytes_per_s) == pytest.approx((2e9, 3e9))


def test_throughput_is_bytes_over_time_and_the_past_fades() -> None:
    speed = Throughput()
    assert speed.bytes_per_s is None
    speed.note(10, 1.0)
    assert speed.bytes_per_s is None
    speed.note(100_000_000, 100.0)
    assert speed.bytes_per_s == pytest.approx(1e9)
    for _ in range(100):
        speed.note(100_000_000, 200.0)
    assert speed.bytes_per_s == pytest.approx(5e8, rel=0.01)


def test_unknown_rates_load_what_is_there() -> None:
    rates = Speeds().rates
    assert rates.read_ms(10_000_000) < 512 * rates.prefill_ms_of_token(0)
