"""The memory bar: every origin seen, every number told, in any width."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tui.widgets.memory_bar import cells_of, memory_lines
from tests.app.tui.chat.chat_pilot import ACCOUNT


def lines(width: int = 100, **changes: object) -> list[str]:
    return memory_lines(replace(ACCOUNT, **changes), width).plain.split("\n")


def test_every_origin_has_its_glyph_and_its_number() -> None:
    bar, times = lines()
    assert bar.split("  ")[0] == "█" * 8 + "▓" * 14 + "▒" * 8
    assert "█ kept 20 · ▓ loaded 40 · ▒ recomputed 20" in bar
    assert times == "first token 1.9 s · cold about 14.0 s (7.4× sooner) · 24 tokens/s"


def test_what_is_not_known_or_not_so_is_not_said() -> None:
    timing = replace(ACCOUNT.timing, cold_ttft_ms=None)
    assert lines(timing=timing)[1] == "first token 1.9 s · 24 tokens/s"
    assert "sooner" not in lines(timing=replace(timing, cold_ttft_ms=1900.0))[1]


def test_an_exact_answer_and_what_was_read_again_are_told() -> None:
    assert lines(mode="exact")[1].endswith("· exact")
    assert lines(num_history_tokens=1234)[2] == "1,234 tokens of earlier turns read again"


def test_without_documents_there_is_no_bar() -> None:
    assert lines(sources=()) == ["first token 1.9 s · cold about 14.0 s (7.4× sooner) · 24 tokens/s"]


@pytest.mark.parametrize("width", [20, 40, 60, 76])
def test_no_line_is_wider_than_there_is_room(width: int) -> None:
    assert max(map(len, lines(width, num_history_tokens=1234))) <= max(width, 40)
    assert "recomputed 20" in " ".join(lines(width))


@given(st.lists(st.integers(0, 10**6), min_size=4, max_size=4), st.integers(4, 40))
def test_all_cells_are_used_and_whatever_is_there_is_seen(amounts: list[int], num_cells: int) -> None:
    cells = cells_of(amounts, num_cells)
    assert sum(cells) == (num_cells if any(amounts) else 0)
    assert all((cell > 0) == (amount > 0) for cell, amount in zip(cells, amounts, strict=True))
