"""Medians, the limit of a blend, and how those that choose stand to what they choose from."""

import pytest

from app.bench.cells import Cell, bytes_of, gbit_of, limit_ms
from app.bench.ways import CAKE, FULL, REUSE, auto, blend

BLEND, AUTO = blend(0.15, "attention"), auto(0.15, "attention")


def test_the_limit_is_reading_or_computing_whichever_is_longer_and_the_question():
    assert limit_ms(10_000_000, 10e6, 0.1, full_ms=5000, question_ms=20) == 1020
    assert limit_ms(10_000_000, 100e6, 0.1, full_ms=5000, question_ms=20) == 520


def test_only_blends_have_a_limit_and_it_needs_full_and_reuse(make_cell):
    cell = make_cell({FULL: [20_000.0], REUSE: [40.0], BLEND: [6040.0], AUTO: [5000.0]})
    limits = {row.way.name: row.limit_ms for row in cell.rows()}
    assert limits == {"full": None, "reuse": None, "blend 15%": 3020.0, "auto": None}
    assert cell.row("blend 15%").of_limit == pytest.approx(2.0)
    assert make_cell({REUSE: [40.0], BLEND: [6040.0]}).row("blend 15%").of_limit is None


def test_overhead_is_the_share_of_loading_and_scoring(make_cell):
    row = make_cell({FULL: [1000.0], REUSE: [40.0], BLEND: [500.0]}).row("blend 15%")
    assert row.overhead == pytest.approx(0.3)


def test_a_throttled_cell_reads_at_the_rate_unless_the_disk_is_slower(make_cell):
    assert make_cell({}, rate_gbit=0.008).bytes_per_s == 1e6
    assert make_cell({}, rate_gbit=8.0).bytes_per_s == 10e6
    assert make_cell({}).bytes_per_s == 10e6
    assert bytes_of(8) == 1e9
    assert gbit_of(1e9) == 8


def test_rows_are_medians_and_ways_without_samples_have_none(make_cell):
    cell = make_cell({FULL: [900.0, 1000.0, 5000.0], REUSE: [100.0, 110.0, 90.0], CAKE: []})
    assert [(row.way.name, row.first_token_ms, row.num_samples) for row in cell.rows()] == [
        ("full", 1000.0, 3),
        ("reuse", 100.0, 3),
    ]
    assert cell.row("reuse").sooner == 10


def test_who_chooses_is_compared_with_the_better_of_what_it_chooses_from(make_cell):
    cell = make_cell({FULL: [1000.0], REUSE: [500.0], CAKE: [550.0], BLEND: [1200.0], AUTO: [1050.0]})
    assert cell.auto_over_best == pytest.approx(1.05)
    assert cell.cake_over_best == pytest.approx(1.1)


def test_auto_is_compared_with_the_blend_of_its_own_ratio(make_cell):
    cell = make_cell({FULL: [1000.0], blend(0.05, "attention"): [100.0], BLEND: [400.0], AUTO: [400.0]})
    assert cell.auto_over_best == 1


def test_nothing_is_compared_with_what_was_not_measured(make_cell):
    cell: Cell = make_cell({FULL: [1000.0], CAKE: [550.0], AUTO: [1050.0]})
    assert (cell.auto_over_best, cell.cake_over_best) == (None, None)
