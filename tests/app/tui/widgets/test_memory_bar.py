"""Where an answer's tokens came from, as a bar and in numbers."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.conversations.account import Account, Source, Timing
from app.gate.account import GateAccount, Standing
from app.tui.widgets.memory_bar import cells_of, memory_lines

SOURCE = Source(
    chunk_id=1,
    path=Path("/a.md"),
    page=None,
    heading=None,
    start=0,
    end=1,
    quote=None,
    score=1.0,
    attention=None,
    num_tokens=2178,
    num_kept=812,
    num_loaded=1120,
    num_recomputed=206,
    num_computed=40,
)
TIMING = Timing(ttft_ms=1900, cold_ttft_ms=14000, tokens_per_s=42.4)
BLENDED = Account("blend", "model", (SOURCE,), TIMING)


def lines(account: Account, width: int = 100) -> list[str]:
    return memory_lines(account, width).plain.split("\n")


def test_the_bar_and_its_numbers_fit_on_a_line_of_a_wide_window() -> None:
    bar, times = lines(BLENDED)
    assert bar.endswith("  █ kept 812 · ▓ loaded 1,120 · ▒ recomputed 206 · ░ computed 40")
    assert bar.startswith("███")
    assert times == "first token 1.9 s · cold about 14.0 s (7.4× sooner) · 42 tokens/s"


def test_a_narrow_window_gets_the_same_on_more_lines() -> None:
    for width in range(34, 100):
        narrow = lines(BLENDED, width)
        assert all(len(line) <= width for line in narrow)
        assert "computed 40" in " ".join(narrow)


def test_origins_that_there_were_none_of_are_left_out() -> None:
    exact = Account("exact", "model", (replace(SOURCE, num_kept=0, num_loaded=0, num_recomputed=0, num_computed=2178),))
    bar, times = lines(exact)
    assert bar == f"{'░' * 30}  ░ computed 2,178"
    assert times == "first token 0 ms · exact"


def test_what_the_gate_says_of_it_stands_behind_the_times() -> None:
    gate = GateAccount(Standing.BLEND, 0.15, 0.08, 0.93)
    assert lines(replace(BLENDED, gate=gate), 120)[-1].endswith("42 tokens/s · blended at 15 % (KL .08, agreement .93)")
    held_back = GateAccount(Standing.EXACT, 0.5, 0.31, 0.7)
    words = lines(Account("exact", "model", gate=held_back))[-1]
    assert words == "first token 0 ms · exact only (KL .31, agreement .70 at 50 %)"


def test_an_unknown_cold_time_is_left_out_and_one_that_is_no_longer_boasts_of_nothing() -> None:
    assert "cold" not in lines(replace(BLENDED, timing=Timing(ttft_ms=1900)))[-1]
    same = lines(replace(BLENDED, timing=Timing(ttft_ms=1900, cold_ttft_ms=1900)))[-1]
    assert same == "first token 1.9 s · cold about 1.9 s"


def test_earlier_turns_that_had_to_be_read_again_are_told() -> None:
    assert "1 token of earlier turns read again" in lines(replace(BLENDED, num_history_tokens=1))[-1]
    assert "earlier turns" not in lines(BLENDED)[-1]


def test_an_answer_without_passages_has_no_bar() -> None:
    assert lines(replace(BLENDED, sources=())) == ["first token 1.9 s · cold about 14.0 s (7.4× sooner) · 42 tokens/s"]


@given(st.lists(st.integers(0, 5000), min_size=4, max_size=4), st.integers(4, 30))
def test_all_cells_are_used_and_whatever_is_there_shows(amounts: list[int], num_cells: int) -> None:
    cells = cells_of(amounts, num_cells)
    assert sum(cells) == (num_cells if any(amounts) else 0)
    assert [bool(number) for number in cells] == [bool(amount) for amount in amounts]
