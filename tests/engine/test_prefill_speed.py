"""How fast prompts are computed: what counts, and how much."""

import pytest

from engine.prefill_speed import PrefillSpeed


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
    speed = PrefillSpeed(tokens_per_s=50)
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
