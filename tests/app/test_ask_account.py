from pathlib import Path

import pytest
from rich.cells import cell_len

from app.commands.ask_account import source_lines, timing_lines
from engine.requests import AnswerDone, ChunkUse, Mode, StageTimes
from storage.values import ChunkText, Hit, StoredChunk

HEADINGS = [None, "Goats", "茶の" * 30]


def hit(number: int, heading: str | None) -> Hit:
    chunk = ChunkText(0, 1, 3 if heading == "Goats" else None, heading, "text", 1)
    return Hit(StoredChunk(number, Path(f"/documents/{number}.txt"), "a", 0, chunk), 1.0)


HITS = {number: hit(number, heading) for number, heading in enumerate(HEADINGS)}
USES = [ChunkUse(number, 30, num_loaded=20, num_recomputed=10, attention=0.05 + number / 10) for number in HITS]


@pytest.mark.parametrize("width", [None, 200, 80, 60])
def test_all_lines_are_equally_wide_and_fit(width: int | None):
    heading, *lines = source_lines(USES, HITS, width)
    assert {cell_len(line) for line in lines} == {cell_len(heading)}
    assert width is None or cell_len(heading) <= width


def test_a_line_names_share_path_place_and_tokens():
    _, line, page, _ = source_lines(USES, HITS, None)
    assert line.split() == ["5%", "/documents/0.txt", "20", "10", "–"]
    assert page.split()[:4] == ["15%", "/documents/1.txt,", "page", "3"]


def test_a_name_that_is_too_long_ends_with_an_ellipsis():
    *_, line = source_lines(USES, HITS, 80)
    assert "…" in line
    *_, line = source_lines(USES, HITS, None)
    assert "茶の" * 30 in line


def test_without_measured_attention_there_is_no_share():
    uses = [ChunkUse(0, 30, num_computed=30)]
    heading, line = source_lines(uses, HITS, None)
    assert line.split() == ["/documents/0.txt", "–", "–", "30"]
    assert len(heading) == len(line)


def test_the_times_fit_a_terminal_of_80_columns():
    slow = StageTimes(12_345.6, 12_345.6, 123_456.7, 123_456.7, 999_999.9, 12.34)
    done = AnswerDone("text", Mode.BLEND, tuple(USES), slow, num_answer_tokens=1)
    context, first_token, answer = timing_lines(done, 12.3)
    assert context.split("  ")[-1].strip() == "90 tokens in 3 chunks (blend)"
    assert "retrieve 12 ms, load 12.3 s, score 12.3 s, recompute 123 s" in first_token
    assert "1 token, 12.3 tokens/s" in answer
    assert max(map(len, (context, first_token, answer))) <= 80
