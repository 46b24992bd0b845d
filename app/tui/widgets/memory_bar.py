"""The memory bar of one answer: where its documents' tokens came from, and what that was worth.

    █████▓▓▓▓▓▓▓▓▒▒▒░  kept 812 · loaded 1,120 · recomputed 206 · computed 40
    first token 1.9 s · cold about 14 s (7.4× sooner) · 42 tokens/s

Every origin has a glyph of its own, so that the bar says the same without colours.
"""

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from app.conversations.account import Account
from app.gate.words import account_words
from app.wording import counted, duration

_SHORTEST_BAR, _LONGEST_BAR = 10, 30
_GAP = 2


class Origin(NamedTuple):
    """Where tokens come from: the word, its glyph, its colour."""

    word: str
    glyph: str
    colour: str


KEPT = Origin("kept", "█", "$success")
LOADED = Origin("loaded", "▓", "$secondary")
RECOMPUTED = Origin("recomputed", "▒", "$warning")
COMPUTED = Origin("computed", "░", "$error")


class MemoryBar(Widget):
    """See the module."""

    DEFAULT_CSS = """
    MemoryBar { width: 1fr; height: auto; color: $foreground-muted; }
    """

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account

    def render(self) -> RenderResult:
        # Not `content_size`: asked for while a layout is being made, it makes another one of the whole screen.
        return memory_lines(self._account, self.size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's
        return memory_lines(self._account, width).plain.count("\n") + 1


def memory_lines(account: Account, width: int) -> Content:
    """The bar with its numbers, then the times; on more lines where `width` cells are too few for two."""
    counts = [
        (KEPT, account.num_kept),
        (LOADED, account.num_loaded),
        (RECOMPUTED, account.num_recomputed),
        (COMPUTED, account.num_computed),
    ]
    lines = _wrapped(_time_words(account), width)
    if account.num_context_tokens:
        numbers = _numbers(counts)
        room = width - numbers.cell_length - _GAP
        if room >= _SHORTEST_BAR:
            bar = _bar(counts, min(room, _LONGEST_BAR))
            lines.insert(0, Content.assemble(bar, " " * _GAP, numbers))
        else:
            lines[:0] = [_bar(counts, max(1, min(width, _LONGEST_BAR))), *_wrapped(_number_words(counts), width)]
    return Content("\n").join(lines)


def cells_of(amounts: Sequence[int], num_cells: int) -> list[int]:
    """How many of the cells each amount gets; what is there at all gets one, and all cells are used."""
    total = sum(amounts)
    if not total:
        return [0] * len(amounts)
    cells = [max(1, round(amount / total * num_cells)) if amount else 0 for amount in amounts]
    while sum(cells) < num_cells or (sum(cells) > num_cells and max(cells) > 1):
        step = 1 if sum(cells) < num_cells else -1
        cells[cells.index(max(cells))] += step
    return cells


def _bar(counts: Sequence[tuple[Origin, int]], num_cells: int) -> Content:
    cells = cells_of([count for _, count in counts], num_cells)
    return Content.assemble(
        *((origin.glyph * number, origin.colour) for (origin, _), number in zip(counts, cells, strict=True) if number)
    )


def _number_words(counts: Sequence[tuple[Origin, int]]) -> list[Content]:
    return [
        Content.assemble((f"{origin.glyph} ", origin.colour), f"{origin.word} {count:,}")
        for origin, count in counts
        if count
    ]


def _numbers(counts: Sequence[tuple[Origin, int]]) -> Content:
    return Content(" · ").join(_number_words(counts))


def _time_words(account: Account) -> list[Content]:
    timing = account.timing
    words = [f"first token {duration(timing.ttft_ms)}"]
    if timing.cold_ttft_ms and account.times_sooner:
        sooner = f" ({account.times_sooner:.1f}× sooner)" if account.times_sooner >= 1.05 else ""
        words.append(f"cold about {duration(timing.cold_ttft_ms)}{sooner}")
    if timing.tokens_per_s:
        words.append(f"{timing.tokens_per_s:.0f} tokens/s")
    if account.num_history_tokens:
        words.append(f"{counted(account.num_history_tokens, 'token')} of earlier turns read again")
    if account.gate:
        words.append(account_words(account.gate, account.mode))
    elif account.mode == "exact":
        words.append("exact")
    return [Content(word) for word in words]


def _wrapped(words: Sequence[Content], width: int) -> list[Content]:
    """Words joined by dots, on as few lines of `width` cells as it takes."""
    lines: list[Content] = []
    for word in words:
        longer = Content(" · ").join([lines[-1], word]) if lines else word
        if lines and longer.cell_length <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
