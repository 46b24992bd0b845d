"""Which chunks to load and which to compute, on numbers alone."""

import pytest

from engine.load_plan import ChunkToPlace, Work, compute_ms, expected_ms, plan
from storage.values import Rates

NO_WORK = Work(ratio=0.0)


def rates(read_ms_per_chunk: float, compute_ms_per_chunk: float = 100.0, per_cell: float = 0.0) -> Rates:
    """Chunks of 100 tokens and 1,000 bytes; merging takes next to nothing."""
    return Rates(compute_ms_per_chunk / 100, per_cell, 1000 / read_ms_per_chunk * 1e3, 1e12)


def chunks(number: int, *, missing: tuple[int, ...] = ()) -> list[ChunkToPlace]:
    return [ChunkToPlace(100 * i, 100, None if i in missing else 1000) for i in range(number)]


def test_fast_reading_computes_nothing():
    made = plan(chunks(8), rates(read_ms_per_chunk=1), NO_WORK)
    assert made.num_computed == 0
    assert not made.reads_backwards
    assert made.expected_ms == pytest.approx(8)


def test_hopeless_reading_computes_everything():
    made = plan(chunks(8), rates(read_ms_per_chunk=1e6), NO_WORK)
    assert made.num_computed == 8
    assert made.expected_ms == pytest.approx(800)


@pytest.mark.parametrize(("read_ms", "expected"), [(100, 4), (300, 6), (34, 2), (700, 7)])
def test_reading_and_computing_meet_where_both_end(read_ms: float, expected: int):
    made = plan(chunks(8), rates(read_ms), NO_WORK)
    assert made.num_computed == expected
    assert made.expected_ms == pytest.approx(max(100 * expected, read_ms * (8 - expected)))


def test_states_in_memory_are_not_computed_again():
    held = [ChunkToPlace(100 * i, 100, 0) for i in range(8)]
    assert plan(held, rates(read_ms_per_chunk=1e6), NO_WORK).num_computed == 0


def test_a_long_context_moves_the_meeting_point_forward():
    """Later tokens attend to more, so the same time computes fewer chunks."""
    flat = plan(chunks(16), rates(100), NO_WORK)
    steep = plan(chunks(16), rates(100, per_cell=0.005), NO_WORK)
    assert steep.num_computed < flat.num_computed


def test_missing_states_are_computed_wherever_they_are():
    some = chunks(4, missing=(1, 2))
    assert expected_ms(some, 0, rates(1), NO_WORK) == pytest.approx(1 + 200 + 0, abs=2)
    assert plan(chunks(3, missing=(0, 1, 2)), rates(1), NO_WORK).num_computed == 0


def test_behind_computed_chunks_the_last_state_is_read_first():
    """So the one in front comes last, and what stands behind it has to wait."""
    some = chunks(4, missing=(2,))
    assert expected_ms(some, 1, rates(100), NO_WORK) == pytest.approx(300)


def test_what_is_stale_is_recomputed_and_what_was_computed_is_not():
    at = rates(1e-6)
    work = Work(ratio=0.15, scoring_ratio=0.02, num_scoring_tokens=10)
    assert expected_ms(chunks(4), 0, at, work) == pytest.approx(0.17 * 400 + 10)
    assert expected_ms(chunks(4), 2, at, work) == pytest.approx(200 + 0.17 * 200 + 10)
    assert expected_ms(chunks(4), 4, at, work) == pytest.approx(400)


def test_a_chunk_that_is_exact_as_loaded_needs_no_repair():
    first, *others = chunks(2)
    exact = ChunkToPlace(first.first_position, first.num_tokens, first.num_bytes, is_exact=True)
    assert expected_ms([exact, *others], 0, rates(1e-6), Work(0.5)) == pytest.approx(50)
    assert expected_ms([exact], 0, rates(1e-6), Work(0.5, num_scoring_tokens=10)) == pytest.approx(0, abs=1e-3)


def test_a_blend_that_costs_more_than_computing_is_not_done():
    """A short context: scoring alone takes longer than computing it."""
    made = plan(chunks(1), rates(1), Work(0.15, num_scoring_tokens=500))
    assert made.num_computed == 1


@pytest.mark.parametrize("read_ms", [0.01, 1, 10, 30, 50, 70, 100, 150, 200, 400, 1000, 1e5])
@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.15, 0.5, 1.0])
def test_never_later_than_either_way_alone(read_ms: float, ratio: float):
    work, at = Work(ratio, ratio / 10, 5.0 if ratio else 0.0), rates(read_ms, per_cell=0.001)
    made = plan(chunks(12), at, work)
    everything_loaded = expected_ms(chunks(12), 0, at, work)
    everything_computed = sum(compute_ms(chunk, at) for chunk in chunks(12))
    assert made.expected_ms <= 1.035 * min(everything_loaded, everything_computed)


def test_what_would_be_hardly_sooner_is_not_computed():
    """One slow state of two, and nothing to gain but three per cent."""
    barely = plan(chunks(2), rates(read_ms_per_chunk=50.5), NO_WORK)
    assert expected_ms(chunks(2), 1, rates(50.5), NO_WORK) < expected_ms(chunks(2), 0, rates(50.5), NO_WORK)
    assert barely.num_computed == 0


def test_no_chunks_need_no_time():
    assert plan([], rates(1), NO_WORK).expected_ms == 0


def test_computing_beside_reading_has_to_promise_more_before_it_has_begun():
    """Seven per cent sooner: within what rates are off by, unless they have shown themselves."""
    at = rates(read_ms_per_chunk=18)
    assert expected_ms(chunks(6), 1, at, NO_WORK) == pytest.approx(0.93 * expected_ms(chunks(6), 0, at, NO_WORK), 0.01)
    assert plan(chunks(6), at, NO_WORK).num_computed == 0
    assert plan(chunks(6), at, NO_WORK, has_begun=True).num_computed == 1
