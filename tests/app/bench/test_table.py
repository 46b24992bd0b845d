"""What is printed: lines of at most 100 columns, with what is missing left out and what is too slow marked."""

import pytest

from app.bench.decoding import Decoding
from app.bench.memory import PeakMemory
from app.bench.result import Result
from app.bench.searching import SearchTimes
from app.bench.table import NUM_COLUMNS, lines_of
from app.bench.ways import CAKE, FULL, REUSE, auto, blend

TIMES = {
    FULL: [1_234_567.0],
    REUSE: [12_345.0],
    CAKE: [14_000.0],
    blend(0.125, "first"): [123_456.0],
    auto(0.125, "first"): [654_321.0],
}


@pytest.fixture
def result() -> Result:
    return Result("a-model.gguf", 2, "first", 0.125, 5, is_cold=True)


def printed(result: Result) -> list[str]:
    return [line.text for line in lines_of(result)]


def test_lines_fit_100_columns_even_where_answers_take_hours(result: Result, make_cell):
    result.cells = [make_cell(TIMES, num_tokens=131_072)]
    result.peaks = [PeakMemory(10**9, 3 * 10**9, is_exact=False)]
    result.search = SearchTimes(10_000, (1.0, 2.0, 30.0), by_meaning=True)
    result.decoding = Decoding(1500, (10.0, 12.0), (11.0, 12.5))
    assert max(map(len, printed(result))) <= NUM_COLUMNS
    result.cells = [make_cell(TIMES, num_tokens=131_072, rate_gbit=rate) for rate in (0.01, 100.0)]
    assert max(map(len, printed(result))) <= NUM_COLUMNS


def test_each_way_is_a_row_with_its_meaning_below(result: Result, make_cell):
    result.cells = [make_cell(TIMES)]
    lines = printed(result)
    for name in ("full", "reuse", "cake", "blend 12.5%", "auto"):
        assert sum(line.startswith(f"{name} ") for line in lines if "/ best" not in line) == 2, name


def test_more_than_a_twentieth_over_the_best_is_marked(result: Result, make_cell):
    result.cells = [make_cell(TIMES)]
    over = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in printed(result) if "/ best   " in line}
    assert over == {"auto / best": "5.30 !", "cake / best": "1.13 !"}
    result.cells = [make_cell(TIMES | {CAKE: [12_345.0]})]
    assert "cake / best        1.00" in printed(result)


def test_a_sweep_has_one_row_per_rate_and_one_table_per_context(result: Result, make_cell):
    result.cells = [make_cell(TIMES, num_tokens=n, rate_gbit=rate) for rate in (7.0, 25.0) for n in (1000, 2000)]
    lines = printed(result)
    assert [line.split()[0] for line in lines if line.endswith("!")] == ["7", "25", "7", "25"]
    assert [line.split()[0] for line in lines if "context tokens in" in line] == ["1,000", "2,000"]


def test_what_was_stopped_early_says_so_and_shows_what_there_is(result: Result, make_cell):
    result.was_stopped = True
    result.cells = [make_cell({FULL: [1000.0, 1100.0]}), make_cell({})]
    lines = printed(result)
    assert "stopped after 2 of 5" in lines[0]
    assert sum("context tokens in" in line for line in lines) == 1
    result.cells = [make_cell({})]
    assert len(printed(result)) == 2


def test_other_figures_are_a_line_each(result: Result):
    result.peaks = [PeakMemory(10**9, 2 * 10**9, is_exact=True), PeakMemory(10**9, 4 * 10**9, is_exact=True)]
    result.search = SearchTimes(10_000, (1.0, 2.0, 30.0), by_meaning=False)
    result.decoding = Decoding(1500, (10.0, 11.0), (20.0, 22.0))
    text = "\n".join(printed(result))
    assert "memory: at most 3 GB more than the 1 GB before" in text
    assert "retrieval and plan: 2.0 ms, at most 30.0 ms; 3 questions over 10,000 chunks, by words" in text
    assert "10.5 tokens/s, plain llama.cpp 21.0: 0.500 of it" in text


def test_json_has_every_round(result: Result, make_cell):
    result.cells = [make_cell({FULL: [1000.0, 1100.0], REUSE: [100.0]})]
    result.decoding = Decoding(1500, (10.0, 11.0), (20.0, 22.0))
    done = result.as_object()
    full, reuse = done["cells"][0]["ways"]
    assert [each["first_token_ms"] for each in full["rounds"]] == [1000.0, 1100.0]
    assert (full["first_token_ms"], reuse["speedup"], reuse["over_limit"]) == (1050.0, 10.5, None)
    assert reuse["rounds"][0].keys() == {
        *("first_token_ms", "load_ms", "score_ms", "recompute_ms"),
        *("loaded_bytes", "computed", "recomputed"),
    }
    assert done["decoding"]["rounds"] == [{"ours": 10.0, "plain": 20.0}, {"ours": 11.0, "plain": 22.0}]
    assert done["retrieval"] is None
